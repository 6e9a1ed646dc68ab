"""Views of what is hard to see: the discriminator's verdicts on patches, and the grid in a spectrum."""

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..discriminator import PatchDiscriminator
from ..inference import critic_map

COLOURS = "PuOr"  # fake is orange, real is violet, in doubt white; told apart by the colour-blind, too


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
        shown = below.imshow(verdicts.numpy(), cmap=COLOURS, vmin=0, vmax=1)
        below.set_title(f"{(verdicts > 0.5).float().mean():.0%} called real", fontsize=9)
    for axes in rows.flat:
        axes.set_axis_off()
    bar = figure.colorbar(shown, ax=rows, ticks=[0, 0.5, 1], shrink=0.5)
    bar.ax.set_yticklabels(["called fake", "in doubt", "called real"], fontsize=8)
    return figure


def spectrum_plot(images: Mapping[str, Tensor]) -> Figure:
    """Power of the grey values by period, mean over rows and columns: a grid of two pixels is a peak at the right end.

    The images are uint8 (N, C, S, S) by the words in the legend.
    """
    figure = Figure(figsize=(6, 2.6), layout="constrained", dpi=120)
    axes = figure.subplots()
    for words, each in images.items():
        grey = each.float().mean(dim=1)
        power = torch.fft.fft2(grey - grey.mean(dim=(1, 2), keepdim=True)).abs().square().mean(dim=0)
        half = power.shape[0] // 2
        axes.semilogy(range(1, half + 1), (power.sum(0) + power.sum(1))[1 : half + 1].cpu(), label=words, linewidth=1.2)
    axes.set_xticks([half // 8, half // 4, half // 2, half], ["16 px", "8 px", "4 px", "2 px"])
    axes.set_xlabel("period")
    axes.set_ylabel("power")
    axes.legend(fontsize=8)
    return figure
