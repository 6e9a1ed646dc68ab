"""Atomic writes: the old file or the new one at every moment, and no temporary file left behind."""

import errno
from pathlib import Path

import pytest

from pix2pix_colab.utils.files import atomic_write, copy_whole, open_sound


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


@pytest.mark.parametrize(
    "error",
    [
        EOFError(),
        KeyError("settings"),
        OSError("cut off"),
        OSError(errno.EINVAL, "Invalid argument"),
        RuntimeError("zip"),
    ],
)
def test_what_can_t_be_understood_is_damaged(tmp_path, error):
    (tmp_path / "file").write_bytes(b"what is in it")
    whole = f"^{tmp_path / 'file'} is damaged: write it anew\\.$"
    with pytest.raises(ValueError, match=whole), open_sound(tmp_path / "file", "is damaged: write it anew") as file:
        assert file.read() == b"what is in it"
        raise error


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            OSError(errno.EIO, "Input/output error"),
            OSError,
            r"file can't be read \(Input/output error\): it may be sound",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            PermissionError,
            r"file can't be read \(Permission denied\)",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file"), FileNotFoundError, r"file can't be read \(No such file\)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError, "too little memory to read .*file"),
        (MemoryError("none left"), MemoryError, "none left"),
        (ModuleNotFoundError("No module named 'safetensors'"), ImportError, "safetensors"),
    ],
)
def test_what_can_t_be_read_here_is_not_called_damaged(tmp_path, error, kind, sentence):
    """Whoever is told that a checkpoint is damaged deletes it."""
    (tmp_path / "file").touch()
    with pytest.raises(kind, match=sentence), open_sound(tmp_path / "file", "is damaged: delete it"):
        raise error
