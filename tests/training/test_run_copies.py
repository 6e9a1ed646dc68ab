"""Machines that come and go, with one Drive: progress there never falls, nothing is mixed, what is said is true."""

import errno
import math
import os
import random
import re
import shutil
import threading
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_runs import PAIRS, TINY, bits, train_until, train_whole

from pix2pix_colab.training import load_checkpoint, loop, run_copies, save_checkpoint, train, train_lambda_path
from pix2pix_colab.training.run_copies import RunCopies, end_copies, list_copies, resume_copies
from pix2pix_colab.training.run_folder import RunFolder, describe_copies, keep_copies
from pix2pix_colab.training.runs import Identity, load_newest, read_run
from pix2pix_colab.training.step import Training

PATH = "lambda_100"
SHORT = replace(TINY, epochs=3)  # 12 steps


class Machine:
    """A machine's disk, whose runs are copied to Drive."""

    def __init__(self, root: Path, drive: Path):
        self.root, self.drive, self.run = root, drive, root / PATH
        self.start()

    def start(self) -> list[str]:
        """Open the workspace in a new kernel."""
        return keep_copies(self.root, self.drive)

    def vanish(self) -> None:
        """Take the machine away; a fresh one is started."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.start()

    def steps_done(self) -> int:
        return load_newest(self.run).state["steps_done"] if (self.run / "checkpoint.pt").exists() else 0


@pytest.fixture
def machines(tmp_path) -> list[Machine]:
    return [Machine(tmp_path / name, tmp_path / "drive") for name in ("monday", "tuesday", "laptop")]


def steps(drive: Path) -> list[int]:
    return [copy.step for copy in list_copies(drive / PATH)]


def furthest_sound(drive: Path) -> int:
    """The step of the furthest sound copy; each one is what its name says."""
    found = [0]
    for copy in list_copies(drive / PATH):
        with suppress(ValueError):
            state = load_checkpoint(copy.file)
            assert (copy.identity, copy.step) == (Identity.of(state).digest, state["steps_done"])
            assert state["history"][-1]["step"] == state["steps_done"] == len(state["history"])
            found.append(state["steps_done"])
    return max(found)


def damage(file: Path) -> None:
    """Empty the middle of a file: a single byte might lie in the padding between two tensors."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    file.write_bytes(content)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict:
    """Of a training that nothing disturbs."""
    return load_newest(train_whole(tmp_path_factory.mktemp("undisturbed"), SHORT).folder).state["generator"]


class Vanished(BaseException):
    """The machine is gone in the middle of an operation."""


def vanish_in_a_copy(machine: Machine, luck: random.Random, monkeypatch) -> None:
    """Take the machine away at one of the operations on Drive's files, while its training goes on."""
    left = luck.randrange(8)

    def counted(function):
        def call(*arguments, **options):
            nonlocal left
            left -= machine.drive in Path(arguments[0]).parents
            if left < 0:
                raise Vanished
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch, suppress(Vanished):
        for name in ("replace", "unlink", "open"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(os, "truncate", counted(os.truncate))
        train_until(machine.steps_done() + luck.randint(1, 3), machine.run, SHORT)
    machine.vanish()


def cut_off(drive: Path) -> None:
    """Leave half of the furthest copy, if there is another one: Drive was full, or the machine vanished."""
    copies = list_copies(drive / PATH)
    if len(copies) > 1:
        os.truncate(copies[-1].file, copies[-1].file.stat().st_size // 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_progress_on_drive_never_falls(seed, machines, weights, monkeypatch):
    luck, reached = random.Random(seed), 0
    drive = machines[0].drive
    monkeypatch.setattr(run_copies, "BYTES_PER_SECOND", luck.choice([1, math.inf]))
    monkeypatch.setattr(loop, "SAVE_SECONDS", luck.choice([0, 30]))
    for _ in range(9):
        machine = luck.choice(machines)
        event = luck.choice(["train"] * 4 + ["restart", "vanish", "vanish", "vanish in a copy", "cut", "say"])
        if event == "train":
            train_until(machine.steps_done() + luck.randint(1, 3), machine.run, SHORT)
        elif event == "restart":
            machine.start()
        elif event == "vanish":
            machine.vanish()
        elif event == "vanish in a copy":
            vanish_in_a_copy(machine, luck, monkeypatch)
        elif event == "cut":
            cut_off(drive)
            reached = furthest_sound(drive)
        for said in describe_copies(machine.root) if event == "say" else ():
            step = int(re.search(r" is in .*, at step (\d+)\.$", said)[1])
            assert step >= machine.steps_done() and furthest_sound(drive) >= step
        now = furthest_sound(drive)
        assert now >= reached, f"{event}: Drive had step {reached}, and has step {now}"
        reached = now
    for machine in machines:
        machine.start()
        assert machine.steps_done() >= reached, "it goes on from the furthest"
        generator = load_newest(train_whole(machine.run, SHORT).folder).state["generator"]
        assert all(torch.equal(weights[key], generator[key]) for key in weights), "something was mixed"
    assert furthest_sound(drive) == 12


def test_a_fresh_machine_takes_over_what_is_on_drive_and_says_so(machines):
    first, second, _ = machines
    train_until(8, first.run)
    assert second.start() == [f"restored {second.run}, at step 8"]
    assert second.start() == [] and second.steps_done() == 8
    assert (second.run / "history.csv").read_text() == (first.run / "history.csv").read_text()


def test_a_training_goes_on_from_a_copy_that_came_after_the_start(machines):
    first, second, _ = machines
    train_until(4, second.run)
    train_until(8, first.run)
    starts = []
    train(PAIRS, TINY, second.run, lambda progress: starts.append(progress.step), "cpu", log_every=1)
    assert starts[0] == 8


def test_an_older_run_does_not_replace_a_further_one(machines):
    """Notebooks 3 and 4 train the same λ on two machines."""
    first, second, _ = machines
    train_until(8, second.run)
    end_copies()
    train_until(12, second.run)
    resume_copies()
    train_whole(first.run)
    assert describe_copies(second.root) == [f"{second.run} is in {second.drive / PATH}, at step 32."]
    assert steps(first.drive)[-1] == 32


def test_a_run_that_is_further_here_stays(machines):
    first, second, _ = machines
    train_until(8, first.run)
    train_until(16, second.run)
    assert first.start() == [f"restored {first.run}, at step 16"] and second.start() == []


@pytest.mark.slow
@pytest.mark.parametrize("lost_in", [1, math.inf])  # a leg that starts from a leg, and one without D
def test_a_path_whose_machine_is_lost_in_a_leg_goes_on_on_another(machines, monkeypatch, lost_in):
    """It ends in the same bits, and neither its trunk nor a finished leg is trained again."""
    lambdas = (1, 10, 100, math.inf)  # 12 steps, and legs of 4, 4 and 8
    first, second, _ = machines
    whole = train_lambda_path(PAIRS, lambdas, SHORT, first.root.with_name("whole"), device="cpu")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    taken, advance, save = [], Training.advance, RunFolder.save

    def save_or_vanish(self, state, wait=False):
        if (state["config"]["lambda_l1"], state["steps_done"]) == (lost_in, 3):
            raise Vanished
        save(self, state, wait=True)

    with monkeypatch.context() as patch, pytest.raises(Vanished):
        patch.setattr(RunFolder, "save", save_or_vanish)
        train_lambda_path(PAIRS, lambdas, SHORT, first.root / "path", device="cpu")
    expected = {k: bits(load_newest(run.folder).state) for k, run in whole.items()}
    shutil.rmtree(first.root)
    second.start()
    monkeypatch.setattr(Training, "advance", lambda self: (taken.append(self.config.lambda_l1), advance(self))[1])
    runs = train_lambda_path(PAIRS, lambdas, SHORT, second.root / "path", device="cpu")
    assert {k: bits(load_newest(run.folder).state) for k, run in runs.items()} == expected
    assert taken == {1: 2 * [1] + 8 * [math.inf], math.inf: 6 * [math.inf]}[lost_in]


def test_runs_of_other_settings_are_not_mixed(machines):
    """Another seed, or other epochs: the learning rate depends on them."""
    first, second, third = machines
    end_copies()
    train_until(4, second.run, replace(TINY, seed=1))
    train_until(4, third.run, SHORT)
    resume_copies()
    train_whole(first.run)
    for machine in (second, third):
        assert machine.start() == [] and machine.steps_done() == 4, "another run, though less far, is not replaced"
        describe_copies(machine.root)
    assert steps(first.drive) == [4, 4, 32]


def test_equal_settings_have_one_identity(machines):
    first, second, _ = machines
    train_whole(first.run, replace(SHORT, lambda_l1=100.0))
    second.vanish()
    assert train_whole(second.run, replace(SHORT, lambda_l1=100)).history[-1]["step"] == 12
    assert len({copy.identity for copy in list_copies(first.drive / PATH)}) == 1


def test_another_run_is_deleted_in_both_places(machines):
    first, second, _ = machines
    train_until(4, first.run)
    with pytest.raises(ValueError, match=rf"delete that one, and {first.drive / PATH}, to train anew") as caught:
        train_until(4, first.run, replace(TINY, seed=1))
    assert str(caught.value).startswith(f"{first.run} was made with other settings (seed = 0 there, 1 here)")
    shutil.rmtree(first.run)
    shutil.rmtree(first.drive / PATH)
    train_until(4, first.run, replace(TINY, seed=1))
    assert second.start() == [f"restored {second.run}, at step 4"]


def test_the_older_copy_goes_only_when_the_next_copy_begins(machines):
    """Drive uploads later: until then the machine may vanish with the newest copy."""
    first, found = machines[0], []
    for step in (4, 8, 12):
        train_until(step, first.run)
        found.append(steps(first.drive))
    assert found == [[4], [4, 8], [8, 12]]


def test_a_damaged_copy_is_named_and_the_one_before_it_taken(machines):
    first, second, _ = machines
    for step in (4, 8):
        train_until(step, first.run)
    damage(list_copies(first.drive / PATH)[-1].file)
    with pytest.warns(UserWarning, match=r"step-00000008\.pt is left out: .*8\.pt is no checkpoint, or is damaged"):
        assert second.start() == [f"restored {second.run}, at step 4"]
    assert steps(first.drive) == [4], "it is not taken for progress"


def test_a_copy_that_cant_be_read_now_is_named_and_left_as_it_is(machines, monkeypatch):
    first, second, _ = machines
    for step in (4, 8):
        train_until(step, first.run)
    load, newest = torch.load, list_copies(first.drive / PATH)[-1].file

    def fail(file, **options):
        if file.name == str(newest):
            raise OSError(errno.EIO, "Input/output error")
        return load(file, **options)

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match=r"8\.pt can't be read \(Input/output error\)"):
        patch.setattr(torch, "load", fail)
        assert second.start() == [f"restored {second.run}, at step 4"]
    assert newest.exists() and load_checkpoint(newest)["steps_done"] == 8


def test_a_run_that_cant_be_read_now_is_not_begun_anew(machines, monkeypatch):
    first = machines[0]
    train_until(8, first.run)
    shutil.rmtree(first.drive / PATH)

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch, pytest.raises(PermissionError, match="it may be sound"):
        patch.setattr(torch, "load", fail)
        train_until(12, first.run)
    assert load_checkpoint(first.run / "checkpoint.pt")["steps_done"] == 8


def test_a_damaged_run_is_replaced_by_its_copy(machines):
    first = machines[0]
    train_until(8, first.run)
    for file in first.run.glob("*.pt"):
        file.write_bytes(b"damaged")
    assert first.start() == [f"restored {first.run}, at step 8"]


def test_a_copy_that_was_cut_off_does_not_count(machines):
    """Not as progress, and not as the one that the older is deleted for."""
    first, second, _ = machines
    for step in (8, 12):
        train_until(step, first.run)
    newest = list_copies(first.drive / PATH)[-1].file
    newest.write_bytes(newest.read_bytes()[:-100])
    assert second.start() == [f"restored {second.run}, at step 8"]
    train_until(16, first.run)
    assert steps(first.drive) == [8, 16] and not newest.exists()


def test_what_was_deleted_there_is_asked_for_again(machines):
    first = machines[0]
    train_whole(first.run)
    shutil.rmtree(first.drive / PATH)
    assert describe_copies(first.root) == [f"{first.run} is in {first.drive / PATH}, at step 32."]


def test_a_replaced_copy_is_emptied_before_the_trash_gets_it(machines, monkeypatch):
    trash, unlink, drive = [], Path.unlink, machines[0].drive

    def watch(path, **options):
        trash.extend([path.stat().st_size] if path.exists() and drive in path.parents else [])
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", watch)
    for step in (4, 8, 12):
        train_until(step, machines[0].run)
    assert trash == [0]


# --- a Drive that fails


def test_a_large_run_is_copied_less_often_but_at_its_end(machines, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    monkeypatch.setattr(run_copies, "BYTES_PER_SECOND", 1)
    copied, save = [], run_copies.save_checkpoint
    monkeypatch.setattr(run_copies, "save_checkpoint", lambda *a: copied.append(a[1]["steps_done"]) or save(*a))
    train_whole(machines[0].run)
    assert copied[-1] == 32 and len(copied) == 2, "one when it begins, and one at the end"


def test_a_full_drive_is_said_once_and_training_goes_on(machines, monkeypatch):
    first, save, tries = machines[0], run_copies.save_checkpoint, []

    def fail(*_):
        tries.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    monkeypatch.setattr(run_copies, "save_checkpoint", fail)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for k in (100, 10):
            train_whole(first.root / f"lambda_{k}", replace(TINY, lambda_l1=k))
        where = f"{first.run}, at step 32, is not in {first.drive / PATH}"
        assert describe_copies(first.run) == [f"{where} (No space left on device); nothing is there."]
    assert [str(each.message) for each in said if "is not written: No space left on device." in str(each.message)]
    assert len(said) == 1 and len(tries) == 5, "700 MB aren't copied every half minute to a Drive that is full"
    monkeypatch.setattr(run_copies, "save_checkpoint", save)
    assert describe_copies(first.run) == [f"{first.run} is in {first.drive / PATH}, at step 32."], "room was made"


def test_a_drive_that_is_unmounted_gets_no_folder_in_its_place(machines):
    first = machines[0]
    shutil.rmtree(first.drive)
    with pytest.warns(UserWarning, match=r"is not written: it is no longer there\. The run is only on this machine"):
        assert train_whole(first.run).history[-1]["step"] == 32
    assert not first.drive.exists()


def test_a_drive_that_can_not_be_read_is_said_and_training_goes_on(machines, monkeypatch):
    first = machines[0]
    train_until(4, first.run)

    def fail(*_):
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(run_copies, "list_copies", fail)
    with pytest.warns(UserWarning, match="can't be read: .*Transport endpoint is not connected"):
        assert train_whole(first.run).history[-1]["step"] == 32
    assert read_run(first.run).history[-1]["step"] == 32
    where = f"{first.run}, at step 32, is not in {first.drive / PATH}"
    assert describe_copies(first.run) == [f"{where} (Transport endpoint is not connected); nothing is there."]


def test_a_copy_of_another_version_is_left_as_it_is(machines):
    first, second, _ = machines
    train_until(4, first.run)
    (copy,) = list_copies(first.drive / PATH)
    state = load_checkpoint(copy.file)
    save_checkpoint(copy.file, state | {"config": state["config"] | {"depth": 8}})
    with pytest.warns(UserWarning, match="is left out: .* another version wrote it"):
        assert second.start() == []
    assert copy.file.exists()


def test_a_damaged_copy_on_a_drive_that_renames_nothing_stops_nothing(machines, monkeypatch):
    first, second, _ = machines
    train_until(8, first.run)
    damage(list_copies(first.drive / PATH)[-1].file)

    def fail(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.warns(UserWarning, match="is left out: .* is damaged"):
        assert second.start() == []


def test_slow_writes_do_not_hold_up_the_steps(machines, monkeypatch):
    """A Drive that takes as long as the whole training for a copy."""
    copying, release, save = threading.Event(), threading.Event(), run_copies.save_checkpoint
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)

    def slow(*arguments):
        copying.set()
        assert release.wait(60)
        save(*arguments)

    def on_progress(progress):
        if progress.step == 31:
            assert copying.wait(60)
            release.set()  # the steps were taken while it copied

    monkeypatch.setattr(run_copies, "save_checkpoint", slow)
    run = train(PAIRS, TINY, machines[0].run, on_progress, device="cpu", log_every=1)
    assert len(run.history) == 32 and steps(machines[0].drive)[-1] == 32


def test_the_last_step_is_there_when_a_training_ends(machines):
    train_until(8, machines[0].run)
    assert steps(machines[0].drive) == [8]
    train_whole(machines[0].run)
    assert steps(machines[0].drive) == [8, 32]


def test_copies_can_be_ended_and_resumed(machines, tmp_path):
    first = machines[0]
    train_until(4, first.run)
    end_copies()
    train_until(8, first.run)
    assert steps(first.drive) == [4] and describe_copies(first.run) == []
    resume_copies()
    assert describe_copies(first.run) == [f"{first.run} is in {first.drive / PATH}, at step 8."]
    keep_copies(first.root, None)
    assert RunCopies.of(first.run) is None


def test_a_place_that_can_not_be_used_gets_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/quick can't be used \(.*\): mount it again, make room, or work without"):
        keep_copies(tmp_path / "runs", tmp_path / "file" / "quick")
    assert RunCopies.of(tmp_path / "runs" / PATH) is None


def test_a_training_in_the_same_folder_is_left_in_peace(machines):
    first, second, _ = machines
    train_until(8, first.run)
    train_until(4, second.run)
    train_until(12, first.run)
    with RunFolder(second.run):
        before = (second.run / "checkpoint.pt").read_bytes()
        assert RunFolder(second.run).load().state["steps_done"] == 12
        assert (second.run / "checkpoint.pt").read_bytes() == before
