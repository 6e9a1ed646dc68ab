"""Google Colab: detect it, mount Drive, upload and download files."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ..utils.files import atomic_write

ARCHIVES = (".zip", ".tar", ".gz", ".bz2", ".xz", ".tgz", ".tbz", ".tbz2", ".txz")
DISK = Path("/content")  # deleted with the machine
NO_GPU = (
    "no GPU   Choose Runtime → Change runtime type → T4 GPU → Save, then run all again. Without a GPU, everything runs "
    "in the quick preset."
)


def on_colab() -> bool:
    """Detect whether this kernel runs on Colab."""
    return bool(find_spec("google") and find_spec("google.colab"))


def enable_widgets() -> None:
    """Let Colab show widgets that are not its own. It must be done before such a widget is shown, in any cell."""
    if on_colab():
        from google.colab import output

        output.enable_custom_widget_manager()


def mount_drive(root: Path) -> Path:
    """Mount Google Drive, for which Colab asks, and return this project's folder on it. RuntimeError if that fails."""
    if not on_colab():
        raise RuntimeError("DRIVE works only on Colab: set it to False. Here runs stay on your own disk.")
    from google.colab import drive

    try:
        drive.mount(str(root.parent / "drive"))
    except Exception as error:  # Colab raises ValueError, or its own MessageError if permission is refused
        advice = "run the cell again and allow it, or set DRIVE to False"
        raise RuntimeError(f"Google Drive was not mounted ({error}): {advice}.") from error
    return drive_folder(root)


def drive_folder(root: Path) -> Path:
    """This project's folder on the mounted Google Drive."""
    return root.parent / "drive" / "MyDrive" / "pix2pix"


@contextmanager
def upload(folder: Path) -> Iterator[Path]:
    """Ask for an archive or images in the browser, and yield the archive; images are packed into one.

    If none is chosen, it is that of the previous upload, which is deleted only when the new one has been read: if an
    error is raised in the ``with`` block, the new one is deleted. Raises ValueError if this isn't Colab, and
    FileNotFoundError if nothing is chosen, and nothing was before.
    """
    if not on_colab():
        raise ValueError("Uploading works only on Colab: give the path of your folder or archive instead.")
    from google.colab import files

    chosen = {Path(name).name: content for name, content in files.upload().items()}
    before = sorted(folder.glob("upload-*"))
    if not before and not chosen:
        raise FileNotFoundError("Nothing was uploaded: run the cell again, and choose an archive or all images.")
    last = int(before[-1].name.split("-")[1]) if before else 0
    file = _write_upload(folder, chosen, last + 1) if chosen else before.pop()
    try:
        yield file
    except BaseException:
        if chosen:
            file.unlink()
        raise
    for old in before:
        old.unlink()


def _write_upload(folder: Path, chosen: dict[str, bytes], number: int) -> Path:
    """Write the chosen files as one archive, so that a part of them is never taken for all."""
    name, content = next(iter(chosen.items()))
    is_archive = len(chosen) == 1 and Path(name).suffix.lower() in ARCHIVES
    file = folder / f"upload-{number:04}-{name if is_archive else 'images.zip'}"
    with atomic_write(file) as partial:
        if is_archive:
            partial.write_bytes(content)
        else:
            with zipfile.ZipFile(partial, "w") as archive:
                for name, content in chosen.items():
                    archive.writestr(name, content)
    return file


def offer_download(file: Path) -> None:
    """Download a file with the browser on Colab, and print its path and size."""
    if on_colab():
        from google.colab import files

        files.download(str(file))
    print(f"{file}, {file.stat().st_size / 1e6:,.1f} MB")
