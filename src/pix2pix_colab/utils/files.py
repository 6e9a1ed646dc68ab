"""Atomic writes and copies of files, the free space they need, and what is wrong with one that can't be read."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
FULL = (errno.ENOSPC, errno.EDQUOT)  # errno of a full disk


def require_space(folder: Path, needed: int) -> None:
    """Raise OSError, with the sizes, if the disk of ``folder`` has less than the ``needed`` bytes."""
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:,.2f} GB are needed, {free / 1e9:,.2f} GB are free")


def advise(error: OSError) -> str:
    """What to do about a disk that fails."""
    return "free some space" if error.errno in FULL else "look at its permissions and its disk"


@contextmanager
def atomic_write(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which is renamed to ``path`` when the ``with`` block ends.

    A reader sees the old file or the new one, never a part of it. After an error in the block the old one is still
    there, and the temporary one is deleted. ``previous`` is where the old file is moved to; None replaces it.
    """
    partial = path.with_name(path.name + PARTIAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        if previous and path.exists():
            path.replace(previous)
        partial.replace(path)
    finally:
        delete_emptied(partial)


@contextmanager
def open_sound(file: Path, words: str) -> Iterator[BinaryIO]:
    """Context that reads a file. An error in it raises ValueError: the file and ``words``, that it is damaged.

    Not so if it can't be read here and now, and may be sound: OSError of a disk, a Drive or permissions, MemoryError,
    ImportError.
    """
    try:
        with file.open("rb") as opened:
            yield opened
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # what is damaged raises nearly anything; EINVAL is a seek to where nothing can be
        if "allocate memory" in str(error):  # torch's RuntimeError
            raise MemoryError(f"There is too little memory to read {file}.") from error
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            sentence = f"{file} can't be read ({error.strerror}): it may be sound, {advise(error)} and try again"
            raise OSError(error.errno, sentence) from error
        raise ValueError(f"{file} {words}.") from error


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file, so that ``target`` is the old one or the new one whenever the machine vanishes."""
    with atomic_write(target) as partial:
        shutil.copy2(source, partial)


def delete_emptied(file: Path) -> None:
    """Empty a file and delete it, if it exists.

    Google Drive keeps deleted files in its trash, where the checkpoints of one night would fill the quota.
    """
    if file.is_file():
        os.truncate(file, 0)
    file.unlink(missing_ok=True)
