"""Google Colab: detect it, mount Drive, upload and download files."""

from importlib.util import find_spec
from pathlib import Path

DISK = Path("/content")  # deleted with the machine
NO_GPU = (
    "no GPU   Choose Runtime → Change runtime type → T4 GPU → Save, then run all again. Without a GPU, everything runs "
    "in the quick preset."
)


def on_colab() -> bool:
    """Detect whether this kernel runs on Colab."""
    return bool(find_spec("google") and find_spec("google.colab"))


def mount_drive(root: Path) -> Path:
    """Mount Google Drive (Colab asks for permission) and return this project's folder on it.

    Raises:
        RuntimeError: if this isn't Colab, or permission is refused.
    """
    if not on_colab():
        raise RuntimeError("DRIVE works only on Colab: set it to False. Here runs stay on your own disk.")
    from google.colab import drive

    try:
        drive.mount(str(root.parent / "drive"))
    except Exception as error:  # Colab raises ValueError, or its own MessageError if permission is refused
        advice = "run the cell again and allow it, or set DRIVE to False"
        raise RuntimeError(f"Google Drive was not mounted ({error}): {advice}.") from error
    return root.parent / "drive" / "MyDrive" / "pix2pix"


def upload(folder: Path) -> Path:
    """Ask for an archive or images in the browser; if none is chosen, the previous upload stays.

    Returns the archive, or the folder of the images. Raises ValueError if this isn't Colab.
    """
    if not on_colab():
        raise ValueError("Uploading works only on Colab: give the path of your folder or archive instead.")
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


def offer_download(file: Path) -> None:
    """Download a file with the browser on Colab, and print its path and size."""
    if on_colab():
        from google.colab import files

        files.download(str(file))
    print(f"{file}, {file.stat().st_size / 1e6:,.1f} MB")
