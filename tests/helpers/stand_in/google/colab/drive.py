"""Google Drive is the folder STAND_IN_DRIVE; without one, leave to mount it is refused."""

import os
from pathlib import Path


def mount(mountpoint: str) -> None:
    if "STAND_IN_DRIVE" not in os.environ:
        raise ValueError("mount failed")  # as Colab does
    Path(mountpoint).mkdir(parents=True, exist_ok=True)
    if not (link := Path(mountpoint, "MyDrive")).exists():
        link.symlink_to(os.environ["STAND_IN_DRIVE"])
