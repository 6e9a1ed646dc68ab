"""Rows of bytes from many files: in memory, or in one memory-mapped file where they are more than that holds."""

import errno
import json
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from tqdm.auto import tqdm

DATA, JOURNAL, LOCK = "rows.uint8", "journal.jsonl", "building.lock"
SAFE_EVERY = 64  # rows: as many are read again if the building is interrupted

Row = np.ndarray | str  # a row of bytes, or why there is none
Load = Callable[[int], Row]  # by the number of an item, in any thread


def read_rows(load: Load, count: int, row_bytes: int) -> tuple[Tensor, list[dict]]:
    """Load the rows of ``count`` items into memory, on all cores.

    Returns:
        uint8 (N, row_bytes), and for each item its entry in the journal: {"digest": …}, or {"skipped": why}.
    """
    rows, journal, filled = np.empty((count, row_bytes), np.uint8), [], 0
    for row in _in_order(load, range(count)):
        journal.append(_entry(row))
        if "digest" in journal[-1]:
            rows[filled] = row
            filled += 1
    return torch.from_numpy(rows[:filled]), journal


def map_rows(folder: Path, stamp: str, load: Load, count: int, row_bytes: int) -> tuple[Tensor, list[dict]]:
    """The same as ``read_rows``, but from a file in ``folder``, which is built once, with a progress bar.

    An interrupted building goes on where it was. A file that was built with another ``stamp`` is thrown away. One
    process builds, others wait for it.

    Returns:
        The rows as a read-only memory map, of which only what is used takes memory; and the journal.

    Raises:
        OSError: if the disk is full or the folder can't be written; what is built is kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK):
            journal = _journal(folder, stamp, load, count, row_bytes)
            if len(journal) < count:
                _build(folder, load, count, row_bytes, journal)
            return _map(folder, journal, row_bytes), journal
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno, f"The disk of {folder} is full: free some space, and it goes on there."
            ) from error
        raise OSError(error.errno, f"{folder} can't be written ({error.strerror}): choose another cache.") from error


def _map(folder: Path, journal: list[dict], row_bytes: int) -> Tensor:
    filled = sum("digest" in entry for entry in journal)
    if not filled:
        return torch.empty(0, row_bytes, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes
        return torch.from_numpy(np.memmap(folder / DATA, np.uint8, "r", shape=(filled, row_bytes)))


def _journal(folder: Path, stamp: str, load: Load, count: int, row_bytes: int) -> list[dict]:
    """The entries of the rows that are safe, all others thrown away; a new journal has the stamp alone."""
    data, file = folder / DATA, folder / JOURNAL
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    whole = [line for line in lines if line.endswith(b"\n")]  # not the last one, if it was cut off
    saved, journal = _parse(whole)
    filled = sum("digest" in entry for entry in journal) * row_bytes
    safe = saved == stamp and len(journal) <= count and data.exists() and data.stat().st_size >= filled
    mended = (n for n, entry in enumerate(journal) if "skipped" in entry and not isinstance(load(n), str))
    if safe and next(mended, None) is None:  # what couldn't be read is tried again: perhaps a disk wasn't there
        os.truncate(file, sum(map(len, whole)))
        os.truncate(data, filled)
        return journal
    data.unlink(missing_ok=True)  # not emptied: another process may have it mapped
    data.touch()
    file.write_text(json.dumps(stamp) + "\n")
    return []


def _parse(lines: list[bytes]) -> tuple[str | None, list[dict]]:
    """The stamp and the entries of a journal; nothing of a damaged one."""
    try:
        stamp, *journal = map(json.loads, lines)
        if all(entry.keys() in ({"digest"}, {"skipped"}) for entry in journal):
            return stamp, journal
    except (ValueError, AttributeError):  # no JSON, or no entry
        pass
    return None, []


def _build(folder: Path, load: Load, count: int, row_bytes: int, journal: list[dict]) -> None:
    """Append what is missing, first to the rows, then to the journal."""
    missing = (count - len(journal)) * row_bytes
    if missing > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"{missing:,} bytes are needed")
    bar = tqdm(_in_order(load, range(len(journal), count)), folder.name, count, unit="pair", initial=len(journal))
    with open(folder / DATA, "ab") as data, open(folder / JOURNAL, "a") as file:
        pending = ""
        for row in bar:
            journal.append(_entry(row))
            pending += json.dumps(journal[-1]) + "\n"
            if "digest" in journal[-1]:
                data.write(row)
            if len(journal) % SAFE_EVERY == 0 or len(journal) == count:
                data.flush()
                os.fsync(data.fileno())
                file.write(pending)
                file.flush()
                pending = ""


def _entry(row: Row) -> dict[str, str]:
    return {"skipped": row} if isinstance(row, str) else {"digest": sha256(row).hexdigest()}


def _in_order(load: Load, numbers: Sequence[int]) -> Iterator[Row]:
    """Load on all cores (Pillow decodes and resizes without Python's lock), a few ahead of what is taken."""
    with ThreadPoolExecutor() as threads:
        ahead = deque()
        try:
            for number in numbers:
                ahead.append(threads.submit(load, number))
                if len(ahead) > 2 * (os.cpu_count() or 1):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)
