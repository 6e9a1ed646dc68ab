"""Data sets by name, folder, archive, address or Google Drive link: downloaded, checked and unpacked once."""

import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zlib import crc32

from filelock import FileLock

from ...utils.files import atomic_write, copy_whole, require_space
from ...utils.images import is_image
from .archives import unpack
from .drive import drive_id, fetch_drive
from .fetch import PATIENCE, Patience, fetch, part_of, sha256
from .registry import DATASETS, Dataset

CHECKSUMS = "sha256.txt"  # none is published: the first one seen is recorded, in the format of sha256sum
DISK_FACTOR = 2.2  # times the archive's size, for it and its images, which hardly shrink, at once


def download(
    name: str, root: str | Path = "data", cache: str | Path | None = None, patience: Patience = PATIENCE
) -> Path:
    """Download a data set by name, with a progress bar, check and unpack it, unless it is there already.

    Args:
        cache: a folder of archives, such as on Google Drive: one that is there isn't fetched, and one fetched is copied
            there, with its sha256, by which the next machine checks it.
        patience: with the servers.

    Returns:
        The folder ``root/name``, which holds a folder for each split. It appears when all is checked, not before.

    Raises:
        ValueError: for an unknown name, or an archive of the wrong content, number of images, or sha256.
        ConnectionError: if no server gives the archive.
        OSError: if the disk is too full or can't be written.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}: choose one of {', '.join(DATASETS)}.")
    dataset, root = DATASETS[name], Path(root)
    folder = root / name
    if not folder.exists():
        with _lock(root, name):
            if not folder.exists():  # another process may have downloaded it meanwhile
                _install(dataset, root, Path(cache, f"{name}.tar.gz") if cache else None, patience)
    _check_splits(folder, dataset, f"{folder} is incomplete: delete it and download again.")
    return folder


def _install(dataset: Dataset, root: Path, cached: Path | None, patience: Patience) -> None:
    archive, unpacked, checksum = root / f".{dataset.name}.tar.gz", root / f".{dataset.name}", ""
    other = "holds other images than expected: try later, or set PIX2PIX_MIRROR to another server."

    def check(file: Path, digest: str) -> None:
        nonlocal checksum
        checksum = f"{digest}  {dataset.name}.tar.gz"
        for folder in (root, *([cached.parent] if cached else [])):
            _compare(checksum, folder / CHECKSUMS)
        unpack(file, unpacked, f"{dataset.name}.tar.gz")
        _check_splits(unpacked / dataset.name, dataset, f"{dataset.name}.tar.gz {other}")

    _check_disk(dataset, root, archive)
    try:
        found = cached and _copy_from_cache(cached, archive, check)
        if not found:
            fetch(dataset.addresses, archive, dataset.size, dataset.tolerance, check, patience, room=DISK_FACTOR)
        if cached:
            _copy_to_cache(None if found else archive, cached, checksum)
        with _lock(root, CHECKSUMS):  # other data sets are recorded in it, too
            _record(checksum, root / CHECKSUMS)
        (unpacked / dataset.name).rename(root / dataset.name)
        archive.unlink()
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _copy_from_cache(cached: Path, archive: Path, check: Callable[[Path, str], None]) -> bool:
    if not cached.exists():
        return False
    try:
        copy_whole(cached, archive)
        check(archive, sha256(archive))
        return True
    except (OSError, ValueError) as error:
        warnings.warn(f"{cached} can't be used and is fetched again: {error}", stacklevel=5)
        return False


def _copy_to_cache(archive: Path | None, cached: Path, checksum: str) -> None:
    try:
        if archive:
            copy_whole(archive, cached)
        _record(checksum, cached.with_name(CHECKSUMS))
    except OSError as error:
        warnings.warn(f"{cached} can't be written, so it will be fetched again: {error}", stacklevel=5)


def _check_disk(dataset: Dataset, root: Path, archive: Path) -> None:
    there = part_of(archive).stat().st_size if part_of(archive).exists() else 0
    try:
        require_space(root, int(DISK_FACTOR * dataset.size) - there)
    except OSError as error:
        advice = "free some space, or choose another folder"
        raise OSError(error.errno, f"{dataset.name} doesn't fit into {root} ({error.strerror}): {advice}.") from error


def _compare(checksum: str, file: Path) -> None:
    """Raise ValueError if another sha256 is recorded for the archive."""
    digest, name = checksum.split()
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.split()[1:] == [name] and line.split()[0] != digest:
            raise ValueError(
                f"{name} has the sha256 {digest}, and not {line.split()[0]}, which {file} recorded: it has changed or "
                "was tampered with. If you trust the new one, delete that line and download again."
            )


def _record(checksum: str, file: Path) -> None:
    recorded = file.read_text().splitlines() if file.exists() else []
    if checksum not in recorded:
        with atomic_write(file) as partial:
            partial.write_text("".join(f"{line}\n" for line in [*recorded, checksum]))


def _check_splits(folder: Path, dataset: Dataset, message: str) -> None:
    for split, expected in dataset.splits.items():
        found = sum(map(is_image, (folder / split).glob("*")))
        if found != expected:
            raise ValueError(f"{message} (The split {split} has {found} images, not {expected}.)")


def known_dataset(where: str | Path, root: str | Path = "data") -> Dataset | None:
    """The data set that ``open_dataset`` downloads for a name; None if a file or folder of that name is read instead.

    A folder of that name in ``root`` is the download itself.
    """
    dataset, path = DATASETS.get(str(where)), Path(where)
    own = dataset and path.exists() and path.resolve() != (Path(root) / path).resolve()
    return None if own else dataset


def open_dataset(where: str | Path, root: str | Path = "data", cache: str | Path | None = None) -> Path:
    """Find the folder of a data set. An archive is downloaded and unpacked once, and again if the file has changed.

    Args:
        where: a folder, an image of a pair side by side, a .zip or .tar file of any compression, the http address of
            one, the link or id of one on Google Drive, or a name in DATASETS. A file or folder of such a name is read,
            and a warning says so.
        cache: as ``download`` takes it, for a data set by name.

    Returns:
        The folder or image itself, or the folder in ``root`` which holds what the archive does. Nothing is written
        elsewhere.

    Raises:
        FileNotFoundError: if it is none of these.
        ValueError, ConnectionError, OSError: as ``download`` does.
    """
    where, root = str(where).strip(), Path(root)
    path, address = Path(where).expanduser(), urlsplit(where)
    if known_dataset(where, root):
        return download(where, root, cache)
    if where in DATASETS:
        advice = f"to download the data set {where}, rename it or work in another folder"
        warnings.warn(f"{path.resolve()} is read, as pairs of your own (AtoB by default): {advice}.", stacklevel=2)
    if where and (path.is_dir() or (path.is_file() and is_image(path))):
        return path
    if path.is_file():
        source = f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"
        return _open_once(_folder_name(path.name), source, root, lambda folder: unpack(path, folder))
    if address.hostname in ("drive.google.com", "docs.google.com") or drive_id(where) == where:
        name = f"drive-{drive_id(where)}"
        return _open_once(name, name, root, lambda folder: _unpack_drive(where, folder))
    if address.scheme in ("http", "https"):
        name = _folder_name(unquote(address.path).rsplit("/", 1)[-1])
        return _open_once(name, where, root, lambda folder: _unpack_address(where, folder))
    kinds = f"a data set ({', '.join(DATASETS)}), a folder, a .zip or .tar file, an http address, or a Drive link or id"
    raise FileNotFoundError(f"There is nothing at {where!r}: give the name of {kinds}.")


def _folder_name(file: str) -> str:
    """Make a plain folder name of an archive's: never a path, hidden, or one of DATASETS."""
    stem = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", file, flags=re.IGNORECASE)
    name = re.sub(r"[^\w. -]", "_", stem).strip(". ")[:100] or "archive"
    return f"{name}-own" if name in DATASETS else name


def _unpack_address(address: str, folder: Path) -> None:
    archive = folder.with_suffix(f".{crc32(address.encode()):08x}")  # what has come of another file isn't gone on with
    fetch([address], archive, check=lambda file, _: unpack(file, folder, address), room=DISK_FACTOR)
    archive.unlink()


def _unpack_drive(link: str, folder: Path) -> None:
    archive = folder.with_suffix(".archive")
    try:
        fetch_drive(link, archive, room=DISK_FACTOR)
        unpack(archive, folder, link)
    finally:
        archive.unlink(missing_ok=True)


def _open_once(name: str, source: str, root: Path, make: Callable[[Path], object]) -> Path:
    """Call ``make`` for the folder ``root/name``, unless it was made from the same source before; return the folder."""
    folder, stamp, new = root / name, root / f".{name}.source", root / f".{name}.new"
    if _is_from(source, stamp) and folder.exists():
        return folder  # without the lock: ``root`` may be read-only
    with _lock(root, name):
        if folder.exists() and not stamp.exists():
            raise FileExistsError(f"{folder} is there already, and not from {source}: rename or move one of them.")
        if not folder.exists() or not _is_from(source, stamp):
            make(new)
            shutil.rmtree(folder, ignore_errors=True)
            stamp.write_text(source)  # before the folder, which without a stamp is taken for the user's own
            new.rename(folder)
    return folder


def _is_from(source: str, stamp: Path) -> bool:
    return stamp.exists() and stamp.read_text() == source


def _lock(root: Path, name: str) -> AbstractContextManager:
    """Lock what ``root/name`` is made of. Raise OSError, with a sentence, if ``root`` can't be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return FileLock(root / f".{name}.lock").acquire()
    except OSError as error:
        sentence = f"{root} can't be written ({error.strerror}): choose another folder for the data."
        raise OSError(error.errno, sentence) from error
