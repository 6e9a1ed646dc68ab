"""What the notebooks' first cell does once the package is there, and how a run is taken home."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil

from ..utils.device import default_device, describe_device
from .colab import NO_GPU, mount_drive, offer, on_colab
from .drive_backup import PACK, pack, unpack_runs
from .workspace import Workspace, default_preset, find_root

PACKAGE = "pix2pix-colab"


def set_up(ref: str = "", drive: bool = False) -> None:
    """Mount Google Drive if asked to, take in packed runs that lie beside the notebook, and say what there is.

    Args:
        ref: the branch, tag or commit that the notebook wants; of a package from elsewhere it isn't asked.
        drive: keep data and runs on Google Drive, from which ``open_workspace`` brings them back.

    Raises:
        RuntimeError: if the package is of another ref, which is then removed; or if Drive isn't mounted.
        ValueError: if a packed run is damaged.
    """
    revision = _check_revision(ref)
    root = find_root()
    if drive:
        os.environ["PIX2PIX_KEEP"] = str(mount_drive(root))
    for file in sorted(Path.cwd().glob(PACK.format("*"))):
        print(f"back     {len(unpack_runs(file, root))} files from {file.name}")
    print(report(root, revision))


def report(root: Path, revision: str) -> str:
    """Versions, device, memory, preset and folder, a line each."""
    device = default_device()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "ipywidgets"))
    memory = f"{os.cpu_count()} CPU cores, {psutil.virtual_memory().total / 1e9:.1f} GB of memory"
    kept = os.environ.get("PIX2PIX_KEEP")
    lost = ", which is gone when the machine is: DRIVE keeps it" if on_colab() else ""
    lines = [
        f"package  {PACKAGE} {revision}, {packages}, Python {platform.python_version()}",
        f"device   {describe_device(device)}; {memory}",
        f"preset   {default_preset(device)}",
        f"folder   {root}{f', kept in {kept}' if kept else lost}",
    ]
    return "\n".join([*lines, NO_GPU] if on_colab() and device.type == "cpu" else lines)


def download_run(workspace: Workspace, path: Path) -> None:
    """On Colab, let the browser download a file of the workspace, or a folder of its runs, packed for ``set_up``.

    Where it is kept anyway, on Google Drive or on one's own disk, that is said instead.
    """
    if workspace.kept or not on_colab():
        print(f"{path} is kept in {workspace.kept}." if workspace.kept else f"{path} is on your own disk.")
    else:
        offer(pack(path, workspace.root) if path.is_dir() else path)


def _check_revision(ref: str) -> str:
    """The version, ref and commit of the package, in words."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        return "from a source checkout"
    installed = json.loads(found.read_text("direct_url.json") or "{}").get("vcs_info", {})
    there = installed.get("requested_revision", ref)
    if there != ref:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", PACKAGE], check=True)
        raise RuntimeError(
            f"REF was {there!r} and is {ref!r} now: choose Runtime → Restart session, then run all again."
        )
    return found.version + (f" of {ref} ({installed['commit_id'][:7]})" if installed else "")
