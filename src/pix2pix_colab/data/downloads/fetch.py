"""One file from the net, over whatever mirrors and interruptions; what has come is kept for the next try."""

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from ...utils.files import require_space
from .archives import CHUNK, is_web_page

TRIES = 3  # rounds over all mirrors that bring nothing new
PAUSE = 2.0  # seconds after the first round, twice as many after the second
TIMEOUT = 30.0  # seconds for a server to connect, and to say anything
SLOWEST = 4096  # bytes per second, of a server worth waiting for
PATIENCE = 30.0  # seconds before that is judged
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")

Judge = Callable[[int | None], str]  # says what is wrong with a size, if anything


class _Failure(Exception):
    """Why one try at one address brought no file, in a few words."""


def fetch(
    addresses: Sequence[str],
    file: str | Path,
    size: int | None = None,
    tolerance: float = 0,
    check: Callable[[Path, str], object] | None = None,
) -> str:
    """Download a file, with a progress bar, from the first of its addresses that gives it; return its sha256.

    It appears when it is complete. Until then it grows in a hidden file beside it, which is kept on a fault and from
    which the next mirror, try or call goes on; whether the pieces fit is for a checksum to tell. Plain ``requests``,
    because gdown has no timeout, saves error pages, and appends the whole file where a server ignores Range.

    Args:
        size: in bytes; a server that offers another, by more than ``tolerance`` × size, is left at once.
        check: is given the complete file and its sha256 before it appears. On a ValueError the file is deleted and, if
            it had come in pieces, fetched once more from the start.

    Raises:
        ConnectionError: if no address gives the file, with the reason for each.
        OSError: if the disk is full or can't be written.
        ValueError: that of ``check``.
    """
    file = Path(file)
    part = part_of(file)
    part.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, True):
        in_pieces = _gather(addresses, part, _judge(size, tolerance))
        digest = sha256(part)
        try:
            if check:
                check(part, digest)
            break
        except ValueError:
            part.unlink()
            if last or not in_pieces:
                raise
    part.replace(file)
    return digest


def part_of(file: Path) -> Path:
    """Where ``fetch`` keeps what has come of a file."""
    return file.with_name(f".{file.name.lstrip('.')}.part")


def _judge(size: int | None, tolerance: float) -> Judge:
    def judge(offered: int | None) -> str:
        fits = size is None or offered is None or abs(offered - size) <= tolerance * size
        return "" if fits else f"{offered:,} bytes instead of {size:,}"

    return judge


def _gather(addresses: Sequence[str], part: Path, judge: Judge) -> bool:
    """Mirror by mirror, round by round, until all is in ``part``; return whether it came in pieces."""
    reasons, most, fruitless = {}, _length(part), 0
    while fruitless < TRIES:
        for address in addresses:
            try:
                return _try(address, part, judge)
            except _Failure as failure:
                reasons[address] = str(failure)
        fruitless = 0 if _length(part) > most + CHUNK else fruitless + 1  # 8 GB may take many interrupted rounds
        most = max(most, _length(part))
        time.sleep(PAUSE * fruitless if fruitless < TRIES else 0)
    each = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
    kept = f" (The {_length(part):,} bytes that have come are kept.)" if _length(part) else ""
    raise ConnectionError(f"Nothing could be fetched ({each}): check the network, or try again later.{kept}")


def _length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def sha256(file: Path) -> str:
    """In hexadecimal digits, as ``sha256sum`` prints it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _try(address: str, part: Path, judge: Judge) -> bool:
    import requests  # not needed, and not always there, where pairs are drawn or read
    import urllib3

    try:
        return _transfer(address, part, _length(part), judge)
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _Failure(f"no answer within {TIMEOUT:g} seconds") from error
    except requests.exceptions.RequestException as error:
        cause = getattr(error.args[0] if error.args else error, "reason", error)
        raise _Failure(f"no connection, {type(cause).__name__}") from error
    except urllib3.exceptions.HTTPError as error:  # in the body, which is read past requests
        raise _Failure(f"it broke off after {_length(part):,} bytes") from error
    except OSError as error:
        advice = f"free some space and call again, it goes on with the {_length(part):,} bytes that have come"
        raise OSError(error.errno, f"{part} can't be written ({error.strerror}): {advice}.") from error


def _transfer(address: str, part: Path, start: int, judge: Judge) -> bool:
    """Fetch the file from byte ``start`` on, behind what has come; return whether it was in pieces."""
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        first, total = _offer(response)
        if start and response.status_code != 200 and (first != start or judge(total)):
            response.close()
            return _transfer(address, part, 0, judge)  # not the rest that was asked for: the whole, then
        if first not in (0, start) or judge(total):
            raise _Failure(f"it offers {judge(total) or 'another part than asked for'}")
        if response.status_code != 416:  # which says that nothing is behind what has come
            _save(response, part, first, total)
    length = _length(part)
    if length < (total or 0):
        raise _Failure(f"it broke off after {length:,} of {total:,} bytes")
    if not length or judge(length):
        part.unlink(missing_ok=True)
        raise _Failure(f"it gave {judge(length) or 'nothing'}")
    return first > 0


def _offer(response) -> tuple[int | None, int | None]:
    """The byte that an answer starts with, and the bytes of the whole file; None where it doesn't say."""
    headers = response.headers
    if response.status_code not in (200, 206, 416):
        raise _Failure(f"it answers {response.status_code} {response.reason}")
    if response.status_code == 200:
        if headers.get("Content-Type", "").startswith("text/html"):
            raise _Failure("it gives a web page")
        return 0, int(headers["Content-Length"]) if headers.get("Content-Length", "").isdecimal() else None
    told = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    total = int(told[2]) if told and told[2] != "*" else None
    return int(told[1]) if told and told[1] else total, total


def _save(response, part: Path, first: int, total: int | None) -> None:
    require_space(part.parent, total - first if total else 0)
    read = getattr(response.raw, "read1", response.raw.read)  # read waits for a whole chunk, however slow
    began, came = time.monotonic(), 0
    bar = tqdm(desc=part.name.strip(".")[:-5], total=total, initial=first, unit="B", unit_scale=True)
    with bar, part.open("ab" if first else "wb") as output:
        while chunk := read(CHUNK, decode_content=False):
            came += len(chunk)
            bar.update(output.write(chunk))
            seconds = time.monotonic() - began
            if seconds > PATIENCE and came < SLOWEST * seconds:
                raise _Failure(f"it gives less than {SLOWEST:,} bytes per second")


def drive_id(link: str) -> str | None:
    """The file's id in a Google Drive link, or in a bare id; None if there is none."""
    found = re.search(r"(?:^|/d/|[?&]id=)([\w-]{25,})(?=$|[/?&#])", link, re.ASCII)
    return found[1] if found else None


def fetch_drive(link_or_id: str, file: str | Path) -> str:
    """Download a file from Google Drive with gdown, which knows Drive's pages; return its sha256.

    Raises:
        ValueError: for a link without a file's id, such as a folder's.
        ConnectionError: if Drive gives no file.
        OSError: if the disk is full or can't be written.
    """
    import gdown

    if not (identity := drive_id(link_or_id)):
        raise ValueError(f"{link_or_id} is no link to a file on Google Drive: share one archive, and copy its link.")
    temporary = part_of(Path(file)).with_suffix(".drive")  # gdown leaves files of its own beside the file
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        gdown.download(id=identity, output=str(temporary / "file"))
        if is_web_page(temporary / "file"):
            raise ConnectionError("it gave a web page")
        (temporary / "file").replace(file)
    except Exception as error:  # requests' and gdown's own have no common base
        if isinstance(error, OSError) and error.errno and not isinstance(error, FileNotFoundError):
            raise OSError(error.errno, f"{file} can't be written ({error.strerror}): free some space.") from error
        advice = "share it as 'Anyone with the link', or, if its quota is used up, wait up to 24 hours or use a copy"
        reason = " ".join(str(error).split())
        raise ConnectionError(f"Google Drive doesn't give the file {link_or_id} ({reason}): {advice}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sha256(Path(file))
