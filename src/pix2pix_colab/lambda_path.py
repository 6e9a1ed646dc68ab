"""λ path: one network for every λ, from a few trained ones; and its file of weights."""

import copy
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .inference import Images, translate_by
from .loss import check_lambda
from .utils.files import atomic_write, open_sound
from .utils.images import SQUARE, Seen
from .utils.int8 import checksum, from_int8, to_int8

PRETRAINED = {"facades": Path(__file__).with_name("pretrained.safetensors")}


class LambdaPath:
    """λ path: a generator for every λ from the least to the greatest of a few trained ones, the anchors.

    Between two neighbouring anchors every weight is linear in the position (deep network interpolation, Wang et al.,
    CVPR 2019). The position counts the anchors from 0, and between two of them it is linear in log λ; but linear in λ
    if the lower anchor is 0, and in 1/λ if the upper one is ∞. With the anchors 0, 1, 10, 100, 1000 and ∞, the
    positions 0.5, 1.5, … 4.5 are λ = 0.5, 3.16, 31.6, 316 and 2000.

    Args:
        generators: by λ, as those of ``train_lambda_path``: equal but for the last layers of their decoders. Nothing
            useful lies between networks that were trained apart.
        discriminator: of the trunk, for a training that starts from this path, if it is known.

    Raises ValueError if there are none, or if they differ in their layers' settings or in their encoders.
    """

    def __init__(self, generators: Mapping[float, UNetGenerator], discriminator: PatchDiscriminator | None = None):
        if not generators:
            raise ValueError("A path needs the generator of at least one λ.")
        for lambda_l1 in generators:
            check_lambda(lambda_l1)
        self.lambdas = sorted(generators)
        self.anchors = [generators[k] for k in self.lambdas]
        self.discriminator = discriminator
        self.late_layers = _count_late_layers(self.anchors)

    def position(self, lambda_l1: float) -> float:
        """Position of λ, from 0 at the least anchor to their number - 1 at the greatest; ValueError for any other λ."""
        check_lambda(lambda_l1)
        if not self.lambdas[0] <= lambda_l1 <= self.lambdas[-1]:
            raise ValueError(
                f"λ is {lambda_l1:g}, but this path leads from {self.lambdas[0]:g} to {self.lambdas[-1]:g}."
            )
        return position_of(lambda_l1, self.lambdas)

    def lambda_at(self, position: float) -> float:
        """λ at a position: the inverse of ``position``. Raises ValueError if there is no such position."""
        if not 0 <= position <= len(self.lambdas) - 1:
            raise ValueError(
                f"The position is {position}, but this path has positions from 0 to {len(self.lambdas) - 1}."
            )
        i = min(int(position), len(self.lambdas) - 1)
        part = position - i
        if part == 0:
            return self.lambdas[i]
        low, high = self.lambdas[i : i + 2]
        if high == math.inf:
            return low / (1 - part) if low else part / (1 - part)
        return part * high if low == 0 else low * (high / low) ** part

    def grid(self, between: int = 3) -> list[float]:
        """The anchors and, equidistant between each two, ``between`` λ of two significant digits; ascending."""
        if between < 0:
            raise ValueError(f"between is {between}, but it must be 0 or more.")
        grid = self.lambdas[:1]
        for i, high in enumerate(self.lambdas[1:]):
            exact = [self.lambda_at(i + j / (between + 1)) for j in range(1, between + 1)]
            short = [float(f"{k:.2g}") for k in exact]
            distinct = sorted({self.lambdas[i], *short, high}) == [self.lambdas[i], *short, high]
            grid += [*(short if distinct else exact), high]
        return grid

    def generator(self, lambda_l1: float) -> UNetGenerator:
        """The generator of λ: at an anchor with exactly the trained weights. ValueError if λ lies outside the anchors.

        All share the memory of the early layers, with the anchors, too. To train or convert one, copy it first.
        """
        position = self.position(lambda_l1)
        ends = (self.anchors[math.floor(position)], self.anchors[math.ceil(position)])
        low, high = (generator.decoder[-self.late_layers :].state_dict() for generator in ends)
        floats = [name for name in low if low[name].is_floating_point()]  # the others are the counts of BatchNorm
        weights = low | {name: torch.lerp(low[name], high[name], position % 1) for name in floats}
        return with_late_layers(self.anchors[0], self.late_layers, weights)

    def translate(
        self, source: Images, lambdas: Iterable[float], seed: int = 0, fit: bool = True
    ) -> dict[float, Images]:
        """Translate images by each λ, as ``pix2pix_colab.translate`` does; the early layers see each only once."""
        if not (lambdas := list(lambdas)):
            return {}
        generators = [self.generator(lambda_l1) for lambda_l1 in lambdas]
        return dict(zip(lambdas, translate_by(generators, source, seed, self.late_layers, fit), strict=True))


def position_of(lambda_l1: float, lambdas: Sequence[float]) -> float:
    """Position of λ among ascending ones, counted from 0: that of ``LambdaPath``."""
    i = max(j for j, lower in enumerate(lambdas) if lower <= lambda_l1)
    if lambda_l1 == lambdas[i]:
        return float(i)
    low, high = lambdas[i : i + 2]
    if high == math.inf:
        return i + 1 - low / lambda_l1 if low else i + lambda_l1 / (1 + lambda_l1)
    return i + (lambda_l1 / high if low == 0 else math.log(lambda_l1 / low) / math.log(high / low))


def with_late_layers(generator: UNetGenerator, late: int, weights: Mapping[str, Tensor]) -> UNetGenerator:
    """A generator with other weights in its last ``late`` decoder layers. It shares the memory of all others."""
    early = [*generator.encoder, *generator.decoder[:-late]]
    other = copy.deepcopy(generator, {id(layer): layer for layer in early})  # a copy with the same early layers
    other.decoder[-late:].load_state_dict(weights)
    return other


def _count_late_layers(generators: list[UNetGenerator]) -> int:
    """Number of the decoder's last layers in which the generators differ, at least 1."""
    if any(generator.settings != generators[0].settings for generator in generators):
        raise ValueError("These generators differ in size, channels or dropout: take those of one λ path.")
    states = [generator.state_dict() for generator in generators]
    differ = [name for name, value in states[0].items() if not all(torch.equal(value, each[name]) for each in states)]
    if any(not name.startswith("decoder.") for name in differ):
        raise ValueError(
            "These generators have different encoders, so nothing useful lies between them: take those of a λ path "
            "(train_lambda_path), not of a sweep."
        )
    layers = len(generators[0].decoder)
    return layers - min((int(name.split(".")[1]) for name in differ), default=layers - 1)


def load_pretrained(path_or_name: str | Path = "facades", device: torch.device | str = "cpu") -> LambdaPath:
    """Load a λ path from a file of ``save_pretrained``, or one of the package by its name. Takes half a second.

    "facades" translates label maps into facades at 256 px, for every λ from 0 to L1 only. It was trained on the 400
    training pairs of the real facades, with width 32. Its colours are those of ``pix2pix_colab.data.LABEL_COLOURS``.
    What it can do and what not, its values for each λ and its licence are in docs/weights.md. It has the
    ``discriminator`` of its trunk, so that ``train(start=load_pretrained(), …)`` can go on.

    Raises FileNotFoundError or ValueError if the file is missing, damaged, or no λ path. Nothing in it is executed.
    """
    file = PRETRAINED.get(str(path_or_name), Path(path_or_name))
    advice = "save it again" if file == Path(path_or_name) else "install the package again"
    if not file.is_file():
        raise FileNotFoundError(f"There are no weights at {file} (known by name: {', '.join(PRETRAINED)}): {advice}.")
    with open_sound(file, f"is damaged, or holds no λ path: {advice}"):
        path = _load(file)
    for network in filter(None, (*path.anchors, path.discriminator)):
        network.to(device)
    return path


def _load(file: Path) -> LambdaPath:
    from safetensors import safe_open  # not needed, and not always installed, where one trains

    with safe_open(file, "pt") as opened:
        settings = json.loads(opened.metadata()["settings"])
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if checksum(arrays) != settings["crc32"]:
        raise ValueError("The weights are not those that were saved.")
    first, late = UNetGenerator(**settings["generator"]), settings["late_layers"]
    first.seen = Seen(*settings["seen"]) if "seen" in settings else SQUARE
    discriminator = PatchDiscriminator(*settings["discriminator"]) if settings["discriminator"] else None
    for name, network in _shared(first, late, discriminator).items():
        network.load_state_dict(from_int8(arrays, name))
    weights = {float(label): from_int8(arrays, label) for label in settings["lambdas"]}
    return LambdaPath({k: with_late_layers(first, late, each) for k, each in weights.items()}, discriminator)


def save_pretrained(path: LambdaPath, file: str | Path) -> Path:
    """Write a λ path as safetensors: convolutions as int8, with a scale for each output channel; all else float32.

    What all λ share is written once. It is read back before it takes the place of an old file. OSError if it can't be
    written.
    """
    from safetensors.torch import save_file

    first, late, labels = path.anchors[0], path.late_layers, [str(float(k)) for k in path.lambdas]
    networks = _shared(first, late, path.discriminator)
    networks |= {label: each.decoder[-late:] for label, each in zip(labels, path.anchors, strict=True)}
    innermost = {"encoder": f"{len(first.encoder) - 1}.", "decoder": "0."}  # between 2×2 px and one
    arrays = {
        f"{name}.{key}": array
        for name, network in networks.items()
        for key, array in to_int8(network, innermost.get(name, ()))
    }
    shape = [first.settings[name] for name in ("width", "source_channels", "target_channels")]
    settings = {
        "generator": first.settings,
        "seen": first.seen,
        "discriminator": path.discriminator and shape,
        "late_layers": late,
        "lambdas": labels,
        "crc32": checksum(arrays),
    }
    with atomic_write(Path(file)) as partial:
        save_file(arrays, partial, {"settings": json.dumps(settings)})
        _load(partial)
    return Path(file)


def _shared(generator: UNetGenerator, late: int, discriminator: PatchDiscriminator | None) -> dict[str, nn.Module]:
    """What is there once, by its name in the file. The late layers are there for each λ."""
    networks = {"encoder": generator.encoder, "decoder": generator.decoder[:-late]}
    return networks | ({"discriminator": discriminator} if discriminator else {})
