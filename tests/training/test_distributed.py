"""A sweep over several processes: torchrun spreads the λ, and the run of a killed process is resumed."""

import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.tiny_runs import bits

from pix2pix_colab.data import Pairs, read_pairs, write_pairs
from pix2pix_colab.training.config import TrainConfig
from pix2pix_colab.training.lambda_path import train_lambda_path
from pix2pix_colab.training.lambda_sweep import folder_of, read_sweep, sweep
from pix2pix_colab.training.run_folder import LOCK
from pix2pix_colab.training.runs import load_newest

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(epochs=4, width=1)  # 8 steps
LAMBDAS = (0.0, 100.0, math.inf)  # of two processes, the first trains 0 and ∞, the second 100
SETTINGS = ("--width", "1", "--epochs", "4", "--lambdas")

KILLED = """
import os, signal, sys, time
from pix2pix_colab.__main__ import main
from pix2pix_colab.training import Training, loop

loop.SAVE_SECONDS = -1  # after each step
advance, checkpoint = Training.advance, os.path.join(sys.argv[3], "lambda_100", "checkpoint.pt")

def fatal(training):
    if os.environ["RANK"] == "1" and training.steps_done == 5:  # in the middle of an epoch
        while not os.path.exists(checkpoint):  # it is written beside the training
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    advance(training)

Training.advance = fatal
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two side-by-side pairs."""
    images = torch.randint(256, (2, 2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return write_pairs(Pairs(images[0], images[1], ["1", "2"]), tmp_path_factory.mktemp("pairs"))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As in the processes that are started: the results depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> dict[float, dict]:
    """The checkpoints of a sweep in a single process."""
    root = tmp_path_factory.mktemp("alone")
    sweep(read_pairs(folder), LAMBDAS, CONFIG, root, device="cpu")
    return states(root)


def states(root: Path) -> dict[float, dict]:
    return {lambda_l1: load_newest(folder_of(root, lambda_l1)).state for lambda_l1 in LAMBDAS}


def torchrun(*arguments: str | Path) -> subprocess.CompletedProcess:
    """On two processes, on the CPU."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        *map(str, arguments),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_the_lambdas_are_spread_over_the_processes(folder, expected, tmp_path):
    root, logs = tmp_path / "runs", tmp_path / "logs"
    done = torchrun(
        f"--log-dir={logs}",
        "--redirects=3",
        "-m",
        "pix2pix_colab",
        "sweep",
        folder,
        root,
        *SETTINGS,
        0,
        100,
        "inf",
    )
    assert done.returncode == 0, done.stderr
    shown = {log.parent.name: log.read_text() for log in logs.rglob("stderr.log")}
    begun = {rank: re.findall(r"(λ = \d+|L1 only): +0%", text) for rank, text in shown.items()}
    assert begun == {"0": ["λ = 0", "L1 only"], "1": ["λ = 100"]}
    assert list(read_sweep(root)) == list(LAMBDAS)
    assert bits(states(root)) == bits(expected)


def test_the_run_of_a_killed_process_is_resumed_by_the_next_start(folder, expected, tmp_path):
    root, script = tmp_path / "runs", tmp_path / "killed.py"
    script.write_text(KILLED)
    killed = torchrun(script, "sweep", folder, root, *SETTINGS, 0, 100, "inf")
    assert killed.returncode != 0 and f"exitcode  : {-signal.SIGKILL}" in killed.stderr, killed.stderr
    assert (folder_of(root, 100) / LOCK).exists()  # but no longer locked
    starts = {}
    sweep(read_pairs(folder), LAMBDAS, CONFIG, root, lambda p: starts.setdefault(p.config.lambda_l1, p.step), "cpu")
    assert 0 < starts[100] <= 5
    assert bits(states(root)) == bits(expected)


def test_a_process_without_a_lambda_waits_for_the_others(folder, tmp_path):
    done = torchrun("-m", "pix2pix_colab", "sweep", folder, tmp_path, *SETTINGS, "inf", "inf")  # one, named twice
    assert done.returncode == 0, done.stderr
    assert list(read_sweep(tmp_path)) == [math.inf]
    assert len(re.findall(r"L1 only: +0%", done.stderr)) == 1


def test_the_two_directions_of_a_path_go_side_by_side(folder, tmp_path):
    """One process trains the trunk; then each takes a direction. The result is that of one process."""
    settings = ["--width", "1", "--epochs", "4", "--lambdas", 0, 10, 1000]
    logs = tmp_path / "logs"
    done = torchrun(
        f"--log-dir={logs}", "--redirects=3", "-m", "pix2pix_colab", "path", folder, tmp_path / "two", *settings
    )
    assert done.returncode == 0, done.stderr
    shown = {log.parent.name: log.read_text() for log in logs.rglob("stderr.log")}
    begun = {rank: re.findall(r"(λ = \d+): +0%", text) for rank, text in shown.items()}
    assert begun == {"0": ["λ = 100", "λ = 10", "λ = 0"], "1": ["λ = 1000"]}
    train_lambda_path(read_pairs(folder), (0.0, 10.0, 1000.0), CONFIG, tmp_path / "one", device="cpu")
    for k in (0, 10, 100, 1000):
        one, two = (load_newest(folder_of(tmp_path / root, k)).state for root in ("one", "two"))
        assert bits({k: one}) == bits({k: two})
