"""The figures of the notebooks and the README."""

import io
import math
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import torch
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator
from torch import Tensor

from .lambdas import lambda_label
from .metrics import METRICS, disagreement, measure
from .pairs import Pairs
from .report import Report
from .sweep import ProgressBar
from .train import Progress
from .translate import translate

GAP = 6  # px between images
HALO = [withStroke(linewidth=2.5, foreground="white")]  # for words that lie over lines

Columns = Sequence[tuple[str, Tensor]]


def image_sheet(columns: Columns, image_inches: float = 1.6) -> Figure:
    """A grid of images: a column for each heading, a row for each image.

    Args:
        columns: headings and their images, uint8 (N, 3, H, W) in colour or (N, 1, H, W) in grey, of one N, H and W.
        image_inches: the width of an image in the figure.
    """
    rows, _, height, width = columns[0][1].shape
    lines = max(heading.count("\n") for heading, _ in columns) + 1
    size = len(columns) * image_inches, rows * image_inches * height / width + 0.12 + 0.18 * lines
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    draw_sheet(figure.subplots(), columns)
    return figure


def draw_sheet(axes: Axes, columns: Columns) -> None:
    """Draw the grid of ``image_sheet`` into the axes of another figure."""
    images = torch.stack([_in_colour(images) for _, images in columns], dim=1)  # (rows, columns, 3, H, W)
    padded = torch.nn.functional.pad(images, (0, GAP, 0, GAP), value=255)
    sheet = padded.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (rows × H, columns × W, 3)
    axes.imshow(sheet[:-GAP, :-GAP].numpy(), interpolation="antialiased")
    width = images.shape[-1]
    axes.set_xticks([width / 2 + i * (width + GAP) for i in range(len(columns))], [heading for heading, _ in columns])
    axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines[:].set_visible(False)


def _in_colour(images: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 3, H, W), on the CPU: grey is colour of three equal channels."""
    return images.cpu().expand(-1, 3, -1, -1)


def pair_sheet(pairs: Pairs, across: int = 4) -> Figure:
    """All pairs, ``across`` of them in a row, each source beside its target."""
    across = min(across, len(pairs))
    blank = torch.full((-len(pairs) % across, 3, pairs.size, pairs.size), 255, dtype=torch.uint8)  # fills the last row
    images = (("source", pairs.source), ("target", pairs.target))
    full = [(name, torch.cat([_in_colour(each), blank])) for name, each in images]
    return image_sheet([(name, each[i::across]) for i in range(across) for name, each in full])


def lambda_sheet(pairs: Pairs | None, outputs: Mapping[float, Tensor]) -> Figure:
    """The outputs of every λ side by side, a row for each test image.

    Args:
        pairs: the test pairs, whose source and target stand in front; None leaves them out.
        outputs: uint8 (N, 3, S, S) by λ, or (N, 1, S, S).
    """
    front = [("source", pairs.source), ("target", pairs.target)] if pairs else []
    return image_sheet(front + [(lambda_label(lambda_l1), output) for lambda_l1, output in outputs.items()])


def feature_sheet(features: Tensor, count: int = 8) -> Figure:
    """The first channels of a layer's output (1, C, H, W), each from its darkest to its brightest value."""
    maps = features[0, :count].detach().float()
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    grey = ((maps - low) / (high - low).clamp(min=1e-8) * 255).to(torch.uint8)
    return image_sheet([(f"channel {i}", each.expand(1, 3, -1, -1)) for i, each in enumerate(grey, start=1)], 1.3)


def draw_losses(axes: Sequence[Axes], history: Sequence[dict]) -> None:
    """Draw D's loss and G's adversarial loss into the first axes and L1 into the second, against the step."""
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
    """The losses of a run against its steps."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    draw_losses(figure.subplots(1, 2), history)
    return figure


def metric_plot(report: Report, across: int = 6) -> Figure:
    """Each metric against λ: its value and 95 % interval, and as a dashed line that of the photos.

    Args:
        across: plots in a row at most.
    """
    rows = math.ceil(len(report.intervals) / across)
    columns = math.ceil(len(report.intervals) / rows)  # so that no row is much shorter
    figure = Figure(figsize=(13, 2.3 * rows + 0.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (key, row) in zip(grid, report.intervals.items(), strict=False):
        bounds = [[i.value - i.low for i in row.values()], [i.high - i.value for i in row.values()]]
        axes.errorbar(range(len(row)), [i.value for i in row.values()], bounds, marker="o", markersize=4, capsize=3)
        axes.set_xticks(range(len(row)), [_short(k) for k in row], fontsize="x-small")
        axes.set_title(f"{METRICS[key].name} {METRICS[key].better}", fontsize="medium")
        best = {"sharpness": 1} | {k: photos.value for k, photos in report.photos.items()}
        if key in best:
            axes.axhline(best[key], color="0.6", linewidth=0.8, linestyle="--")
            right = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "top"}
            axes.text(0.98, best[key], "photos", **right, color="0.4", fontsize="small", path_effects=HALO)
    for axes in grid[len(report.intervals) :]:
        axes.set_axis_off()
    return figure


def tradeoff_plot(report: Report, outputs: Mapping[float, Tensor], image: int = 0, detail: int = 128) -> Figure:
    """The story of λ: how near outputs are to the photos (L1), against how much they look like any (KID, or texture).

    No net can be best at both (Blau and Michaeli 2018, "The Perception-Distortion Tradeoff"). Beside it stands the
    middle of one output of each λ.

    Args:
        outputs: uint8 (N, C, S, S) by λ.
        image: the number of the test image that is shown.
        detail: side of the shown part in px.
    """
    key = "kid" if report.kid else "texture"
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
    axes.margins(x=0.16)  # room for the words
    axes.invert_xaxis()
    if METRICS[key].better == "↓":
        axes.invert_yaxis()
    axes.set(xlabel="nearer to the photo (L1) →", ylabel=f"more like photos ({METRICS[key].name}) →")
    start = (outputs[k].shape[-1] - detail) // 2
    part = slice(start, start + detail)
    details = [(lambda_label(k), output[image : image + 1, :, part, part]) for k, output in outputs.items()]
    grid = right.subplots(math.ceil(len(details) / 3), min(3, len(details)), squeeze=False).flatten()
    for each, shown in zip_longest(grid, details):
        draw_sheet(each, [shown]) if shown else each.set_axis_off()
    return figure


def disagreement_sheet(ours: float, theirs: float, outputs: Mapping[float, Tensor], pairs: Pairs) -> Figure:
    """One detail, of which L1 finds ``theirs`` the better λ and the eye ``ours``, with the figures of both."""
    image, rows, columns = disagreement(outputs[ours], outputs[theirs], pairs.target)
    target = pairs.target[image : image + 1, :, rows, columns]
    sheet = [("source", pairs.source[image : image + 1, :, rows, columns])]
    for k in (ours, theirs):
        detail = outputs[k][image : image + 1, :, rows, columns]
        found = {key: m.value for key, m in measure(detail, target).items()}
        words = f"{lambda_label(k)}: L1 {found['l1']:.2f}, SSIM {found['ssim']:.2f}"
        sheet.append((f"{words}\nsharpness {found['sharpness']:.2f}", detail))
    return image_sheet([*sheet, ("the photo", target)], image_inches=2.6)


def _short(lambda_l1: float) -> str:
    """λ under an axis."""
    return lambda_label(lambda_l1).removeprefix("λ = ").replace("L1 only", "L1\nonly")


class TrainingView:
    """An ``on_progress`` for notebooks: a bar with the time left, and samples and loss curves in one picture below it.

    The picture is replaced in place, so the output neither flickers nor grows.

    Args:
        pairs: the pairs to show, none that it is trained on.
        seconds: the least time between two pictures.
        share: the part of the time that pictures may take, so that looking doesn't hold up the training.
    """

    def __init__(self, pairs: Pairs, seconds: float = 5, share: float = 0.05):
        self.pairs, self.seconds, self.share, self.bar = pairs, seconds, share, ProgressBar()
        self.handle, self.due = None, -math.inf

    def __call__(self, progress: Progress) -> None:
        self.bar(progress)
        finished, began = progress.step == progress.steps, time.monotonic()
        if not finished and began < self.due:
            return
        picture = Image(to_png(self.draw(progress)))
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)
        self.due = began + max(self.seconds, (time.monotonic() - began) / self.share)
        if finished:  # another run gets a picture of its own
            self.handle, self.due = None, -math.inf

    def draw(self, progress: Progress) -> Figure:
        """The picture at one moment."""
        output = translate(progress.generator, self.pairs.source)
        figure = Figure(figsize=(11, 5.2), layout="constrained", dpi=80)
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
        columns = [("source", self.pairs.source), ("output", output), ("target", self.pairs.target)]
        draw_sheet(left.subplots(), columns)
        draw_losses(right.subplots(2, 1), progress.history)
        label = lambda_label(progress.config.lambda_l1)
        figure.suptitle(f"{label}: step {progress.step:,} of {progress.steps:,}")
        return figure


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
