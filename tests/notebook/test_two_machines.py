"""Machines that come and go, with one Drive: progress there never falls, nothing is mixed, what is said is true."""

import math
import os
import random
import re
import shutil
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_runs import PAIRS, TINY, bits, train_until, train_whole

from pix2pix_colab.notebook import run_copies
from pix2pix_colab.notebook.drive_backup import DriveBackup
from pix2pix_colab.notebook.run_copies import back_up_run, copy_name, list_copies, restore_run
from pix2pix_colab.training import RunFolder, Training, load_checkpoint, load_newest, loop, train_lambda_path

PATH = "lambda_100"
SHORT = replace(TINY, epochs=3)  # 12 steps


class Machine:
    """A machine's disk, and its backup without the thread, so that a test says when it copies."""

    def __init__(self, root: Path, drive: Path):
        self.root, self.drive = root, drive
        self.start()

    @property
    def run(self) -> Path:
        return self.root / "quick" / PATH

    def start(self) -> None:
        """Open the workspace in a new kernel."""
        self.backup = DriveBackup(self.root / "quick", self.drive)
        self.backup.catch_up()

    def vanish(self) -> None:
        """Take the machine away; a fresh one is started."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.start()

    def steps_done(self) -> int:
        return load_newest(self.run).state["steps_done"] if self.run.exists() else 0


@pytest.fixture
def machines(tmp_path) -> list[Machine]:
    return [Machine(tmp_path / name, tmp_path / "drive") for name in ("monday", "tuesday", "laptop")]


def furthest_sound(drive: Path) -> int:
    """The step of the furthest sound copy; each one is what its name says."""
    steps = [0]
    for copy in list_copies(drive / PATH):
        try:
            state = load_checkpoint(copy.file)
        except ValueError:
            continue
        assert copy_name(state) == copy.file.name
        assert state["history"][-1]["step"] == state["steps_done"] == len(state["history"])
        steps.append(state["steps_done"])
    return max(steps)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict:
    """Of a training that nothing disturbs."""
    return load_newest(train_whole(tmp_path_factory.mktemp("undisturbed"), SHORT).folder)[0]["generator"]


class Vanished(BaseException):
    """The machine is gone in the middle of an operation."""


def vanish_in_a_copy(machine: Machine, luck: random.Random, monkeypatch) -> None:
    """Take the machine away at one of the operations on Drive's files, of a copy that is due."""
    train_until(machine.steps_done() + 1, machine.run, SHORT)
    left = luck.randrange(8)

    def counted(function):
        def call(*arguments, **options):
            nonlocal left
            left -= machine.drive in Path(arguments[0]).parents
            if left < 0:
                raise Vanished
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(run_copies, "STALE", -1)
        for name in ("replace", "unlink", "open"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(os, "truncate", counted(os.truncate))
        with suppress(Vanished):
            machine.backup.copy_changed()
    machine.vanish()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*(another machine trains|can't be read|was cut off)")
@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_progress_on_drive_never_falls(seed, machines, weights, monkeypatch):
    luck, reached = random.Random(seed), 0
    drive = machines[0].drive
    for _ in range(9):
        machine = luck.choice(machines)
        monkeypatch.setattr(run_copies, "STALE", luck.choice([180, 180, -1]))  # whether another has been seen just now
        event = luck.choice(["train", "train", "train", "copy", "copy", "restart", "vanish", "vanish in a copy", "say"])
        if event == "train":
            train_until(machine.steps_done() + luck.randint(1, 3), machine.run, SHORT)
        elif event == "copy":
            machine.backup.copy_changed(luck.choice([0, float("inf")]))
        elif event == "restart":
            machine.start()
        elif event == "vanish":
            machine.vanish()
        elif event == "vanish in a copy":
            vanish_in_a_copy(machine, luck, monkeypatch)
        elif machine.run.exists():
            said = re.search(r" is in .*, at step (\d+)\.$", machine.backup.describe(machine.run))
            if said:
                assert int(said[1]) >= machine.steps_done() and furthest_sound(drive) >= int(said[1])
        now = furthest_sound(drive)
        assert now >= reached, f"{event}: Drive had step {reached}, and has step {now}"
        reached = now
    monkeypatch.setattr(run_copies, "STALE", -1)
    for machine in machines:
        machine.start()
        assert machine.steps_done() >= reached, "it goes on from the furthest"
        generator = load_newest(train_whole(machine.run, SHORT).folder).state["generator"]
        assert all(torch.equal(weights[key], generator[key]) for key in weights), "something was mixed"
        machine.backup.copy_changed()
    assert furthest_sound(drive) == 12


@pytest.mark.slow
def test_an_older_run_does_not_replace_a_further_one(machines):
    """Notebooks 3 and 4 train the same λ on two machines."""
    first, second, _ = machines
    train_whole(first.run)
    first.backup.copy_changed()
    train_until(11, second.run)
    second.backup.copy_changed()
    assert furthest_sound(first.drive) == 32
    second.start()
    assert second.steps_done() == 32


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*another machine trains this run")
@pytest.mark.parametrize("lost_in", [1, math.inf])  # a leg that starts from a leg, and one without D
def test_a_path_whose_machine_is_lost_in_a_leg_goes_on_on_another(machines, monkeypatch, lost_in):
    """It ends in the same bits, and neither its trunk nor a finished leg is trained again."""
    lambdas = (1, 10, 100, math.inf)  # 12 steps, and legs of 4, 4 and 8
    first, second, _ = machines
    whole = train_lambda_path(PAIRS, lambdas, SHORT, first.root / "whole", device="cpu")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    taken, advance, save = [], Training.advance, RunFolder.save

    def save_or_vanish(self, state, wait=False):
        if (state["config"]["lambda_l1"], state["steps_done"]) == (lost_in, 3):
            raise Vanished
        save(self, state, wait=True)
        first.backup.copy_changed()

    with monkeypatch.context() as patch, pytest.raises(Vanished):
        patch.setattr(RunFolder, "save", save_or_vanish)
        train_lambda_path(PAIRS, lambdas, SHORT, first.root / "quick" / "path", device="cpu")
    expected = {k: bits(load_newest(run.folder).state) for k, run in whole.items()}
    shutil.rmtree(first.root)
    second.start()
    monkeypatch.setattr(Training, "advance", lambda self: (taken.append(self.config.lambda_l1), advance(self))[1])
    runs = train_lambda_path(PAIRS, lambdas, SHORT, second.root / "quick" / "path", device="cpu")
    assert {k: bits(load_newest(run.folder).state) for k, run in runs.items()} == expected
    assert taken == {1: 2 * [1] + 8 * [math.inf], math.inf: 6 * [math.inf]}[lost_in]


def test_a_run_that_is_further_here_stays(machines):
    first, second, _ = machines
    train_until(8, first.run)
    first.backup.copy_changed()
    train_until(16, second.run)
    with pytest.warns(UserWarning, match="another machine"):
        second.start()
    assert second.steps_done() == 16


def test_a_machine_at_work_is_left_in_peace_and_that_is_said(machines, monkeypatch):
    first, second, _ = machines
    train_until(8, first.run)
    first.backup.copy_changed()
    with pytest.warns(UserWarning, match=r"lambda_100 is not written: another machine trains this run"):
        second.start()
    train_until(16, second.run)
    reason = "another machine trains this run, or did so less than 3 minutes ago"
    said = second.backup.describe(second.run)
    assert said == f"{second.run} is not in {second.drive} ({reason}); step 8 is there."
    monkeypatch.setattr(run_copies, "STALE", -1)  # three minutes later
    assert second.backup.describe(second.run) == f"{second.run} is in {second.drive / PATH}, at step 16."
    assert not list(second.drive.rglob(f"at_work.{first.backup._machine}"))


def test_a_finished_training_is_no_longer_at_work(machines):
    first, second, _ = machines
    train_until(8, first.run)
    first.backup.copy_changed()
    train_whole(first.run)
    first.backup.copy_changed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second.start()
    assert second.steps_done() == 32


def test_what_was_deleted_does_not_come_back(machines):
    first, second, _ = machines
    train_whole(first.run)
    page = first.root / "quick" / "lambda.html"
    page.write_text("a page")
    first.backup.copy_changed()
    shutil.rmtree(first.run)
    page.unlink()
    first.start()  # in a new kernel: it was noted what was in the backup
    assert not first.run.exists() and not page.exists()
    second.start()
    assert not second.run.exists()


def test_what_is_deleted_while_a_kernel_runs_is_deleted_there(machines):
    first = machines[0]
    train_whole(first.run)
    first.backup.copy_changed()
    shutil.rmtree(first.run)
    first.backup.copy_changed()
    assert furthest_sound(first.drive) == 32, "a checkpoint that is just being replaced is missing for a moment"
    first.backup.copy_changed()
    assert furthest_sound(first.drive) == 0


def test_an_emptied_drive_gets_everything_again(machines):
    first = machines[0]
    train_whole(first.run)
    first.backup.copy_changed()
    shutil.rmtree(first.drive)
    first.start()
    assert first.run.exists()
    first.backup.copy_changed()
    assert furthest_sound(first.drive) == 32


def test_runs_of_other_settings_are_not_mixed(machines):
    first, second, _ = machines
    train_whole(first.run)
    first.backup.copy_changed()
    train_until(8, second.run, replace(TINY, seed=1))
    second.start()  # which says nothing: a finished run is nobody's work
    second.backup.copy_changed()
    assert second.steps_done() == 8, "another run, though less far, is not replaced"
    assert [copy.step for copy in list_copies(first.drive / PATH)] == [8, 32]


def test_the_older_copy_goes_only_when_the_next_copy_begins(tmp_path):
    """Drive uploads later: until then the machine may vanish with the newest copy."""
    steps = []
    for step in (4, 8, 12):
        train_until(step, tmp_path / "run")
        back_up_run(tmp_path / "run", tmp_path / "drive")
        steps.append([copy.step for copy in list_copies(tmp_path / "drive")])
    assert steps == [[4], [4, 8], [8, 12]]
    assert restore_run(tmp_path / "drive", tmp_path / "other").step == 12
    assert [copy.step for copy in list_copies(tmp_path / "drive")] == [12], "it has arrived, so the older can go"


def test_a_damaged_copy_is_named_and_the_one_before_it_taken(tmp_path):
    for step in (4, 8):
        train_until(step, tmp_path / "run")
        back_up_run(tmp_path / "run", tmp_path / "drive")
    newest = list_copies(tmp_path / "drive")[-1].file
    content = bytearray(newest.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)  # one byte might lie in the padding between two tensors
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=r"8\.pt can't be read: it is renamed to .*\.damaged, and left out"):
        assert restore_run(tmp_path / "drive", tmp_path / "other").step == 4


def test_a_drive_that_can_not_be_read_just_now_renames_nothing(tmp_path, monkeypatch):
    train_until(4, tmp_path / "run")
    back_up_run(tmp_path / "run", tmp_path / "drive")

    def fail(*arguments, **options):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="can't be read: it is left out"):
        patch.setattr(torch, "load", fail)
        assert restore_run(tmp_path / "drive", tmp_path / "other") is None
    assert restore_run(tmp_path / "drive", tmp_path / "other").step == 4


def test_a_backup_of_an_earlier_version_is_taken_over(machines):
    """It had the checkpoint under its own name."""
    first, second, _ = machines
    train_until(8, first.run)
    shutil.copytree(first.run, first.drive / PATH, ignore=shutil.ignore_patterns("*.lock"))
    second.start()
    assert second.steps_done() == 8
    assert [copy.step for copy in list_copies(first.drive / PATH)] == [8]


def test_a_training_of_another_kernel_is_not_disturbed(machines):
    first, second, _ = machines
    train_whole(first.run)
    first.backup.copy_changed()
    with RunFolder(second.run):
        second.start()
    assert not (second.run / "checkpoint.pt").exists()


@pytest.mark.parametrize("what", ["unmounted", "moved", "linked"])
def test_a_folder_that_is_gone_is_no_deletion(machines, tmp_path, what):
    first = machines[0]
    train_whole(first.run)
    first.backup.copy_changed()
    quick = first.root / "quick"
    if what == "unmounted":
        shutil.rmtree(quick)
        quick.mkdir()
    elif what == "moved":
        quick.rename(tmp_path / "old")
        train_until(4, quick / "lambda_1")
    else:
        first.run.rename(tmp_path / "large disk")
        first.run.symlink_to(tmp_path / "large disk")
    for _ in range(3):
        first.backup.copy_changed()
    first.start()
    first.backup.copy_changed()
    assert furthest_sound(first.drive) == 32


def test_another_machines_further_run_is_not_deleted(machines, monkeypatch):
    first, second, _ = machines
    train_until(8, first.run)
    first.backup.copy_changed()
    monkeypatch.setattr(run_copies, "STALE", -1)
    train_until(20, second.run)
    second.backup.copy_changed()
    shutil.rmtree(first.run)
    first.start()
    assert furthest_sound(first.drive) == 20


def test_an_empty_heartbeat_goes_stale_too(machines):
    """A full Drive leaves an empty file."""
    first = machines[0]
    train_until(8, first.run)
    (first.drive / PATH).mkdir(parents=True)
    heartbeat = first.drive / PATH / "at_work.another"
    heartbeat.write_text("")
    with pytest.warns(UserWarning, match="another machine"):
        first.backup.copy_changed()
    os.utime(heartbeat, (1, 1))
    first.backup.copy_changed()
    assert furthest_sound(first.drive) == 8


def test_a_copy_that_was_cut_off_does_not_count(machines):
    """Not as progress, and not as the one that the older is deleted for."""
    first = machines[0]
    for step in (8, 12):
        train_until(step, first.run)
        first.backup.copy_changed()
    newest = list_copies(first.drive / PATH)[-1].file
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"step-00000012\.pt was cut off: it is left out"):
        first.start()
    assert "at step 12" in first.backup.describe(first.run) and furthest_sound(first.drive) == 12
    newest.write_bytes(b"")
    train_until(16, first.run)
    first.backup.copy_changed()
    assert [copy.step for copy in list_copies(first.drive / PATH)] == [8, 16] and not newest.exists()


def test_a_run_of_other_epochs_is_another_run(machines):
    """The learning rate depends on them: taken over, it would end in other bits."""
    first, second, _ = machines
    train_whole(first.run, SHORT)
    first.backup.copy_changed()
    train_until(4, second.run)
    second.start()
    assert second.steps_done() == 4


def test_equal_settings_have_one_identity(machines):
    first, second, _ = machines
    train_whole(first.run, replace(SHORT, lambda_l1=100.0))
    first.backup.copy_changed()
    train_until(4, second.run, replace(SHORT, lambda_l1=100))
    second.start()
    assert second.steps_done() == 12


def test_what_was_deleted_there_can_be_asked_for_again(machines):
    first, second, _ = machines
    train_whole(first.run)
    first.backup.copy_changed()
    train_whole(second.run, replace(SHORT, seed=1))
    second.start()
    second.backup.copy_changed()
    for copy in list_copies(first.drive / PATH):
        if copy.step == 32:
            copy.file.unlink()
    assert first.backup.describe(first.run).endswith(", at step 32.")


def test_somebody_elses_runs_are_not_renamed(machines, tmp_path):
    first = machines[0]
    train_until(8, tmp_path / "work" / PATH)
    first.backup = DriveBackup(first.root / "quick", tmp_path / "work")
    first.backup.catch_up()
    assert (tmp_path / "work" / PATH / "checkpoint.pt").exists()


def test_a_kernel_that_ends_in_order_is_no_longer_at_work(machines):
    first, second, _ = machines
    train_until(8, first.run)
    first.backup.copy_changed()
    first.backup.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second.start()
    assert second.steps_done() == 8
