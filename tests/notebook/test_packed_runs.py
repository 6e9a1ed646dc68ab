"""A run as a zip file, downloaded today and uploaded tomorrow."""

import zipfile
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.tiny_runs import train_until, train_whole

from pix2pix_colab.notebook.packed_runs import pack, unpack_runs
from pix2pix_colab.training import load_newest

RUN = Path("runs/quick/lambda_100")


@pytest.fixture
def packed(tmp_path) -> Path:
    train_until(4, tmp_path / "here" / RUN)
    return pack(tmp_path / "here" / RUN, tmp_path / "here")


@pytest.fixture
def there(tmp_path) -> Path:
    """Where it would be on another machine."""
    return tmp_path / "there" / RUN


def test_a_packed_run_is_taken_in_elsewhere(packed, there, tmp_path):
    assert packed == tmp_path / "here" / "pix2pix-quick-lambda_100.zip"
    expected = ["runs/quick/lambda_100/checkpoint.pt", "runs/quick/lambda_100/history.csv"]
    assert zipfile.ZipFile(packed).namelist() == expected
    assert unpack_runs(packed, tmp_path / "there") == [f"restored {there}, at step 4"]
    assert load_newest(there).state["steps_done"] == 4 and (there / "history.csv").exists()
    assert unpack_runs(packed, tmp_path / "there") == []


def test_a_packed_run_does_not_replace_a_further_one(packed, there, tmp_path):
    train_whole(there)
    assert unpack_runs(packed, tmp_path / "there") == []
    assert load_newest(there).state["steps_done"] == 32


def test_a_pack_writes_nothing_outside_the_runs(tmp_path):
    with zipfile.ZipFile(tmp_path / "pix2pix-x.zip", "w") as archive:
        archive.writestr("src/evil.py", "")
    assert unpack_runs(tmp_path / "pix2pix-x.zip", tmp_path / "root") == []
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]


def test_a_damaged_pack_gets_a_sentence(tmp_path):
    (tmp_path / "pix2pix-x.zip").write_bytes(b"PK\3\4 half of it")
    with pytest.raises(ValueError, match=r"pix2pix-x\.zip is no sound archive"):
        unpack_runs(tmp_path / "pix2pix-x.zip", tmp_path / "root")


def test_a_run_that_was_cut_off_between_two_renames_is_packed_too(there, tmp_path):
    run = tmp_path / "here" / RUN
    train_until(4, run)
    (run / "checkpoint.pt").rename(run / "checkpoint.previous.pt")
    assert unpack_runs(pack(run, tmp_path / "here"), tmp_path / "there") == [f"restored {there}, at step 4"]


def test_a_damaged_run_is_replaced_by_the_packed_one(packed, there, tmp_path):
    there.mkdir(parents=True)
    (there / "checkpoint.pt").write_bytes(b"damaged")
    assert unpack_runs(packed, tmp_path / "there") == [f"restored {there}, at step 4"]
    assert load_newest(there).state["steps_done"] == 4


def test_a_training_at_work_is_left_in_peace(packed, there, tmp_path):
    there.mkdir(parents=True)
    with FileLock(there / "training.lock"):
        assert unpack_runs(packed, tmp_path / "there") == []
