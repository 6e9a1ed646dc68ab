"""A sweep or a path over two processes of torchrun: each trains its share, and a killed one is resumed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.noise import noise_pairs
from helpers.tiny_runs import bits

from pix2pix_colab.data import write_pairs
from pix2pix_colab.training.runs import list_runs, load_newest

PROGRAM = """import os, signal
from pix2pix_colab.__main__ import main
from pix2pix_colab.training import loop, run_folder
save, loop.SAVE_SECONDS = run_folder.RunFolder.save, -1

def save_or_die(self, state, wait=False):
    if os.environ.get("KILLED") == os.environ.get("RANK", "") and state["steps_done"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, state, wait=True)

run_folder.RunFolder.save = save_or_die
main()
"""


def run(logs: Path, program: list, processes: int, killed: str = "none") -> tuple[int, list[str]]:
    """The exit status, and the λ that each process began."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "--redirects=3"]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "KILLED": killed}
    command = [sys.executable, "-m", *launcher, f"--log-dir={logs}", *map(str, program)]
    done = subprocess.run(command, env=variables, capture_output=True, timeout=180)
    shown = [log.read_text() for log in sorted(logs.rglob("stderr.log"))]
    return done.returncode, [", ".join(re.findall(r"(λ = \d+|L1 only): +0%", text)) for text in shown]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "lambdas", "shares"),
    [
        ("sweep", (0, 100, "inf"), ["λ = 0, L1 only", "λ = 100"]),
        ("path", (0, 10, "inf"), ["λ = 100, λ = 10, λ = 0", "L1 only"]),
    ],
)
def test_each_process_trains_its_share(tmp_path, what, lambdas, shares):
    """Also if one is killed and all is started again, the result is that of a single process."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [tmp_path / "program.py", what, write_pairs(noise_pairs(2, 32), tmp_path / "pairs")]
    options = ["--width", 1, "--epochs", 4, "--lambdas", *lambdas]
    assert run(tmp_path / "1", [*command, tmp_path / "two", *options], 2) == (0, shares)
    assert run(tmp_path / "2", [*command, tmp_path / "again", *options], 2, killed="1")[0] != 0
    assert run(tmp_path / "3", [*command, tmp_path / "again", *options], 2)[0] == 0
    assert run(tmp_path / "4", [*command, tmp_path / "one", *options], 1)[0] == 0
    found = [[bits(load_newest(each).state) for each in list_runs(tmp_path / name)] for name in ("one", "two", "again")]
    assert len(found[0]) == len(lambdas) + (what == "path") and found[0] == found[1] == found[2]
