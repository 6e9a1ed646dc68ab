"""Backup of a folder with runs to Google Drive or another folder, by a thread."""

import atexit
import json
import math
import threading
import time
import warnings
from pathlib import Path
from uuid import uuid4

from ..training import NEWEST, PREVIOUS
from ..utils.files import REPLACED, atomic_write, copy_whole
from .run_copies import (
    AT_WORK,
    back_up_run,
    identify,
    is_elsewhere,
    list_backups,
    list_copies,
    list_entries,
    name_by_step,
    restore_run,
    state_of,
    tell_at_work,
)

MAX_BYTES_PER_SECOND = 2e6  # averaged: 700 MB of checkpoint every six minutes, though it changes every half minute
QUIET_SECONDS = 45  # without a new checkpoint, after which a training is over: it saves every 30 s
RETRY_SECONDS = 30  # after an error
ELSEWHERE = "another machine trains this run, or did so less than 3 minutes ago"


class DriveBackup:
    """Background copy of a folder to another place, such as Google Drive, by a thread.

    A run is copied as a whole, and only if it is further than its copy there (see ``run_copies``). Any other file is
    copied when it changes. A large one is copied less often, within ``MAX_BYTES_PER_SECOND``. What is deleted in the
    folder is deleted there, too, also if that was before the start. An error is a warning, and the copy is tried again.
    """

    def __init__(self, folder: str | Path, place: str | Path, seconds: float = 2.0):
        self.folder, self.place, self.seconds = Path(folder), Path(place), seconds
        self._notes = self.folder.with_name(f".{self.folder.name}.backup.json")
        self._copied: dict[str, dict] = {}  # of each run and file: its state when it was copied, and a run's identity
        self._machine = uuid4().hex[:8]
        self._due: dict[str, float] = {}  # when each may be copied again
        self._why_not: dict[str, str] = {}  # what holds up each one that isn't copied
        self._gone: set[str] = set()
        self._mutex, self._stop = threading.RLock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"back up {self.folder}", daemon=True)

    def start(self) -> list[str]:
        """Catch up, and back up until ``close`` or the end of the process; return what was restored, in words.

        Raises:
            OSError: if the place can't be read or written.
        """
        try:
            restored = self.catch_up()
        except OSError as error:
            advice = "mount it again, or work without a backup"
            raise OSError(error.errno, f"{self.place} can't be used ({error.strerror or error}): {advice}.") from error
        self._thread.start()
        atexit.register(self.close)
        return restored

    def catch_up(self) -> list[str]:
        """Delete there what was deleted here since the last process, and restore what is further there."""
        self.place.mkdir(parents=True, exist_ok=True)
        self._read_notes()
        here = list_entries(self.folder)
        self._gone = self._copied.keys() - here.keys()
        self._carry_deletions(here)
        restored = self.restore()
        self._write_notes()
        return restored

    def restore(self) -> list[str]:
        """Take over what is further there than here. Return it, in words."""
        for old in self.place.rglob(f"*{REPLACED}"):  # a machine vanished between the two renames of copy_whole
            if not old.with_suffix("").exists():
                old.rename(old.with_suffix(""))
        name_by_step(self.place)
        return [*self._restore_runs(), *self._restore_files()]

    def close(self) -> None:
        """Copy what isn't copied yet, and end the thread."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()
        atexit.unregister(self.close)

    def copy_changed(self, now: float = math.inf) -> None:
        """Copy what has changed and is due; at infinity, everything is due."""
        with self._mutex:
            if not self.place.is_dir():
                return self._warn(str(self.place), "it is no longer there")
            here = list_entries(self.folder)
            self._carry_deletions(here)
            for path, file in here.items():
                try:
                    self._copy(path, file, now)
                except FileNotFoundError:  # renamed or deleted meanwhile
                    continue
                except (OSError, ValueError, RuntimeError) as error:  # torch makes a RuntimeError of some full disks
                    self._due[path] = time.monotonic() + max(RETRY_SECONDS, self._due.get(path, 0) - time.monotonic())
                    self._warn(path, getattr(error, "strerror", None) or str(error))
            self._write_notes()

    def describe(self, path: Path) -> str:
        """Copy everything, and say of a file, or of the runs in a folder, what is in the backup now."""
        with self._mutex:
            here = list_entries(self.folder)
            chosen = [each for each in here if (self.folder / each).is_relative_to(path)]
            for each in chosen:
                if not (list_copies(self.place / each) or (self.place / each).is_file()):
                    self._copied.pop(each, None)  # it was deleted there, but is wanted now
            self.copy_changed()
            return "\n".join(self._describe(each, here[each]) for each in chosen) or f"{path} is empty."

    def _describe(self, path: str, file: Path) -> str:
        copied = self._copied.get(path, {})
        copies = list_copies(self.place / path, copied.get("identity"))
        if copied.get("state") != state_of(file):
            step = f"; step {copies[-1].step:,} is there" if copies else ""
            return (
                f"{self.folder / path} is not in {self.place} ({self._why_not.get(path, 'it has just changed')}){step}."
            )
        at = f", at step {copies[-1].step:,}" if copied.get("identity") else ""
        return f"{self.folder / path} is in {self.place / path}{at}."

    def _watch(self) -> None:
        while not self._stop.wait(self.seconds):
            self.copy_changed(time.monotonic())
        self.copy_changed()

    def _copy(self, path: str, file: Path, now: float) -> None:
        state, place, copied = state_of(file), self.place / path, {}
        if state == self._copied.get(path, {}).get("state"):
            return
        if file.name in (NEWEST, PREVIOUS):
            if is_elsewhere(place, self._machine):
                return self._warn(path, ELSEWHERE)
            quiet = time.time() - file.stat().st_mtime > QUIET_SECONDS
            if not quiet:
                tell_at_work(place, self._machine)
            if now < self._due.get(path, 0) and not quiet:
                return
            checkpoint = back_up_run(file.parent, place)
            copied["identity"] = identify(checkpoint)
            if quiet or checkpoint["steps_done"] == checkpoint["steps"]:
                (place / (AT_WORK + self._machine)).unlink(missing_ok=True)
        elif now < self._due.get(path, 0):
            return
        else:
            copy_whole(file, place)
        self._copied[path] = {"state": state, **copied}
        self._due[path] = time.monotonic() + state[0] / MAX_BYTES_PER_SECOND
        self._why_not.pop(path, None)

    def _carry_deletions(self, here: dict[str, Path]) -> None:
        """Delete there what is deleted here. It is not emptied: on Google Drive it stays in the trash for a while."""
        gone = self._copied.keys() - here.keys()
        for path in gone:
            if "identity" in self._copied[path] and path not in self._gone:
                continue  # a checkpoint that is just being replaced is missing once, not twice
            identity = self._copied.pop(path).get("identity")
            copies = (
                [copy.file for copy in list_copies(self.place / path, identity)] if identity else [self.place / path]
            )
            for file in copies:
                file.unlink(missing_ok=True)
        self._gone = gone

    def _restore_runs(self) -> list[str]:
        said = []
        for place in list_backups(self.place):
            path = str(place.relative_to(self.place))
            if copy := restore_run(place, self.folder / path):
                self._copied[path] = {"state": state_of(self.folder / path / NEWEST), "identity": copy.identity}
                said.append(f"restored {self.folder / path}, at step {copy.step:,}")
            if is_elsewhere(place, self._machine):
                self._warn(path, ELSEWHERE)
        return said

    def _restore_files(self) -> list[str]:
        said = []
        for path, there in list_entries(self.place).items():
            here = self.folder / path
            unchanged = here.exists() and state_of(here) == self._copied.get(path, {}).get("state")
            if not here.exists() or (unchanged and there.stat().st_mtime > here.stat().st_mtime + 2):
                copy_whole(there, here)
                self._copied[path] = {"state": state_of(here)}
                said.append(f"restored {here}")
        return said

    def _warn(self, path: str, reason: str) -> None:
        if reason not in self._why_not.values():
            sentence = f"{self.place / path} is not written: {reason}. What is new there"
            warnings.warn(f"{sentence} is only in {self.folder} so far.", stacklevel=2)
        self._why_not[path] = reason

    def _read_notes(self) -> None:
        """Read what an earlier process copied, unless the place is another one."""
        if self._notes.exists():
            notes = json.loads(self._notes.read_text())
            self._machine = notes["machine"]
            if notes["place"] == str(self.place) and any(self.place.iterdir()):
                self._copied = notes["copied"]

    def _write_notes(self) -> None:
        notes = json.dumps({"machine": self._machine, "place": str(self.place), "copied": self._copied}, indent=1)
        if self.folder.parent.exists() and not (self._notes.exists() and self._notes.read_text() == notes):
            with atomic_write(self._notes) as partial:
                partial.write_text(notes)


_active: dict[Path, DriveBackup] = {}


def keep(folder: Path, place: Path | None) -> list[str]:
    """Back up a folder in a place from now on, and in no other; None ends its backup. Return what was restored."""
    backup = _active.get(folder)
    if backup and backup.place == place:
        return []
    if backup:
        _active.pop(folder).close()
    if not place:
        return []
    backup = DriveBackup(folder, place)
    restored = backup.start()
    _active[folder] = backup
    return restored


def keep_nothing() -> None:
    """End all backups."""
    for folder in list(_active):
        keep(folder, None)


def describe_backup(path: Path) -> str:
    """Copy what is new, and say what of a file or of the runs in a folder is in the backup now."""
    for folder, backup in _active.items():
        if path.is_relative_to(folder):
            return backup.describe(path)
    return f"{path} is not backed up: only what is in the workspace's folder of runs is."
