"""The notebooks with Colab's versions, installed and run as a user on Colab would."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from test_notebooks import run_nbval
from tidy_notebooks import NOTEBOOKS, ROOT

COLAB = ROOT / ".venv-colab"
CONSTRAINTS = ROOT / "tests" / "colab-constraints.txt"
SHIPPED = dict(line.lower().split("==") for line in CONSTRAINTS.read_text().split() if "==" in line)


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


def test_nothing_that_colab_ships_is_touched(colab: Path) -> None:
    command = [colab / "pip", "install", "--dry-run", "--quiet", "--report", "-", ROOT]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    installed = {package["metadata"]["name"].lower() for package in report["install"]}
    assert "pix2pix-colab" in installed
    assert not installed & set(SHIPPED)


def test_nbval_with_colabs_versions(colab: Path, tmp_path: Path) -> None:
    """As on Colab: each notebook alone in its folder, and the package installed by the set-up cell of the first."""
    subprocess.run([colab / "pip", "uninstall", "--quiet", "--yes", "pix2pix-colab"], check=True)
    for path in NOTEBOOKS:
        alone = tmp_path / path.stem
        alone.mkdir()
        assert run_nbval(colab / "python", alone, [Path(shutil.copy(path, alone))]).returncode == 0
    listed = subprocess.run([colab / "pip", "list", "--format=json"], check=True, capture_output=True).stdout
    versions = {package["name"].lower(): package["version"].partition("+")[0] for package in json.loads(listed)}
    assert "pix2pix-colab" in versions
    assert versions | SHIPPED == versions, "installing the project has changed what Colab ships"
