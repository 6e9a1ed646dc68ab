"""Runs as a zip file, to download and to upload again."""

import shutil
import zipfile
from pathlib import Path

from ..data import unpack
from ..training import HISTORY, NEWEST
from ..utils.files import atomic_write
from .drive_backup import DriveBackup
from .run_copies import list_entries

PACK = "pix2pix-{}.zip"


def pack(folder: str | Path, root: str | Path) -> Path:
    """Zip the runs and files of ``root/…/folder``, with their paths in ``root``, into a file there; return it."""
    folder, root = Path(folder), Path(root)
    file = root / PACK.format("-".join(folder.relative_to(root).parts[1:]))
    with atomic_write(file) as partial, zipfile.ZipFile(partial, "w") as archive:  # stored: weights don't shrink
        for found in list_entries(folder).values():
            archive.write(found, found.relative_to(root))
            if found.name == NEWEST and (history := found.with_name(HISTORY)).exists():
                archive.write(history, history.relative_to(root))
    return file


def unpack_runs(file: str | Path, root: str | Path) -> list[str]:
    """Take over the runs of a ``pack`` that are further than those in ``root/runs``; return what was, in words.

    Raises:
        ValueError: if the file is no sound archive.
        OSError: if the disk is full or can't be written.
    """
    file, root = Path(file), Path(root)
    temporary = root / f".{file.stem}"
    try:
        unpack(file, temporary)
        return DriveBackup(root / "runs", temporary / "runs").restore()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
