"""Where data and runs live, which preset is used, on which pairs and on what machine."""

import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import torch

from ..data import DATASETS, Pairs, jitter_size, open_dataset, read_pairs, synthetic_facades
from ..generator import IMAGE_SIZES
from ..training import TrainConfig
from ..utils.device import default_device
from .colab import DISK, on_colab, upload
from .drive_backup import DriveBackup

DRAWN = "drawn"  # facades, on the spot
UPLOAD = "upload"  # chosen in the browser, on Colab


@dataclass(frozen=True)
class Preset:
    """A size of everything: the data set, if none is chosen, how much of one, and how it is trained."""

    name: str
    dataset: str
    drawn: tuple[int, int]  # number of pairs to train and to test on, where they are drawn
    limited: bool  # whether no more are taken of any data set, so that it takes minutes
    config: TrainConfig


PRESETS = {
    "quick": Preset("quick", DRAWN, (64, 24), True, TrainConfig(width=16, epochs=9)),  # minutes on two CPU cores
    "paper": Preset("paper", "facades", (400, 106), False, TrainConfig()),  # appendix 6.2 of the paper; for a GPU
}


@dataclass(frozen=True)
class Workspace:
    """The folders ``data`` and ``runs`` in ``root``, and what the notebooks follow: a preset, a data set, a direction.

    Args:
        dataset: as ``open_workspace`` takes it; None is the preset's.
        direction: "AtoB" or "BtoA"; None is the data set's, and of one's own AtoB.
        kept: a folder that outlives the machine; downloaded archives are taken from there and left there.
    """

    root: Path
    preset: Preset
    device: torch.device
    dataset: str | None = None
    direction: str | None = None
    image_size: int = 256
    kept: Path | None = None

    @property
    def data(self) -> Path:
        """Where data sets are downloaded to."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        """Where the runs of these choices live: ``runs/quick``, and another folder for other pairs."""
        own = self.dataset
        if own and own not in (*DATASETS, DRAWN, UPLOAD):  # a path or a link
            name = re.sub(r"[^\w.-]+", "-", Path(own).stem)
            own = f"{name}-{crc32(own.encode()):08x}"
        size = None if self.image_size == self.preset.config.image_size else str(self.image_size)
        return self.root / "runs" / "-".join(filter(None, [self.preset.name, own, self.direction, size]))

    def load_pairs(self) -> tuple[Pairs, Pairs]:
        """The training pairs, with room for crops, and the test pairs, at the image size.

        If the preset's data set can't be downloaded, that is said, and facades are drawn in its place. One that was
        chosen has no stand-in: its errors, those of ``open_dataset`` and ``read_pairs``, are raised.
        """
        if self.dataset not in (None, DRAWN):
            return self._read(self.dataset)
        if (self.dataset or self.preset.dataset) != DRAWN:
            try:
                return self._read(self.preset.dataset)
            except (OSError, ValueError) as error:
                print(f"{error}\nGoing on with the drawn facades instead of {self.preset.dataset}.")
        train, test = self.preset.drawn
        return synthetic_facades(train, jitter_size(self.image_size)), synthetic_facades(test, self.image_size, seed=1)

    def config(self, pairs: Pairs) -> TrainConfig:
        """The preset's settings for these training pairs: epochs and batch size of a data set of the paper, channels.

        A limited preset takes about the same number of steps for any number of pairs.
        """
        config, known = self.preset.config, DATASETS.get(self.dataset or self.preset.dataset)
        epochs, batch_size = (known.epochs, known.batch_size) if known else (config.epochs, config.batch_size)
        if self.preset.limited:
            epochs, batch_size = math.ceil(config.epochs * self.preset.drawn[0] / len(pairs)), config.batch_size
        channels = dict(zip(("source_channels", "target_channels"), pairs.channels, strict=True))
        return replace(config, epochs=epochs, batch_size=batch_size, image_size=self.image_size, **channels)

    def _read(self, dataset: str) -> tuple[Pairs, Pairs]:
        where = upload(self.data / "uploaded") if dataset == UPLOAD else dataset
        folder = open_dataset(where, self.data, self.kept and self.kept / "data")
        direction = self.direction or (DATASETS[dataset].direction if dataset in DATASETS else "AtoB")
        limits = self.preset.drawn if self.preset.limited else (None, None)
        train = read_pairs(folder, jitter_size(self.image_size), direction, "train", limit=limits[0])
        return train, read_pairs(folder, self.image_size, direction, "test", limit=limits[1])[:]  # in memory

    def __str__(self) -> str:
        dataset = self.dataset or self.preset.dataset
        data = " ".join(filter(None, ["drawn facades" if dataset == DRAWN else dataset, self.direction]))
        kept = f", kept in {self.kept}" if self.kept else ""
        return (
            f"preset   {self.preset.name}: {data}, {self.image_size} px, width {self.preset.config.width}\n"
            f"runs     {self.runs}{kept}"
        )


def open_workspace(
    preset: str = "auto", dataset: str = "auto", direction: str = "auto", image_size: int = 256
) -> Workspace:
    """Find out where, how and on what to work.

    Args:
        preset: "quick", "paper" or "auto": the environment's PIX2PIX_PRESET if set, else paper where there is a GPU.
        dataset: "drawn", "upload" (on Colab), or whatever ``open_dataset`` takes: a name, a folder, an archive, a link.
            "auto" is the environment's PIX2PIX_DATASET if set, else the preset's.
        direction: "AtoB", "BtoA", or "auto": the data set's.
        image_size: 128, 256 or 512 px.

    The folder is that of ``find_root``. Where the environment's PIX2PIX_KEEP names another one, such as on a mounted
    Google Drive, what is there of these runs is brought back first, and from now on all that changes is copied there.

    Raises:
        ValueError: for an unknown preset or image size.
    """
    device = default_device()
    preset = default_preset(device) if preset == "auto" else preset
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}: choose one of auto, {', '.join(PRESETS)}.")
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size is {image_size}, but the U-Net is made for {IMAGE_SIZES} px: choose one.")
    if dataset == "auto":
        dataset = os.environ.get("PIX2PIX_DATASET") or None
    direction, kept = None if direction == "auto" else direction, os.environ.get("PIX2PIX_KEEP")
    kept = Path(kept).resolve() if kept else None
    workspace = Workspace(find_root(), PRESETS[preset], device, dataset, direction, image_size, kept)
    for folder in (workspace.runs, workspace.data / "uploaded") if kept else ():
        place = kept / folder.relative_to(workspace.root)
        if back := DriveBackup(folder, place).start():
            print(f"back     {len(back)} files from {place}")
    return workspace


def default_preset(device: torch.device) -> str:
    """The environment's PIX2PIX_PRESET if set, else paper where there is a GPU, else quick."""
    return os.environ.get("PIX2PIX_PRESET") or ("paper" if device.type == "cuda" else "quick")


def find_root() -> Path:
    """The environment's PIX2PIX_ROOT if set, /content/pix2pix on Colab, else the folder that notebooks/ lies in."""
    if "PIX2PIX_ROOT" in os.environ:
        return Path(os.environ["PIX2PIX_ROOT"]).resolve()
    if on_colab():
        return DISK / "pix2pix"
    here = Path.cwd()
    return here.parent if here.name == "notebooks" else here
