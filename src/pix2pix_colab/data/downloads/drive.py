"""Files from Google Drive, by a link or an id."""

import re
import shutil
from pathlib import Path

from ...utils.files import require_space
from .archives import is_web_page
from .fetch import PATIENCE, offered_size, part_of, say_size, sha256

ADDRESS = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"  # what its page links to


def drive_id(link: str) -> str | None:
    """Find the file's id in a Google Drive link, or in a bare id; None if there is none."""
    found = re.search(r"(?:^|/d/|[?&]id=)([\w-]{25,})(?=$|[/?&#])", link, re.ASCII)
    return found[1] if found else None


def fetch_drive(link_or_id: str, file: str | Path, room: float = 1) -> str:
    """Download a file from Google Drive with gdown, which knows Drive's pages; return its sha256.

    gdown tells no size before it downloads, so Drive is asked first. If it answers with a page, the size is not known.

    Args:
        room: as ``fetch`` takes it, if the size is known.

    Raises:
        ValueError: for a link without a file's id, such as a folder's.
        ConnectionError: if Drive gives no file, or one of another size than it said.
        OSError: if the disk is full or can't be written; before the file comes, if its size is known.
    """
    import gdown

    if not (identity := drive_id(link_or_id)):
        raise ValueError(f"{link_or_id} is no link to a file on Google Drive: share one archive, and copy its link.")
    temporary = part_of(Path(file)).with_suffix(".drive")  # gdown leaves files of its own beside the file
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    advice = "share it as 'Anyone with the link', or, if its quota is used up, wait up to 24 hours or use a copy"
    try:
        if size := offered_size(ADDRESS.format(identity), PATIENCE):
            require_space(temporary, needed := int(room * size))
            say_size(Path(file).name, size, needed, temporary.parent)
        gdown.download(id=identity, output=str(temporary / "file"))
        if is_web_page(temporary / "file"):
            raise ConnectionError("it gave a web page")
        if size and (came := (temporary / "file").stat().st_size) != size:
            advice = "try again later"
            raise ConnectionError(f"it gave {came:,} bytes instead of {size:,}")
        (temporary / "file").replace(file)
    except Exception as error:  # requests' and gdown's own have no common base
        if isinstance(error, OSError) and error.errno and not isinstance(error, FileNotFoundError):
            raise OSError(error.errno, f"{file} can't be written ({error.strerror}): free some space.") from error
        reason = " ".join(str(error).split())
        raise ConnectionError(f"Google Drive doesn't give the file {link_or_id} ({reason}): {advice}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sha256(Path(file))
