"""Data sets by name, folder, archive, address or Google Drive link: downloaded, checked and unpacked once."""

import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from ...utils.files import atomic_write, copy_whole, require_space
from ...utils.images import is_image
from .archives import unpack
from .fetch import drive_id, fetch, fetch_drive, part_of, sha256
from .registry import DATASETS, Dataset

CHECKSUMS = "sha256.txt"  # none is published: the first one seen is recorded, in the format of sha256sum
DISK_FACTOR = 2.2  # times the archive's size, for it and its images, which hardly shrink, at once


def download(name: str, root: str | Path = "data", cache: str | Path | None = None) -> Path:
    """Download a data set by name, with a progress bar, check and unpack it, unless it is there already.

    Args:
        cache: a folder of archives, such as on Google Drive: one that is there isn't fetched, and one fetched is copied
            there.

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
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            if not folder.exists():  # another process may have downloaded it meanwhile
                _install(dataset, root, Path(cache, f"{name}.tar.gz") if cache else None)
    _check_splits(folder, dataset, f"{folder} is incomplete: delete it and download again.")
    return folder


def _install(dataset: Dataset, root: Path, cached: Path | None) -> None:
    archive, unpacked, checksum = root / f".{dataset.name}.tar.gz", root / f".{dataset.name}", ""
    other = "holds other images than expected: try later, or set PIX2PIX_MIRROR to another server."

    def check(file: Path, digest: str) -> None:
        nonlocal checksum
        checksum = f"{digest}  {dataset.name}.tar.gz"
        _compare(checksum, root / CHECKSUMS)
        unpack(file, unpacked, f"{dataset.name}.tar.gz")
        _check_splits(unpacked / dataset.name, dataset, f"{dataset.name}.tar.gz {other}")

    _check_disk(dataset, root, archive)
    try:
        if not (cached and _copy_from_cache(cached, archive, check)):
            fetch(dataset.addresses, archive, dataset.size, dataset.tolerance, check)
            if cached:
                _copy_to_cache(archive, cached)
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


def _copy_to_cache(archive: Path, cached: Path) -> None:
    try:
        copy_whole(archive, cached)
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
    with FileLock(file.with_name(f".{file.name}.lock")):  # other data sets are recorded in it, too
        recorded = file.read_text().splitlines() if file.exists() else []
        if checksum not in recorded:
            with atomic_write(file) as partial:
                partial.write_text("".join(f"{line}\n" for line in [*recorded, checksum]))


def _check_splits(folder: Path, dataset: Dataset, message: str) -> None:
    for split, expected in dataset.splits.items():
        found = sum(map(is_image, (folder / split).glob("*")))
        if found != expected:
            raise ValueError(f"{message} (The split {split} has {found} images, not {expected}.)")


def open_dataset(where: str | Path, root: str | Path = "data", cache: str | Path | None = None) -> Path:
    """Find the folder of a data set. An archive is downloaded and unpacked once, and again if the file has changed.

    Args:
        where: a name in DATASETS, a folder, a .zip or .tar file of any compression, the http address of one, or the
            link or id of one on Google Drive.
        cache: as ``download`` takes it, for a data set by name.

    Returns:
        The folder itself, or that in ``root`` which holds what the archive does.

    Raises:
        FileNotFoundError: if it is none of these.
        ValueError, ConnectionError, OSError: as ``download`` does.
    """
    where, root = str(where).strip(), Path(root)
    path, address = Path(where).expanduser(), urlsplit(where)
    if where in DATASETS:
        return download(where, root, cache)
    if where and path.is_dir():
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
    archive = folder.with_suffix(".archive")
    fetch([address], archive, check=lambda file, _: unpack(file, folder, address))
    archive.unlink()


def _unpack_drive(link: str, folder: Path) -> None:
    archive = folder.with_suffix(".archive")
    try:
        fetch_drive(link, archive)
        unpack(archive, folder, link)
    finally:
        archive.unlink(missing_ok=True)


def _open_once(name: str, source: str, root: Path, make: Callable[[Path], object]) -> Path:
    """Call ``make`` for the folder ``root/name``, unless it was made from the same source before; return the folder."""
    folder, stamp, new = root / name, root / f".{name}.source", root / f".{name}.new"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{name}.lock"):
        if folder.exists() and not stamp.exists():
            raise FileExistsError(f"{folder} is there already, and not from {source}: rename or move one of them.")
        if not folder.exists() or stamp.read_text() != source:
            make(new)
            shutil.rmtree(folder, ignore_errors=True)
            stamp.write_text(source)  # before the folder, which without a stamp is taken for the user's own
            new.rename(folder)
    return folder
