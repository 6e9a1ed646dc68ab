"""The workflows, as far as that goes without GitHub: their schema, their shell, and that what they call is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tools.tidy_notebooks import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(path: Path) -> list[str]:
    """The commands of a workflow."""
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_there_are_five() -> None:
    assert [path.stem for path in WORKFLOWS] == ["colab", "gpu", "kaggle", "page", "test"]


def test_they_are_of_githubs_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_they_call_is_there(path: Path) -> None:
    commands = "\n".join(steps(path))
    targets = re.findall(r"\bmake ([\w./-]+)", commands)
    files = re.findall(r"\b((?:tests|tools|benchmarks|notebooks)(?:/[\w./-]+)?)", commands)
    assert targets or files
    for target in targets:
        dry_run = ["make", "--dry-run", target]
        assert subprocess.run(dry_run, cwd=ROOT, capture_output=True).returncode == 0, target
    assert all((ROOT / file).exists() for file in files)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_their_shell_is_sound(path: Path) -> None:
    for command in steps(path):
        script = re.sub(r"\$\{\{.*?\}\}", "x", command)
        assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""


def test_the_pythons_are_those_that_the_package_is_for() -> None:
    tested = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["cpu"]["strategy"]["matrix"]
    assert tested["python"] == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11.4"' in (ROOT / "pyproject.toml").read_text()


def test_the_gpu_runner_is_the_repositorys_variable() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/gpu.yml").read_text())["jobs"]["t4"]
    assert job["runs-on"] == "${{ vars.GPU_RUNNER }}"
    assert job["if"].startswith("vars.GPU_RUNNER != '' && ")
