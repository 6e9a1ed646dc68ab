"""The notebooks: their committed state, and that nbval finds them to run end to end and their claims to hold."""

import re
import sys
from itertools import chain
from pathlib import Path

import nbformat
import pytest
from helpers.nbval import run_nbval
from nbconvert.preprocessors import ExecutePreprocessor
from tools import tidy_notebooks
from tools.tidy_notebooks import ANSWER, DOCS, FOLDED, KEEP, NOTEBOOKS, READMES, ROOT


def test_there_are_five() -> None:
    names = [path.stem for path in NOTEBOOKS]
    assert names == ["01_data", "02_model", "03_train", "04_evaluate_lambda", "05_one_net_every_lambda"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_committed_notebook_is_tidy(path: Path) -> None:
    """Same set-up cell, badge and metadata, no output but what nbval compares; `make format` mends it."""
    assert path.read_text() == tidy_notebooks.tidy(nbformat.read(path, as_version=4), path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_light_to_read(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    lengths = sorted(source.count("\n") + 1 for source in code)
    assert lengths[-1] <= 25 and lengths[len(lengths) // 2] <= 5
    assert not any(re.search(r"^class ", source, re.M) for source in code)
    assert [source.count("@param") for source in code[:1]] == [2], "the set-up cell's REF and DRIVE"
    assert sum(source.count("@param") for source in code[1:]) <= 5
    assert path.stat().st_size < 50_000
    assert not any(re.search(r"assert.*(st_size|getsize)", source) for source in code), "a page's size is a hint"
    imports = [line for line in code[1].splitlines() if re.match(r"import |from ", line)]
    assert 0 < len(imports) <= 6 and not any(re.search(r"^(import|from) ", source, re.M) for source in code[2:])
    kept = [cell for cell in cells if cell.cell_type == "code" and cell.source.startswith(KEEP)]
    assert kept and all(cell.outputs and cell.execution_count for cell in kept), "`make outputs` mends it"
    assert any("assert" in source for source in code)


LEVEL = r"\*Level: (beginner|intermediate|advanced)\."
MINUTES = r"Minutes: \d+ on two CPU cores( \(measured\))?, \d+ on a T4 \((an estimate|estimates)\)\.\*"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_says_its_level_and_its_minutes(path: Path) -> None:
    title = nbformat.read(path, as_version=4).cells[0].source
    assert re.search(rf"^# \d · .*\n\n{LEVEL} {MINUTES}$", title, re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_lets_bet_before_a_result(path: Path) -> None:
    """A question with choices, then a result, and then which of them it was."""
    cells = nbformat.read(path, as_version=4).cells
    text = "".join(cell.source if cell.cell_type == "markdown" else "<result>" for cell in cells)
    bets = text.split("**Bet:**")[1:]
    assert bets
    for bet in bets:
        question, result, answer = bet.partition("<result>")
        assert re.search(r"\(a\).*\(b\)", question, re.DOTALL | re.IGNORECASE) and "?" in question
        assert result and re.search(r"\*\*Answer:", answer) and "**Answer" not in question


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_ends_in_three_exercises(path: Path) -> None:
    """Each a question, a cell with a hint to try it in, and its answer: folded, and checked by an assert."""
    *_, before = cells = nbformat.read(path, as_version=4).cells[:-1]
    assert before.source.startswith(ANSWER), "only the way to the next notebook follows"
    exercises = [cells[i - 2 : i + 1] for i, cell in enumerate(cells) if cell.source.startswith(ANSWER)]
    assert [*chain(*exercises)] == cells[-9:] and cells[-9].source.startswith("## Exercises\n")
    for number, (question, attempt, answer) in enumerate(exercises, start=1):
        assert question.cell_type == "markdown" and f"\n**{number} · " in f"\n{question.source}"
        assert "?" in question.source and attempt.cell_type == answer.cell_type == "code"
        assert attempt.source.startswith("# Hint: ") and all(line[0] == "#" for line in attempt.source.splitlines())
        assert answer.source.startswith(f"{ANSWER}{number}\n") and answer.metadata == FOLDED
        assert re.search(r"^assert ", answer.source, re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_what_a_browser_leaves_in_a_notebook_is_tidied(path: Path) -> None:
    """Widget state, which breaks GitHub's page, outputs, another kernel, changed set-up, a fork's badge, answers."""
    committed, notebook = path.read_text(), nbformat.read(path, as_version=4)
    notebook.metadata |= {"widgets": {"state": {}}, "kernelspec": {"name": "mine", "display_name": "mine"}}
    notebook.cells[0].source = notebook.cells[0].source.replace("/pix2pix-colab/", "/fork/", 1)
    notebook.cells[1].source += "\nprint(1)"
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="1")]
    notebook.cells[2].metadata["colab"] = {"height": 100}
    notebook.cells[-2].metadata = {}  # an answer, unfolded
    assert tidy_notebooks.tidy(notebook, path) == committed


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_a_readme_has_the_repositorys_address_everywhere(path: Path) -> None:
    """One line of pyproject.toml says it; `make format` mends it."""
    text = path.read_text()
    assert text == tidy_notebooks.readdress(text) and tidy_notebooks.ON_COLAB in text
    forked = text.replace(tidy_notebooks.ON_COLAB, "https://colab.research.google.com/github/some/fork")
    assert forked != text == tidy_notebooks.readdress(forked)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_page_of_the_docs_has_no_other_address(path: Path) -> None:
    text = path.read_text()
    assert text == tidy_notebooks.readdress(text)
    forked = text.replace(
        f"git clone --quiet {tidy_notebooks.REPOSITORY}", "git clone --quiet https://github.com/some/fork"
    )
    assert text == tidy_notebooks.readdress(forked)


@pytest.mark.parametrize("path", [*NOTEBOOKS, *READMES, *DOCS], ids=lambda path: path.name)
def test_every_relative_link_is_alive(path: Path) -> None:
    texts = [path.read_text()]
    if path.suffix == ".ipynb":
        texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\((?!http)([^)]+)\)", "\n".join(texts))
    assert links
    for link in links:
        file, _, heading = link.partition("#")
        assert (path.parent / file).exists(), link
        if heading:
            assert heading in headings((path.parent / file).read_text() if file else "\n".join(texts)), link


def headings(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a Markdown text."""
    lines = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks that follow one another find what the one before has trained."""
    return tmp_path_factory.mktemp("workspace")


@pytest.mark.slow
def test_nbval_with_todays_versions(workspace: Path) -> None:
    assert run_nbval(sys.executable, workspace, NOTEBOOKS).returncode == 0
    page = (workspace / "runs" / "quick" / "lambda.html").read_text()
    assert page.count('"UklGR') == (6 + 2) * 12, "WebPs of twelve sources, targets and outputs of six λ"
    page = (workspace / "runs" / "quick" / "path.html").read_text()
    assert page.count('"UklGR') == (21 + 2) * 12, "and of 21 λ along the path"
    page = (workspace / "runs" / "quick" / "pretrained.html").read_text()
    assert page.count('"UklGR') == (21 + 1) * 6, "of six label maps, which have no targets"


FEW_TEST_IMAGES = """
from dataclasses import replace
from pix2pix_colab.notebook.workspace import PRESETS
PRESETS["quick"] = replace(PRESETS["quick"], counts=(64, 12))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sabotage", "claim"),
    [
        ("02_model.ipynb", "UNetGenerator.__init__.__defaults__ = (63, 256, 0.5, True, 3, 3, (1, 2, 3))", "parameters"),
        (
            "04_evaluate_lambda.ipynb",
            "slider_of_pairs.__globals__['LambdaSlider']._index = lambda slider, value: 0",
            "must show the output",
        ),
    ],
    ids=["a wrong parameter count", "a slider that doesn't move"],
)
def test_nbval_goes_red_when_a_claim_is_false(
    workspace: Path, tmp_path: Path, name: str, sabotage: str, claim: str
) -> None:
    path = ROOT / "notebooks" / name
    notebook = nbformat.read(path, as_version=4)
    assert "from pix2pix_colab" in notebook.cells[2].source
    notebook.cells[2].source += f"\n{FEW_TEST_IMAGES}\n{sabotage}"
    nbformat.write(notebook, tmp_path / name)
    done = run_nbval(sys.executable, workspace, [tmp_path / name])
    assert done.returncode == 1 and claim in done.stdout


@pytest.mark.slow
def test_without_a_network_notebook_1_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("PIX2PIX_PRESET", "paper")
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    ExecutePreprocessor(timeout=600).preprocess(notebook, {"metadata": {"path": tmp_path}})
    said = "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)
    assert "facades.tar.gz: no connection" in said and "Using synthetic facades instead of facades" in said
    assert "400 pairs to train on, 106 to test on" in said
