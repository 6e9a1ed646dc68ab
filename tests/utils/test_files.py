"""Atomic writes: the old file or the new one at every moment, and no temporary file left behind."""

from pathlib import Path

import pytest

from pix2pix_colab.utils.files import atomic_write, copy_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_file_is_there_until_it_is_replaced_and_may_be_kept(tmp_path):
    (tmp_path / "file").write_text("first")
    for before, text, previous in (("first", "second", None), ("second", "third", tmp_path / "previous")):
        with atomic_write(tmp_path / "file", previous) as partial:
            partial.write_text(text)
            assert (tmp_path / "file").read_text() == before
        assert (tmp_path / "file").read_text() == text
        assert names(tmp_path) == (["file", "previous"] if previous else ["file"])
    assert (tmp_path / "previous").read_text() == "second"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "file").write_text("old")
    with pytest.raises(error), atomic_write(tmp_path / "file", tmp_path / "previous") as partial:
        partial.write_text("half of the n")
        raise error
    assert (tmp_path / "file").read_text() == "old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_copy_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, old):
    if old:
        (tmp_path / "file").write_text(old)
    with pytest.raises(FileNotFoundError):
        copy_whole(tmp_path / "missing", tmp_path / "file")
    assert names(tmp_path) == (["file"] if old else [])


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "file"):
        pass
    assert names(tmp_path) == []
