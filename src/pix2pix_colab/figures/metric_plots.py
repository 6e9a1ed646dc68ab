"""Plots of the losses of a run, of the metrics of each λ, and of the spectrum of images."""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from ..evaluation import METRICS, Report
from ..loss import lambda_label
from .image_grids import draw_grid

ACROSS = 6  # the most metrics in a row
DETAIL = 128  # px, side of the part of an output that stands beside a plot
HALO = [withStroke(linewidth=2.5, foreground="white")]  # for text over lines


def draw_losses(axes: Sequence[Axes], history: Sequence[dict]) -> None:
    """Plot the adversarial losses of D and G into the first axes and L1 into the second, against the step."""
    steps = [row["step"] for row in history]
    if history and not math.isnan(history[0]["discriminator"]):
        for name, label in (("discriminator", "D"), ("adversarial", "G, adversarial")):
            axes[0].plot(steps, [row[name] for row in history], label=label)
        axes[0].axhline(math.log(2), color="0.6", linewidth=0.8, linestyle="--", label="0.69: D only guesses")
        axes[0].legend(fontsize="small")
    axes[1].plot(steps, [row["l1"] for row in history], color="C2")
    axes[0].set(xlabel="step", title="adversarial losses")
    axes[1].set(xlabel="step", title="L1, without λ")


def loss_curves(history: Sequence[dict]) -> Figure:
    """Losses of a run against the step."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    draw_losses(figure.subplots(1, 2), history)
    return figure


def metric_plot(report: Report, stops: Sequence[float] | None = None) -> Figure:
    """Each metric against λ, with 95 % confidence intervals; the value of the targets is a dashed line.

    The ``stops`` are the λ with a name and a dot, such as the trained ones of a λ path; None: all.
    """
    rows = math.ceil(len(report.intervals) / ACROSS)
    columns = math.ceil(len(report.intervals) / rows)  # rows of about equal length
    figure = Figure(figsize=(13, 2.3 * rows + 0.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (key, row) in zip(grid, report.intervals.items(), strict=False):
        places = [i for i, k in enumerate(row) if stops is None or k in stops]
        bounds = [[i.value - i.low for i in row.values()], [i.high - i.value for i in row.values()]]
        line = {"marker": "o", "markersize": 4, "capsize": 3 if stops is None else 0, "markevery": places}
        axes.errorbar(range(len(row)), [i.value for i in row.values()], bounds, **line)
        names = [lambda_label(k).removeprefix("λ = ").replace(" ", "\n") for k in row if stops is None or k in stops]
        axes.set_xticks(places, names, fontsize="x-small")
        axes.set_title(f"{METRICS[key].name} {METRICS[key].better}", fontsize="medium")
        reference = {"sharpness": 1} | {k: measurement.value for k, measurement in report.targets.items()}
        if key in reference:
            axes.axhline(reference[key], color="0.6", linewidth=0.8, linestyle="--")
            right = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "top"}
            axes.text(0.98, reference[key], "targets", **right, color="0.4", fontsize="small", path_effects=HALO)
    for axes in grid[len(report.intervals) :]:
        axes.set_axis_off()
    return figure


def tradeoff_plot(report: Report, outputs: Mapping[float, Tensor], image: int = 0) -> Figure:
    """Perception-distortion plot of λ: KID, or without it the gradient distance, against L1.

    No network can be best at both (Blau and Michaeli 2018, "The Perception-Distortion Tradeoff"). Beside the plot is
    the centre of one output of each λ, that of the test image number ``image``; outputs are uint8 (N, C, S, S).
    """
    key = "kid" if report.kid else "gradient_distance"
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    axes = left.subplots()
    x, y = report.intervals["l1"], report.intervals[key]
    axes.plot([i.value for i in x.values()], [i.value for i in y.values()], color="0.7", zorder=1)
    for i, k in enumerate(x):
        bars = {"xerr": [[x[k].value - x[k].low], [x[k].high - x[k].value]]}
        bars["yerr"] = [[y[k].value - y[k].low], [y[k].high - y[k].value]]
        axes.errorbar(x[k].value, y[k].value, **bars, marker="o", capsize=2, color=f"C{i}")
        axes.annotate(
            lambda_label(k),
            (x[k].value, y[k].value),
            (6, -14 if k == math.inf else 6),
            textcoords="offset points",
            path_effects=HALO,
        )
    axes.margins(x=0.16)  # room for the labels
    axes.invert_xaxis()
    if METRICS[key].better == "↓":
        axes.invert_yaxis()
    axes.set(xlabel="closer to the target (L1) →", ylabel=f"more realistic ({METRICS[key].name}) →")
    start = (outputs[k].shape[-1] - DETAIL) // 2
    part = slice(start, start + DETAIL)
    details = [(lambda_label(k), output[image : image + 1, :, part, part]) for k, output in outputs.items()]
    grid = right.subplots(math.ceil(len(details) / 3), min(3, len(details)), squeeze=False).flatten()
    for each, shown in zip_longest(grid, details):
        draw_grid(each, [shown]) if shown else each.set_axis_off()
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
