"""Checkpoints, written atomically, checked by reading them back, and loaded without pickle."""

import os
import zipfile
from pathlib import Path

import torch

from ..utils.files import atomic_write, open_sound


def save_checkpoint(path: str | Path, state: dict, previous: Path | None = None) -> None:
    """Write ``state`` (tensors, numbers, strings, and dicts and lists of them) to ``path``, atomically.

    It is flushed to the disk and read back before it takes the place of the old one, which is moved to ``previous``.
    """
    with atomic_write(Path(path), previous) as partial:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        load_checkpoint(partial)


def load_checkpoint(path: str | Path) -> dict:
    """Load what ``save_checkpoint`` wrote, with its tensors on the CPU. FileNotFoundError if there is no such file.

    Raises ValueError if it is damaged, or holds anything but tensors and plain data (which could run code), OSError if
    it can't be read here.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}: train first, or give the folder of a finished run.")
    words = "is no checkpoint, or is damaged: delete it and train again"
    with open_sound(path, words) as file:  # once: a training may replace it meanwhile
        with zipfile.ZipFile(file) as archive:  # torch writes a checksum for each part, but doesn't look at it
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(damaged)
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)
