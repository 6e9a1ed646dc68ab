"""The notebooks on simulated machines of Colab's, each alone on a fresh one, and today's work resumed tomorrow."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pytest
from helpers.colab_machine import RENEWED, SHIPPED, Machine, make_machine
from helpers.nbval import run_nbval
from tools.tidy_notebooks import KEEP, NOTEBOOKS, REPOSITORY, ROOT, SETUP

pytestmark = pytest.mark.slow

SMALL = """
from dataclasses import replace
from pix2pix_colab.evaluation import fcn_score
from pix2pix_colab.notebook.workspace import PRESETS
fcn_score.MIN_STEPS = 24
for name, preset in PRESETS.items():
    small = replace(preset.config, width=8, epochs=3)
    PRESETS[name] = replace(preset, counts=(8, 6), limited=True, config=small)
"""
LONGER = SMALL.replace("epochs=3", "epochs=10")


def alter(path: Path, folder: Path, code: str = "", **fields: str) -> Path:
    """A copy of a notebook, alone in the machine's folder, with other fields and code after its imports."""
    notebook = nbformat.read(path, as_version=4)
    setup, imports = notebook.cells[1:3]
    assert "from pix2pix_colab" in imports.source
    imports.source += code
    for cell in notebook.cells if code else ():
        cell.source = cell.source.removeprefix(KEEP)  # what nbval compares are claims of the true presets
    for name, value in fields.items():
        lines = setup.source.splitlines()
        setup.source = "\n".join(f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in lines)
        assert f"\n{name} = {value}\n" in setup.source
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


@pytest.mark.parametrize(
    ("path", "preset"),
    [(NOTEBOOKS[0], "quick"), *((path, "standard") for path in NOTEBOOKS if path.stem[:2] != "02")],
    ids=lambda value: getattr(value, "stem", value),
)
def test_a_notebook_alone_on_a_fresh_machine(machine, path, preset) -> None:
    """``quick`` is what a machine without a GPU takes by itself, ``standard`` with one. All trainings are small.

    Notebook 2 is that of the docs' cell, below.
    """
    alone = alter(path, machine.content, SMALL if preset == "standard" else "")
    variables = machine.variables | {"PIX2PIX_PRESET": preset if preset == "standard" else ""}
    assert run_nbval(machine.python, machine.content, [alone], variables).returncode == 0
    assert "pix2pix-colab" in machine.installed()
    assert machine.installed() & SHIPPED.keys() == RENEWED, "installing the project has changed what Colab ships"
    if path.name.startswith("03"):
        browser = Path(machine.variables["STAND_IN_BROWSER"])
        expected = f"pix2pix-{preset}-synthetic-lambda_100.zip"  # the preset's facades can't be downloaded
        assert [file.name for file in browser.iterdir()] == [expected], "a run to take home"


def test_tomorrow_the_training_goes_on_from_drive(tmp_path, colab, wheels, repository) -> None:
    """Colab takes the machine away in the middle; on another one, with the same Drive, all cells are run again."""
    often = f"{LONGER}\nfrom pix2pix_colab.training import loop\nloop.SAVE_SECONDS = 0.2\n"
    drive = tmp_path / "google-drive"
    today = make_machine(tmp_path / "today", drive, colab, wheels, repository)
    notebook = alter(NOTEBOOKS[2], today.content, often, DRIVE="True")
    command = [today.python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", notebook]
    process = subprocess.Popen(
        command, env=os.environ | today.variables, start_new_session=True, stdout=subprocess.DEVNULL
    )
    kept = drive / "pix2pix" / "runs" / "quick" / "lambda_100"
    end = time.monotonic() + 300
    while not list(kept.glob("checkpoint.*.step-*.pt")):
        assert process.poll() is None and time.monotonic() < end, "nothing was kept on Drive"
        time.sleep(0.2)
    kill_all_of(today)
    shutil.rmtree(today.content)
    tomorrow = make_machine(tmp_path / "tomorrow", drive, colab, wheels, repository)
    told = f"{LONGER}\nfrom pix2pix_colab.training.loop import Training\n{TELL_FIRST_STEP}"
    again = alter(NOTEBOOKS[2], tomorrow.content, told, DRIVE="True")
    assert run_nbval(tomorrow.python, tomorrow.content, [again], tomorrow.variables).returncode == 0
    first = int((tomorrow.content / "went_on_from").read_text())
    assert 0 < first < 80, "it began anew"


TELL_FIRST_STEP = """
from pathlib import Path
load = Training.load_state_dict

def tell(self, state):
    file = Path("went_on_from")
    file.exists() or file.write_text(str(state["steps_done"]))
    load(self, state)

Training.load_state_dict = tell
"""


def kill_all_of(machine: Machine) -> None:
    """kill -9 for every process of a machine: nbval's, and the kernel's."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(machine.python) in (entry / "cmdline").read_text():
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_the_first_cell_is_quick_the_second_time_and_follows_ref(machine) -> None:
    first = machine.run(SETUP)
    assert first.returncode == 0 and "of main (" in first.stdout, first.stderr
    assert "preset   quick" in first.stdout and "Runtime → Change runtime type" in first.stdout
    again = machine.run(SETUP, PIX2PIX_REPOSITORY="file:///nowhere")
    assert again.stdout == first.stdout, "nothing is installed twice, nor is the repository asked"
    tagged = SETUP.replace('REF = "main"', 'REF = "v1"')
    assert "REF was 'main' and is 'v1' now: choose Runtime → Restart" in failure(machine.run(tagged))
    assert "of v1 (" in machine.run(tagged).stdout


@pytest.mark.parametrize(
    ("ref", "address"), [("main", "file:///nowhere"), ("nothing", None), ("main", "https://127.0.0.1:9/x/y")]
)
def test_a_repository_out_of_reach_gets_a_sentence(machine, ref, address) -> None:
    address = address or machine.variables["PIX2PIX_REPOSITORY"]
    said = failure(machine.run(SETUP.replace('REF = "main"', f'REF = "{ref}"'), PIX2PIX_REPOSITORY=address))
    assert f"OSError: git+{address}@{ref} can't be installed: check the network, and that REF is a branch" in said


def test_the_cell_of_the_docs_proves_a_notebook(machine) -> None:
    """nbval inside a runtime of Colab's; here of the shortest notebook."""
    cell = re.search(r"^!git clone.*?(?=^```)", (ROOT / "docs" / "colab.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    cell = cell.replace(REPOSITORY, machine.variables["PIX2PIX_REPOSITORY"]).replace("/content", str(machine.content))
    assert cell.endswith(" notebooks\n")
    path = f"{machine.python.parent}:{os.environ['PATH']}"
    done = machine.run(cell.replace(" notebooks\n", " notebooks/02_model.ipynb\n"), PATH=path)
    assert re.search(r"\d\d passed", done.stdout) and "failed" not in done.stdout, failure(done)
    assert machine.installed() & SHIPPED.keys() == RENEWED, "installing the project has changed what Colab ships"


def failure(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr  # IPython says what was raised on stdout, and its exit status is 0 or 1


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_a_kernel_of_one_s_own_takes_the_copy_that_it_is_in(machine, folder) -> None:
    """Jupyter and VS Code start it in notebooks/ or in the root, and it may be one without the package."""
    address = machine.variables["PIX2PIX_REPOSITORY"].removeprefix("file://")
    done = machine.run(SETUP, Path(address, folder), PIX2PIX_REPOSITORY="file:///nowhere", PYTHONPATH="")
    assert done.returncode == 0 and "package  pix2pix-colab" in done.stdout, failure(done)
    assert "Runtime" not in done.stdout, "this is not Colab"
