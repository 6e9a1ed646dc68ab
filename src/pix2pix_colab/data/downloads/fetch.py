"""Download of one file with gdown: from several mirrors or Google Drive, resumed, checked before it appears."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread

from tqdm.auto import tqdm

from ...utils.files import advise, require_space
from .archives import is_web_page

PAUSE = 2.0  # seconds after the first round that brings nothing new, twice as many after the second
PIECE = 1 << 19  # bytes that gdown reads at a time; when a transfer breaks off, what is less is lost
RANGE = "byte range"  # in gdown's words for a server that doesn't continue what has come


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
    check: Callable[[Path], object] | None = None,
    patience: Patience = PATIENCE,
    progress: bool = True,
    room: float = 1,
) -> None:
    """Download a file from the first of its addresses that gives it. It appears when it is complete and checked.

    Until then it grows in a hidden folder beside it, which is kept on a fault, and with which the next mirror, try or
    call resumes. Whether the pieces fit, of two mirrors or of two versions of the file, is for ``check`` to tell.

    Args:
        addresses: Google Drive's may be among them, as gdown takes them.
        size: in bytes; a server that offers another, by more than ``tolerance`` × size, is left at once.
        check: is given the complete file. On a ValueError the file is deleted and, if it had come in pieces, fetched
            once more from the start.
        progress: whether to show a progress bar.
        room: times the file's size that must be free on the disk, for what is made of it. This is said before it comes.

    Raises:
        ConnectionError: if no address gives the file, with the reason for each; its cause is the last reason.
        OSError: if the disk is full or can't be written.
        ValueError: that of ``check``.
    """
    download = _Download(Path(file), size, tolerance, patience, progress, room)
    for last in (False, True):
        in_pieces = download.whole.exists() or download.from_any(addresses)
        try:
            if check:
                check(download.whole)
            break
        except ValueError:
            download.discard()
            if last or not in_pieces:
                raise
    download.whole.replace(file)
    download.discard()


@dataclass
class _Download:
    """A file that grows in a hidden folder; the other fields are as ``fetch`` takes them."""

    file: Path
    size: int | None
    tolerance: float
    patience: Patience
    progress: bool
    room: float
    said: bool = False  # what is needed of the disk
    came: int = 0  # bytes, in this try

    def __post_init__(self):
        self.name = self.file.name.strip(".")
        self.folder = self.file.with_name(f".{self.name}.download")
        self.whole = self.folder / "file"  # beside it is the partial file of gdown, which makes this of it at the end

    @property
    def length(self) -> int:
        return sum(part.stat().st_size for part in self.folder.glob("*"))

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def wrong_size(self, offered: int) -> str:
        """Describe what is wrong with a size, if anything."""
        fits = self.size is None or abs(offered - self.size) <= self.tolerance * self.size
        return "" if fits else f"{offered:,} bytes instead of {self.size:,}"

    def from_any(self, addresses: Sequence[str]) -> bool:
        """Try mirror by mirror, round by round, until the file is complete; return whether it came in pieces."""
        reasons, longest, fruitless = {}, self.length, 0
        while fruitless < self.patience.rounds:
            for address in addresses:
                there = self.length
                try:
                    self.from_one(address, there)
                    return there > 0
                except _Failure as failure:
                    reasons[address] = failure
            if any(RANGE in str(reason.__cause__) for reason in reasons.values()):  # and nobody else continues it
                self.discard()
            fruitless = 0 if self.length > longest + PIECE else fruitless + 1  # 8 GB may take many interrupted rounds
            longest = max(longest, self.length)
            time.sleep(PAUSE * fruitless if fruitless < self.patience.rounds else 0)
        each = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        kept = f" (The {self.length:,} bytes that have come are kept.)" if self.length else ""
        if not kept:
            self.discard()
        sentence = f"Nothing could be fetched ({each}): check the network, or try again later.{kept}"
        raise ConnectionError(sentence) from reasons[addresses[-1]]

    def from_one(self, address: str, there: int) -> None:
        import gdown  # here: it isn't needed, and not always installed, where pairs are synthetic or read

        stop, self.came = Event(), 0
        Thread(target=self.watch, args=[stop], daemon=True).start()
        options = {"quiet": True, "use_cookies": False, "resume": True, "cancel": stop}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tqdm(desc=self.name, initial=there, unit="B", unit_scale=True, disable=not self.progress) as bar:
                report = partial(self.report, bar, there)
                gdown.download(address, str(self.whole), progress=report, timeout=self.patience.timeout, **options)
        except _Failure:  # a piece of another file has come
            os.truncate(next(self.folder.iterdir()), there)
            raise
        except Exception as error:  # requests' and gdown's own have no common base
            if isinstance(error, OSError) and error.errno:
                advice = f"{advise(error)} and call again, it resumes with the {self.length:,} bytes that have come"
                sentence = f"{self.name} can't be written into {self.file.parent} ({error.strerror}): {advice}."
                raise OSError(error.errno, sentence) from error
            raise _Failure(self.reason(error)) from error
        finally:
            stop.set()
        if wrong := "a web page" if is_web_page(self.whole) else self.wrong_size(self.length):
            self.whole.unlink()
            raise _Failure(f"it gave {wrong}")

    def report(self, bar: tqdm, there: int, came: int, total: int | None) -> None:
        """Check what gdown tells after each piece, and show it."""
        self.came = came - there
        if total is not None:
            if came < total and (wrong := self.wrong_size(total)):
                raise _Failure(f"it offers {wrong}")
            needed = int(self.room * total) - there
            require_space(self.folder, needed - self.came)
            if self.progress and self.room > 1 and not self.said:
                self.said = True
                download, disk = f"{(total - there) / 1e6:,.1f} MB", f"{needed / 1e6:,.1f} MB of disk"
                words = f"{download} to download, and up to {disk} to unpack in {self.file.parent}"
                tqdm.write(f"{self.name}: {words}", file=sys.stderr)
            bar.total = total
        bar.update(came - bar.n)

    def watch(self, stop: Event) -> None:
        """Stop a server that is too slow, even with a whole piece under way, of which gdown tells nothing yet."""
        began = time.monotonic()
        while not stop.wait(0.1):
            seconds = time.monotonic() - began
            if seconds > self.patience.grace and self.came + PIECE < self.patience.slowest * seconds:
                stop.set()

    def reason(self, error: Exception) -> str:
        """Say in a few words why gdown failed."""
        import gdown
        import requests

        if isinstance(error, requests.HTTPError):
            return f"it answers {error.response.status_code} {error.response.reason}"
        if "timed out" in str(error):
            return f"no answer within {self.patience.timeout:g} seconds"
        if isinstance(error, requests.RequestException):
            cause = getattr(error.args[0] if error.args else error, "reason", error)
            return f"no connection, {type(cause).__name__}"
        if isinstance(error, gdown.DownloadCancelled):
            return f"it gives less than {self.patience.slowest:,} bytes per second"
        if RANGE in str(error):
            return "it doesn't continue what has come"
        if type(error) is gdown.DownloadError:
            return f"it broke off after {self.length:,} bytes"
        return " ".join(str(error).split())
