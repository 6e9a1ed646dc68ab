"""Colab, simulated: its versions, its module, an empty folder that holds one notebook, and no network.

The repository is a ``file://`` one, and what Colab doesn't ship comes from a folder of wheels. Each machine is an
environment of its own on top of one with Colab's versions, so that what is installed on it is seen.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from test_notebooks import run_nbval
from tools.tidy_notebooks import KEEP, NOTEBOOKS, REPOSITORY, ROOT, SETUP

COLAB = ROOT / ".venv-colab"
STAND_IN = ROOT / "tests" / "helpers" / "stand_in"
CONSTRAINTS = ROOT / "tools" / "colab-constraints.txt"
SHIPPED = dict(line.lower().split("==") for line in CONSTRAINTS.read_text().split() if "==" in line)
SMALL_PAPER = """
from dataclasses import replace
from pix2pix_colab.notebook import workspace
small = replace(workspace.PRESETS["paper"].config, width=8, epochs=20)
workspace.PRESETS["paper"] = replace(workspace.PRESETS["paper"], drawn=(8, 6), limited=True, config=small)
"""


def python313() -> Path | None:
    """Colab's Python, from the path or from pyenv, whose shim on the path may lead nowhere."""
    found = [shutil.which("python3.13"), *sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python"))]
    works = (path for path in found if path and subprocess.run([path, "-V"], capture_output=True).returncode == 0)
    return next(works, None)


@pytest.fixture(scope="session")
def colab() -> Path:
    """The programs of an environment with what Colab ships, and nbval."""
    interpreter = python313()
    if interpreter is None:
        pytest.skip("There is no Python 3.13 here, so Colab's versions can't be installed.")
    done = COLAB / "constraints.txt"
    with FileLock(Path(tempfile.gettempdir(), "pix2pix-venv-colab.lock")):  # the browser tests want it at the same time
        if not done.exists() or done.read_text() != CONSTRAINTS.read_text():
            subprocess.run([interpreter, "-m", "venv", "--clear", COLAB], check=True)
            subprocess.run([COLAB / "bin/pip", "install", "--quiet", "-r", CONSTRAINTS], check=True)
            subprocess.run([COLAB / "bin/pip", "install", "--quiet", "nbval"], check=True)
            shutil.copy(CONSTRAINTS, done)
    return COLAB / "bin"


@pytest.fixture(scope="session")
def wheels(colab, tmp_path_factory) -> Path:
    """What pip wants to install beside Colab's own packages, fetched before the network goes."""
    command = [colab / "pip", "install", "--dry-run", "--quiet", "--report", "-", ROOT]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wanted = {package["metadata"]["name"].lower(): package["metadata"]["version"] for package in report["install"]}
    assert wanted.pop("pix2pix-colab") and not wanted.keys() & SHIPPED, "Colab's own packages are left as they are"
    folder, names = tmp_path_factory.mktemp("wheels"), [f"{name}=={version}" for name, version in wanted.items()]
    subprocess.run([colab / "pip", "wheel", "--quiet", "--no-deps", "-w", folder, *names, "setuptools>=69"], check=True)
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> str:
    """The project as it is here, in a repository at a ``file://`` address."""
    copy = tmp_path_factory.mktemp("repository")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet", "-b", "main"], ["add", "-A"], [*who, "commit", "--quiet", "-m", "as it is"]):
        subprocess.run(["git", *command], cwd=copy, check=True)
    subprocess.run(["git", "tag", "v1"], cwd=copy, check=True)
    return f"file://{copy}"


@dataclass
class Machine:
    """A fresh machine of Colab's: its Python, its disk, and what is around it."""

    python: Path
    content: Path
    variables: dict[str, str]

    def run(self, code: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess:
        """Run a cell's code in IPython."""
        file = self.content / "cell.ipy"
        file.write_text(code)
        command = [self.python, "-m", "IPython", "--no-banner", "--colors=NoColor", file]
        environment = os.environ | self.variables | variables
        return subprocess.run(command, cwd=folder or self.content, env=environment, capture_output=True, text=True)

    def installed(self) -> set[str]:
        """The packages that were installed since the machine is there."""
        found = self.content.parent.glob("venv/lib/python*/site-packages/*.dist-info")
        return {path.name.partition("-")[0].replace("_", "-").lower() for path in found}


@pytest.fixture
def machine(colab, wheels, repository, tmp_path) -> Machine:
    return make_machine(tmp_path / "machine", tmp_path / "google-drive", colab, wheels, repository)


def make_machine(folder: Path, drive: Path, colab: Path, wheels: Path, repository: str) -> Machine:
    venv, content, browser = folder / "venv", folder / "content", folder / "browser"
    subprocess.run([colab / "python", "-m", "venv", "--without-pip", venv], check=True)
    shipped = next(COLAB.glob("lib/python*/site-packages"))
    next(venv.glob("lib/python*/site-packages")).joinpath("colab.pth").write_text(str(shipped))
    for new in (content, browser, drive):
        new.mkdir(parents=True, exist_ok=True)
    settings = {"REPOSITORY": repository, "ROOT": content / "pix2pix", "PRESET": "", "KEEP": ""}
    variables = {f"PIX2PIX_{name}": str(value) for name, value in settings.items()}
    variables |= {"STAND_IN_DRIVE": str(drive), "STAND_IN_BROWSER": str(browser)}
    variables |= {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PYTHONPATH": str(STAND_IN),
    }
    return Machine(venv / "bin" / "python", content, variables)


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
    [
        (path, preset)
        for path in NOTEBOOKS
        for preset in ("quick", "paper")
        if (path.stem, preset) != ("02_model", "paper")
    ],
    ids=lambda value: getattr(value, "stem", value),
)
def test_a_notebook_alone_on_a_fresh_machine(machine, path, preset) -> None:
    """``quick`` is what a machine without a GPU takes by itself. ``paper``, that of a GPU, is made small here."""
    alone = alter(path, machine.content, SMALL_PAPER if preset == "paper" else "")
    variables = machine.variables | {"PIX2PIX_PRESET": preset if preset == "paper" else ""}
    assert run_nbval(machine.python, machine.content, [alone], variables).returncode == 0
    assert "pix2pix-colab" in machine.installed()
    assert not machine.installed() & SHIPPED.keys(), "installing the project has changed what Colab ships"
    if path.name.startswith("03"):
        browser = Path(machine.variables["STAND_IN_BROWSER"])
        assert [file.name for file in browser.iterdir()] == [f"pix2pix-{preset}-lambda_100.zip"], "a run to take home"


def test_tomorrow_the_training_goes_on_from_drive(tmp_path, colab, wheels, repository) -> None:
    """Colab takes the machine away in the middle; on another one, with the same Drive, all cells are run again."""
    drive, often = (
        tmp_path / "google-drive",
        "\nfrom pix2pix_colab.training import loop\nloop.SAVE_SECONDS = 0.5\n",
    )
    today = make_machine(tmp_path / "today", drive, colab, wheels, repository)
    notebook = alter(NOTEBOOKS[2], today.content, often, DRIVE="True")
    command = [today.python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", notebook]
    process = subprocess.Popen(
        command, env=os.environ | today.variables, start_new_session=True, stdout=subprocess.DEVNULL
    )
    kept = drive / "pix2pix" / "runs" / "quick" / "lambda_100" / "checkpoint.pt"
    end = time.monotonic() + 300
    while not kept.exists():
        assert process.poll() is None and time.monotonic() < end, "nothing was kept on Drive"
        time.sleep(0.2)
    kill_all_of(today)
    shutil.rmtree(today.content)
    tomorrow = make_machine(tmp_path / "tomorrow", drive, colab, wheels, repository)
    told = "\nfrom pix2pix_colab.training.loop import Training\n" + TELL_FIRST_STEP
    again = alter(NOTEBOOKS[2], tomorrow.content, told, DRIVE="True")
    assert run_nbval(tomorrow.python, tomorrow.content, [again], tomorrow.variables).returncode == 0
    first = int((tomorrow.content / "went_on_from").read_text())
    assert 0 < first < 576, "it began anew"


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


def failure(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr  # IPython says what was raised on stdout, and its exit status is 0 or 1


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_a_kernel_of_one_s_own_takes_the_copy_that_it_is_in(machine, folder) -> None:
    """Jupyter and VS Code start it in notebooks/ or in the root, and it may be one without the package."""
    address = machine.variables["PIX2PIX_REPOSITORY"].removeprefix("file://")
    done = machine.run(SETUP, Path(address, folder), PIX2PIX_REPOSITORY="file:///nowhere", PYTHONPATH="")
    assert done.returncode == 0 and "package  pix2pix-colab" in done.stdout, failure(done)
    assert "Runtime" not in done.stdout, "this is not Colab"
