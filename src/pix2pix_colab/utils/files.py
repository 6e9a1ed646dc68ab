"""Files written as a whole or not at all, and the room for them."""

import errno
import os
import shutil
from pathlib import Path

REPLACED, PARTIAL = ".replaced", ".partial"


def require_space(folder: Path, needed: int) -> None:
    """Raises OSError, with the figures, if the disk of ``folder`` has less than the ``needed`` bytes."""
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:,.2f} GB are needed, {free / 1e9:,.2f} GB are free")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file, so that ``target`` is the old one or the new one whenever the machine vanishes.

    What is replaced is emptied before it is deleted: Google Drive keeps deleted files in its trash, where a night's
    checkpoints would fill the quota.
    """
    partial, replaced = (target.with_name(target.name + ending) for ending in (PARTIAL, REPLACED))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, partial)
        if target.exists():
            target.replace(replaced)
        partial.replace(target)
    finally:
        for gone in (partial, replaced) if target.exists() else (partial,):
            if gone.exists():
                os.truncate(gone, 0)
                gone.unlink()
