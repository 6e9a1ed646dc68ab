"""The data sets that can be downloaded by name."""

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .pairs import is_image


@dataclass(frozen=True)
class Dataset:
    """An archive ``NAME.tar.gz`` that holds a folder NAME with a folder of side-by-side pairs for each split."""

    url: str
    size: int  # bytes
    splits: Mapping[str, int]  # number of pairs
    direction: str  # the one that the paper trains

    def describe(self) -> dict[str, str]:
        """The data set in words, for a table."""
        splits = ", ".join(f"{split} {count:,}" for split, count in self.splits.items())
        return {"address": self.url, "bytes": f"{self.size:,}", "pairs": splits, "direction": self.direction}


DATASETS = {
    # Tyleček and Šára, GCPR 2013: A is the photo, B the label map
    "facades": Dataset(
        url="http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
        size=30_168_306,
        splits={"train": 400, "val": 100, "test": 106},
        direction="BtoA",
    ),
}


def download(name: str, root: str | Path = "data") -> Path:
    """Fetch a data set by name, with a progress bar, check it and unpack it; once it is there, it is not fetched again.

    Returns:
        The folder ``root/name``, which holds a folder for each split. It appears when all is checked, not before.

    Raises:
        ValueError: for an unknown name, or an archive of the wrong size, content or number of images.
        ConnectionError: if the server can't be reached or sends no file.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}: choose one of {', '.join(DATASETS)}.")
    dataset, folder = DATASETS[name], Path(root) / name
    if folder.exists():
        _check_splits(folder, dataset, f"{folder} is incomplete: delete it and download again.")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{name}-") as temporary:  # the same disk, so that move renames
        archive = Path(temporary) / "archive.tar.gz"
        _fetch(dataset, archive)
        unpacked = Path(temporary) / "unpacked"
        _unpack(archive, unpacked, dataset)
        _check_splits(unpacked / name, dataset, f"{dataset.url} holds other images than expected: try again later.")
        shutil.move(unpacked / name, folder)
    return folder


def _fetch(dataset: Dataset, archive: Path) -> None:
    import gdown  # not needed, and not always there, where pairs are drawn or read

    try:
        gdown.download(dataset.url, str(archive), quiet=False)
    except Exception as error:  # requests' and gdown's own have no common base
        raise ConnectionError(f"{dataset.url} can't be fetched ({error}): check the network, or try later.") from error
    size = archive.stat().st_size if archive.exists() else 0
    if size != dataset.size:
        raise ValueError(
            f"{dataset.url} gave {size:,} bytes instead of {dataset.size:,}: cut off, or another file. Try again later."
        )


def _unpack(archive: Path, folder: Path, dataset: Dataset) -> None:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            tar.extractall(folder, filter="data")  # inside the folder alone, no links out of it, no devices
            while stream.read(1 << 20):  # on to the end, where gzip's checksum is
                pass
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise ValueError(f"{dataset.url} is no sound archive ({error}): try again later.") from error


def _check_splits(folder: Path, dataset: Dataset, message: str) -> None:
    for split, expected in dataset.splits.items():
        found = sum(map(is_image, (folder / split).glob("*")))
        if found != expected:
            raise ValueError(f"{message} (The split {split} has {found} images, not {expected}.)")
