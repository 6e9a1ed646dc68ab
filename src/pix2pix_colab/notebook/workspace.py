"""Workspace: the folders, the preset, the data set and the device that the notebooks use."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import torch

from ..data import Pairs, Patience, download, jitter_size, known_dataset, open_dataset, read_pairs, synthetic_facades
from ..generator import check_image_size
from ..training import TrainConfig, keep_copies
from ..utils.device import default_device
from .colab import DISK, on_colab, upload

SYNTHETIC = "synthetic"  # facades, rendered on the spot
READING = ("targets", "source_range", "target_range", "source_channels", "target_channels", "any_aspect", "exif")
UPLOAD = "upload"  # files chosen in the browser, on Colab
BRIEF = Patience(rounds=1, timeout=5, slowest=2**20, grace=5)  # for what is nice to have: no one waits for it


@dataclass(frozen=True)
class Preset:
    """Preset: a default data set, the number of pairs, and the training settings."""

    name: str
    dataset: str
    counts: tuple[int, int]  # of synthetic pairs, for training and testing
    limited: bool  # whether ``counts`` also limits any other data set, so that training takes minutes
    config: TrainConfig


PRESETS = {
    "quick": Preset("quick", SYNTHETIC, (64, 24), True, TrainConfig(width=16, epochs=9)),  # minutes, two CPU cores
    "standard": Preset("standard", "facades", (400, 106), False, TrainConfig(epochs=25)),  # for a GPU: a coffee
    "paper": Preset("paper", "facades", (400, 106), False, TrainConfig()),  # appendix 6.2 of the paper: hours
}


@dataclass
class Workspace:
    """Workspace: the folders ``data`` and ``runs`` in ``root``, and what ``open_workspace`` was asked for."""

    root: Path
    preset: Preset
    device: torch.device
    dataset: str | None = None  # None is the preset's
    direction: str | None = None  # None is the data set's, or AtoB for one's own pairs
    image_size: int = 256
    mirror: bool = True
    reading: Mapping[str, object] = field(default_factory=dict)
    backup: Path | None = None  # a folder, such as on Google Drive, that also caches downloaded archives
    loaded: str | None = None  # what ``load_pairs`` has loaded, for the folder of the runs; "" is the preset's data set

    @property
    def data(self) -> Path:
        """The folder of downloaded data sets."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        """The folder of the runs of this preset and these pairs: ``runs/quick``, ``runs/paper-maps``, …

        One's own pairs have their digest in it: other pairs are other runs. So they must be loaded first.
        """
        if self.loaded is None and self._is_own:
            raise ValueError("The folder of the runs depends on the pairs: call load_pairs first.")
        loaded = self.dataset if self.loaded is None else self.loaded
        size = None if self.image_size == self.preset.config.image_size else str(self.image_size)
        mirror = None if self.mirror else "unmirrored"
        return self.root / "runs" / "-".join(filter(None, [self.preset.name, loaded, self.direction, size, mirror]))

    @property
    def _is_own(self) -> bool:
        """Whether the data set is a path, a link or an upload, and not a name."""
        dataset = self.dataset or self.preset.dataset
        return dataset != SYNTHETIC and not known_dataset(dataset, self.data)

    def load_pairs(self) -> tuple[Pairs, Pairs]:
        """Load the training pairs, larger by the jitter, and the test pairs, at the image size.

        If the preset's data set can't be downloaded, a message says so, and synthetic facades are used instead. A data
        set that the user chose is never replaced: the errors of ``open_dataset`` and ``read_pairs`` are raised. With a
        backup folder, the runs of these pairs are restored from it, and from now on backed up.
        """
        train, test = self._load()
        if self._is_own and self.loaded != SYNTHETIC:
            name = re.sub(r"[^\w.-]+", "-", Path(self.dataset or self.preset.dataset).stem)
            self.loaded = f"{name}-{crc32(train.record().fingerprint.encode()):08x}"
        place = self.backup and self.backup / self.runs.relative_to(self.root)
        print("".join(f"{line}\n" for line in keep_copies(self.runs, place)), end="")
        return train, test

    def _load(self) -> tuple[Pairs, Pairs]:
        self.loaded = self.dataset or ""
        if self.dataset not in (None, SYNTHETIC):
            return self._read(self.dataset)
        if (self.dataset or self.preset.dataset) != SYNTHETIC:
            try:
                return self._read(self.preset.dataset)
            except (OSError, ValueError) as error:
                self.loaded = SYNTHETIC
                print(f"{error}\nUsing synthetic facades instead of {self.preset.dataset}.")
        train, test = self.preset.counts
        return synthetic_facades(train, jitter_size(self.image_size)), synthetic_facades(test, self.image_size, seed=1)

    def config(self, pairs: Pairs, **changes: object) -> TrainConfig:
        """Training settings of the preset for these pairs: their channels, and the paper's epochs for its data sets.

        ``standard`` takes an eighth of those epochs. A limited preset takes about the same number of steps for any
        number of pairs. ``changes`` are settings that replace those of the preset, such as ``lambda_l1=10``.
        """
        config, known = self.preset.config, known_dataset(self.dataset or self.preset.dataset, self.data)
        epochs, batch_size = config.epochs, config.batch_size
        if known:
            epochs, batch_size = max(1, round(known.epochs * epochs / TrainConfig().epochs)), known.batch_size
        if self.preset.limited:
            epochs, batch_size = math.ceil(config.epochs * self.preset.counts[0] / len(pairs)), config.batch_size
        settings = {"epochs": epochs, "batch_size": batch_size, "image_size": self.image_size, "mirror": self.mirror}
        settings |= zip(("source_channels", "target_channels"), pairs.channels, strict=True)
        return replace(config, **settings | changes)

    def _read(self, dataset: str) -> tuple[Pairs, Pairs]:
        if dataset == UPLOAD:
            with upload((self.backup or self.root) / "data" / "uploaded") as archive:
                return self._read(str(archive))
        folder = open_dataset(dataset, self.data, self.backup and self.backup / "data")
        known = known_dataset(dataset, self.data)
        direction = self.direction or (known.direction if known else "AtoB")
        limits = self.preset.counts if self.preset.limited else (None, None)
        train = read_pairs(folder, jitter_size(self.image_size), direction, "train", limit=limits[0], **self.reading)
        test = read_pairs(folder, self.image_size, direction, "test", limit=limits[1], **self.reading)
        return train, test[:]  # in memory

    def __str__(self) -> str:
        dataset = self.dataset or self.preset.dataset
        data = " ".join(filter(None, ["synthetic facades" if dataset == SYNTHETIC else dataset, self.direction]))
        backup = f", backed up in {self.backup}" if self.backup else ""
        runs = self.root / "runs" if self.loaded is None and self._is_own else self.runs
        return (
            f"preset   {self.preset.name}: {data}, {self.image_size} px, width {self.preset.config.width}\n"
            f"runs     {runs}{backup}"
        )


def open_workspace(
    preset: str = "auto",
    dataset: str = "auto",
    direction: str = "auto",
    image_size: int = 256,
    mirror: bool = True,
    **reading: object,
) -> Workspace:
    """Open the workspace for a preset, a data set and a direction.

    Args:
        preset: "quick", "standard", "paper" or "auto": the environment's PIX2PIX_PRESET if set, else standard with a
            GPU and quick without.
        dataset: "synthetic", "upload" (on Colab), or anything that ``open_dataset`` accepts: a name, a folder, an
            archive, a link. "auto" is the environment's PIX2PIX_DATASET if set, else the preset's.
        direction: "AtoB", "BtoA", or "auto": the data set's.
        image_size: 128, 256 or 512 px.
        mirror: False for data in which left is not right, such as text or anatomy: no crop is mirrored.
        reading: options of ``read_pairs`` for one's own pairs: targets, source_range, target_range, source_channels,
            target_channels, any_aspect, exif.

    The root folder is that of ``find_root``. The environment's PIX2PIX_KEEP may name a backup folder, such as one on a
    mounted Google Drive: see ``load_pairs``. Raises ValueError for an unknown preset, image size or option, or a backup
    folder that is to be backed up itself.
    """
    device = default_device()
    preset = default_preset(device) if preset == "auto" else preset
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}: choose one of auto, {', '.join(PRESETS)}.")
    check_image_size(image_size)
    if unknown := reading.keys() - READING:
        raise ValueError(f"There is no option {', '.join(sorted(unknown))}: choose from {', '.join(READING)}.")
    if dataset == "auto":
        dataset = os.environ.get("PIX2PIX_DATASET") or None
    direction, backup = None if direction == "auto" else direction, os.environ.get("PIX2PIX_KEEP")
    backup = Path(backup).resolve() if backup else None
    root = find_root()
    if backup and (backup == root or any(map(backup.is_relative_to, (root / "runs", root / "data")))):
        raise ValueError(f"PIX2PIX_KEEP is {backup}, which is itself to be backed up: choose another folder.")
    return Workspace(root, PRESETS[preset], device, dataset, direction, image_size, mirror, reading, backup)


def real_facades(count: int = 6) -> Pairs | None:
    """Some test pairs of the real facades, evenly spaced. If they can't be downloaded now: a message, and None."""
    backup = os.environ.get("PIX2PIX_KEEP")
    try:
        folder = download("facades", find_root() / "data", backup and Path(backup) / "data", BRIEF)
        pairs = read_pairs(folder, 256, "BtoA", "test")
    except (OSError, ValueError) as error:
        print(f"{error}\nNo real facades are shown now. All else goes on without them.")
        return None
    return pairs[:: max(1, len(pairs) // count)][:count]


def default_preset(device: torch.device) -> str:
    """Name of the default preset: the environment's PIX2PIX_PRESET, else standard with a GPU and quick without."""
    return os.environ.get("PIX2PIX_PRESET") or ("standard" if device.type == "cuda" else "quick")


def find_root() -> Path:
    """Root folder: the environment's PIX2PIX_ROOT, else /content/pix2pix on Colab, else the parent of notebooks/."""
    if "PIX2PIX_ROOT" in os.environ:
        return Path(os.environ["PIX2PIX_ROOT"]).resolve()
    if on_colab():
        return DISK / "pix2pix"
    here = Path.cwd()
    return here.parent if here.name == "notebooks" else here
