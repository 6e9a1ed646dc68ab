"""Diagrams of the two networks, with every number read from the modules: `make assets` writes them as SVG."""

import math
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from pix2pix_colab import PatchDiscriminator, UNetGenerator
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.figures import notebook_cells
from pix2pix_colab.figures.layer_tables import (
    FieldRow,
    LayerRow,
    Shape,
    generator_table,
    read_layers,
    receptive_fields,
)
from pix2pix_colab.utils.markdown import size_text

FOLDER = Path(notebook_cells.__file__).parent

INK, QUIET, IMAGE = "#2b2f36", "#6b7280", "#d5d9df"  # text, arrows, the images at both ends
ENCODER, DECODER, DROPOUT, PATCH = "#8fb3d9", "#f0c08a", "#d98a6a", "#c0392b"


def main(folder: Path = FOLDER) -> None:
    """Write generator.svg and discriminator.svg, of the paper's size."""
    image = synthetic_facades(1).target[0]
    figures = {
        "generator": draw_generator(UNetGenerator()),
        "discriminator": draw_discriminator(PatchDiscriminator(), image=image),
    }
    for name, figure in figures.items():
        with plt.rc_context({"svg.hashsalt": name}):  # so that equal diagrams are equal files
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def draw_generator(generator: UNetGenerator) -> Figure:
    """Diagram of the U-Net: encoder on the left, decoder on the right, skip partners (of equal size) on one level.

    A block is a layer's output. At a skip connection, [skip, up] are side by side, as they are concatenated.
    """
    rows = generator_table(generator)
    n = len(generator.encoder)
    rows = [LayerRow("source", "", "", "", (), rows[0].input), *rows]  # rows[n] is the bottleneck
    rows[-1] = rows[-1]._replace(name=f"{rows[-1].name}\n= output")
    pitches = [_height(row.output) + 16 for row in rows[: n + 1]]
    levels = [70 + sum(pitches[i:]) - pitches[i] / 2 for i in range(n + 1)]
    columns = [190] * n + [338] + [530] * n
    unit = 62 / max(row.output[0] for row in rows) ** 0.5
    figure, axes = _canvas(sum(pitches) + 80)
    bends = {n: "angle,angleA=-90,angleB=180", n + 1: "angle,angleA=180,angleB=-90"}  # the bottleneck's two arrows
    blocks = []
    for i, (row, x) in enumerate(zip(rows, columns, strict=True)):
        y = levels[n - abs(n - i)]
        blocks.append(_block(axes, row, x, y, unit))
        if i > n and row.skip_partner:
            copy = _block(axes, rows[2 * n - i], x - blocks[i].get_width(), y, unit)
            _arrow(axes, blocks[2 * n - i], copy, color=ENCODER, linewidth=1.6)
            _text(axes, columns[n], y, row.joined_channels, backgroundcolor="white")
        if i:
            _arrow(axes, blocks[i - 1], blocks[i], bends.get(i, "arc3"))
        if i != n:
            _text(axes, 12 if i < n else x + 40, y, row.name, ha="left", weight="bold")
            _text(axes, x - 40 if i < n else 708, y, size_text(row.output), ha="right")
    _text(axes, columns[n], levels[n] - 16, f"bottleneck: {rows[n].name}, {size_text(rows[n].output)}", weight="bold")
    skips = "skip connections\nconcatenate [skip, up]\nalong the channels"
    _text(axes, columns[n], levels[0], skips if any(row.skip_partner for row in rows) else "no skip connections")
    _draw_legend(axes, rows[1:])
    return figure


def draw_discriminator(discriminator: PatchDiscriminator, image_size: int = 256, image: Tensor | None = None) -> Figure:
    """Diagram of the PatchGAN: its layers, its receptive field, and the patch that one logit classifies.

    Args:
        image: the image to draw the patch on, uint8 (C, image_size, image_size); C is the discriminator's target
            channels.

    Raises:
        ValueError: if the image is of another size or type.
    """
    shape = (discriminator.target_channels, image_size, image_size)
    if image is not None and (image.dtype != torch.uint8 or image.shape != shape):
        raise ValueError(f"The image is {image.dtype} {tuple(image.shape)}, but must be torch.uint8 {shape}.")
    rows = discriminator_table(discriminator, image_size)
    figure, axes = _canvas(510)
    _draw_layers(axes, rows, receptive_fields(discriminator))
    _draw_patch(axes, discriminator, rows[-1].output[-1], image_size, image)
    return figure


def _draw_layers(axes: Axes, rows: list[LayerRow], fields: list[FieldRow]) -> None:
    """Draw the layers from left to right, and below each the receptive field of one logit, one point per pixel."""
    rows = [LayerRow("source, image", "", "concatenated", "", (), rows[0].input), *rows]
    unit = 56 / max(row.output[0] for row in rows) ** 0.5
    sides = [1, *(row.field for row in fields)]
    steps = [f"({side} − 1) · {row.stride} + {row.kernel}" for side, row in zip(sides, fields, strict=False)]
    blocks, squares = [], []
    for i, (row, side, step) in enumerate(zip(rows, sides[::-1], [*steps[::-1], "one logit"], strict=True)):
        x = 62 + i * 596 / len(fields)
        blocks.append(_block(axes, row, x, 475, unit))
        _text(axes, x, 442, row.name, weight="bold")
        _text(axes, x, 415, f"{row.layer}\n{row.after.split(', ')[0]}\n{size_text(row.output)}")
        squares.append(_box(axes, x, 320, side, side, (PATCH, 0.25), PATCH))
        _text(axes, x, 275, f"{side}×{side}", weight="bold")
        _text(axes, x, 261, step, color=QUIET)
    for start, end in [*pairwise(blocks), *pairwise(reversed(squares))]:
        _arrow(axes, start, end)
    growth = "Receptive field of one logit, from the last layer back to the image: (r − 1) · stride + kernel"
    _text(axes, 27, 372, growth, ha="left")


def _draw_patch(axes: Axes, discriminator: PatchDiscriminator, grid: int, size: int, image: Tensor | None) -> None:
    """Draw the image with the patch of one logit, to scale, beside the grid of logits."""
    left, right, bottom, side = 27, 493, 28, 200
    top, pixel, cell = bottom + side, side / size, side / grid
    if image is None:
        _box(axes, left + side / 2, bottom + side / 2, side, side, (IMAGE, 0.5), IMAGE)
    else:
        axes.imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy(force=True), extent=(left, left + side, bottom, top))
    lines = [i * cell for i in range(grid + 1)]
    axes.vlines([right + line for line in lines], bottom, top, color=IMAGE, linewidth=0.6)
    axes.hlines([bottom + line for line in lines], right, right + side, color=IMAGE, linewidth=0.6)

    row, column = grid // 3, grid // 2
    y, x, field = logit_patch(discriminator, row, column)
    center, width = (left + (x + field / 2) * pixel, top - (y + field / 2) * pixel), field * pixel
    patch = _box(axes, *center, width, width, "none", PATCH)
    logit = _box(axes, right + (column + 0.5) * cell, top - (row + 0.5) * cell, cell, cell, PATCH, PATCH)
    ends = [zip(patch.get_corners()[i], logit.get_corners()[j], strict=True) for i, j in ((1, 0), (2, 3))]
    for line in [*(axes.plot(*end, color=PATCH, linewidth=1)[0] for end in ends), patch]:
        line.set(path_effects=[withStroke(linewidth=3, foreground="white")])  # visible on any image
    patch.set(zorder=3, linewidth=1.8)
    logit.set(zorder=3)
    pixels = f"rows {y} to {y + field - 1},\ncolumns {x} to {x + field - 1}"
    _text(axes, 360, 62, f"logit ({row}, {column}) classifies\n{pixels}")
    _text(axes, left + side / 2, 14, f"image {size}×{size}, patch {field}×{field}", weight="bold")
    _text(axes, right + side / 2, 14, f"{grid}×{grid} logits, above 0: real", weight="bold")


def _draw_legend(axes: Axes, rows: list[LayerRow]) -> None:
    """Draw the legend: each kind of block, described by its first layer; encoder on the left, decoder on the right."""
    kinds = {}
    for row in rows:
        kinds.setdefault(_style(row), row)
    for x, part in ((12, "encoder"), (420, "decoder")):
        for i, (style, row) in enumerate(item for item in kinds.items() if item[1].name.startswith(part)):
            _box(axes, x + 7, 44 - 15 * i, 14, 10, *style)
            _text(axes, x + 22, 44 - 15 * i, f"{row.layer}, {row.after}", ha="left")


def _canvas(height: float) -> tuple[Figure, Axes]:
    """White canvas, 720 points wide, with data coordinates in points."""
    figure = plt.figure(figsize=(10, height / 72), facecolor="white")
    plt.close(figure)  # a notebook shows what a cell returns, and would show an open figure once more
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 720), ylim=(0, height), autoscale_on=False)
    axes.axis("off")
    return figure, axes


def _height(shape: Shape) -> float:
    return 8 + 4 * math.log2(shape[-1])


def _style(row: LayerRow) -> tuple[str, str]:
    """Face and edge colour of a layer's block; the face is white without BatchNorm."""
    if "Conv" not in row.layer:
        return IMAGE, IMAGE
    part = DROPOUT if "Dropout" in row.after else DECODER if "Transpose" in row.layer else ENCODER
    return "white" if "no BatchNorm" in row.after else part, part


def _block(axes: Axes, row: LayerRow, x: float, y: float, unit: float) -> Rectangle:
    """Draw a layer's output: the height is the logarithm of its size, the width the square root of its channels."""
    return _box(axes, x, y, unit * row.output[0] ** 0.5, _height(row.output), *_style(row))


def _box(axes: Axes, x: float, y: float, width: float, height: float, face, edge) -> Rectangle:
    corner = (x - width / 2, y - height / 2)
    return axes.add_patch(Rectangle(corner, width, height, facecolor=face, edgecolor=edge, linewidth=1.4))


def _arrow(axes: Axes, start: Rectangle, end: Rectangle, path: str = "arc3", **style) -> None:
    style = {"color": QUIET, "linewidth": 1, "mutation_scale": 9, "patchA": start, "patchB": end, **style}
    ends = start.get_center(), end.get_center()
    axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", connectionstyle=path, **style))


def _text(axes: Axes, x: float, y: float, text: str, **style) -> None:
    axes.text(x, y, text, **{"fontsize": 10, "color": INK, "ha": "center", "va": "center", **style})


def discriminator_table(discriminator: PatchDiscriminator, image_size: int = 256) -> list[LayerRow]:
    """Layers of the PatchGAN, for images of ``image_size``. The discriminator is not changed."""
    layers = {f"layer {i}": layer for i, layer in enumerate(discriminator.layers, start=1)}
    channels = discriminator.source_channels, discriminator.target_channels
    return read_layers(discriminator, layers, *((each, image_size, image_size) for each in channels))


def logit_patch(discriminator: PatchDiscriminator, row: int, column: int) -> tuple[int, int, int]:
    """Top, left and side in px of the patch that one logit classifies; at the border it includes padding."""
    image = receptive_fields(discriminator)[-1]
    return image.jump * row + image.start, image.jump * column + image.start, image.field


if __name__ == "__main__":
    main()
