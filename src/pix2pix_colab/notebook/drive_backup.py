"""Backup of a folder with runs to Google Drive or another folder, by a thread."""

import atexit
import errno
import math
import platform
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from ..training import NEWEST, PREVIOUS
from ..utils.files import REPLACED, copy_whole
from .backup_notes import BackupNotes
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
    copied when it changes. A large one is copied less often, within ``MAX_BYTES_PER_SECOND``. A run or file that is
    deleted in the folder is deleted there, too, also if that was before the start; but not if the folder itself is
    gone, with the notes in it of what was copied. An error is a warning, and the copy is tried again.
    """

    def __init__(self, folder: str | Path, place: str | Path, seconds: float = 2.0):
        self.folder, self.place, self.seconds = Path(folder), Path(place), seconds
        self._notes = BackupNotes(self.folder, self.place)
        self._machine = f"{crc32(f'{platform.node()} {self.folder.resolve()}'.encode()):08x}"
        self._due: dict[str, float] = {}  # when each may be copied again
        self._retry: dict[str, float] = {}  # and when after an error
        self._why_not: dict[str, str] = {}  # what holds up each one that isn't copied
        self._gone: set[str] = set()
        self._told: set[Path] = set()  # where it has said to be at work
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
            advice = "mount it again, make room, or work without a backup"
            raise OSError(error.errno, f"{self.place} can't be used ({error.strerror or error}): {advice}.") from error
        self._thread.start()
        atexit.register(self.close)
        return restored

    def catch_up(self) -> list[str]:
        """Delete there what was deleted here since the last process, and restore what is further there."""
        self.place.mkdir(parents=True, exist_ok=True)
        self._notes.read()
        here = list_entries(self.folder)
        self._gone = self._notes.copied.keys() - here.keys()
        self._carry_deletions(here)
        restored = self.restore()
        for path, copied in list(self._notes.copied.items()):
            copies = list_copies(self.place / path, copied.get("identity"))
            if copies and copies[-1].step < copied["step"]:  # the last one was cut off
                del self._notes.copied[path]
        self._notes.write()
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
        for place in self._told:
            with suppress(OSError):
                (place / (AT_WORK + self._machine)).unlink(missing_ok=True)
        atexit.unregister(self.close)

    def copy_changed(self, now: float = math.inf) -> None:
        """Copy what has changed and is due; at infinity, everything is due. An error is a warning."""
        with self._mutex:
            try:
                if not self.place.is_dir():
                    raise OSError(errno.ENOENT, "it is no longer there")
                here = list_entries(self.folder)
                self._notes.forget_if_gone()
                self._carry_deletions(here)
            except OSError as error:
                return self._warn(".", error)
            self._why_not.pop(".", None)
            for path, file in here.items():
                try:
                    self._copy(path, file, now)
                except FileNotFoundError:  # renamed or deleted meanwhile
                    continue
                except (OSError, ValueError, RuntimeError) as error:  # torch makes a RuntimeError of some full disks
                    self._retry[path] = time.monotonic() + RETRY_SECONDS
                    self._warn(path, error)

    def describe(self, path: Path) -> str:
        """Copy everything, and say of a file, or of the runs in a folder, what is in the backup now."""
        with self._mutex:
            here = list_entries(self.folder)
            chosen = [each for each in here if (self.folder / each).is_relative_to(path)]
            for each in chosen:
                copied = self._notes.copied.get(each, {})
                steps = [copy.step for copy in list_copies(self.place / each, copied.get("identity"))]
                if not (copied.get("step") in steps if "step" in copied else (self.place / each).is_file()):
                    self._notes.copied.pop(each, None)  # it was deleted there, but is wanted now
            self.copy_changed()
            return "\n".join(self._describe(each, here[each]) for each in chosen) or f"{path} is empty."

    def _describe(self, path: str, file: Path) -> str:
        copied = self._notes.copied.get(path, {})
        copies = list_copies(self.place / path, copied.get("identity"))
        step = f"step {copies[-1].step:,}" if copies else ""
        if copied.get("state") == state_of(file):
            return f"{self.folder / path} is in {self.place / path}{f', at {step}' if step else ''}."
        reason = self._why_not.get(path) or self._why_not.get(".", "it has just changed")
        return f"{self.folder / path} is not in {self.place} ({reason}){f'; {step} is there' if step else ''}."

    def _watch(self) -> None:
        while not self._stop.wait(self.seconds):
            self.copy_changed(time.monotonic())
        self.copy_changed()

    def _copy(self, path: str, file: Path, now: float) -> None:
        state, place, told = state_of(file), self.place / path, {}
        if state == self._notes.copied.get(path, {}).get("state") or now < self._retry.get(path, 0):
            return
        if file.name in (NEWEST, PREVIOUS):
            if is_elsewhere(place, self._machine):
                return self._warn(path, ELSEWHERE)
            is_over = time.time() - file.stat().st_mtime > QUIET_SECONDS
            if not is_over:
                tell_at_work(place, self._machine)
                self._told.add(place)
            if now < self._due.get(path, 0) and not is_over:
                return
            checkpoint = back_up_run(file.parent, place)
            told = {"identity": identify(checkpoint), "step": checkpoint["steps_done"]}
            if is_over or checkpoint["steps_done"] == checkpoint["steps"]:
                (place / (AT_WORK + self._machine)).unlink(missing_ok=True)
        elif now < self._due.get(path, 0):
            return
        else:
            copy_whole(file, place)
        self._due[path] = time.monotonic() + state[0] / MAX_BYTES_PER_SECOND
        self._why_not.pop(path, None)
        self._notes.note(path, {"state": state, **told})

    def _carry_deletions(self, here: dict[str, Path]) -> None:
        """Delete there what is deleted here. It is not emptied: on Google Drive it stays in the trash for a while."""
        gone = self._notes.copied.keys() - here.keys()
        for path in gone:
            copied, place = self._notes.copied[path], self.place / path
            if "step" not in copied:
                place.unlink(missing_ok=True)
            elif path in self._gone and not is_elsewhere(place, self._machine):  # a checkpoint that is just being
                for copy in list_copies(place, copied["identity"]):  # replaced is missing once, not twice
                    if copy.step <= copied["step"]:  # another machine's further one is not this user's to delete
                        copy.file.unlink(missing_ok=True)
            else:
                continue
            self._notes.note(path, None)
        self._gone = gone

    def _restore_runs(self) -> list[str]:
        said = []
        for place in list_backups(self.place):
            path = str(place.relative_to(self.place))
            if copy := restore_run(place, self.folder / path):
                state = state_of(self.folder / path / NEWEST)
                self._notes.note(path, {"state": state, "identity": copy.identity, "step": copy.step})
                said.append(f"restored {self.folder / path}, at step {copy.step:,}")
            if is_elsewhere(place, self._machine):
                self._warn(path, ELSEWHERE)
        return said

    def _restore_files(self) -> list[str]:
        said = []
        for path, there in list_entries(self.place).items():
            here = self.folder / path
            unchanged = here.exists() and self._notes.copied.get(path, {}).get("state") in (None, state_of(here))
            if not here.exists() or (unchanged and there.stat().st_mtime > here.stat().st_mtime + 2):
                copy_whole(there, here)
                self._notes.note(path, {"state": state_of(here)})
                said.append(f"restored {here}")
        return said

    def _warn(self, path: str, error: OSError | ValueError | RuntimeError | str) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        known = [self._why_not.get(path)] if reason == ELSEWHERE else self._why_not.values()
        if reason not in known:  # a full Drive is told once, not for each file
            sentence = f"{self.place / path} is not written: {reason}. What is new there"
            warnings.warn(f"{sentence} is only in {self.folder} so far.", stacklevel=2)
        self._why_not[path] = reason
