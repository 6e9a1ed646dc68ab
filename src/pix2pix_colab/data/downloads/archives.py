"""Extraction of .zip and .tar archives: all of an archive or nothing, and only inside its own folder."""

import bz2
import errno
import gzip
import io
import lzma
import posixpath
import re
import shutil
import stat
import tarfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tqdm.auto import tqdm

from ...utils.files import FULL, advise, require_space

MAX_RATIO = 200  # times the archive's size: photos hardly shrink, label maps to a hundredth at most
SLACK = 64 << 20  # bytes more, for a small archive
MAX_FILES = 1_000_000
UTF_8 = 0x800  # the flag of a .zip member whose name is UTF-8
CHUNK = 1 << 20  # bytes
DECODERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open, b"]\0\0": lzma.open, b"": open}  # of tars
FOREIGN = {b"Rar!": ".rar", b"7z\xbc\xaf": ".7z"}  # kinds that Python can't unpack, whatever the file's ending
DISK_ERRORS = (*FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)  # else the archive's


def unpack(archive: str | Path, folder: str | Path, label: str | None = None) -> Path:
    """Extract an archive of any compression to ``folder``, which appears when all is extracted, not before.

    An older folder of that name is replaced. Empty folders and macOS's __MACOSX are left out. Two processes must not
    unpack to the same folder at once. ``label`` is what errors call the archive, such as its address.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no archive, damaged or encrypted, leads out of its folder, holds links or devices, or is a
            bomb: over ``MAX_RATIO`` times larger unpacked (+ ``SLACK``), or over ``MAX_FILES`` files.
        OSError: if the disk is full or can't be written.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise FileNotFoundError(f"There is no archive {archive}.")
    temporary = folder.with_name(f".{folder.name.lstrip('.')}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    try:
        temporary.mkdir(parents=True)
        _extract(archive, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except Exception as error:  # the decoders raise nearly anything on a damaged file
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            sentence = f"{label or archive} can't be unpacked into {folder} ({error.strerror}): {advise(error)}."
            raise OSError(error.errno, sentence) from error
        raise ValueError(f"{label or archive} is no sound archive ({error}): fetch or pack it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def is_web_page(file: Path) -> bool:
    """Detect an HTML file, which a server may send in place of the archive."""
    with file.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _extract(archive: Path, folder: Path) -> None:
    if is_web_page(archive):
        raise ValueError("it is a web page")
    with archive.open("rb") as file:
        start = file.read(6)
    if foreign := FOREIGN.get(start[:4]):
        raise ValueError(f"it is a {foreign} archive, which Python can't unpack: pack it again as .zip or .tar")
    if start.startswith(b"PK"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder, _check_sizes(_zip_files(packed), archive, folder))
    else:
        decode = next(decode for magic, decode in DECODERS.items() if start.startswith(magic))
        with _Decoded(decode(archive, "rb")) as tar, tarfile.open(fileobj=tar, mode="r:") as packed:
            members = _check_sizes(_tar_files(packed, tar, _limit(archive)), archive, folder)
            packed.extractall(folder, members, filter="data")


def _limit(archive: Path) -> int:
    return MAX_RATIO * archive.stat().st_size + SLACK


def _check_sizes(files: Iterable[tuple], archive: Path, folder: Path) -> Iterable:
    """List the members of an archive, if their declared sizes (which no more is extracted than) are acceptable."""
    members, total, limit, label = [], 0, _limit(archive), archive.name.lstrip(".")
    for member, size in tqdm(files, f"check {label}", unit="file", delay=2):
        members.append(member)
        total += size
        if total > limit or len(members) > MAX_FILES:
            raise ValueError(f"it unpacks to over {limit:,} bytes or {MAX_FILES:,} files, more than images would")
    if not members:
        raise ValueError("it holds no files")
    names = Counter(posixpath.normpath(getattr(member, "filename", None) or member.name) for member in members)
    if twice := [name for name, count in names.items() if count > 1]:
        words = f"{len(twice)} names occur more than once in {label}, and the last file of each is kept"
        warnings.warn(f"{words}: {', '.join(twice[:10])}", stacklevel=2)
    require_space(folder, total)
    return tqdm(members, f"unpack {label}", unit="file", delay=2)


def _safe_name(name: str, plain: bool) -> str:
    """The path of a member in its folder; an absolute one is taken as relative."""
    if not plain:
        raise ValueError(f"{name} is a link or a device: pack the file itself")
    unread = re.search("[\udc80-\udcff]", name)  # bytes of an unknown code page, where \ may be half a character
    name = name.replace("\\", "%5C" if unread else "/")
    if ".." in (name := name.lstrip("/")).split("/"):
        raise ValueError(f"{name} lies outside of its folder")
    return name


def _zip_files(packed: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    decode = _name_decoder(packed)
    if any(name.endswith("/data.pkl") for name in packed.namelist()):
        raise ValueError("it is no archive of images but weights: to train on from a run, give train(start=)")
    for info in packed.infolist():
        info.filename = decode(info)
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename} is encrypted: pack it without a password")
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if it was packed on Windows
        info.filename = _safe_name(info.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
        if not info.is_dir() and "__MACOSX" not in info.filename:
            yield info, info.file_size


def _name_decoder(packed: zipfile.ZipFile) -> Callable[[zipfile.ZipInfo], str]:
    """How to read the names of members that don't say their code page.

    UTF-8, or the Asian one in which no character is half a backslash: then none has one, or all have (of folders).
    What none of them reads stays the bytes that it is.
    """
    raw = [info.orig_filename.encode("cp437") for info in packed.infolist() if not info.flag_bits & UTF_8]
    asian = ("cp932", "gb18030", "big5", "cp949") if any(map(re.compile(rb"[\x81-\xfe]\\").search, raw)) else ()
    for encoding in ("utf-8", *asian, "cp437"):
        with suppress(UnicodeDecodeError):
            names = dict(zip(raw, (name.decode(encoding) for name in raw), strict=True))
            if encoding in ("utf-8", "cp437") or {"\\" in name for name in names.values()} != {True, False}:
                break
    if encoding == "cp437" and asian:
        names = {name: name.decode("ascii", "surrogateescape") for name in raw}
    return lambda info: info.orig_filename if info.flag_bits & UTF_8 else names[info.orig_filename.encode("cp437")]


class _Decoded(io.BufferedReader):
    """A tar, decompressed."""

    def read(self, size: int = -1) -> bytes:
        if size > CHUNK:  # a long name, which tarfile reads into memory
            raise ValueError(f"a header of {size:,} bytes")
        return super().read(size)


def _tar_files(packed: tarfile.TarFile, tar: _Decoded, limit: int) -> Iterator[tuple[tarfile.TarInfo, int]]:
    for member in packed:
        member.name = _safe_name(member.name, member.isfile() or member.isdir())
        if member.isfile() and "__MACOSX" not in member.name:
            yield member, member.size
    tar.seek(packed.offset)
    if tar.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile takes any block that is no header for the end
        raise ValueError("it breaks off")
    if all(tar.read(CHUNK) for _ in range(limit // CHUNK + 1)):  # to the end, where gzip's checksum is
        raise ValueError("too much data follows the last member")
