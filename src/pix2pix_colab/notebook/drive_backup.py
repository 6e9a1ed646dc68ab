"""Backup of runs to Google Drive or another folder, by a thread, and as a zip file to download."""

import atexit
import shutil
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..data import unpack
from ..training import LOCK, PREVIOUS
from ..utils.files import PARTIAL, REPLACED, atomic_write, copy_whole

MAX_BYTES_PER_SECOND = 2e6  # averaged: 700 MB of checkpoint every six minutes, though it changes every half minute
PACK = "pix2pix-{}.zip"


class DriveBackup:
    """Background copy of a folder to another place, such as Google Drive, by a thread.

    Files of an earlier backup that are missing in the folder are restored first. A file that changes is copied again,
    but a large one less often, within ``MAX_BYTES_PER_SECOND`` each. An error in copying is a warning, and the copy is
    tried again. Previous checkpoints, locks and temporary files are left out.
    """

    def __init__(self, folder: str | Path, place: str | Path, seconds: float = 2.0):
        self.folder, self.place, self.seconds = Path(folder), Path(place), seconds
        self._copied: dict[Path, tuple[int, int]] = {}  # size and time of each file when it was copied
        self._due: dict[Path, float] = {}  # when each file may be copied again
        self._last_error = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"back up {self.folder}", daemon=True)

    def start(self) -> list[Path]:
        """Restore what is missing, and back up from now on, until ``close`` or the end of the process.

        Returns the restored files, as paths in the folder. If the folder is being backed up already, nothing is done.
        """
        if any(thread.name == self._thread.name for thread in threading.enumerate()):
            return []
        restored = restore(self.place, self.folder)
        self._copied = {path: _state(self.folder / path) for path in restored}
        self._thread.start()
        atexit.register(self.close)
        return restored

    def close(self) -> None:
        """Copy what isn't copied yet, and end the thread."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.seconds):
            self._copy_changed(time.monotonic())
        self._copy_changed(float("inf"))

    def _copy_changed(self, now: float) -> None:
        for path in files_to_back_up(self.folder):
            try:
                state = _state(self.folder / path)
                if state != self._copied.get(path) and now >= self._due.get(path, 0):
                    copy_whole(self.folder / path, self.place / path)
                    self._copied[path] = state
                    self._due[path] = time.monotonic() + state[0] / MAX_BYTES_PER_SECOND
                    self._last_error = ""
            except FileNotFoundError:  # renamed or deleted meanwhile
                continue
            except OSError as error:
                self._warn(error.strerror or str(error))

    def _warn(self, reason: str) -> None:
        if reason != self._last_error:
            self._last_error = reason
            sentence = f"{self.place} can't be written ({reason}): free some space there, or mount it again."
            warnings.warn(f"{sentence} Until then, new files are only in {self.folder}.", stacklevel=2)


def files_to_back_up(folder: Path) -> Iterator[Path]:
    """List the files in a folder, as paths in it, without previous checkpoints, locks and temporary files."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in (PREVIOUS, LOCK) and file.suffix not in (PARTIAL, REPLACED):
            yield file.relative_to(folder)


def restore(place: str | Path, folder: str | Path) -> list[Path]:
    """Copy the backed-up files in ``place`` that are missing in ``folder`` there; return them, as paths in it."""
    place, folder = Path(place), Path(folder)
    for old in place.rglob(f"*{REPLACED}"):  # the machine vanished between the two renames of copy_whole
        if not old.with_suffix("").exists():
            old.rename(old.with_suffix(""))
    missing = [path for path in files_to_back_up(place) if not (folder / path).exists()]
    for path in missing:
        copy_whole(place / path, folder / path)
    return missing


def _state(file: Path) -> tuple[int, int]:
    """Size and modification time, by which a changed file is recognised."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def pack(folder: str | Path, root: str | Path) -> Path:
    """Zip the files to back up of ``root/…/folder``, with their paths in ``root``, into a file there; return it."""
    folder, root = Path(folder), Path(root)
    file = root / PACK.format("-".join(folder.relative_to(root).parts[1:]))
    with atomic_write(file) as partial, zipfile.ZipFile(partial, "w") as archive:  # stored: weights don't shrink
        for path in files_to_back_up(folder):
            archive.write(folder / path, (folder / path).relative_to(root))
    return file


def unpack_runs(file: str | Path, root: str | Path) -> list[Path]:
    """Unpack the files of a ``pack`` that are missing in ``root/runs``; return them, as paths there.

    Raises:
        ValueError: if the file is no sound archive.
        OSError: if the disk is full or can't be written.
    """
    file, runs = Path(file), Path(root) / "runs"
    temporary = Path(root) / f".{file.stem}"
    try:
        unpack(file, temporary)
        return restore(temporary / "runs", runs)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
