"""Copies of a run in its backup, named by their step, so that no copy can replace a further one."""

import os
import re
import time
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..training import (
    HISTORY,
    LOCK,
    NEWEST,
    PREVIOUS,
    FolderInUseError,
    Identity,
    RunFolder,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from ..utils.files import PARTIAL, REPLACED, delete_emptied

NAME = re.compile(r"checkpoint\.([0-9a-f]{8})\.step-(\d+)\.pt")
DAMAGED = ".damaged"
AT_WORK = "at_work."  # and the machine's name: tells the others when it was last seen training
STALE = 180  # s after which that machine is taken for gone; a training saves, and so tells, every 30 s


class Copy(NamedTuple):
    """Copy of a run at a step. Runs of other settings, pairs or start have another identity."""

    step: int
    identity: str
    file: Path


def list_copies(folder: Path, identity: str | None = None) -> list[Copy]:
    """List the copies in a run's backup folder, the furthest last; those of one identity, if it is given.

    What was cut off, by a full Drive or a machine that vanished, is no copy.
    """
    return [copy for copy in _list_named(folder) if identity in (None, copy.identity) and _is_whole(copy.file)]


def _list_named(folder: Path) -> list[Copy]:
    """List what is named as a copy, the furthest last, also what was cut off."""
    found = [(NAME.fullmatch(file.name), file) for file in folder.glob("checkpoint.*.pt")]
    return sorted(Copy(int(match[2]), match[1], file) for match, file in found if match)


def _is_whole(file: Path) -> bool:
    """Whether a checkpoint ends with the directory that is written last. Its content is not read."""
    try:
        with zipfile.ZipFile(file):
            return True
    except (zipfile.BadZipFile, FileNotFoundError):
        return False


def list_backups(place: Path) -> list[Path]:
    """List the folders of a backup that hold copies of a run."""
    return sorted({file.parent for file in place.rglob("checkpoint.*.pt") if NAME.fullmatch(file.name)})


def identify(state: dict) -> str:
    """Identity of a checkpoint's run: a digest of its settings, its pairs and its start."""
    return Identity.of(state).digest


def copy_name(state: dict) -> str:
    """File name of a checkpoint's copy."""
    return f"checkpoint.{identify(state)}.step-{state['steps_done']:08}.pt"


def back_up_run(run: Path, place: Path) -> dict:
    """Copy the newest checkpoint of a run, unless the backup is as far; return that checkpoint.

    Two copies take turns. The older one is deleted only when the next copy begins: what is written to Google Drive is
    uploaded later, and until then the machine may vanish.
    """
    state = load_newest(run).state
    identity = identify(state)
    copies = list_copies(place, identity)
    if not copies or copies[-1].step < state["steps_done"]:
        newest = {copy.file for copy in copies[-1:]}
        for file in place.glob(f"checkpoint.{identity}.step-*"):  # the older one, and what was cut off
            if file not in newest:
                delete_emptied(file)
        save_checkpoint(place / copy_name(state), state)
    return state


def restore_run(place: Path, run: Path) -> Copy | None:
    """Take over the furthest sound copy of a run, if it is further than what is in ``run``; return it.

    What was cut off is a warning; a damaged copy is renamed, too. Of several runs in one backup folder, the one that
    is in ``run`` is taken, or else the one that was copied last.
    """
    here = _load_if_sound(run)
    identity, step = (identify(here), here["steps_done"]) if here else (None, -1)
    copies = list_copies(place)
    for copy in _list_named(place):
        if copy not in copies:
            warnings.warn(f"{copy.file} was cut off: it is left out.", stacklevel=2)
    if copies and not identity:
        identity = max(copies, key=lambda copy: copy.file.stat().st_mtime).identity
    further = [copy for copy in copies if copy.identity == identity and copy.step > step]
    while further:
        copy = further.pop()
        if state := _load_copy(copy.file):
            try:
                with RunFolder(run) as folder:
                    with suppress(ValueError):  # what is damaged here is replaced
                        folder.load()
                    folder.save(state, wait=True)
            except FolderInUseError:  # another kernel of this machine is training it
                return None
            for older in further:  # the newest has arrived: it could be read on another machine than it came from
                delete_emptied(older.file)
            return copy
    return None


def _load_if_sound(run: Path) -> dict | None:
    with suppress(FileNotFoundError, ValueError):
        return load_newest(run).state
    return None


def _load_copy(file: Path) -> dict | None:
    try:
        return load_checkpoint(file)
    except FileNotFoundError:  # another machine has deleted it meanwhile
        return None
    except ValueError as error:
        advice = "it is left out"
        if not isinstance(error.__cause__, OSError):  # which may pass
            file.rename(file.with_name(file.name + DAMAGED))
            advice = f"it is renamed to {file.name + DAMAGED}, and left out"
        warnings.warn(f"{file} can't be read: {advice}.", stacklevel=3)
        return None


def name_by_step(folder: Path) -> None:
    """Rename checkpoints in a backup of an earlier version, or in an unpacked download, as copies."""
    for file in [file for file in folder.rglob("checkpoint*.pt") if file.name in (NEWEST, PREVIOUS)]:
        in_use = file.with_name(LOCK).exists()  # where somebody trains, it is no backup
        if not in_use and (state := _load_copy(file)):
            file.replace(file.with_name(copy_name(state)))


def tell_at_work(place: Path, machine: str) -> None:
    """Tell the other machines that this one is training the run."""
    place.mkdir(parents=True, exist_ok=True)
    (place / (AT_WORK + machine)).write_text(str(time.time()))


def is_elsewhere(place: Path, machine: str) -> bool:
    """Whether another machine is training the run. What a vanished machine has told is deleted."""
    elsewhere = False
    for file in place.glob(f"{AT_WORK}*"):
        if file.name != AT_WORK + machine:
            try:
                told = file.read_text()
                fresh = abs(time.time() - (float(told) if told else file.stat().st_mtime)) < STALE
            except (FileNotFoundError, ValueError):
                continue
            elsewhere |= fresh
            if not fresh:
                file.unlink(missing_ok=True)
    return elsewhere


def list_entries(folder: Path) -> dict[str, Path]:
    """List the runs and the other files in a folder, by their path in it; of a run the file of its checkpoint.

    Left out are hidden files, and those that belong to a run or to a backup. Linked folders are followed, once each.

    Raises:
        OSError: if a folder can't be listed, unless it has just vanished.
    """
    found, seen = {}, set()
    for parent, folders, names in os.walk(folder, onerror=_raise_unless_gone, followlinks=True):
        where = Path(parent).resolve()
        folders[:] = [] if where in seen else sorted(name for name in folders if not name.startswith("."))
        run = [name for name in (NEWEST, PREVIOUS) if name in names]
        if run and where not in seen:
            found[str(Path(parent).relative_to(folder))] = Path(parent, run[0])
        for name in sorted({*names} - {NEWEST, PREVIOUS}):
            if where not in seen and not _is_left_out(name):
                found[str(Path(parent, name).relative_to(folder))] = Path(parent, name)
        seen.add(where)
    return found


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_left_out(name: str) -> bool:
    ending = Path(name).suffix in (PARTIAL, REPLACED, DAMAGED)
    return ending or name in (HISTORY, LOCK) or name.startswith((".", AT_WORK)) or bool(NAME.fullmatch(name))


def state_of(file: Path) -> list[int]:
    """Size and modification time, by which a changed file is recognised."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
