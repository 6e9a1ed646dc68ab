"""Colab's machines, simulated: an environment with Colab's versions, its module, an empty folder, and no network.

The repository is a ``file://`` one, and what Colab doesn't ship comes from a folder of wheels. Each machine is an
environment of its own on top of one with Colab's versions, so that what is installed on it is seen.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from tools.tidy_notebooks import ROOT

COLAB = ROOT / ".venv-colab"
STAND_IN = ROOT / "tests" / "helpers" / "stand_in"
CONSTRAINTS = ROOT / "tools" / "colab-constraints.txt"
SHIPPED = dict(line.lower().split("==") for line in CONSTRAINTS.read_text().split() if "==" in line)
RENEWED = {"gdown"}  # Colab ships one that can't resume


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
    assert wanted.pop("pix2pix-colab") and wanted.keys() & SHIPPED == RENEWED, "Colab's others are left as they are"
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
    variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PYTHONPATH": str(STAND_IN)}
    return Machine(venv / "bin" / "python", content, variables)
