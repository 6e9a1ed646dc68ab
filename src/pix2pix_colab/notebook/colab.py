"""What is particular to Google Colab: its page, its Drive, and its browser's files."""

from importlib.util import find_spec
from pathlib import Path

DISK = Path("/content")  # gone when the machine is
NO_GPU = (
    "no GPU   Runtime → Change runtime type → T4 GPU → Save, then run all again. Without one all works, too, in the "
    "quick preset."
)


def on_colab() -> bool:
    """Whether this is a kernel of Colab's."""
    return bool(find_spec("google") and find_spec("google.colab"))


def mount_drive(root: Path) -> Path:
    """Mount Google Drive beside ``root`` (Colab asks for leave), and return this project's folder on it.

    Raises:
        RuntimeError: where this isn't Colab, or Drive isn't given.
    """
    if not on_colab():
        raise RuntimeError("DRIVE works on Colab alone: set it to False; here runs stay on the disk.")
    from google.colab import drive

    try:
        drive.mount(str(root.parent / "drive"))
    except Exception as error:  # Colab raises ValueError, and its own MessageError where leave is refused
        advice = "run the cell again and allow it, or set DRIVE to False"
        raise RuntimeError(f"Google Drive was not mounted ({error}): {advice}.") from error
    return root.parent / "drive" / "MyDrive" / "pix2pix"


def upload(folder: Path) -> Path:
    """Let the user choose an archive or images in the browser; those of before are kept if nothing is chosen.

    Returns the archive or the folder. Raises ValueError where this isn't Colab.
    """
    if not on_colab():
        raise ValueError("Uploading works on Colab alone: give the path of your folder or archive instead.")
    from google.colab import files

    folder.mkdir(parents=True, exist_ok=True)
    chosen = {Path(name).name: content for name, content in files.upload().items()}
    if chosen:
        for old in folder.iterdir():
            old.unlink()
    for name, content in chosen.items():
        (folder / name).write_bytes(content)
    there = list(folder.iterdir())
    return there[0] if len(there) == 1 else folder


def offer(file: Path) -> None:
    """Give a file to the user: by the browser on Colab, and elsewhere by saying where it is."""
    if on_colab():
        from google.colab import files

        files.download(str(file))
    print(f"{file}, {file.stat().st_size / 1e6:,.1f} MB")
