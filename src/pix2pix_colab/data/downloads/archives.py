"""A .zip or .tar file of any compression, unpacked as a whole or not at all, and inside its own folder only."""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm.auto import tqdm

from ...utils.files import require_space

MAX_RATIO = 200  # times the archive's size: photos hardly shrink, drawn label maps to a hundredth at most
SLACK = 64 << 20  # bytes more, for a small archive
MAX_FILES = 1_000_000
CHUNK = 1 << 20  # bytes
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # by the first bytes; else a plain tar


def unpack(archive: str | Path, folder: str | Path, label: str | None = None) -> Path:
    """Unpack an archive, whatever its name, as ``folder``, which appears when all is read and checked, not before.

    An older folder of that name is replaced. Empty folders and macOS's __MACOSX are left out. The caller sees to it
    that no two processes unpack to one folder at once.

    Args:
        label: what errors call the archive, such as the address that it came from.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no archive, damaged or encrypted, reaches out of its folder, holds symbolic links or
            devices, or is a bomb: over ``MAX_RATIO`` times larger unpacked (+ ``SLACK``), or over ``MAX_FILES`` files.
        OSError: if the disk is full or can't be written.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise FileNotFoundError(f"There is no archive {archive}.")
    temporary = folder.with_name(f".{folder.name.lstrip('.')}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    try:
        temporary.mkdir(parents=True)
        _write_files(archive, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except Exception as error:  # the decoders raise nearly anything on a damaged file
        if isinstance(error, OSError) and error.errno:  # the decoders' own have no number
            sentence = f"{label or archive} can't be unpacked into {folder} ({error.strerror}): free some space."
            raise OSError(error.errno, sentence) from error
        raise ValueError(f"{label or archive} is no sound archive ({error}): fetch or pack it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def is_web_page(file: Path) -> bool:
    """By its first sign: what a server may send instead of the file."""
    with file.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _write_files(archive: Path, folder: Path) -> None:
    limit, total, count = MAX_RATIO * archive.stat().st_size + SLACK, 0, 0
    with tqdm(desc=f"unpack {archive.name.lstrip('.')}", unit="B", unit_scale=True, delay=2) as bar:
        for name, size, content in _files(archive, limit):
            count += 1
            _check_limits(total + size, count, limit)  # as declared
            require_space(folder, size)
            target = _target(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as output:
                while chunk := content.read(CHUNK):
                    total += len(chunk)
                    _check_limits(total, count, limit)  # as it is
                    bar.update(output.write(chunk))
    if not count:
        raise ValueError("it holds no files")


def _check_limits(total: int, count: int, limit: int) -> None:
    if total > limit or count > MAX_FILES:
        raise ValueError(f"it unpacks to over {limit:,} bytes or {MAX_FILES:,} files, more than images would")


def _target(folder: Path, name: str) -> Path:
    """Where a file goes; an absolute path is taken for a relative one."""
    parts = PurePosixPath(name.replace("\\", "/").lstrip("/")).parts
    target = folder.joinpath(*parts)
    if ".." in parts or not target.is_relative_to(folder):  # on Windows, C:x is not
        raise ValueError(f"{name} lies outside of its folder")
    return target


def _files(archive: Path, limit: int) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, declared size and content of each file. No link is ever made, so none can lead out of the folder."""
    if is_web_page(archive):
        raise ValueError("it is a web page")
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK"):
        files = _zip_files(archive)
    else:
        opener = next((OPENERS[magic] for magic in OPENERS if start.startswith(magic)), open)
        files = _tar_files(opener(archive, "rb"), limit)
    yield from (file for file in files if "__MACOSX" not in file[0])


def _zip_files(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.flag_bits & 1:
                raise ValueError(f"{info.filename} is encrypted: pack it without a password")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"{info.filename} is a link: pack the file itself")
            if not info.is_dir():
                yield info.filename, info.file_size, packed.open(info)  # reading it to its end checks its CRC


def _tar_files(unpacked: IO[bytes], limit: int) -> Iterator[tuple[str, int, IO[bytes]]]:
    with unpacked, tarfile.open(fileobj=(stream := _Watched(unpacked)), mode="r:") as tar:
        files = {}
        for member in tar:
            if not (member.isfile() or member.islnk() or member.isdir()):
                raise ValueError(f"{member.name} is a link or a device: pack the file itself")
            if not member.isdir():
                # looked up here: tarfile would read all of the archive to find what a hard link names
                file = files[member.name] = files[member.linkname] if member.islnk() else member
                yield member.name, file.size, tar.extractfile(file)
        if len(stream.last) != tarfile.BLOCKSIZE or any(stream.last):  # tarfile takes any odd block for the end
            raise ValueError("it breaks off")
        if all(stream.read(CHUNK) for _ in range(limit // CHUNK + 1)):  # on to the end, for gzip's checksum
            raise ValueError("it goes on and on behind its last file")


class _Watched:
    """A stream for tarfile that refuses a header of many megabytes, and remembers the last block that was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.seek, self.tell, self.last = stream, stream.seek, stream.tell, b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK:
            raise ValueError(f"a header of {size:,} bytes")
        self.last = self.stream.read(size)
        return self.last
