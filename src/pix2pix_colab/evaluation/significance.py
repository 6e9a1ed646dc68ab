"""How sure a figure is: bootstrap intervals, and tests of pairs on the same images."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from .metrics import Measurement

RESAMPLES = 2000  # the bounds of an interval then vary by about a twentieth of its width
PERMUTATIONS = 9999  # the smallest p is 1 / 10,000, which fifteen comparisons leave at 0.0015


class Interval(NamedTuple):
    """A figure, and where it would lie for other images of the same kind; in words, ± half of that."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 3 if abs(self.value) < 10 else 2
        return f"{self.value:.{digits}f} ± {(self.high - self.low) / 2:.{digits}f}"


def bootstrap(measurement: Measurement, level: float = 0.95, seed: int = 0) -> Interval:
    """The percentile bootstrap interval (Efron 1979): images are drawn anew, with replacement, and measured again.

    It is moved by the bias of the drawing, since histograms of fewer different images are rougher.
    """
    rows, figure = measurement
    count, random = len(rows), torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (RESAMPLES, count), generator=random)
    weights = torch.zeros(RESAMPLES, count).scatter_add_(1, drawn, torch.ones(RESAMPLES, count)) / count
    values = figure((weights @ rows.reshape(count, -1)).reshape(RESAMPLES, *rows.shape[1:])).double()
    bounds = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = (values.quantile(bounds) - values.mean() + measurement.value).tolist()
    return Interval(measurement.value, low, high)


def permutation_p(ours: Measurement, theirs: Measurement, seed: int = 0) -> float:
    """The two-sided p-value of the difference of two figures, each of the same N images (Fisher's permutation test).

    If the two λ made no difference, it would be the same which of them an output is from: so for each image they are
    exchanged or not, at random.
    """
    a, b = ours.rows.double(), theirs.rows.double()  # in float32, exchanges that come to the same would differ
    mean, half = (a + b).mean(dim=0) / 2, (a - b).reshape(len(a), -1) / 2
    random = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (PERMUTATIONS + 1, len(a)), generator=random).double() * 2 - 1
    signs[0] = 1  # nothing is exchanged: what was observed
    apart = (signs @ half / len(a)).reshape(-1, *mean.shape)
    differences = (ours.figure(mean + apart) - ours.figure(mean - apart)).abs()
    smaller = differences < differences[0] * (1 - 1e-9) - 1e-12  # which NaN isn't, so that it is never sure
    return 1 - smaller.double().mean().item()


def holm(p: Sequence[float]) -> list[float]:
    """p-values as they are after as many tests as there are (Holm 1979): of none does chance make more than it says."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
