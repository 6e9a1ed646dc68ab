"""Download of one file: from several mirrors, resumed after interruptions, checked before it appears."""

import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from ...utils.files import require_space
from .archives import CHUNK

PAUSE = 2.0  # seconds after the first round that brings nothing new, twice as many after the second
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Patience:
    """Limits on the time that servers are given."""

    rounds: int = 3  # over all mirrors that bring nothing new
    timeout: float = 30.0  # seconds to connect, and to send anything
    slowest: int = 4096  # bytes per second, on average
    grace: float = 30.0  # seconds before the average counts


PATIENCE = Patience()


class _Failure(Exception):
    """Failure of one try at one address, with the reason in a few words."""


def fetch(
    addresses: Sequence[str],
    file: str | Path,
    size: int | None = None,
    tolerance: float = 0,
    check: Callable[[Path, str], object] | None = None,
    patience: Patience = PATIENCE,
    progress: bool = True,
    room: float = 1,
) -> str:
    """Download a file from the first of its addresses that gives it; return its sha256.

    It appears when it is complete. Until then it grows in a hidden file beside it, which is kept on a fault, and with
    which the next mirror, try or call resumes. If it has changed since at the address that it comes from, it is fetched
    from the start; whether the pieces of two mirrors fit is for a checksum to tell. Plain ``requests``, because gdown
    has no timeout, saves error pages, and appends the whole file where a server ignores Range.

    Args:
        size: in bytes; a server that offers another, by more than ``tolerance`` × size, is left at once.
        check: is given the complete file and its sha256 before it appears. On a ValueError the file is deleted and, if
            it had come in pieces, fetched once more from the start.
        progress: whether to show a progress bar.
        room: times the file's size that must be free on the disk, for what is made of it. This is said before it comes.

    Raises:
        ConnectionError: if no address gives the file, with the reason for each; its cause is the last reason.
        OSError: if the disk is full or can't be written.
        ValueError: that of ``check``.
    """
    file = Path(file)
    part = part_of(file)
    part.parent.mkdir(parents=True, exist_ok=True)
    download = _Download(part, size, tolerance, patience, progress, room)
    for last in (False, True):
        in_pieces = download.from_any(addresses)
        digest = sha256(part)
        try:
            if check:
                check(part, digest)
            break
        except ValueError:
            download.discard()
            if last or not in_pieces:
                raise
    part.replace(file)
    download.discard()
    return digest


def part_of(file: Path) -> Path:
    """Path of the partial download of a file."""
    return file.with_name(f".{file.name.lstrip('.')}.part")


def sha256(file: Path) -> str:
    """Compute the sha256 in hexadecimal digits, as ``sha256sum`` prints it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def offered_size(address: str, patience: Patience) -> int | None:
    """Ask an address for the size of its file in bytes, which doesn't come; None if it gives no file or doesn't say."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    try:
        with requests.get(address, headers=headers, stream=True, timeout=patience.timeout) as response:
            return _offer(response)[1]
    except (_Failure, requests.exceptions.RequestException):
        return None


def say_size(name: str, size: int, needed: int, folder: Path) -> None:
    """Say the size of an archive, and what of the disk it takes to unpack it, in bytes, before it comes."""
    words = f"{size / 1e6:,.1f} MB to download, and up to {needed / 1e6:,.1f} MB of disk to unpack"
    tqdm.write(f"{name}: {words} in {folder}", file=sys.stderr)


@dataclass
class _Download:
    """A file that grows in ``part``; the other fields are as ``fetch`` takes them."""

    part: Path
    size: int | None
    tolerance: float
    patience: Patience
    progress: bool
    room: float
    said: bool = False  # what is needed of the disk

    @property
    def version(self) -> Path:
        """The file that holds the address of what has come, and its ETag or date."""
        return self.part.with_suffix(".version")

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)

    @property
    def length(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def wrong_size(self, offered: int | None) -> str:
        """Describe what is wrong with a size, if anything."""
        fits = self.size is None or offered is None or abs(offered - self.size) <= self.tolerance * self.size
        return "" if fits else f"{offered:,} bytes instead of {self.size:,}"

    def from_any(self, addresses: Sequence[str]) -> bool:
        """Try mirror by mirror, round by round, until ``part`` is complete; return whether it came in pieces."""
        reasons, longest, fruitless = {}, self.length, 0
        while fruitless < self.patience.rounds:
            for address in addresses:
                try:
                    return self.from_one(address)
                except _Failure as failure:
                    reasons[address] = failure
            fruitless = 0 if self.length > longest + CHUNK else fruitless + 1  # 8 GB may take many interrupted rounds
            longest = max(longest, self.length)
            time.sleep(PAUSE * fruitless if fruitless < self.patience.rounds else 0)
        each = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        kept = f" (The {self.length:,} bytes that have come are kept.)" if self.length else ""
        sentence = f"Nothing could be fetched ({each}): check the network, or try again later.{kept}"
        raise ConnectionError(sentence) from reasons[addresses[-1]]

    def from_one(self, address: str) -> bool:
        import requests  # not needed, and not always installed, where pairs are synthetic or read
        import urllib3

        try:
            return self.transfer(address, self.length)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise _Failure(f"no answer within {self.patience.timeout:g} seconds") from error
        except requests.exceptions.RequestException as error:
            cause = getattr(error.args[0] if error.args else error, "reason", error)
            raise _Failure(f"no connection, {type(cause).__name__}") from error
        except urllib3.exceptions.HTTPError as error:  # in the body, which is read past requests
            raise _Failure(f"it broke off after {self.length:,} bytes") from error
        except OSError as error:
            advice = f"free some space and call again, it resumes with the {self.length:,} bytes that have come"
            raise OSError(error.errno, f"{self.part} can't be written ({error.strerror}): {advice}.") from error

    def transfer(self, address: str, start: int) -> bool:
        """Request the file from byte ``start`` on, and append it to ``part``; return whether it was in pieces."""
        import requests

        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        source, _, version = self.version.read_text().partition("\n") if start and self.version.exists() else ("",) * 3
        if source == address:
            headers["If-Range"] = version  # else it answers 200, and gives all of the new version
        with requests.get(address, headers=headers, stream=True, timeout=self.patience.timeout) as response:
            first, total = _offer(response)
            wrong = self.wrong_size(total)
            changed = source == address and _version(response.headers) not in ("", version)  # and If-Range was ignored
            if start and response.status_code != 200 and (first != start or wrong or changed):
                response.close()
                return self.transfer(address, 0)  # not the rest that was asked for: the whole, then
            if first not in (0, start) or wrong:
                raise _Failure(f"it offers {wrong or 'another part than asked for'}")
            if response.status_code != 416:  # which says that nothing follows what has come
                self.save(response, address, first, total)
        if self.length < (total or 0):
            raise _Failure(f"it broke off after {self.length:,} of {total:,} bytes")
        if not self.length or self.wrong_size(self.length):
            wrong = self.wrong_size(self.length) or "nothing"
            self.discard()
            raise _Failure(f"it gave {wrong}")
        return first > 0

    def save(self, response, address: str, first: int, total: int | None) -> None:
        needed = int(self.room * (total or 0)) - first
        require_space(self.part.parent, needed)
        read = getattr(response.raw, "read1", response.raw.read)  # read waits for a whole chunk, however slow
        began, came, name = time.monotonic(), 0, self.part.name.strip(".")[:-5]
        if self.progress and self.room > 1 and total and not self.said:
            self.said = True
            say_size(name, total - first, needed, self.part.parent)
        bar = tqdm(desc=name, total=total, initial=first, unit="B", unit_scale=True, disable=not self.progress)
        with bar, self.part.open("ab" if first else "wb") as output:
            if not first:  # when nothing is left of another version
                self.version.unlink(missing_ok=True)
                if version := _version(response.headers):
                    self.version.write_text(f"{address}\n{version}")
            while chunk := read(CHUNK, decode_content=False):
                came += len(chunk)
                bar.update(output.write(chunk))
                seconds = time.monotonic() - began
                if seconds > self.patience.grace and came < self.patience.slowest * seconds:
                    raise _Failure(f"it gives less than {self.patience.slowest:,} bytes per second")


def _version(headers: Mapping[str, str]) -> str:
    """What If-Range takes: the ETag, but no weak one, or the date of the last change."""
    etag = headers.get("ETag", "W/")
    return headers.get("Last-Modified", "") if etag.startswith("W/") else etag


def _offer(response) -> tuple[int | None, int | None]:
    """The first byte of a response, and the size of the whole file; None where it doesn't say."""
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
