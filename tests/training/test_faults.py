"""What can go wrong in a training: each ends in a sentence that says what to do, and the last checkpoint is intact."""

import csv
import errno
import gc
import math
import os
import re
import shutil
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from helpers.noise import noise_pairs
from test_checkpoint import Code
from test_resume import assert_same, processes

from pix2pix_colab.training import TrainConfig, Training, load_checkpoint, run_folder, save_checkpoint, train
from pix2pix_colab.training.runs import load_newest, read_run

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)  # 12 steps
PAIRS = noise_pairs()
NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


def go(folder: Path, on_progress=None, config: TrainConfig = CONFIG):
    return train(PAIRS, config, folder, on_progress, "cpu", log_every=5)


def at(step: int, do):
    """An ``on_progress`` that does something once, at a step that is reported."""
    return lambda progress: do() if progress.step == step else None


def press_stop() -> None:
    signal.raise_signal(signal.SIGINT)


def stop_after(step: int, folder: Path, config: TrainConfig = CONFIG) -> None:
    """Train, with Ctrl-C at a step that is reported: the next one is saved."""
    with pytest.raises(KeyboardInterrupt, match=rf"Interrupted at step {step + 1} of .* saved: run the cell again"):
        go(folder, at(step, press_stop), config)
    assert load_newest(folder).state["steps_done"] == step + 1


def assert_intact(folder: Path, step: int, error: pytest.ExceptionInfo) -> None:
    assert load_newest(folder).state["steps_done"] == step
    assert f"the checkpoint of step {step} is intact. " in str(error.value)
    assert not list(folder.glob("*.partial"))


def assert_goes_on(folder: Path, step: int, whole: Path, config: TrainConfig = CONFIG) -> None:
    starts = []
    go(folder, lambda progress: starts.append(progress.step), config)
    assert starts[0] == step
    assert_same(folder, whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing happened to."""
    return go(tmp_path_factory.mktemp("runs") / "whole").folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> tuple[Path, Path]:
    """A run that was interrupted once, and one that was twice."""
    once, twice = (tmp_path_factory.mktemp("runs") / name for name in ("once", "twice"))
    stop_after(5, once)
    shutil.copytree(once, twice)
    stop_after(10, twice)
    return once, twice


@pytest.fixture
def begun(interrupted, tmp_path) -> Path:
    """A run whose newest and only checkpoint is that of step 6."""
    return shutil.copytree(interrupted[0], tmp_path / "run")


@pytest.fixture
def twice(interrupted, tmp_path) -> Path:
    """A run with the checkpoints of step 11 and, as the previous one, of step 6."""
    folder = shutil.copytree(interrupted[1], tmp_path / "run")
    assert [load_checkpoint(folder / name)["steps_done"] for name in (NEWEST, PREVIOUS)] == [11, 6]
    return folder


@pytest.fixture
def always_saving(monkeypatch):
    monkeypatch.setattr("pix2pix_colab.training.loop.SAVE_SECONDS", -1)


# --- the disk


@pytest.mark.parametrize("seconds", [-1, 30], ids=["on the way", "at the end"])
@pytest.mark.parametrize("file", [NEWEST, "history.csv"])
def test_a_full_disk_leaves_the_last_checkpoint(begun, whole, monkeypatch, file, seconds):
    monkeypatch.setattr("pix2pix_colab.training.loop.SAVE_SECONDS", seconds)
    (begun / f"{file}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"full: .* Free some space there and start again") as error:
        go(begun)
    assert error.value.errno == errno.ENOSPC and f"The disk of {begun} is full" in str(error.value)
    assert_intact(begun, 6, error)
    assert_goes_on(begun, 6, whole)


def test_a_disk_that_is_full_from_the_start(tmp_path, whole, always_saving):
    (tmp_path / f"{NEWEST}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"full: nothing had been saved. Free some space"):
        go(tmp_path)
    assert not list(tmp_path.glob("checkpoint*"))
    assert_goes_on(tmp_path, 0, whole)


def test_a_folder_that_cant_be_made_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("an hour was spent before this was noticed"))
    (tmp_path / "file").touch()
    for folder, reason in ((Path("/sys/run"), ".*"), (tmp_path / "file", "File exists"), (tmp_path / "file/a", ".*")):
        sentence = rf"{folder} can't be written \({reason}\): nothing had been saved. Make it writable, or choose"
        with pytest.raises(OSError, match=sentence):
            go(folder)


@contextmanager
def child(target, *arguments):
    """A child at work, and what receives from it."""
    here, there = processes.Pipe()
    process = processes.Process(target=target, args=(*arguments, there))
    process.start()
    there.close()

    def receive(seconds: float = 60) -> str:
        assert here.poll(seconds), "nothing came"
        return here.recv()

    try:
        yield process, receive
    finally:
        process.kill()
        process.join()


def train_as_nobody(folder: Path, connection) -> None:
    os.chdir(folder)  # the way there need not be open to all
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        go(Path())
    except OSError as error:
        connection.send(str(error))


def test_a_folder_of_another_users_gets_a_sentence(begun):
    begun.chmod(0o555)
    with child(train_as_nobody, begun) as (_, receive):
        assert re.search(r"written \(Permission denied\): the checkpoint of step 6 is intact. Make", receive())
    begun.chmod(0o755)


@pytest.mark.parametrize("owner, operation", [(Path, "open"), (os, "fsync"), (Path, "replace"), (torch, "load")])
def test_a_disk_that_fails_on_the_way_leaves_the_last_checkpoint(begun, whole, monkeypatch, owner, operation):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="written") as error:
        go(begun, at(10, lambda: patch.setattr(owner, operation, fail)))
    assert_intact(begun, 6, error)
    assert re.search(r"can't be written \(Input/output error\): .* Make it writable, or choose", str(error.value))
    assert_goes_on(begun, 6, whole)


def test_a_slow_disk_doesnt_hold_up_the_steps(tmp_path, whole, always_saving, monkeypatch):
    advance, taken, meanwhile = Training.advance, [], []

    def save_slowly(*arguments):
        before = len(taken)
        time.sleep(0.3)
        save_checkpoint(*arguments)
        meanwhile.append(len(taken) - before)

    monkeypatch.setattr(Training, "advance", lambda training: (taken.append(1), advance(training)))
    monkeypatch.setattr(run_folder, "save_checkpoint", save_slowly)
    go(tmp_path)
    assert max(meanwhile) > 1, "steps were taken while one checkpoint was being written"
    assert len(meanwhile) < 12, "what can't be written in time is left out"
    assert_same(tmp_path, whole)


def test_the_history_is_read_back_as_it_was(tmp_path, always_saving):
    run = go(tmp_path, config=replace(CONFIG, lambda_l1=math.inf))
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = [
            {key: (int if key in ("step", "epoch") else float)(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
    assert repr(rows) == repr(run.history)  # repr: NaN is not equal to itself
    assert len(rows) == 3 and all(math.isnan(row["discriminator"]) for row in rows)


def test_a_disk_that_loses_bytes_is_noticed(begun, whole, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(OSError, match="written") as error:
        go(begun, at(10, lambda: patch.setattr(os, "fsync", lambda number: os.truncate(number, 9999))))
    assert_intact(begun, 6, error)
    assert error.value.errno == errno.EIO and f"] {begun} can't be written (" in str(error.value)
    assert_goes_on(begun, 6, whole)


# --- two at once


def train_and_wait(folder: Path, connection) -> None:
    gc.freeze()
    go(folder, at(10, lambda: (connection.send("at work"), time.sleep(600))))


def test_another_process_in_the_same_folder_is_refused_until_the_first_is_gone(begun, whole):
    with child(train_and_wait, begun) as (process, receive):
        assert receive() == "at work"
        with pytest.raises(RuntimeError, match=rf"training is at work in {begun}: wait for it, stop it, or train into"):
            go(begun)
        process.kill()
        process.join()
        assert (begun / "training.lock").exists()
    assert_goes_on(begun, 6, whole)


def test_a_thread_can_train_and_another_is_refused_meanwhile(tmp_path, whole):
    reached, resume = threading.Event(), threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(go, tmp_path, at(5, lambda: (reached.set(), resume.wait(60))))
        assert reached.wait(60)
        assert signal.getsignal(signal.SIGINT) is before
        try:
            with pytest.raises(RuntimeError, match="Another training is at work"):
                go(tmp_path)
        finally:
            resume.set()
        training.result()
    assert_same(tmp_path, whole)


# --- Ctrl-C


def train_until_interrupted(folder: Path, presses: int, connection) -> None:
    gc.freeze()

    def wait_for_ctrl_c() -> None:
        connection.send("press")
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # which the next one will meet
            time.sleep(0.01)
        if presses == 2:
            connection.send("press again")
            time.sleep(600)

    try:
        go(folder, at(10, wait_for_ctrl_c))
    except KeyboardInterrupt as error:
        connection.send(str(error))


def test_ctrl_c_finishes_the_step_and_saves_it(begun, whole):
    with child(train_until_interrupted, begun, 1) as (process, receive):
        assert receive() == "press"
        os.kill(process.pid, signal.SIGINT)
        again = "run the cell again (or the command) and training resumes from there."
        assert receive() == f"Interrupted at step 11 of 12, which is saved: {again}"
        process.join()
        assert process.exitcode == 0
    assert_goes_on(begun, 11, whole)


def test_a_second_ctrl_c_interrupts_at_once(begun, whole):
    with child(train_until_interrupted, begun, 2) as (process, receive):
        for word in ("press", "press again"):
            assert receive() == word
            os.kill(process.pid, signal.SIGINT)
        assert receive(20) == "", "at once, so nothing is said to be saved"
    assert_goes_on(begun, 6, whole)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_a_slow_disk_writes_leaves_no_lock(begun, whole, monkeypatch, times):
    leaving, tried, shutdown = threading.Event(), threading.Event(), ThreadPoolExecutor.shutdown

    def save_slowly(*arguments):
        for _ in range(times):
            time.sleep(0.3)  # by then it is waited for
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert leaving.wait(60)
        assert times == 1 or tried.wait(60)
        save_checkpoint(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "shutdown", lambda thread: (leaving.set(), shutdown(thread)))
        patch.setattr(run_folder, "save_checkpoint", save_slowly)
        with pytest.raises(KeyboardInterrupt) as error:  # kept, as a notebook does, and all objects with it
            go(begun, at(10, press_stop))
        assert str(error.value) == "", "it was not waited for"
        if times == 2:
            with pytest.raises(RuntimeError, match="Another training is at work"):  # it is writing still
                go(begun)
            tried.set()
            FileLock(begun / "training.lock").acquire(timeout=30).lock.release()  # it is free once that is written
    assert_goes_on(begun, 11, whole)


def test_the_callers_ctrl_c_is_given_back(tmp_path):
    def callers(*_):
        pytest.fail("the training should have had it")

    before, seen = signal.signal(signal.SIGINT, callers), []
    try:
        stop_after(5, tmp_path)
        assert signal.getsignal(signal.SIGINT) is callers
        with pytest.raises(ZeroDivisionError):
            go(tmp_path, at(10, lambda: 1 / 0))
        assert signal.getsignal(signal.SIGINT) is callers
        go(tmp_path, lambda _: seen.append(signal.getsignal(signal.SIGINT)))
        assert signal.getsignal(signal.SIGINT) is callers and seen[-1] is not callers
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_ctrl_c_is_ignored_training_goes_on(tmp_path, whole):
    """As by a script's background job, or trap '' INT: the training must not take it up."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        go(tmp_path, at(5, press_stop))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert_same(tmp_path, whole)


# --- memory


def test_running_out_of_the_machines_memory_gets_a_sentence(begun, whole):
    sentence = (
        r"Out of memory on cpu at width 2, 128 px, batch_size 1: .* Close other programs that use it, or take a smaller"
    )
    with pytest.raises(MemoryError, match=sentence) as error:
        go(begun, at(10, lambda: torch.empty(2**50)))
    assert_intact(begun, 6, error)
    assert_goes_on(begun, 6, whole)


def test_running_out_of_a_gpus_memory_gets_a_sentence(begun, tmp_path, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Training, "step", fail)
    with pytest.raises(MemoryError, match="Out of memory on cpu") as error:
        go(begun)
    assert_intact(begun, 6, error)
    with pytest.raises(MemoryError, match=r"batch_size 1: nothing had been saved. Close"):
        go(tmp_path / "new")


def test_what_failed_for_lack_of_memory_is_freed_while_the_error_is_kept(begun, monkeypatch):
    """As a notebook keeps it, and runs the cell again."""
    kept = []

    def fail(training: Training, *_):
        activations = torch.empty(3)
        kept.extend([weakref.ref(training), weakref.ref(activations)])
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Training, "advance", fail)
    with pytest.raises(MemoryError) as error:
        go(begun)
    assert error.value.__cause__ and [each() for each in kept] == [None, None]


def test_another_error_is_passed_on_as_it_is(begun, whole):
    mine = RuntimeError("the picture can't be drawn")

    def fail():
        raise mine

    with pytest.raises(RuntimeError) as error:
        go(begun, at(10, fail))
    assert error.value is mine
    assert_goes_on(begun, 6, whole)


# --- NaN


def poison(net: torch.nn.Module) -> None:
    next(net.parameters()).data.view(-1)[0] = math.nan


def test_a_learning_rate_that_is_far_too_high_gets_a_sentence(tmp_path):
    with pytest.raises(
        FloatingPointError,
        match=r"At step 5 .* is NaN or infinite, .*: train with a learning_rate below 1e\+30, in another folder",
    ):
        go(tmp_path, config=replace(CONFIG, learning_rate=1e30))
    assert not list(tmp_path.glob("checkpoint*"))


def test_a_loss_that_becomes_nan_ends_the_training(begun, whole):
    with pytest.raises(FloatingPointError, match="At step 10 the loss discriminator and the loss adversarial and the"):
        go(begun, lambda progress: poison(progress.generator) if progress.step == 6 else None)
    assert load_newest(begun).state["steps_done"] == 6
    assert_goes_on(begun, 6, whole)


@pytest.mark.parametrize("net, step", [("generator", 7), ("discriminator", 8), ("generator", 12)])
def test_a_weight_that_becomes_nan_is_not_saved(begun, whole, monkeypatch, net, step):
    def advance_badly(training, advance=Training.advance):
        advance(training)
        if training.steps_done == step:
            poison(getattr(training, net))  # the losses of this step are sound still

    with monkeypatch.context() as patch:
        patch.setattr("pix2pix_colab.training.loop.SAVE_SECONDS", -1)
        patch.setattr(Training, "advance", advance_badly)
        with pytest.raises(FloatingPointError, match=rf"At step {step} a weight of the {net} is NaN or infinite, "):
            go(begun)
    state = load_newest(begun).state
    assert 6 <= state["steps_done"] < step and all(weight.isfinite().all() for weight in state[net].values())
    assert_goes_on(begun, state["steps_done"], whole)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", range(3), ids=["discriminator", "adversarial", "l1"])
def test_a_loss_that_fp16_skips_is_no_end_and_is_left_out_of_the_mean(which, value):
    """An overflow of D is NaN as a rule: the real logits become infinite, and their differences none."""
    training = Training(PAIRS, CONFIG)
    training.scaler = torch.amp.GradScaler("cpu", enabled=True)
    skipped = torch.tensor([0.5, 0.7, 0.2])
    skipped[which] = value
    training.pending = [torch.tensor([0.7, 0.7, 0.2]), skipped]
    training.log()
    assert training.history[-1]["discriminator"] == pytest.approx(0.7)


# --- damaged and foreign checkpoints


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def flip(file: Path) -> None:
    """Turn over one bit of a weight: what stands between the tensors is harmless."""
    whole, weight = bytearray(file.read_bytes()), next(iter(load_checkpoint(file)["generator"].values()))
    whole[whole.index(weight.numpy().tobytes()) + 5] ^= 1
    file.write_bytes(whole)


def put_code_in(file: Path) -> None:
    torch.save(load_checkpoint(file) | {"history": Code(file.with_name("code was run"))}, file)


def put_another_programs(file: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(3)}}, file)


def put_a_list(file: Path) -> None:
    torch.save([torch.zeros(3)], file)


DAMAGES = [truncate, flip, put_code_in, put_another_programs, put_a_list]


@pytest.mark.parametrize("damage", DAMAGES)
def test_after_a_damaged_checkpoint_the_one_before_is_used_and_kept(twice, whole, damage):
    damage(twice / NEWEST)
    sound = (twice / PREVIOUS).read_bytes()
    with pytest.warns(UserWarning, match=rf"{twice / NEWEST} is damaged: the one before it, {PREVIOUS}, is used"):
        assert_goes_on(twice, 6, whole)
    assert (twice / PREVIOUS).read_bytes() == sound, "the damaged one took its place"


def test_the_one_before_is_sound_at_any_moment(twice, whole, always_saving, monkeypatch):
    flip(twice / NEWEST)
    steps, replace_file = [], Path.replace

    def watch(path, target):
        replace_file(path, target)
        steps.append(load_checkpoint(twice / PREVIOUS)["steps_done"])

    monkeypatch.setattr(Path, "replace", watch)
    with pytest.warns(UserWarning, match="is damaged"):
        assert_goes_on(twice, 6, whole)
    assert steps[:2] == [6, 6] and steps == sorted(steps) and 6 < steps[-1] < 12


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_sound_checkpoint_the_training_ends_in_a_sentence(twice, damage):
    damage(twice / NEWEST)
    damage(twice / PREVIOUS)
    files = {path: path.read_bytes() for path in twice.iterdir()}
    what = r"(is no checkpoint, or is damaged: delete it and train again|is not a run's checkpoint, or .*: train into)"
    with pytest.raises(ValueError, match=what):
        go(twice)
    (twice / PREVIOUS).unlink()
    with pytest.raises(ValueError, match=what):
        go(twice)
    assert {path: path.read_bytes() for path in twice.iterdir()} == {p: files[p] for p in files if p.name != PREVIOUS}


def test_killed_between_two_renames_a_run_goes_on_from_the_one_before(twice, whole, recwarn):
    (twice / NEWEST).unlink()
    assert_goes_on(twice, 6, whole)
    assert not recwarn.list


# --- other settings, and more epochs


def test_other_settings_are_refused_by_name(begun):
    files = {path: path.read_bytes() for path in begun.iterdir()}
    with pytest.raises(ValueError, match="settings") as error:
        go(begun, config=replace(CONFIG, lambda_l1=1, seed=3, dropout=0))
    there = "lambda_l1 = 100 there, 1 here; dropout = 0.5 there, 0 here; seed = 0 there, 3 here"
    sentence = f"was made with other settings ({there}): use the same settings or another folder"
    sentence += " (with start=read_run(that one) to train on from its weights)"
    assert str(error.value) == f"{begun} {sentence}, or delete that one to train anew."
    with pytest.raises(ValueError, match="epochs = 4 there, 6 here"):  # it is to be finished first
        go(begun, config=replace(CONFIG, epochs=6))
    assert {path: path.read_bytes() for path in begun.iterdir()} == files


@pytest.fixture(scope="module")
def extended(whole, tmp_path_factory) -> Path:
    """The run that nothing happened to, with two epochs more."""
    folder = tmp_path_factory.mktemp("runs") / "extended"
    shutil.copytree(whole, folder)
    go(folder, config=replace(CONFIG, epochs=6))
    return folder


def test_a_finished_run_is_given_more_epochs(whole, extended):
    more = replace(CONFIG, epochs=6)
    before, run = read_run(whole), read_run(extended)
    assert run.config == more and run.history[:3] == before.history
    assert [(row["step"], row["epoch"]) for row in run.history[3:]] == [(15, 5), (18, 6)]
    with (extended / "history.csv").open(newline="") as file:
        rates = {int(row["epoch"]): float(row["learning_rate"]) for row in csv.DictReader(file)}
    assert rates[4] == CONFIG.learning_rate_in(4) < more.learning_rate_in(5), "it rises again"
    assert [rates[5], rates[6]] == [more.learning_rate_in(5), more.learning_rate_in(6)] == pytest.approx([1e-4, 5e-5])
    a, b = (each.load_generator().state_dict() for each in (before, run))
    assert not any(torch.equal(a[name], b[name]) for name in a if name.endswith("weight") and a[name].ndim == 4)
    with pytest.raises(ValueError, match="epochs = 6 there, 4 here"):
        go(extended)


def test_an_interrupted_extension_ends_in_the_same_bits(whole, extended, tmp_path):
    more, folder = replace(CONFIG, epochs=6), tmp_path / "run"
    shutil.copytree(whole, folder)
    stop_after(15, folder, more)
    with pytest.raises(ValueError, match="is of a run that was interrupted: train it to its end first"):
        read_run(folder)
    with pytest.raises(ValueError, match="epochs = 6 there, 8 here"):
        go(folder, config=replace(CONFIG, epochs=8))
    shutil.copytree(folder, tmp_path / "damaged")
    assert_goes_on(folder, 16, extended, more)
    truncate(tmp_path / "damaged" / NEWEST)
    with pytest.warns(UserWarning, match="is damaged"):
        assert_goes_on(tmp_path / "damaged", 12, extended, more)  # from where the shorter run had ended


@pytest.mark.parametrize("epochs", range(1, 10))
def test_what_the_schedule_says_is_true(epochs):
    config = replace(CONFIG, epochs=epochs)
    rates = {epoch: config.learning_rate_in(epoch) for epoch in range(1, epochs + 2)}
    assert rates[1] == CONFIG.learning_rate and rates[epochs + 1] == 0
    for epoch in range(1, epochs + 1):
        said = config.schedule(epoch)
        if epoch == epochs:
            assert said == f"the learning rate is {rates[epoch]:.2g} in epoch {epoch}"
            continue
        pattern = r"the learning rate is (\S+) (up to|in) epoch (\d+), and falls to (\S+) in epoch (\d+)"
        first, how, until, last, end = re.fullmatch(pattern, said).groups()
        until = int(until)
        assert (int(end), last) == (epochs, f"{rates[epochs]:.2g}")
        assert {f"{rates[each]:.2g}" for each in range(epoch, until + 1)} == {first}
        assert until == epoch or how == "up to"
        assert all(rates[each + 1] < rates[each] for each in range(until, epochs))
