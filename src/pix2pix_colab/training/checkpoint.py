"""Checkpoints: written whole or not at all, proven readable, and read without pickle."""

import os
import zipfile
from pathlib import Path

import torch


def save_checkpoint(path: str | Path, state: dict, previous: Path | None = None) -> None:
    """Write ``state`` (tensors, numbers, strings, and dicts and lists of them) to ``path``, atomically.

    It is written beside the file, flushed to the disk and read back. Only then is it renamed, so a reader sees the old
    one or the new one, never a torn one, and a write that fails leaves nothing behind.

    Args:
        previous: where the old file is moved to; None gives it up.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        load_checkpoint(partial)
        if previous and path.exists():
            path.replace(previous)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> dict:
    """What ``save_checkpoint`` wrote, with its tensors on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds anything but tensors and plain data (which could run code).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}: train first, or give the folder of a finished run.")
    try:
        with zipfile.ZipFile(path) as archive:  # torch writes a checksum for each part, but doesn't look at it
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(damaged)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what isn't a checkpoint can raise nearly anything
        raise ValueError(f"{path} is no checkpoint, or is damaged: delete it and train again.") from error


def check_same(path: str | Path, saved: dict, wanted: dict) -> None:
    """Refuse to go on with settings that a checkpoint was not made with.

    Raises:
        ValueError: naming each setting that differs, its saved value and the wanted one.
    """
    differ = [f"{key} = {saved.get(key)} there, {wanted[key]} here" for key in wanted if saved.get(key) != wanted[key]]
    if differ:
        raise ValueError(
            f"{path} was made with other settings ({'; '.join(differ)}): use the same settings, or another folder."
        )
