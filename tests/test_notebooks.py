"""The notebooks: their committed state, and that they run end to end, here and with Colab's versions (nbval)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tidy_notebooks
from tidy_notebooks import KEEP, NOTEBOOKS, ROOT

COLAB = ROOT / ".venv-colab"
CONSTRAINTS = ROOT / "tests" / "colab-constraints.txt"
SHIPPED = {re.split("==", line)[0] for line in CONSTRAINTS.read_text().split() if "==" in line}


def python313() -> str | None:
    """Colab's Python, from the path or from pyenv."""
    homes = sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python"))
    return shutil.which("python3.13") or next(map(str, homes), None)


@pytest.fixture(scope="session")
def colab() -> Path:
    """An environment with what Colab ships, and the project installed into it as a user on Colab would."""
    interpreter = python313()
    if interpreter is None:
        pytest.skip("There is no Python 3.13 here, so Colab's versions can't be installed.")
    done = COLAB / "constraints.txt"
    if not done.exists() or done.read_text() != CONSTRAINTS.read_text():
        subprocess.run([interpreter, "-m", "venv", "--clear", COLAB], check=True)
        subprocess.run([COLAB / "bin/pip", "install", "--quiet", "-r", CONSTRAINTS], check=True)
        shutil.copy(CONSTRAINTS, done)
    return COLAB / "bin"


@pytest.fixture(scope="session")
def colab_with_project(colab: Path) -> Path:
    subprocess.run([colab / "pip", "install", "--quiet", "--force-reinstall", "--no-deps", ROOT], check=True)
    subprocess.run([colab / "pip", "install", "--quiet", ROOT], check=True)
    return colab


def run_nbval(python: Path | str, root: Path, notebooks: list[Path]) -> subprocess.CompletedProcess:
    """nbval on notebooks, their data and runs in ``root``; what it printed is shown if the test fails."""
    command = [python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1200"]
    environment = os.environ | {"PIX2PIX_PRESET": "quick", "PIX2PIX_ROOT": str(root)}
    options = ["-p", "no:cacheprovider", "-q", "-x", *notebooks]
    done = subprocess.run([*command, *options], cwd=root, env=environment, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done


def test_there_are_four() -> None:
    names = [path.name for path in NOTEBOOKS]
    assert names == ["01_data.ipynb", "02_model.ipynb", "03_train.ipynb", "04_evaluate_lambda.ipynb"]


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
    assert sum(source.count("@param") for source in code) <= 5
    kept = [cell for cell in cells if cell.cell_type == "code" and cell.source.startswith(KEEP)]
    assert kept and all(cell.outputs and cell.execution_count for cell in kept), "`make outputs` mends it"
    assert any("assert" in source for source in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_relative_link_is_alive(path: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", path.read_text()):
        assert (path.parent / link).exists(), link


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks that follow one another find what the one before has trained."""
    return tmp_path_factory.mktemp("workspace")


def test_nbval_with_todays_versions(workspace: Path) -> None:
    assert run_nbval(sys.executable, workspace, NOTEBOOKS).returncode == 0
    page = (workspace / "runs" / "quick" / "lambda.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6 * 8


@pytest.mark.parametrize(
    ("name", "sabotage", "claim"),
    [
        ("02_model.ipynb", "UNetGenerator.__init__.__defaults__ = (63, 256, 0.5, True)", "parameters"),
        ("04_evaluate_lambda.ipynb", "LambdaSlider._show = lambda self, change=None: None", "must show the images"),
    ],
    ids=["a wrong parameter count", "a slider that doesn't move"],
)
def test_nbval_goes_red_when_a_claim_is_false(
    workspace: Path, tmp_path: Path, name: str, sabotage: str, claim: str
) -> None:
    path = ROOT / "notebooks" / name
    notebook = nbformat.read(path, as_version=4)
    imports = next(cell for cell in notebook.cells if "from pix2pix_colab" in cell.source)
    imports.source += f"\n{sabotage}"
    nbformat.write(notebook, tmp_path / name)
    done = run_nbval(sys.executable, workspace, [tmp_path / name])
    assert done.returncode == 1 and claim in done.stdout


def test_nothing_that_colab_ships_is_touched(colab: Path) -> None:
    command = [colab / "pip", "install", "--dry-run", "--quiet", "--report", "-", "-r", ROOT / "requirements.txt"]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    installed = set(re.findall(r'"name": "([\w.-]+)", "version"', report))
    assert not installed & SHIPPED


def test_nbval_with_colabs_versions(colab_with_project: Path, tmp_path: Path) -> None:
    """Each notebook in a folder of its own, as on Colab, where none finds what another left."""
    for path in NOTEBOOKS:
        alone = tmp_path / path.stem
        alone.mkdir()
        assert run_nbval(colab_with_project / "python", alone, [shutil.copy(path, alone)]).returncode == 0
