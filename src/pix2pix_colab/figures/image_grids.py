"""Image grids: pairs, the outputs of each λ, the feature maps of a layer, the discriminator's verdicts."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from ..data import Pairs
from ..discriminator import PatchDiscriminator
from ..evaluation import find_disagreement, measure
from ..inference import critic_map
from ..loss import lambda_label
from ..utils.images import to_uint8

GAP = 6  # px between images
VERDICTS = "PuOr"  # fake is orange, real is violet, in doubt white; told apart by the colour-blind, too

Columns = Sequence[tuple[str, Tensor]]


def image_grid(columns: Columns, image_inches: float = 1.6) -> Figure:
    """A grid with a column for each heading and a row for each image.

    Args:
        columns: headings and their images, (N, 3, H, W) in colour or (N, 1, H, W) in grey, all of equal size; uint8, or
            float in [-1, 1] as the networks have them.
        image_inches: the width of an image in the figure.
    """
    rows, _, height, width = columns[0][1].shape
    lines = max(heading.count("\n") for heading, _ in columns) + 1
    size = len(columns) * image_inches, rows * image_inches * height / width + 0.12 + 0.18 * lines
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    draw_grid(figure.subplots(), columns)
    return figure


def draw_grid(axes: Axes, columns: Columns) -> None:
    """Draw the grid of ``image_grid`` into given axes."""
    images = torch.stack([_in_colour(images) for _, images in columns], dim=1)  # (rows, columns, 3, H, W)
    padded = torch.nn.functional.pad(images, (0, GAP, 0, GAP), value=255)
    grid = padded.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (rows × H, columns × W, 3)
    axes.imshow(grid[:-GAP, :-GAP].numpy(), interpolation="antialiased")
    width = images.shape[-1]
    axes.set_xticks([width / 2 + i * (width + GAP) for i in range(len(columns))], [heading for heading, _ in columns])
    axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines[:].set_visible(False)


def _in_colour(images: Tensor) -> Tensor:
    """Convert (N, 1 or 3, H, W) to uint8 (N, 3, H, W) on the CPU; a grey channel is repeated three times."""
    images = to_uint8(images.detach()) if images.is_floating_point() else images
    return images.cpu().expand(-1, 3, -1, -1)


def pair_grid(pairs: Pairs, across: int = 4) -> Figure:
    """Pairs, each source beside its target, ``across`` pairs per row."""
    across = min(across, len(pairs))
    blank = torch.full((-len(pairs) % across, 3, pairs.size, pairs.size), 255, dtype=torch.uint8)  # fills the last row
    images = (("source", pairs.source), ("target", pairs.target))
    full = [(name, torch.cat([_in_colour(each), blank])) for name, each in images]
    return image_grid([(name, each[i::across]) for i in range(across) for name, each in full])


def lambda_grid(pairs: Pairs | None, outputs: Mapping[float, Tensor]) -> Figure:
    """The outputs of all λ, uint8 (N, 1 or 3, S, S), a row for each image; before them its pair, if given."""
    front = [("source", pairs.source), ("target", pairs.target)] if pairs else []
    return image_grid(front + [(lambda_label(lambda_l1), output) for lambda_l1, output in outputs.items()])


def feature_grid(features: Tensor) -> Figure:
    """Feature maps: the first eight channels of a layer's output (1, C, H, W), each scaled to its full range."""
    maps = features[0, :8].detach().float()
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    grey = ((maps - low) / (high - low).clamp(min=1e-8) * 255).to(torch.uint8)
    return image_grid([(f"channel {i}", each.expand(1, 3, -1, -1)) for i, each in enumerate(grey, start=1)], 1.3)


def disagreement_grid(
    first: float, second: float, outputs: Mapping[float, Tensor], pairs: Pairs, with_pair: bool = True
) -> Figure:
    """The detail on which L1 prefers the λ ``second`` and sharpness the λ ``first`` (see ``find_disagreement``).

    If there is none, the figure says so. ``with_pair`` puts its source and target beside the outputs.
    """
    if (found := find_disagreement(outputs[first], outputs[second], pairs.target)) is None:
        figure = Figure(figsize=(6, 0.4), dpi=120)
        words = f"There is no detail on which L1 prefers {lambda_label(second)} and sharpness {lambda_label(first)}."
        figure.text(0.5, 0.5, words, ha="center", va="center")
        return figure
    image, rows, columns = found
    source, target, *details = (
        images[image : image + 1, :, rows, columns]
        for images in (pairs.source, pairs.target, outputs[first], outputs[second])
    )
    grid = []
    for k, detail in zip((first, second), details, strict=True):
        found = {key: m.value for key, m in measure(detail, target).items()}
        heading = f"{lambda_label(k)}: L1 {found['l1']:.2f}, SSIM {found['ssim']:.2f}"
        grid.append((f"{heading}\nsharpness {found['sharpness']:.2f}", detail))
    return image_grid([("source", source), *grid, ("target", target)] if with_pair else grid, image_inches=2.6)


def critic_grid(discriminator: PatchDiscriminator, source: Tensor, images: Mapping[str, Tensor]) -> Figure:
    """The discriminator's verdicts: each image, and below it the map of its patches, with the share called real.

    The source is uint8 (1, C, S, S), and so are the images, by the words above them.
    """
    figure = Figure(figsize=(2.2 * len(images) + 0.9, 4.7), layout="constrained", dpi=120)
    rows = figure.subplots(2, len(images), squeeze=False)
    for (words, image), above, below in zip(images.items(), *rows, strict=True):
        verdicts = critic_map(discriminator, source, image)[0].cpu()
        above.imshow(image[0].expand(3, -1, -1).permute(1, 2, 0).cpu().numpy())
        above.set_title(words, fontsize=9)
        shown = below.imshow(verdicts.numpy(), cmap=VERDICTS, vmin=0, vmax=1)
        below.set_title(f"{(verdicts > 0.5).float().mean():.0%} called real", fontsize=9)
    for axes in rows.flat:
        axes.set_axis_off()
    bar = figure.colorbar(shown, ax=rows, ticks=[0, 0.5, 1], shrink=0.5)
    bar.ax.set_yticklabels(["called fake", "in doubt", "called real"], fontsize=8)
    return figure
