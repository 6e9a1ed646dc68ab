"""Killed at any moment and called again, a training ends in the same bits as one that was left alone (on the CPU)."""

import gc
import io
import itertools
import multiprocessing
import os
import signal
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from helpers.noise import noise_pairs
from helpers.tiny_runs import bits

from pix2pix_colab.training import TrainConfig, load_newest, train
from pix2pix_colab.training import loop as module
from pix2pix_colab.training.run_folder import RunFolder

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(epochs=20, width=2, image_size=128)  # 60 steps
SEED = 20_171_125

processes = multiprocessing.get_context("forkserver")  # a child is there in a moment, with torch imported
processes.set_forkserver_preload(["pytest", "torch._dynamo", "pix2pix_colab.training.loop"])


def train_and_note(folder: Path, config: TrainConfig = CONFIG, log_every: int = 7) -> None:
    """What a child does: train, with a checkpoint whenever one can be written, and note the step it started from."""
    torch.set_num_threads(1)
    gc.freeze()  # or collecting would copy the pages that are shared with the server
    sys.setswitchinterval(1e-4)  # the writing thread gets its turn sooner: more checkpoints
    module.SAVE_SECONDS = 0
    noted = []

    def note(progress) -> None:
        if not noted:
            noted.append(progress.step)
            with open(f"{folder}.starts", "a") as file:
                file.write(f"{progress.step}\n")

    train(noise_pairs(), config, folder, note, "cpu", log_every)


def starts_of(folder: Path) -> list[int]:
    file = Path(f"{folder}.starts")
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def in_child(target, *arguments, seconds: float | None = None) -> int:
    """The exit code of a call in a child, which is killed after some seconds: then it is -SIGKILL."""
    child = processes.Process(target=target, args=arguments)
    child.start()
    child.join(seconds)
    child.kill()
    child.join()
    return child.exitcode


def assert_same(folder: Path, whole: Path) -> None:
    """That a finished run is the same as another, and tidy."""
    assert bits(load_newest(folder).state) == bits(load_newest(whole).state)
    assert (folder / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    files = {path.name for path in folder.iterdir()}
    assert files <= {"checkpoint.pt", "checkpoint.previous.pt", "history.csv", "training.lock"}, "a .partial was left"


def test_killed_at_random_moments_a_run_ends_in_the_same_bits(tmp_path):
    print("seed", SEED)
    assert in_child(time.time) == 0  # now the server of the children is there, and what follows can be timed
    began, whole = time.monotonic(), tmp_path / "whole"
    assert in_child(train_and_note, whole) == 0
    longest = (time.monotonic() - began) / 4
    random, kills = Random(SEED), 0
    for run in itertools.count():
        folder = tmp_path / f"run {run}"
        code, starts = -signal.SIGKILL, []
        while code == -signal.SIGKILL:
            code, before = in_child(train_and_note, folder, seconds=random.uniform(0, longest)), starts
            starts = starts_of(folder)
            kills += code == -signal.SIGKILL and len(starts) > len(before)  # then the training was on its way
            longest *= 1 if len(set(starts)) > len(set(before)) else 1.1  # this machine has become slower
            assert longest < 60, "it gets no further"
        assert code == 0
        print("kills:", kills, "started from steps", starts)
        assert starts == sorted(starts) and starts[-1] > 0, "what was saved is not lost again"
        assert_same(folder, whole)
        if kills >= 20:
            return


def train_until(last: int, folder: Path, *arguments) -> None:
    """Train, and be killed by the ``last`` operation on a file: before it, or halfway through it if it is a write."""
    operations, save, path_open = itertools.count(1), RunFolder.save, Path.open

    def is_last() -> bool:
        return next(operations) == last

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dying(operation):
        return lambda *args, **options: die() if is_last() else operation(*args, **options)

    class DyingFile(io.FileIO):
        def write(self, data) -> int:
            if is_last():
                super().write(bytes(data)[: len(data) // 2])
                die()
            return super().write(data)

    def open_dying(path, mode="r", newline=None):
        if "w" not in mode:
            return path_open(path, mode, newline=newline)
        file = io.BufferedWriter(DyingFile(path, "w"), 2**18)  # in bites of 256 KiB
        return file if "b" in mode else io.TextIOWrapper(file, newline=newline)

    Path.open, os.fsync = dying(open_dying), dying(os.fsync)
    Path.replace, Path.unlink = dying(Path.replace), dying(Path.unlink)
    RunFolder.save = lambda self, state, wait=False: save(self, state, wait=True)  # every step, so that no two differ
    train_and_note(folder, *arguments)


def test_killed_by_any_operation_of_a_save_a_run_ends_in_the_same_bits(tmp_path):
    arguments = replace(CONFIG, epochs=1), 2  # three steps, and a save after each
    whole, states, saved = tmp_path / "whole", {0: None}, []
    assert in_child(train_and_note, whole, *arguments) == 0
    for last in itertools.count(1):
        folder = tmp_path / f"killed by {last}"
        code = in_child(train_until, last, folder, *arguments)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        step, state = 0, None
        if any((folder / name).exists() for name in ("checkpoint.pt", "checkpoint.previous.pt")):
            with warnings.catch_warnings(action="error"):  # none is damaged
                state = bits(load_newest(folder).state)
            step = int(state["steps_done"])
        saved.append(step)
        assert states.setdefault(step, state) == state
        assert in_child(train_and_note, folder, *arguments) == 0
        assert starts_of(folder) == [0, step]
        assert_same(folder, whole)
    print("saved at each kill:", saved)
    assert saved == sorted(saved) and set(saved) == {0, 1, 2, 3}
    assert all(saved.count(step) > 8 for step in range(3)), "every operation of a save is tried"
    assert_same(folder, whole)
