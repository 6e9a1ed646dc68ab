"""Live view of a training: samples and loss curves in one picture, updated in place."""

import math
import time

from IPython.core.pylabtools import print_figure
from IPython.display import Image, display
from matplotlib.figure import Figure

from ..data import Pairs
from ..inference import translate
from ..loss import lambda_label
from ..training import Progress, ProgressBar
from .image_grids import draw_grid
from .metric_plots import draw_losses


class TrainingView:
    """Progress callback for notebooks: a progress bar, and below it a picture of samples and loss curves.

    The picture is updated in place, so the output neither flickers nor grows.

    Args:
        pairs: the pairs to show, none of them from the training set.
        seconds: the minimum time between two pictures.
        share: the maximum share of the time spent on pictures, so that they don't slow down the training.
    """

    def __init__(self, pairs: Pairs, seconds: float = 5, share: float = 0.05):
        self.pairs, self.seconds, self.share, self.bar = pairs, seconds, share, ProgressBar()
        self.handle, self.due = None, -math.inf

    def __call__(self, progress: Progress) -> None:
        self.bar(progress)
        finished, began = progress.step == progress.steps, time.monotonic()
        if not finished and began < self.due:
            return
        picture = Image(print_figure(self.draw(progress), bbox_inches=None))
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)
        self.due = began + max(self.seconds, (time.monotonic() - began) / self.share)
        if finished:  # another run gets a picture of its own
            self.handle, self.due = None, -math.inf

    def draw(self, progress: Progress) -> Figure:
        """Draw samples and loss curves at one step."""
        output = translate(progress.generator, self.pairs.source)
        figure = Figure(figsize=(11, 5.2), layout="constrained", dpi=80)
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
        columns = [("source", self.pairs.source), ("output", output), ("target", self.pairs.target)]
        draw_grid(left.subplots(), columns)
        draw_losses(right.subplots(2, 1), progress.history)
        label = lambda_label(progress.config.lambda_l1)
        figure.suptitle(f"{label}: step {progress.step:,} of {progress.steps:,}")
        return figure
