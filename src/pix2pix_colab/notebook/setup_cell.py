"""Set-up cell: Drive, packed runs and a report of the machine; and the download of runs."""

import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil

from ..training import describe_copies, end_copies, resume_copies
from ..utils.device import default_device, describe_device
from ..utils.files import copy_whole
from .colab import NO_GPU, drive_folder, enable_widgets, mount_drive, offer_download, on_colab
from .packed_runs import PACK, pack, unpack_runs
from .workspace import Workspace, default_preset, find_root

PACKAGE = "pix2pix-colab"


def set_up(ref: str = "", drive: bool = False) -> None:
    """Set up a notebook: its widgets, Google Drive if asked, downloaded runs, and a report of the machine.

    Args:
        ref: the branch, tag or commit that the notebook needs. Ignored if the package was not installed by git.
        drive: back up data and runs on Google Drive, from which ``open_workspace`` restores them.

    Raises RuntimeError if another ref is installed, which on Colab is then uninstalled, or if Drive can't be mounted,
    and ValueError if a downloaded run is damaged.
    """
    revision = _check_revision(ref)
    enable_widgets()
    root = find_root()
    if drive:
        os.environ["PIX2PIX_KEEP"] = str(mount_drive(root))
        resume_copies()
    elif os.environ.get("PIX2PIX_KEEP") == str(drive_folder(root)):  # it was ticked before
        del os.environ["PIX2PIX_KEEP"]
        end_copies()
    for file in sorted(Path.cwd().glob(PACK.format("*"))):
        print(*unpack_runs(file, root) or [f"{file.name} holds nothing that is further than what is here"], sep="\n")
    print(report(root, revision))


def report(root: Path, revision: str) -> str:
    """Report of versions, device, memory, preset and folder, one line each."""
    device = default_device()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "ipywidgets"))
    memory = f"{os.cpu_count()} CPU cores, {psutil.virtual_memory().total / 1e9:.1f} GB of memory"
    backup = os.environ.get("PIX2PIX_KEEP")
    lost = ", which is deleted with the machine: set DRIVE to keep it" if on_colab() else ""
    lines = [
        f"package  {PACKAGE} {revision}, {packages}, Python {platform.python_version()}",
        f"device   {describe_device(device)}; {memory}",
        f"preset   {default_preset(device)}",
        f"folder   {root}{f', backed up in {backup}' if backup else lost}",
    ]
    return "\n".join([*lines, NO_GPU] if on_colab() and device.type == "cpu" else lines)


def download_run(workspace: Workspace, path: Path) -> None:
    """Download a file of the workspace, or a folder of its runs as a .zip that ``set_up`` unpacks again.

    With a backup nothing is downloaded: what is new is copied there, and a message says what is there now. Outside
    Colab, a message says where the file is.
    """
    if workspace.backup:
        print(*_copy_to_backup(workspace, path), sep="\n")
        if on_colab():
            print("Drive uploads what is new in the background: leave this machine on for some minutes.")
    elif not on_colab():
        print(f"{path} is on your own disk.")
    else:
        offer_download(pack(path, workspace.root) if path.is_dir() else path)


def _copy_to_backup(workspace: Workspace, path: Path) -> list[str]:
    """Copy a file or runs to the backup; say what is there. A full Drive doesn't stop the notebook."""
    if path.is_dir():
        return describe_copies(path) or [f"{path} holds no runs with a backup."]
    place = workspace.backup / path.relative_to(workspace.root)
    try:
        copy_whole(path, place)
    except OSError as error:
        return [f"{path} is not in {place} ({error.strerror or error}): make room, and run this cell again."]
    return [f"{path} is in {place}.", *describe_copies(path.parent)]


def _check_revision(ref: str) -> str:
    """The version, ref and commit of the package, in words."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        return "from a source checkout"
    installed = json.loads(found.read_text("direct_url.json") or "{}").get("vcs_info", {})
    there = installed.get("requested_revision", ref)
    if there != ref:
        command = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", PACKAGE]
        if on_colab():
            subprocess.run(command, check=True)
            advice = "choose Runtime → Restart session, then run all again"
        else:  # in an environment of the user's own nothing is removed
            install = f"run `{shlex.join(command)}`, restart, and run all again"
            advice = f"set REF to {there!r}, or install {ref!r}: {install}"
        raise RuntimeError(f"REF was {there!r} and is {ref!r} now: {advice}.")
    return found.version + (f" of {ref} ({installed['commit_id'][:7]})" if installed else "")
