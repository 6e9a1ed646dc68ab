"""The check on a T4, with stand-ins on PATH: Google's and Kaggle's command lines, a GPU, and a local kernel."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tools import t4
from tools.tidy_notebooks import ROOT

PROJECT = {  # as little of one as the check needs
    "tests/training/test_cuda.py": "def test_it(): pass",
    "benchmarks/bench_step.py": "print('| ours | float16 | 21.5 |')",
    "pix2pix_colab/__init__.py": "",
    "pix2pix_colab/__main__.py": "import sys; print('trained', *sys.argv[1:])",
}
SMI = """#!/bin/sh
case "$*" in *name*) echo "$DEVICE" ;; *) echo 1234 ;; esac
"""
PYTHON = f"""#!/bin/sh
case "$*" in
*"-m pip"*) echo "$@" >> "$LOG" ;;
*get_device_name*) [ "$TORCH" != blind ] && echo "$DEVICE" ;;
*) exec {sys.executable} "$@" ;;
esac
"""
COLAB = f'''#!{sys.executable}
"""Runs a script in a local kernel, as google-colab-cli 0.7.5 does on a rented machine."""
import os, sys
from jupyter_client.manager import start_new_kernel

assert sys.argv[1:5] == ["run", "--gpu", "T4", "--timeout"] and float(sys.argv[5]) >= 7200, sys.argv
if os.environ.get("ACCOUNT") == "none":
    sys.exit("Could not automatically determine credentials.")
*options, script = sys.argv[6:]
for name, pair in zip(options[::2], options[1::2], strict=True):
    assert name == "--env", name
    os.environ.update([pair.split("=", 1)])
code = 0

def hook(message):
    global code
    content = message["content"]
    if message["msg_type"] == "stream":
        print(content["text"], end="", flush=True)
    if message["msg_type"] == "error":
        code = int(content["evalue"]) if content["ename"] == "SystemExit" else 1

manager, kernel = start_new_kernel(kernel_name="python3")
kernel.execute_interactive("__name__ = '__main__'\\n" + open(script).read(), output_hook=hook, timeout=300)
kernel.stop_channels()
manager.shutdown_kernel(now=True)
sys.exit(code)
'''


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A folder with a repository, and with stand-ins on PATH."""
    notebook = {"cells": [], "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    for name, text in (PROJECT | {"notebooks/01.ipynb": notebook_of("print(1)", notebook)}).items():
        write(tmp_path / "repository" / name, text)
    for name, text in {"nvidia-smi": SMI, "python": PYTHON, "colab": COLAB}.items():
        write(tmp_path / "bin" / name, text)
    commit(tmp_path / "repository")
    settings = {"DEVICE": "Tesla T4", "LOG": tmp_path / "log", "PIX2PIX_REPOSITORY": tmp_path / "repository"}
    settings |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": ""}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("REF", raising=False)
    return tmp_path


def notebook_of(source: str, notebook: dict) -> str:
    cell = {"cell_type": "code", "id": "a", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps(notebook | {"cells": [cell]})


def commit(repository: Path) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-qb", "main"], ["add", "-A"], [*who, "commit", "-qm", "as it is"]):
        subprocess.run(["git", *command], cwd=repository, check=True)


def make_t4(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", "t4", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_make_t4_ends_with_a_report(machine):
    done = make_t4()
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, found = done.stdout.partition("## Tesla T4, main\n")
    assert found.count("| passed |") == 7 and "failed" not in found
    assert "| test_cuda.py | passed | 0." in found and "| 1,234 |" in found
    assert "| ours | float16 | 21.5 |" in found and "trained sweep facades runs/sweep --width 64" in found
    assert (machine / "log").read_text() == "-m pip install --quiet . nbval pytest\n"


@pytest.mark.slow
def test_a_notebook_that_fails_is_in_the_report_and_the_rest_is_run(machine):
    path = machine / "repository" / "notebooks" / "01.ipynb"
    path.write_text(notebook_of("assert False, 'the claim'", json.loads(path.read_text())))
    (machine / "repository" / "tests" / "training" / "test_cuda.py").write_text("def test_it(): assert 0")
    commit(machine / "repository")
    done = make_t4()
    assert done.returncode != 0
    _, _, found = done.stdout.partition("## Tesla T4, main\n")
    assert found.count("**failed (1)**") == 2 and found.count("| passed |") == 5 and "the claim" in found


def test_another_gpu_or_ref_is_refused_at_once(machine, monkeypatch):
    monkeypatch.setenv("DEVICE", "NVIDIA A100-SXM4-40GB")
    done = make_t4()
    assert done.returncode != 0 and "has NVIDIA A100-SXM4-40GB, not a T4: nothing was run" in done.stdout
    assert not (machine / "log").exists()
    monkeypatch.setenv("DEVICE", "Tesla T4")
    done = make_t4("REF=nowhere")
    assert done.returncode != 0 and "| clone | **failed" in done.stdout and "| install |" not in done.stdout
    monkeypatch.setenv("TORCH", "blind")
    done = make_t4()
    assert done.returncode != 0 and "| install | **failed" in done.stdout and "| test_cuda.py |" not in done.stdout


def test_without_an_account_or_the_program_make_fails_with_what_to_do(machine, monkeypatch):
    monkeypatch.setenv("ACCOUNT", "none")
    done = make_t4()
    assert done.returncode != 0 and "credentials" in done.stderr
    (machine / "bin" / "colab").unlink()
    done = make_t4()
    assert done.returncode != 0 and "pip install google-colab-cli==0.7.5" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_silent_step_gives_signs_of_life_and_is_ended(machine, monkeypatch):
    monkeypatch.setenv("EVERY", "0.3")
    script = (ROOT / "tools" / "t4.py").read_text()
    assert 'benchmarks/bench_step.py --width {WIDTH}", 10)' in script
    hurried = write(machine / "t4.py", script.replace('bench_step.py --width {WIDTH}", 10)', 'bench_step.py", 0.05)'))
    write(machine / "repository/benchmarks/bench_step.py", "import time; time.sleep(600)")
    commit(machine / "repository")
    done = subprocess.run([sys.executable, hurried], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout.count("… step, width 64, 0.") >= 5
    assert "It took more than 0.05 minutes, and was ended." in done.stdout
    assert done.stdout.count("| passed |") == 6


KAGGLE = """#!/bin/sh
echo "kaggle $*" >> "$LOG"
case "$*" in
*push*)
  cp -r "$4" "$PUSHED"
  [ "$ACCOUNT" = none ] && { echo "You must authenticate"; exit 1; }
  echo "Kernel version 1 successfully pushed." ;;
*status*)
  echo x >> "$LOG.asked"
  [ "$(wc -l < "$LOG.asked")" -lt 3 ] && state=RUNNING || state=$ENDS
  echo "me/pix2pix-t4 has status \\"KernelWorkerStatus.$state\\"" ;;
*logs*) echo "## Tesla T4, main" ;;
esac
"""


@pytest.fixture
def kaggle(machine, monkeypatch):
    """A function that runs the workflow's last step, as GitHub would, and returns what became of it."""
    write(machine / "bin" / "kaggle", KAGGLE)
    write(machine / "bin" / "sleep", "#!/bin/sh\nexit 0\n")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "kaggle.yml").read_text())
    assert list(workflow[True]) == ["workflow_dispatch"], "by hand only"
    script = workflow["jobs"]["t4"]["steps"][-1]["run"]
    summary = machine / "summary.md"

    def run(**variables: str) -> subprocess.CompletedProcess:
        settings = {"GITHUB_STEP_SUMMARY": summary, "PUSHED": machine / "pushed"}
        settings |= {"REF": "main", "KAGGLE_USERNAME": "me"}
        environment = os.environ | {name: str(value) for name, value in (settings | variables).items()}
        command = ["bash", "-eo", "pipefail", "-c", script]  # as GitHub runs it
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_kaggle_is_asked_until_it_is_done(kaggle, machine):
    done = kaggle(ENDS="COMPLETE")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("RUNNING") == 2 and "## Tesla T4" in (machine / "summary.md").read_text()
    said = (machine / "log").read_text()
    assert "--accelerator NvidiaTeslaT4" in said and "status me/pix2pix-t4" in said
    settings = json.loads((machine / "pushed" / "kernel-metadata.json").read_text())
    assert settings["id"] == "me/pix2pix-t4" and settings["enable_internet"] and settings["is_private"]
    pushed = (machine / "pushed" / settings["code_file"]).read_text()
    compile(pushed, "t4.py", "exec")
    assert pushed.startswith("import os; os.environ['REF'] = 'main'") and "nvidia-smi" in pushed


@pytest.mark.parametrize("variables", [{"ENDS": "ERROR"}, {"ACCOUNT": "none", "ENDS": "COMPLETE"}, {"ENDS": "RUNNING"}])
def test_what_fails_on_kaggle_fails_here(kaggle, variables):
    """A step, the sign-in, or silence for longer than all steps may take."""
    assert kaggle(**variables).returncode != 0


def test_all_steps_end_before_the_machine_is_taken_away():
    """The report is printed at the end; both programs rent for 7,200 seconds."""
    minutes = sum(step.minutes for step in t4.STEPS)
    assert minutes <= 110
    for file in (ROOT / "Makefile", ROOT / ".github/workflows/kaggle.yml"):
        assert re.findall(r"--timeout (\d+)", file.read_text()) == ["7200"]
