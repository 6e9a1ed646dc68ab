"""Export of a generator or a λ path: as one ONNX file, or its early and its late layers each as one."""

import json
import math
from contextlib import suppress
from pathlib import Path

import torch

from ..generator import UNetGenerator
from ..lambda_path import LambdaPath
from ..training import read_lambda_path, read_run
from . import unet_layers
from .onnx_graph import DEFAULT_WEIGHTS, OnnxGraph

Size = tuple[int, int]
LARGEST = 4096  # px; memory grows with the square, so that far more would end the process without a word


def read_network(folder: str | Path) -> UNetGenerator | LambdaPath:
    """Read the generator of the run in a folder, or the λ path whose runs are in its subfolders.

    Raises FileNotFoundError or ValueError as ``read_run`` and ``read_sweep``, and ValueError for the runs of a sweep.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: name that of a run, or of the runs of a λ path.")
    with suppress(FileNotFoundError):  # no checkpoint, so its subfolders may have some
        return read_run(folder).load_generator()
    try:
        return read_lambda_path(folder)
    except ValueError as error:
        raise ValueError(f"{error} Or export one run, from its own folder in {folder}.") from error


def export_onnx(
    network: UNetGenerator | LambdaPath,
    file: str | Path,
    size: int | Size | None = None,
    seed: int = 0,
    weights: str = DEFAULT_WEIGHTS,
) -> Path:
    """Export a generator or a λ path as one ONNX file, which translates by the paper's test-time rule.

    It does what ``translate`` does for an image of one size: normalisation, BatchNorm by the statistics of the image,
    the dropout masks of the seed, and the output as uint8.

    Input and output:
        source: uint8 (1, source_channels, H, W)
        position: float32 (1,), only of a path: from 0 to the number of anchors - 1, as ``LambdaPath.position``, and
            clamped to that. The weights of the late layers are interpolated in the graph.
        output: uint8 (1, target_channels, H, W)

    Args:
        size: (H, W) in multiples of the generator's image size, or one number for both; None takes that size. It is
            fixed in the file, for the dropout masks have it.
        seed: that of ``translate``. The masks are those of the device that the network is on.
        weights: how those of the convolutions are stored: "float32"; "float16", half the size and within one level
            of 255; or "int8", a quarter of the size. It moved the L1, SSIM and sharpness of the pretrained path by at
            most 0.0004 at any λ (docs/export.md).

    Raises:
        ValueError: for another size or other ``weights``; if the file does not end in .onnx.
        OnnxMissingError: if the package onnx is not installed.
        OSError: if the file can't be written.
    """
    if Path(file).suffix != ".onnx" or Path(file).is_dir():
        raise ValueError(f"{file} is no name for an ONNX file: choose one that ends in .onnx.")
    path = network if isinstance(network, LambdaPath) else None
    anchors, late = (path.anchors, path.late_layers) if path else ([network], 1)
    graph, size = OnnxGraph(weights), _check_size(anchors[0], size)
    masks = unet_layers.sample_masks(anchors[0], size, seed)
    source = _add_source(graph, anchors[0], size)
    shares = _add_position(graph, anchors) if path else None
    features = unet_layers.add_early_layers(graph, anchors[0], source, late, masks)
    output = unet_layers.add_late_layers(graph, anchors, *features, late, masks, shares)
    _add_output(graph, output, anchors[0], size)
    return graph.save(file, _describe("λ path" if path else "generator", anchors[0], path, size, seed, weights))


def export_parts(
    path: LambdaPath, folder: str | Path, size: int | Size | None = None, seed: int = 0, weights: str = DEFAULT_WEIGHTS
) -> tuple[Path, ...]:
    """Export a λ path as ``early.onnx`` and ``late.onnx``, so that λ can move without the early layers being run again.

    ``early.onnx`` turns the source into features: the input of the late layers, and their skip connections.
    ``late.onnx`` turns these, by the same names, and the position into the output. All else is as in ``export_onnx``.
    If the path has its discriminator, ``critic.onnx`` is that: source and image, uint8 (1, C, H, W), -> ``real``,
    float32 (1, 1, H/8 - 2, W/8 - 2), the probability that each 70×70 patch is real, as of ``critic_map``.

    Returns the two or three files. Raises ValueError also for a single generator, and a file in place of the folder.
    """
    if not isinstance(path, LambdaPath):
        raise ValueError("Parts are for a λ path, but this is one generator: export it as one file, without --parts.")
    if Path(folder).is_file():
        raise ValueError(f"{folder} is a file, but the two parts go into a folder: name one, or a new one.")
    anchors, late = path.anchors, path.late_layers
    size, folder = _check_size(anchors[0], size), Path(folder)
    masks, shapes = unet_layers.sample_masks(anchors[0], size, seed), _feature_shapes(anchors[0], late, size)

    early = OnnxGraph(weights)
    x, skips = unet_layers.add_early_layers(early, anchors[0], _add_source(early, anchors[0], size), late, masks)
    for value, (name, shape) in zip([x, *skips], shapes.items(), strict=True):
        early.output(value, name, shape)

    after = OnnxGraph(weights)
    x, *skips = (after.input(name, shape) for name, shape in shapes.items())
    output = unet_layers.add_late_layers(after, anchors, x, skips, late, masks, _add_position(after, anchors))
    _add_output(after, output, anchors[0], size)
    graphs = {"early": (early, "early layers of a λ path"), "late": (after, "late layers of a λ path")}
    if path.discriminator:
        graphs["critic"] = _critic_graph(path, size, weights), "discriminator of a λ path"
    return tuple(
        graph.save(folder / f"{name}.onnx", _describe(kind, anchors[0], path, size, seed, weights))
        for name, (graph, kind) in graphs.items()
    )


def _critic_graph(path: LambdaPath, size: Size, weights: str) -> OnnxGraph:
    graph, critic = OnnxGraph(weights), path.discriminator
    source = _add_source(graph, path.anchors[0], size)
    image = unet_layers.add_normalised(graph, graph.input("image", [1, critic.target_channels, *size], "UINT8"))
    shape = [1, 1, *(side // 8 - 2 for side in size)]
    graph.output(unet_layers.add_discriminator(graph, critic, source, image), "real", shape)
    return graph


def _check_size(generator: UNetGenerator, size: int | Size | None) -> Size:
    """The size, or the generator's. Raise ValueError for one that the layers can't halve, or that no memory holds."""
    multiple = generator.image_size
    size = multiple if size is None else size
    size = (size, size) if isinstance(size, int) else tuple(size)
    if len(size) != 2 or any(pixels % multiple or not 0 < pixels <= LARGEST for pixels in size):
        words = f"both multiples of this U-Net's {multiple} px and at most {LARGEST} px"
        raise ValueError(f"size is {size}, but it must be (H, W), {words}.")
    return size


def _add_source(graph: OnnxGraph, generator: UNetGenerator, size: Size) -> str:
    return unet_layers.add_normalised(graph, graph.input("source", [1, generator.source_channels, *size], "UINT8"))


def _add_position(graph: OnnxGraph, anchors: list[UNetGenerator]) -> str:
    return unet_layers.add_shares(graph, graph.input("position", [1]), len(anchors))


def _add_output(graph: OnnxGraph, x: str, generator: UNetGenerator, size: Size) -> None:
    graph.output(unet_layers.add_denormalised(graph, x), "output", [1, generator.target_channels, *size], "UINT8")


def _feature_shapes(generator: UNetGenerator, late: int, size: Size) -> dict[str, list[int]]:
    """Shapes of what ``UNetGenerator.early_layers`` returns, by name."""
    with torch.device("meta"):  # which computes nothing
        twin, source = UNetGenerator(**generator.settings), torch.empty(1, generator.source_channels, *size)
        x, skips = twin.early_layers(source, late)
    named = {f"skip_{i}": skip for i, skip in enumerate(skips if generator.skips else [], start=1)}
    return {name: list(each.shape) for name, each in {"features": x, **named}.items()}


def _describe(
    kind: str, generator: UNetGenerator, path: LambdaPath | None, size: Size, seed: int, weights: str
) -> dict[str, str]:
    """Metadata of a file: what it is, in words that Python and JavaScript read as numbers."""
    described = {"kind": kind, "size": "{},{}".format(*size), "seed": str(seed), "weights": weights}
    described |= {
        name: json.dumps(value) for name in ("aspect", "range") if (value := getattr(generator.seen, name)) is not None
    }
    if not generator.seen.exif:
        described["exif"] = "false"
    if path:
        described["lambdas"] = ",".join("Infinity" if k == math.inf else f"{k:.15g}" for k in path.lambdas)
    return described
