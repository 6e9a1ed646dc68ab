"""Where data and runs live, which preset is used, and on what machine."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

from .config import TrainConfig
from .datasets import DATASETS, download
from .device import default_device
from .pairs import Pairs, read_pairs
from .synthetic import draw_facades


@dataclass(frozen=True)
class Preset:
    """A size of everything: which data set ("drawn" is drawn on the spot), how much of it, and how it is trained."""

    name: str
    dataset: str
    drawn: tuple[int, int]  # number of pairs to train and to test on, where they are drawn
    config: TrainConfig


PRESETS = {
    "quick": Preset("quick", "drawn", (64, 24), TrainConfig(width=16, epochs=9)),  # minutes on two CPU cores
    "paper": Preset("paper", "facades", (400, 106), TrainConfig()),  # appendix 6.2 of the paper; for a GPU
}


@dataclass(frozen=True)
class Workspace:
    """The folders ``data`` and ``runs`` in ``root``, and the preset that the notebooks follow."""

    root: Path
    preset: Preset
    device: torch.device

    @property
    def data(self) -> Path:
        """Where data sets are downloaded to."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        """Where this preset's runs live."""
        return self.root / "runs" / self.preset.name

    def load_pairs(self) -> tuple[Pairs, Pairs]:
        """The preset's training pairs, with room for crops, and its test pairs, at the image size.

        If a data set can't be downloaded, that is said, and facades are drawn in its place.
        """
        if self.preset.dataset != "drawn":
            try:
                return self._read()
            except (OSError, ValueError) as error:
                print(f"{error}\nGoing on with the drawn facades instead of {self.preset.dataset}.")
        train, test = self.preset.drawn
        return draw_facades(train, size=286, seed=0), draw_facades(test, size=self.preset.config.image_size, seed=1)

    def _read(self) -> tuple[Pairs, Pairs]:
        folder, direction = download(self.preset.dataset, self.data), DATASETS[self.preset.dataset].direction
        train = read_pairs(folder / "train", direction=direction)
        return train, read_pairs(folder / "test", self.preset.config.image_size, direction)

    def __str__(self) -> str:
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{os.cpu_count()} CPU cores"
        packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "ipywidgets"))
        config = self.preset.config
        data = "drawn facades" if self.preset.dataset == "drawn" else self.preset.dataset
        return (
            f"preset  {self.preset.name}: {data}, width {config.width}, {config.epochs} epochs\n"
            f"device  {self.device.type}: {gpu}\n"
            f"folder  {self.root}\n"
            f"with    pix2pix-colab {version('pix2pix-colab')}, {packages}, Python {platform.python_version()}"
        )


def open_workspace(preset: str = "auto") -> Workspace:
    """Find out where and how to work.

    Args:
        preset: "quick", "paper" or "auto": the environment's PIX2PIX_PRESET if set, else paper where there is a GPU.

    The folder is the environment's PIX2PIX_ROOT if set, /content/pix2pix on Colab, and else the folder that the
    notebooks' folder lies in.

    Raises:
        ValueError: for an unknown preset.
    """
    device = default_device()
    if preset == "auto":
        preset = os.environ.get("PIX2PIX_PRESET") or ("paper" if device.type == "cuda" else "quick")
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}: choose one of auto, {', '.join(PRESETS)}.")
    return Workspace(_root(), PRESETS[preset], device)


def _root() -> Path:
    if "PIX2PIX_ROOT" in os.environ:
        return Path(os.environ["PIX2PIX_ROOT"]).resolve()
    if find_spec("google") and find_spec("google.colab"):
        return Path("/content/pix2pix")
    here = Path.cwd()
    return here.parent if here.name == "notebooks" else here
