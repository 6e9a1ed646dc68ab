"""The figures of the notebooks and the README."""

import io
import math
import time
from collections.abc import Mapping, Sequence

import torch
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from .evaluate import Scores, translate
from .lambdas import lambda_label
from .pairs import Pairs
from .sweep import ProgressBar
from .train import Progress

GAP = 6  # px between images

Columns = Sequence[tuple[str, Tensor]]


def image_sheet(columns: Columns, image_inches: float = 1.6) -> Figure:
    """A grid of images: a column for each heading, a row for each image.

    Args:
        columns: headings and their images, uint8 (N, 3, H, W) in colour or (N, 1, H, W) in grey, of one N, H and W.
        image_inches: the width of an image in the figure.
    """
    rows, _, height, width = columns[0][1].shape
    size = len(columns) * image_inches, rows * image_inches * height / width + 0.3
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


def score_plot(scores: Mapping[float, Scores]) -> Figure:
    """Each metric against λ: the mean over the test images, with their standard deviation as a bar."""
    titles = {
        "l1": "L1 to the photo\n(lower is nearer)",
        "psnr": "PSNR in dB\n(higher is nearer)",
        "ssim": "SSIM\n(higher is nearer)",
        "sharpness": "sharpness\n(1 = as the photos)",
    }
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    stops = [lambda_label(lambda_l1).removeprefix("λ = ").replace("L1 only", "L1\nonly") for lambda_l1 in scores]
    for axes, (name, title) in zip(figure.subplots(1, 4), titles.items(), strict=True):
        values = [getattr(score, name) for score in scores.values()]
        means, spreads = [v.mean().item() for v in values], [v.std(correction=0).item() for v in values]
        axes.errorbar(range(len(stops)), means, spreads, marker="o", capsize=3)
        axes.set_xticks(range(len(stops)), stops, fontsize="small")
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("λ")
        if name == "sharpness":
            axes.axhline(1, color="0.6", linewidth=0.8, linestyle="--")
    return figure


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
