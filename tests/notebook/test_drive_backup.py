"""The Drive backup: on a slow or failing Drive without holding up a training, restored elsewhere, and as a zip file."""

import os
import shutil
import threading
import time
import warnings
import zipfile
from pathlib import Path

import pytest
from helpers.noise import noise_pairs

from pix2pix_colab.notebook import drive_backup
from pix2pix_colab.notebook.drive_backup import DriveBackup, files_to_back_up, pack, restore, unpack_runs
from pix2pix_colab.training import TrainConfig, train
from pix2pix_colab.training import loop as training
from pix2pix_colab.utils.files import copy_whole

TINY = TrainConfig(width=4, epochs=2, image_size=128)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of runs with one in it, as a training leaves it."""
    run = tmp_path / "here" / "runs" / "quick" / "lambda_100"
    run.mkdir(parents=True)
    for name in ("checkpoint.pt", "checkpoint.previous.pt", "history.csv", "training.lock", "history.csv.partial"):
        (run / name).write_text(name)
    return run.parent


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "drive" / "quick"


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


BACKED_UP = {f"lambda_100/{name}": name for name in ("checkpoint.pt", "history.csv")}


def test_files_are_backed_up(folder, place):
    backup = DriveBackup(folder, place)
    assert backup.start() == []
    backup.close()
    assert files(place) == BACKED_UP


def test_a_changed_file_is_copied_again_soon(folder, place):
    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    (folder / "lambda.html").write_text("a page")
    wait_for(lambda: (place / "lambda.html").exists())
    (folder / "lambda.html").write_text("another page")
    wait_for(lambda: (place / "lambda.html").read_text() == "another page")
    backup.close()


def wait_for(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_large_file_is_copied_less_often(folder, place, monkeypatch):
    monkeypatch.setattr(drive_backup, "MAX_BYTES_PER_SECOND", 1)  # 13 seconds for a checkpoint, one for a byte
    copied, copy = [], shutil.copy2
    monkeypatch.setattr(shutil, "copy2", lambda source, target: (copied.append(source.name), copy(source, target)))
    backup = DriveBackup(folder, place, seconds=0.01)
    backup.start()
    wait_for(lambda: len(copied) == 2)
    (folder / "lambda_100" / "checkpoint.pt").write_text("a newer checkpoint")
    (folder / "x").write_text("x")
    wait_for(lambda: len(copied) == 3)
    assert copied[2] == "x", "what is new comes at once, the checkpoint not before it is due"
    backup.close()
    assert (place / "lambda_100" / "checkpoint.pt").read_text() == "a newer checkpoint", "but at the end comes all"


def test_only_missing_files_are_restored(folder, place):
    shutil.copytree(folder, place)
    for name in ("checkpoint.pt", "history.csv"):
        (folder / "lambda_100" / name).unlink()
    (place / "lambda_100" / "history.csv").write_text("of yesterday")
    (folder / "lambda_100" / "checkpoint.pt").write_text("of today")
    backup = DriveBackup(folder, place)
    assert backup.start() == [Path("lambda_100/history.csv")]
    assert backup.start() == [], "once is enough"
    assert sum(thread.name == f"back up {folder}" for thread in threading.enumerate()) == 1
    backup.close()
    assert (folder / "lambda_100" / "history.csv").read_text() == "of yesterday"
    assert (place / "lambda_100" / "checkpoint.pt").read_text() == "of today"


@pytest.mark.parametrize("vanishes_at", range(4))
def test_a_machine_that_vanishes_in_a_copy_leaves_the_old_or_the_new(tmp_path, monkeypatch, vanishes_at):
    """At each operation on the files: what is brought back afterwards is whole."""
    place, source = tmp_path / "place", tmp_path / "source"
    place.mkdir()
    (place / "checkpoint.pt").write_text("old")
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
        copy_whole(source, place / "checkpoint.pt")
        raise AssertionError("it did not vanish")
    restore(place, tmp_path / "back")
    assert files(tmp_path / "back") == {"checkpoint.pt": "old" if vanishes_at < 3 else "new"}


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
    full, copy = True, shutil.copy2

    def fail_first(source, target):
        if full:
            raise OSError(28, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copy2", fail_first)
    backup = DriveBackup(folder, place, seconds=0.01)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        backup.start()
        wait_for(lambda: said)
        time.sleep(0.1)
        assert len(said) == 1 and "No space left on device" in str(said[0].message), "once, not at every try"
        full = False
        backup.close()
    assert files(place) == BACKED_UP


def test_slow_writes_do_not_hold_up_a_training(tmp_path, monkeypatch):
    """A Drive that takes as long as the whole training for each file: the steps don't wait for it."""
    pairs, copying, release = noise_pairs(4, 143), threading.Event(), threading.Event()
    monkeypatch.setattr(training, "SAVE_SECONDS", 0)

    def slow(source, target):
        copying.set()
        assert release.wait(60)
        shutil.copyfile(source, target)

    monkeypatch.setattr(shutil, "copy2", slow)
    backup = DriveBackup(tmp_path / "here", tmp_path / "drive", seconds=0.001)
    backup.start()
    run = train(pairs, TINY, tmp_path / "here", lambda _: copying.wait(0.2), device="cpu", log_every=1)
    assert copying.is_set() and len(run.history) == 8, "it has ended, with a copy still on its way"
    release.set()
    backup.close()
    kept = {path: (tmp_path / "drive" / path).read_bytes() for path in files_to_back_up(tmp_path / "here")}
    assert kept == {path: (tmp_path / "here" / path).read_bytes() for path in kept}
    assert set(map(str, kept)) == {"checkpoint.pt", "history.csv"}


def test_a_packed_run_is_taken_in_elsewhere(folder, tmp_path):
    file = pack(folder / "lambda_100", tmp_path / "here")
    assert file == tmp_path / "here" / "pix2pix-quick-lambda_100.zip"
    assert zipfile.ZipFile(file).namelist() == [f"runs/quick/{name}" for name in BACKED_UP]
    (tmp_path / "there" / "runs" / "quick" / "lambda_100").mkdir(parents=True)
    (tmp_path / "there" / "runs" / "quick" / "lambda_100" / "history.csv").write_text("newer")
    assert unpack_runs(file, tmp_path / "there") == [Path("quick/lambda_100/checkpoint.pt")]
    assert files(tmp_path / "there" / "runs" / "quick") == BACKED_UP | {"lambda_100/history.csv": "newer"}
    assert unpack_runs(file, tmp_path / "there") == []


def test_a_pack_writes_nothing_outside_the_runs(tmp_path):
    with zipfile.ZipFile(tmp_path / "pix2pix-x.zip", "w") as archive:
        archive.writestr("src/evil.py", "")
    assert unpack_runs(tmp_path / "pix2pix-x.zip", tmp_path / "root") == []
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]


def test_a_damaged_pack_gets_a_sentence(tmp_path):
    (tmp_path / "pix2pix-x.zip").write_bytes(b"PK\3\4 half of it")
    with pytest.raises(ValueError, match=r"pix2pix-x\.zip is no sound archive"):
        unpack_runs(tmp_path / "pix2pix-x.zip", tmp_path / "root")
