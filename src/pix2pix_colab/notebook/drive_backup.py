"""Files that outlive the machine: kept in a second place while work goes on, or packed to be taken home."""

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
from ..utils.files import PARTIAL, REPLACED, copy_whole

BYTES_PER_SECOND = 2e6  # on average: a checkpoint of 700 MB is copied every six minutes, though one is made every half
PACK = "pix2pix-{}.zip"


class DriveBackup:
    """Keeps what a folder holds in another place too, such as Google Drive, by a thread that holds nobody up.

    What is there from another day is brought back first, where it isn't in the folder. A file that changes is copied
    again, but the larger it is the more seldom, so that ``BYTES_PER_SECOND`` suffice. An error in copying is a warning,
    and is tried again. Previous checkpoints, locks and half files are left out.
    """

    def __init__(self, folder: str | Path, place: str | Path, seconds: float = 2.0):
        self.folder, self.place, self.seconds = Path(folder), Path(place), seconds
        self._kept: dict[Path, tuple[int, int]] = {}  # size and time of what was copied
        self._due: dict[Path, float] = {}  # when it may be copied again
        self._failed = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"keep {self.folder}", daemon=True)

    def start(self) -> list[Path]:
        """Bring back what is missing, and keep from now on, until ``close`` or the end of the process.

        Returns what was brought back, as paths in the folder. Where the folder is kept already, nothing is done.
        """
        if any(thread.name == self._thread.name for thread in threading.enumerate()):
            return []
        back = restore(self.place, self.folder)
        self._kept = {path: _state(self.folder / path) for path in back}
        self._thread.start()
        atexit.register(self.close)
        return back

    def close(self) -> None:
        """Copy what isn't copied yet, and end."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.seconds):
            self._keep(time.monotonic())
        self._keep(float("inf"))

    def _keep(self, now: float) -> None:
        for path in files_to_back_up(self.folder):
            try:
                state = _state(self.folder / path)
                if state != self._kept.get(path) and now >= self._due.get(path, 0):
                    copy_whole(self.folder / path, self.place / path)
                    self._kept[path], self._due[path] = state, time.monotonic() + state[0] / BYTES_PER_SECOND
                    self._failed = ""
            except FileNotFoundError:  # renamed or deleted meanwhile
                continue
            except OSError as error:
                self._warn(error.strerror or str(error))

    def _warn(self, reason: str) -> None:
        if reason != self._failed:
            self._failed = reason
            sentence = f"{self.place} can't be written ({reason}): make room or mount it again. Until then all is in"
            warnings.warn(f"{sentence} {self.folder} alone, and work goes on.", stacklevel=2)


def files_to_back_up(folder: Path) -> Iterator[Path]:
    """The files in a folder, as paths in it, but for previous checkpoints, locks and half files."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in (PREVIOUS, LOCK) and file.suffix not in (PARTIAL, REPLACED):
            yield file.relative_to(folder)


def restore(place: str | Path, folder: str | Path) -> list[Path]:
    """Copy what ``files_to_back_up`` finds in ``place`` and is missing in ``folder`` there; return what that was."""
    place, folder = Path(place), Path(folder)
    for old in place.rglob(f"*{REPLACED}"):  # the machine vanished between the two renames of copy_whole
        if not old.with_suffix("").exists():
            old.rename(old.with_suffix(""))
    missing = [path for path in files_to_back_up(place) if not (folder / path).exists()]
    for path in missing:
        copy_whole(place / path, folder / path)
    return missing


def _state(file: Path) -> tuple[int, int]:
    """Size and time: what tells a changed file."""
    told = file.stat()
    return told.st_size, told.st_mtime_ns


def pack(folder: str | Path, root: str | Path) -> Path:
    """Zip what is worth keeping of ``root/…/folder`` into ``root``, with its path from there; return the file."""
    folder, root = Path(folder), Path(root)
    file = root / PACK.format("-".join(folder.relative_to(root).parts[1:]))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # weights don't shrink
        for path in files_to_back_up(folder):
            archive.write(folder / path, (folder / path).relative_to(root))
    return file


def unpack_runs(file: str | Path, root: str | Path) -> list[Path]:
    """Bring back what ``pack`` packed, where it is missing in ``root/runs``; return what that was, as paths there.

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
