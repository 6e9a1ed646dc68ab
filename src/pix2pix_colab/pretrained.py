"""The pretrained λ path: its weights are part of the package (docs/weights.md)."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .interpolation import LambdaPath, with_late_layers
from .utils.files import atomic_write
from .utils.int8 import quantize

FILE = Path(__file__).with_name("pretrained.npz")
SETTINGS, SCALE = "settings", ".scale"  # names in the file


def load_pretrained(device: torch.device | str = "cpu") -> LambdaPath:
    """Load the pretrained λ path: label map -> facade at 256 px, for every λ from 0 to L1 only. Takes half a second.

    It was trained on the 400 training pairs of the real facades, with width 32. Its colours are those of
    ``pix2pix_colab.data.LABEL_COLOURS``. What it can do and what not, its values for each λ and its licence are in
    docs/weights.md.

    Returns:
        A path with the ``discriminator`` of its trunk, so that ``train(start=load_pretrained(), …)`` can go on.

    Raises:
        FileNotFoundError, ValueError: if the file of weights is missing or damaged.
    """
    return load_path(FILE, device)


def load_path(file: str | Path, device: torch.device | str = "cpu") -> LambdaPath:
    """Load a λ path that ``save_path`` wrote. Nothing in the file is executed: it holds numbers, and no pickle."""
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"There are no weights at {file}: install the package again.")
    try:
        path = _load(file)
    except (KeyError, TypeError, RuntimeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is damaged, or holds no λ path: install the package again.") from error
    for network in (*path.anchors, path.discriminator):
        network.to(device)
    return path


def _load(file: Path) -> LambdaPath:
    with np.load(file, allow_pickle=False) as arrays:
        settings = json.loads(str(arrays[SETTINGS]))
        first, late = UNetGenerator(settings["width"], settings["image_size"]), settings["late_layers"]
        discriminator = PatchDiscriminator(settings["width"])
        for name, network in _shared(first, late, discriminator).items():
            network.load_state_dict(_read(arrays, name))
        weights = {float(label): _read(arrays, label) for label in settings["lambdas"]}
    return LambdaPath({k: with_late_layers(first, late, each) for k, each in weights.items()}, discriminator)


def save_path(path: LambdaPath, file: str | Path) -> Path:
    """Write a λ path with its discriminator: convolutions as int8, with a scale per output channel; all else float32.

    What all λ share is written once. It is read back before it takes the place of an old file.

    Raises:
        ValueError: if the path has no discriminator, or if the networks have other settings than the defaults of
            ``UNetGenerator(width, image_size)`` and ``PatchDiscriminator(width)``.
        OSError: if the file can't be written.
    """
    first, late, labels = path.anchors[0], path.late_layers, [str(float(k)) for k in path.lambdas]
    width = first.encoder[0][0].out_channels
    defaults = UNetGenerator(width, first.image_size), PatchDiscriminator(width)
    if [repr(each) for each in defaults] != [repr(first), repr(path.discriminator)]:
        raise ValueError("Only a path in colour, with the default dropout and a discriminator, can be saved so.")
    networks = _shared(first, late, path.discriminator)
    networks |= {label: each.decoder[-late:] for label, each in zip(labels, path.anchors, strict=True)}
    arrays = {f"{name}.{key}": array for name, network in networks.items() for key, array in _arrays(network)}
    settings = {"width": width, "image_size": first.image_size, "late_layers": late, "lambdas": labels}
    with atomic_write(Path(file)) as partial:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **{SETTINGS: np.array(json.dumps(settings))}, **arrays)
        _load(partial)
    return Path(file)


def _shared(generator: UNetGenerator, late: int, discriminator: PatchDiscriminator) -> dict[str, nn.Module]:
    """What is there once, by its name in the file. The late layers are there for each λ."""
    return {"encoder": generator.encoder, "decoder": generator.decoder[:-late], "discriminator": discriminator}


def _arrays(network: nn.Module) -> Iterator[tuple[str, np.ndarray]]:
    """The weights of a network by name, those of convolutions as int8 and their scales."""
    modules = dict(network.named_modules())
    for name, values in network.state_dict().items():
        module = modules[name.rpartition(".")[0]]
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and name.endswith(".weight"):
            values, scale = quantize(values, [int(isinstance(module, nn.ConvTranspose2d))])
            yield name + SCALE, scale.cpu().numpy()
        yield name, values.cpu().numpy()


def _read(arrays: np.lib.npyio.NpzFile, network: str) -> dict[str, Tensor]:
    """The weights of a network: the inverse of ``_arrays``."""
    found = {
        name.removeprefix(f"{network}."): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith(f"{network}.")
    }
    scales = {name.removesuffix(SCALE): found.pop(name) for name in list(found) if name.endswith(SCALE)}
    return {name: each * scales[name] if each.dtype == torch.int8 else each for name, each in found.items()}
