"""Runs as a zip file, to download and to upload again."""

import shutil
import zipfile
from pathlib import Path

from ..data import unpack
from ..training import HISTORY, NEWEST, PREVIOUS, list_runs, merge_runs
from ..utils.files import atomic_write

PACK = "pix2pix-{}.zip"


def pack(folder: str | Path, root: str | Path) -> Path:
    """Zip the runs in ``root/…/folder``, with their paths in ``root``, into a file there; return it."""
    folder, root = Path(folder), Path(root)
    file = root / PACK.format("-".join(folder.relative_to(root).parts[1:]))
    with atomic_write(file) as partial, zipfile.ZipFile(partial, "w") as archive:  # stored: weights don't shrink
        for run in list_runs(folder):
            newest = NEWEST if (run / NEWEST).exists() else PREVIOUS
            for name in (newest, HISTORY):
                if (run / name).exists():
                    archive.write(run / name, (run / name).relative_to(root))
    return file


def unpack_runs(file: str | Path, root: str | Path) -> list[str]:
    """Take over the runs of a ``pack`` that are further than those in ``root/runs``; return what was, in words.

    Raises what ``unpack`` does, and ValueError if a run in it is damaged.
    """
    file, root = Path(file), Path(root)
    temporary = root / f".{file.stem}"
    try:
        unpack(file, temporary)
        return merge_runs(temporary / "runs", root / "runs")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
