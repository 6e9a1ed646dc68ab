"""Statistical significance: bootstrap confidence intervals and paired permutation tests."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from .metrics import Measurement

RESAMPLES = 2000  # the bounds then vary by about a twentieth of the interval's width
PERMUTATIONS = 9999  # the smallest p-value is 1 / 10,000; adjusted for fifteen comparisons, 0.0015


class Interval(NamedTuple):
    """A value and its confidence interval, NaN of a single image; as text, the value ± half the width, or ± –."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 3 if abs(self.value) < 10 else 2
        half = "–" if math.isnan(self.low) else f"{(self.high - self.low) / 2:.{digits}f}"
        return f"{self.value:.{digits}f} ± {half}"


def bootstrap(measurement: Measurement, level: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap confidence interval (Efron 1979), shifted by the bootstrap estimate of bias.

    The images are resampled with replacement. A resample has fewer distinct images, so its histograms are rougher:
    that biases their intersection downwards. A single image has no interval: its bounds are NaN.
    """
    per_image, statistic = measurement
    if len(per_image) == 1:
        return Interval(measurement.value, math.nan, math.nan)
    count, random = len(per_image), torch.Generator().manual_seed(seed)
    resamples = torch.randint(count, (RESAMPLES, count), generator=random)
    weights = torch.zeros(RESAMPLES, count).scatter_add_(1, resamples, torch.ones(RESAMPLES, count)) / count
    means = (weights @ per_image.reshape(count, -1)).reshape(RESAMPLES, *per_image.shape[1:])
    values = statistic(means).double()
    bounds = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = (values.quantile(bounds) - values.mean() + measurement.value).tolist()
    return Interval(measurement.value, low, high)


def permutation_p_value(first: Measurement, second: Measurement, seed: int = 0) -> float:
    """Two-sided p-value of the difference of a metric between two λ, by Fisher's paired permutation test.

    Both are measured on the same N images. Under the null hypothesis the two outputs of an image are exchangeable, so
    each pair is swapped or not, at random.
    """
    a, b = first.per_image.double(), second.per_image.double()  # float32 would round equal permutations differently
    mean, half = (a + b).mean(dim=0) / 2, (a - b).reshape(len(a), -1) / 2
    random = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (PERMUTATIONS + 1, len(a)), generator=random).double() * 2 - 1
    signs[0] = 1  # no swap: the observed difference
    offset = (signs @ half / len(a)).reshape(-1, *mean.shape)
    differences = (first.statistic(mean + offset) - first.statistic(mean - offset)).abs()
    smaller = differences < differences[0] * (1 - 1e-9) - 1e-12  # False for NaN, which so is never significant
    return 1 - smaller.double().mean().item()


def holm_bonferroni(p: Sequence[float]) -> list[float]:
    """Holm–Bonferroni adjusted p-values (Holm 1979), which bound the probability of any false positive among them."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
