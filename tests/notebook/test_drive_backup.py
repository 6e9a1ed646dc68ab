"""The thread of the Drive backup: on a slow or failing Drive, without holding up a training."""

import os
import shutil
import threading
import time
import warnings
from pathlib import Path

import pytest
from helpers.tiny_runs import PAIRS, TINY, train_until, train_whole

from pix2pix_colab.notebook import drive_backup
from pix2pix_colab.notebook.backups import describe_backup, keep, keep_nothing
from pix2pix_colab.notebook.drive_backup import DriveBackup
from pix2pix_colab.notebook.run_copies import list_copies, list_entries
from pix2pix_colab.training import loop, train
from pix2pix_colab.utils.files import copy_whole


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of runs with one in it, at step 4 of 32, and what a training and a browser leave beside it."""
    folder = tmp_path / "here" / "runs" / "quick"
    train_until(4, folder / "lambda_100")
    for name in ("lambda.html", "history.csv.partial", ".hidden"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "drive" / "quick"


@pytest.fixture(autouse=True)
def no_backup_outlives_its_test():
    yield
    keep_nothing()


def steps(place: Path) -> list[int]:
    return [copy.step for copy in list_copies(place / "lambda_100")]


def wait_for(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore:.*another machine trains this run")
def test_runs_and_files_are_backed_up(folder, place):
    backup = DriveBackup(folder, place)
    assert backup.start() == []
    backup.close()
    assert steps(place) == [4]
    assert {path: file.read_text() for path, file in list_entries(place).items()} == {"lambda.html": "lambda.html"}
    shutil.rmtree(folder)  # the machine is gone
    assert DriveBackup(folder, place).catch_up() == [
        f"restored {folder / 'lambda_100'}, at step 4",
        f"restored {folder / 'lambda.html'}",
    ]


def test_a_changed_file_is_copied_again_soon(folder, place):
    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    (folder / "lambda.html").write_text("another page")
    wait_for(lambda: (place / "lambda.html").exists() and (place / "lambda.html").read_text() == "another page")
    backup.close()


def test_a_large_file_is_copied_less_often(folder, place, monkeypatch):
    monkeypatch.setattr(drive_backup, "MAX_BYTES_PER_SECOND", 1)
    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    wait_for(lambda: steps(place) == [4])
    train_until(8, folder / "lambda_100")
    (folder / "x").write_text("x")
    wait_for((place / "x").exists)
    assert steps(place) == [4], "what is new comes at once, the checkpoint not before it is due"
    backup.close()
    assert steps(place) == [4, 8], "but at the end comes all"


def test_a_training_that_is_over_is_copied_at_once(folder, place, monkeypatch):
    monkeypatch.setattr(drive_backup, "MAX_BYTES_PER_SECOND", 1)
    monkeypatch.setattr(drive_backup, "QUIET_SECONDS", 0.1)
    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    train_until(8, folder / "lambda_100")
    wait_for(lambda: 8 in steps(place))
    backup.close()


@pytest.mark.parametrize("vanishes_at", range(4))
def test_a_machine_that_vanishes_in_a_copy_leaves_the_old_or_the_new(tmp_path, monkeypatch, vanishes_at):
    """At each operation on the files: what is restored afterwards is whole."""
    place, source = tmp_path / "place", tmp_path / "source"
    place.mkdir()
    (place / "page.html").write_text("old")
    source.write_text("new")
    operations = iter(range(9))

    def counted(function):
        def call(*arguments, **options):
            if next(operations) >= vanishes_at:
                raise SystemExit
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(shutil, "copy2", counted(shutil.copy2))
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(os, "truncate", counted(os.truncate))
        copy_whole(source, place / "page.html")
        raise AssertionError("it did not vanish")
    DriveBackup(tmp_path / "back", place).catch_up()
    assert (tmp_path / "back" / "page.html").read_text() == ("old" if vanishes_at < 3 else "new")


def test_what_is_replaced_is_emptied_before_the_trash_gets_it(tmp_path, monkeypatch):
    trash, unlink = [], Path.unlink

    def watch(path, **options):
        trash.extend([path.stat().st_size] if path.exists() else [])
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", watch)
    for text in ("old", "new"):
        (tmp_path / "source").write_text(text)
        copy_whole(tmp_path / "source", tmp_path / "target")
    assert trash == [0]
    assert (tmp_path / "target").read_text() == "new"


def test_a_disk_that_fails_is_a_warning_and_work_goes_on(folder, place, monkeypatch):
    tries, save = [], drive_backup.back_up_run

    def fail_first(run, place):
        tries.append(run)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        return save(run, place)

    monkeypatch.setattr(drive_backup, "back_up_run", fail_first)
    backup = DriveBackup(folder, place, seconds=0.01)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        backup.start()
        wait_for(lambda: said)
        time.sleep(0.1)
        assert len(said) == 1 and "No space left on device" in str(said[0].message), "once, not at every try"
        assert len(tries) == 1, "700 MB aren't copied every two seconds to a Drive that is full"
        expected = f"{folder / 'lambda_100'} is in {place / 'lambda_100'}, at step 4."
        assert backup.describe(folder / "lambda_100") == expected, "the user has made room, and asks"
        backup.close()
    assert steps(place) == [4]


def test_what_is_not_saved_is_not_said_to_be(folder, place, monkeypatch):
    def fail(run, place):
        raise OSError(28, "No space left on device")

    backup = DriveBackup(folder, place)
    backup.catch_up()
    backup.copy_changed()
    train_until(8, folder / "lambda_100")
    monkeypatch.setattr(drive_backup, "back_up_run", fail)
    with pytest.warns(UserWarning, match="No space left"):
        said = backup.describe(folder)
    assert said.splitlines() == [
        f"{folder / 'lambda.html'} is in {place / 'lambda.html'}.",
        f"{folder / 'lambda_100'} is not in {place} (No space left on device); step 4 is there.",
    ]


def test_a_folder_that_vanishes_while_it_is_listed_does_not_end_the_thread(folder, place, monkeypatch):
    walk, vanished = os.walk, []

    def vanish(top, **options):
        for parent, folders, names in walk(top, **options):
            yield parent, folders, names
            shutil.rmtree(folder / "lambda_100", ignore_errors=True)
            vanished.append(parent)

    backup = DriveBackup(folder, place, seconds=0.01)
    monkeypatch.setattr(os, "walk", vanish)
    backup.start()
    wait_for(lambda: vanished)
    (folder / "x").write_text("x")
    wait_for((place / "x").exists)
    backup.close()


def test_a_drive_that_is_unmounted_gets_no_folder_in_its_place(folder, place):
    backup = DriveBackup(folder, place)
    backup.catch_up()
    shutil.rmtree(place.parent)
    with pytest.warns(UserWarning, match="is not written: it is no longer there"):
        backup.copy_changed()
    assert not place.exists()


def test_slow_writes_do_not_hold_up_a_training(tmp_path, monkeypatch):
    """A Drive that takes as long as the whole training for each file: the steps don't wait for it."""
    copying, release, save = threading.Event(), threading.Event(), drive_backup.back_up_run
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)

    def slow(run, place):
        copying.set()
        assert release.wait(60)
        return save(run, place)

    monkeypatch.setattr(drive_backup, "back_up_run", slow)
    backup = DriveBackup(tmp_path / "here", tmp_path / "drive", seconds=0.001)
    backup.start()
    where = tmp_path / "here" / "lambda_100"
    run = train(PAIRS, TINY, where, lambda _: copying.wait(0.1), device="cpu", log_every=1)
    assert copying.is_set() and len(run.history) == 32, "it has ended, with a copy still on its way"
    release.set()
    backup.close()
    assert steps(tmp_path / "drive")[-1] == 32


def test_another_place_or_none_takes_over(folder, place, tmp_path):
    assert keep(folder, place) == keep(folder, place) == []
    keep(folder, tmp_path / "school")
    train_until(8, folder / "lambda_100")
    assert describe_backup(folder / "lambda_100").endswith(f"{tmp_path / 'school' / 'lambda_100'}, at step 8.")
    keep(folder, None)
    train_whole(folder / "lambda_100")
    assert describe_backup(folder / "lambda_100") is None
    assert not [thread for thread in threading.enumerate() if thread.name == f"back up {folder}"]
    assert steps(place) == [4] and steps(tmp_path / "school")[-1] == 8


def test_a_place_that_can_not_be_written_gets_a_sentence(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/quick can't be used \(.*\): mount it again, make room, or"):
        keep(folder, tmp_path / "file" / "quick")


def test_a_full_drive_is_not_tried_at_every_tick_when_the_training_is_over(folder, place, monkeypatch):
    tries = []

    def fail(run, place):
        tries.append(run)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drive_backup, "back_up_run", fail)
    monkeypatch.setattr(drive_backup, "QUIET_SECONDS", -1)
    backup = DriveBackup(folder, place)
    backup.catch_up()
    with pytest.warns(UserWarning, match="No space left"):
        backup.copy_changed(time.monotonic())
    backup.copy_changed(time.monotonic())
    assert len(tries) == 1


@pytest.mark.parametrize("where", ["place", "notes", "listing"])
def test_no_error_ends_the_thread(folder, place, monkeypatch, where):
    """A Drive whose program has crashed, a local disk that is full, a folder that can't be read."""
    failing = []

    def fail(*_, **__):
        failing.append(1)
        raise OSError(107, "Transport endpoint is not connected")

    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    wait_for(lambda: steps(place) == [4])
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(
            *{
                "place": (Path, "is_dir", fail),
                "notes": (drive_backup.BackupNotes, "write", fail),
                "listing": (drive_backup, "list_entries", fail),
            }[where]
        )
        (folder / "x").write_text("x")
        wait_for(lambda: failing)
        time.sleep(0.05)
    backup._retry.clear()
    (folder / "y").write_text("y")
    wait_for((place / "y").exists)
    backup.close()


@pytest.mark.parametrize("notes", ["", "[]", "{}", '{"version": 0, "copied": {"x": [1, 2]}}', '{"version": 1}'])
def test_damaged_notes_do_no_harm(folder, place, notes):
    (folder / ".backup.json").write_text(notes)
    backup = DriveBackup(folder, place)
    backup.catch_up()
    backup.copy_changed()
    assert steps(place) == [4]


def test_an_older_page_does_not_replace_a_newer_one(folder, place):
    place.mkdir(parents=True)
    (place / "lambda.html").write_text("newer")
    os.utime(folder / "lambda.html", (1, 1))
    backup = DriveBackup(folder, place)
    assert backup.catch_up() == [f"restored {folder / 'lambda.html'}"]
    backup.copy_changed()
    assert (folder / "lambda.html").read_text() == (place / "lambda.html").read_text() == "newer"
