"""Copies of runs in a second place, such as Google Drive, named by their step: none replaces a further one."""

import errno
import re
import time
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..utils.files import delete_emptied
from .checkpoint import save_checkpoint

NAME = re.compile(r"checkpoint\.([0-9a-f]{8})\.step-(\d+)\.pt")
BYTES_PER_SECOND = 2e6  # averaged: 700 MB of checkpoint every six minutes, though it changes every half minute
RETRY_SECONDS = 30  # after an error

_places: dict[Path, Path] = {}  # folders of runs, and where each is copied
_ended: dict[Path, Path] = {}
_said: set[str] = set()  # why copies fail, until one succeeds: a full Drive is said once, not for each run


class Copy(NamedTuple):
    """Copy of a run at a step. ``identity`` is the digest of an ``Identity``: other settings are another run."""

    step: int
    identity: str
    file: Path


def set_place(root: Path, place: Path | None) -> None:
    """Copy all runs in ``root`` to ``place`` from now on. None ends that."""
    _places.pop(root.absolute(), None)
    if place:
        _places[root.absolute()] = place


def end_copies() -> None:
    """Make no more copies, of any run."""
    _ended.update(_places)
    _places.clear()


def resume_copies() -> None:
    """Make again the copies that ``end_copies`` ended."""
    _places.update(_ended)
    _ended.clear()


def list_copies(place: Path, identity: str | None = None) -> list[Copy]:
    """List the copies in a folder, the furthest last; those of one identity, if it is given.

    What was cut off, by a full Drive or a machine that vanished, is no copy.
    """
    found = [(NAME.fullmatch(file.name), file) for file in place.glob("checkpoint.*.pt")]
    copies = sorted(Copy(int(match[2]), match[1], file) for match, file in found if match)
    return [copy for copy in copies if identity in (None, copy.identity) and _is_whole(copy.file)]


def _is_whole(file: Path) -> bool:
    """Whether a checkpoint ends with the directory that is written last. Its content is not read."""
    try:
        with zipfile.ZipFile(file):
            return True
    except (zipfile.BadZipFile, FileNotFoundError):
        return False


class RunCopies:
    """Copies of one run. Two take turns.

    The older one is deleted only when the next copy begins: what is written to Google Drive is uploaded later, and
    until then the machine may vanish.

    Args:
        root: the folder that must be there. A Drive that is not mounted any more gets no folder in its place.
        place: the run's own folder in it.
    """

    def __init__(self, root: Path, place: Path):
        self.root, self.place, self._due = root, place, 0.0

    @classmethod
    def of(cls, run: Path) -> "RunCopies | None":
        """The copies of the run in a folder, if there are to be any."""
        run = run.absolute()
        found = next((each for each in _places.items() if run.is_relative_to(each[0])), None)
        return found and cls(found[1], found[1] / run.relative_to(found[0]))

    def further(self, identity: str | None, step: int) -> list[Copy]:
        """The copies of a run beyond a step, the furthest first. None is the run that was copied last."""
        copies = list_copies(self.place)
        if copies and not identity:
            identity = max(copies, key=lambda copy: copy.file.stat().st_mtime).identity
        return [copy for copy in reversed(copies) if copy.identity == identity and copy.step > step]

    def save(self, state: dict, identity: str, now: bool) -> None:
        """Copy a checkpoint if it is due, or ``now``, unless a copy is as far. An error is a warning, said once."""
        if not now and time.monotonic() < self._due:
            return
        file = self.place / f"checkpoint.{identity}.step-{state['steps_done']:08}.pt"
        try:
            if not self.root.is_dir():
                raise OSError(errno.ENOENT, "it is no longer there")
            copies = list_copies(self.place, identity)
            if not copies or copies[-1].step < state["steps_done"]:
                for old in self.place.glob(f"checkpoint.{identity}.step-*"):  # the older one, and what was cut off
                    if old not in {copy.file for copy in copies[-1:]}:
                        delete_emptied(old)
                save_checkpoint(file, state)
                self._due = time.monotonic() + file.stat().st_size / BYTES_PER_SECOND
            _said.clear()
        except (OSError, ValueError, RuntimeError) as error:  # torch makes a RuntimeError of some full disks
            self._due = time.monotonic() + RETRY_SECONDS
            reason = getattr(error, "strerror", None) or str(error)
            if reason not in _said:
                _said.add(reason)
                warnings.warn(f"{file} is not written: {reason}. The run is only on this machine so far.", stacklevel=2)

    def describe(self, run: Path, state: dict, identity: str) -> str:
        """Copy what is not copied yet, and say what of a run is in the second place."""
        self.save(state, identity, now=True)
        there, step = 0, state["steps_done"]
        with suppress(OSError):  # which was said
            there = max((copy.step for copy in list_copies(self.place, identity)), default=0)
        if there >= step:
            return f"{run} is in {self.place}, at step {there:,}."
        kept = f"step {there:,} is there" if there else "nothing is there"
        return f"{run}, at step {step:,}, is not in {self.place} ({'; '.join(_said)}); {kept}."
