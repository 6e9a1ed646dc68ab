"""The folder of a training run: its two checkpoints and its history, locked by the process that trains."""

import csv
import errno
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from ..utils.files import FULL, atomic_write
from .checkpoint import save_checkpoint
from .run_copies import RunCopies, set_place
from .runs import NEWEST, PREVIOUS, Checkpoint, Identity, list_runs, load_newest

HISTORY, LOCK = "history.csv", "training.lock"


class FolderInUseError(RuntimeError):
    """Another process trains in this folder already."""


class RunFolder:
    """The folder of a training run, as a context manager that locks it: no other training can write there.

    It holds ``checkpoint.pt``, the newest checkpoint; ``checkpoint.previous.pt``, the one before; and ``history.csv``,
    the losses for pandas or a spreadsheet. A thread writes them, so that a slow disk doesn't hold up the training.

    Raises FolderInUseError on entering, if another training is at work there, and OSError on entering or saving, if the
    folder can't be written or the disk is full.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.saved = "nothing had been saved"  # what is on the disk, for error messages
        self._damaged = False  # the newest checkpoint, which must not then take the place of the previous one
        self._lock = FileLock(self.path / LOCK, timeout=0, thread_local=False)
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future | None = None
        self._copies = RunCopies.of(self.path)

    def load(self) -> Checkpoint | None:
        """Load the newest sound checkpoint, as ``load_newest``; None if there is none. One of a copy is then here."""
        try:
            checkpoint = load_newest(self.path)
        except FileNotFoundError:
            return None
        self._damaged = checkpoint.file.name == PREVIOUS
        self._note_saved(checkpoint.state)
        if checkpoint.file.parent != self.path:
            with suppress(Timeout, OSError):  # another training is at work here, or nothing can be written
                self.take_over(checkpoint.state)
        return checkpoint

    def take_over(self, state: dict) -> None:
        """Write a checkpoint of elsewhere as the newest one here. Raise Timeout if a training is at work here."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock:
            write_history(self.path / HISTORY, state["history"])
            save_checkpoint(self.path / NEWEST, state)

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._thread.submit(int).result()  # starts it: later on, Ctrl-C might interrupt that, and two would write
            self._lock.acquire()
        except Timeout as error:
            raise FolderInUseError(
                f"Another training is at work in {self.path}: wait for it, stop it, or train into another folder."
            ) from error
        except OSError as error:
            raise self._explain(error) from error
        return self

    def __exit__(self, *_) -> None:
        self._thread.submit(self._lock.release)  # after what is still being written, even if this wait is interrupted
        self._thread.shutdown()

    def save(self, state: dict, wait: bool = False) -> None:
        """Write a checkpoint of the current state, and its history, while the training continues.

        An error in writing is raised by the next call. If the last one is still being written, nothing is done. With
        ``wait`` it returns only when it is on the disk, and in the copy, if the run has one.
        """
        if self._writing and not wait and not self._writing.done():
            return
        self._finish_writing()
        self._writing = self._thread.submit(self._write, _to_cpu(state), wait)
        if wait:
            self._finish_writing()

    def _finish_writing(self) -> None:
        if self._writing:
            writing, self._writing = self._writing, None
            try:
                writing.result()
            except (OSError, RuntimeError, ValueError) as error:  # torch makes a RuntimeError of some full disks
                raise self._explain(error) from error

    def _write(self, state: dict, now: bool) -> None:
        write_history(self.path / HISTORY, state["history"])  # first: it may be ahead of the checkpoint, not behind
        save_checkpoint(self.path / NEWEST, state, None if self._damaged else self.path / PREVIOUS)
        self._damaged = False
        self._note_saved(state)
        if self._copies:
            self._copies.save(state, Identity.of(state).digest, now)

    def _note_saved(self, state: dict) -> None:
        self.saved = f"the checkpoint of step {state['steps_done']:,} is intact"

    def _explain(self, error: Exception) -> OSError:
        cause = error
        while (below := cause.__context__) and (not isinstance(cause, OSError) or isinstance(below, OSError)):
            cause = below
        number, reason = getattr(cause, "errno", None), getattr(cause, "strerror", None) or cause
        if number in FULL:
            what = f"The disk of {self.path} is full: {self.saved}. Free some space there and start again"
        else:
            what = f"{self.path} can't be written ({reason}): {self.saved}. Make it writable, or choose another folder"
        return OSError(number or errno.EIO, f"{what}.")


def write_history(path: Path, rows: list[dict]) -> None:
    """Write rows to a CSV file with a header, atomically. pandas reads NaN back as such."""
    with atomic_write(path) as partial, partial.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0] if rows else [])
        table.writeheader()
        table.writerows(rows)


def copy_run(source: Path, target: Path) -> None:
    """Copy a finished run into another folder, unless it is that folder, or holds the run already.

    Raises what ``load_newest`` and ``RunFolder`` do, and ValueError if another run is in the folder.
    """
    checkpoint, folder = load_newest(source), RunFolder(target)
    there = folder.load()
    if there is None:
        with folder:
            if not (there := folder.load()):  # again: before it was locked, another training may have begun
                folder.save(checkpoint.state, wait=True)
    if there and there.name_weights() != (wanted := checkpoint.name_weights()):
        raise ValueError(
            f"{target} holds another run ({there.name_weights().name}) than {source} ({wanted.name}): delete it, or "
            "choose another folder."
        )


def keep_copies(root: Path, place: Path | None) -> list[str]:
    """Copy all runs in ``root`` to ``place`` from now on, and take over what is further there; None ends that.

    Returns what was restored, in words. Raises OSError if the place can't be read or written.
    """
    set_place(root, place)
    if not place:
        return []
    try:
        place.mkdir(parents=True, exist_ok=True)
        runs = sorted({root / file.parent.relative_to(place) for file in place.rglob("checkpoint.*.step-*.pt")})
    except OSError as error:
        set_place(root, None)
        advice = "mount it again, make room, or work without a backup"
        raise OSError(error.errno, f"{place} can't be used ({error.strerror or error}): {advice}.") from error
    return list(filter(None, map(_restore, runs)))


def _restore(run: Path) -> str:
    """Take over a run's further copy, and say so. A damaged run is told when it is trained."""
    with suppress(ValueError):
        checkpoint = RunFolder(run).load()
        if checkpoint and checkpoint.file.parent != run:
            return f"restored {run}, at step {checkpoint.state['steps_done']:,}"
    return ""


def merge_runs(source: Path, target: Path) -> list[str]:
    """Take over the runs in a folder that are further than the same ones in another; return which, in words.

    What is damaged in the other is replaced. A run that is being trained there is left out.
    """
    said = []
    for run in list_runs(source):
        there, folder, here = load_newest(run), RunFolder(target / run.relative_to(source)), None
        with suppress(ValueError):
            here = folder.load()
        same = not here or here.identity.digest == there.identity.digest
        if same and (not here or here.state["steps_done"] < there.state["steps_done"]):
            with suppress(Timeout):
                folder.take_over(there.state)
                said.append(f"restored {folder.path}, at step {there.state['steps_done']:,}")
    return said


def describe_copies(path: Path) -> list[str]:
    """Copy what is not copied yet of the runs in a folder, and say what of each is in the second place."""
    said = []
    for run in list_runs(path):
        if copies := RunCopies.of(run):
            checkpoint = load_newest(run)
            said.append(copies.describe(run, checkpoint.state, checkpoint.identity.digest))
    return said


def _to_cpu(state):
    """Copy a state to the CPU, so that further training doesn't change it."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _to_cpu(value) for key, value in state.items()}
    return type(state)(map(_to_cpu, state)) if isinstance(state, list | tuple) else state


def read_steps_done(folder: Path) -> int:
    """Number of steps in the history of a run. Its checkpoint takes seconds to load: 1.4 to 2.3 s for 686 MB."""
    path = folder / HISTORY
    rows = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
    return int(rows[-1]["step"]) if rows else 0
