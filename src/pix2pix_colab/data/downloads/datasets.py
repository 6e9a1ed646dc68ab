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

from ...utils.files import copy_whole
from ...utils.images import is_image
from .archives import unpack
from .fetch import PATIENCE, Patience, fetch
from .registry import DATASETS, Dataset

DRIVE = "https://drive.google.com/uc?id={}"
DISK_FACTOR = 2.2  # times the archive's size, for it and its images, which hardly shrink, at once


def download(
    name: str, root: str | Path = "data", cache: str | Path | None = None, patience: Patience = PATIENCE
) -> Path:
    """Download a data set by name, with a progress bar, check and unpack it, unless it is there already.

    Returns the folder ``root/name``, which holds a folder for each split. It appears when all is checked, not before.
    ``cache`` is a folder of archives, such as on Google Drive: one that is there isn't fetched, and one fetched is
    copied there.

    Raises:
        ValueError: for an unknown name, or an archive of the wrong content or number of images.
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
    name, archive, unpacked = f"{dataset.name}.tar.gz", root / f".{dataset.name}.tar.gz", root / f".{dataset.name}"
    other = "holds other images than expected: try later, or set PIX2PIX_MIRROR to another server."

    def check(file: Path) -> None:
        unpack(file, unpacked, name)
        _check_splits(unpacked / dataset.name, dataset, f"{name} {other}")

    try:
        if not (cached and _is_cached(cached, check)):
            fetch(dataset.addresses, archive, dataset.size, dataset.tolerance, check, patience, room=DISK_FACTOR)
            if cached:
                _copy_to_cache(archive, cached)
        (unpacked / dataset.name).rename(root / dataset.name)
        archive.unlink(missing_ok=True)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _is_cached(cached: Path, check: Callable[[Path], None]) -> bool:
    if not cached.exists():
        return False
    try:
        check(cached)
        return True
    except (OSError, ValueError) as error:
        warnings.warn(f"{cached} can't be used and is fetched again: {error}", stacklevel=5)
        return False


def _copy_to_cache(archive: Path, cached: Path) -> None:
    try:
        copy_whole(archive, cached)
    except OSError as error:
        warnings.warn(f"{cached} can't be written, so it will be fetched again: {error}", stacklevel=5)


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

    Returns the folder or image itself, or the folder in ``root`` which holds what the archive does. Nothing is written
    elsewhere. Raises what ``download`` does, and FileNotFoundError if it is none of these.
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
    if address.hostname in ("drive.google.com", "docs.google.com") or _drive_id(where) == where:
        if not _drive_id(where):
            raise ValueError(f"{where} is no link to a file on Google Drive: share one archive, and copy its link.")
        name = f"drive-{_drive_id(where)}"
        return _open_once(name, name, root, lambda folder: _unpack_drive(where, folder))
    if address.scheme in ("http", "https"):
        name = _folder_name(unquote(address.path).rsplit("/", 1)[-1])
        return _open_once(name, where, root, lambda folder: _unpack_address(where, folder, where))
    kinds = f"a data set ({', '.join(DATASETS)}), a folder, a .zip or .tar file, an http address, or a Drive link or id"
    raise FileNotFoundError(f"There is nothing at {where!r}: give the name of {kinds}.")


def _folder_name(file: str) -> str:
    """Make a plain folder name of an archive's: never a path, hidden, or one of DATASETS."""
    stem = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", file, flags=re.IGNORECASE)
    name = re.sub(r"[^\w. -]", "_", stem).strip(". ")[:100] or "archive"
    return f"{name}-own" if name in DATASETS else name


def _unpack_address(address: str, folder: Path, label: str) -> None:
    archive = folder.with_suffix(f".{crc32(address.encode()):08x}")  # what has come of another file isn't gone on with
    fetch([address], archive, check=lambda file: unpack(file, folder, label), room=DISK_FACTOR)
    archive.unlink()


def _unpack_drive(link: str, folder: Path) -> None:
    try:
        _unpack_address(DRIVE.format(_drive_id(link)), folder, link)
    except ConnectionError as error:
        advice = "share it as 'Anyone with the link', or, if its quota is used up, wait up to 24 hours or use a copy"
        raise ConnectionError(f"Google Drive doesn't give the file {link} ({error.__cause__}): {advice}.") from error


def _drive_id(link: str) -> str | None:
    """Find the file's id in a Google Drive link, or in a bare id; None if there is none."""
    found = re.search(r"(?:^|/d/|[?&]id=)([\w-]{25,})(?=$|[/?&#])", link, re.ASCII)
    return found[1] if found else None


def _open_once(name: str, source: str, root: Path, make: Callable[[Path], object]) -> Path:
    """Call ``make`` for the folder ``root/name``, unless it was made from the same source before; return the folder."""
    folder, stamp, new = root / name, root / f".{name}.source", root / f".{name}.new"

    def is_made() -> bool:
        return folder.exists() and stamp.exists() and stamp.read_text() == source

    if is_made():
        return folder  # without the lock: ``root`` may be read-only
    with _lock(root, name):
        if folder.exists() and not stamp.exists():
            raise FileExistsError(f"{folder} is there already, and not from {source}: rename or move one of them.")
        if not is_made():
            make(new)
            shutil.rmtree(folder, ignore_errors=True)
            stamp.write_text(source)  # before the folder, which without a stamp is taken for the user's own
            new.rename(folder)
    return folder


def _lock(root: Path, name: str) -> AbstractContextManager:
    """Lock what ``root/name`` is made of. Raise OSError, with a sentence, if ``root`` can't be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return FileLock(root / f".{name}.lock").acquire()
    except OSError as error:
        sentence = f"{root} can't be written ({error.strerror}): choose another folder for the data."
        raise OSError(error.errno, sentence) from error
