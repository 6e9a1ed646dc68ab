"""Confidence intervals and p-values against scipy, and their coverage and error rates in simulations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from pix2pix_colab.evaluation import Interval, significance
from pix2pix_colab.evaluation.fcn_score import class_accuracy, class_iou, pixel_accuracy
from pix2pix_colab.evaluation.metrics import Measurement, histogram_intersection, ratio
from pix2pix_colab.evaluation.significance import PERMUTATIONS, bootstrap, holm_bonferroni, permutation_p_value


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=random(seed))


def histograms(count: int, bins: int = 80, seed: int = 0) -> Tensor:
    """Histograms of outputs and targets, of some colours each, with unequal shares, as images have."""
    colours = torch.randint(bins, (count, 2, 16), generator=random(seed))
    shares = torch.empty(count, 2, 16).exponential_(generator=random(seed))
    return torch.zeros(count, 2, bins).scatter_add_(2, colours, shares / shares.sum(dim=2, keepdim=True))


def confusions(count: int, classes: int = 4, seed: int = 0) -> Tensor:
    counts = torch.randint(1, 50, (count, classes, classes), generator=random(seed))
    return (counts + 60 * torch.eye(classes)).float()


KINDS = {
    "mean": lambda seed, count=25: Measurement(normal(count, seed=seed) ** 2),
    "ratio": lambda seed, count=25: Measurement(normal(count, 2, seed=seed) ** 2 + 1, ratio),
    "intersection": lambda seed, count=25: Measurement(histograms(count, seed=seed), histogram_intersection),
    "pixel accuracy": lambda seed, count=25: Measurement(confusions(count, seed=seed), pixel_accuracy),
    "class accuracy": lambda seed, count=25: Measurement(confusions(count, seed=seed), class_accuracy),
    "class IoU": lambda seed, count=25: Measurement(confusions(count, seed=seed), class_iou),
}


def bootstrap_distribution(measurement: Measurement) -> np.ndarray:
    """The bootstrap distribution by scipy, which resamples the indices of the images, so that any statistic will do."""
    rows, statistic = measurement
    result = stats.bootstrap(
        (np.arange(len(rows)),),
        lambda numbers: statistic(rows[torch.from_numpy(numbers)].mean(dim=0)).item(),
        n_resamples=3000,
        method="percentile",
        vectorized=False,
        rng=1,
    )
    return result.bootstrap_distribution


@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_is_that_of_scipy(kind):
    """Apart from the bias, which a mean doesn't have, and the sampling error, a twentieth of the width."""
    measurement = KINDS[kind](seed=3)
    found, values = bootstrap(measurement), bootstrap_distribution(measurement)
    low, high = np.quantile(values, [0.025, 0.975]) - values.mean() + measurement.value
    assert found.value == measurement.value
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))
    if kind == "mean":
        images = (measurement.per_image.numpy(),)
        plain = stats.bootstrap(images, np.mean, method="percentile", rng=1).confidence_interval
        assert (found.low, found.high) == pytest.approx(tuple(plain), abs=0.1 * (high - low))


@pytest.mark.parametrize(("level", "least", "most"), [(0.95, 0.91, 0.98), (0.5, 0.42, 0.58)])
def test_the_interval_covers_the_true_mean_as_often_as_it_says(level, least, most):
    samples = normal(300, 40) * 2 + 5  # 300 experiments with 40 images each; a standard error of 0.013 at 95 %
    found = [bootstrap(Measurement(rows), level, seed) for seed, rows in enumerate(samples)]
    assert least < np.mean([interval.low <= 5 <= interval.high for interval in found]) < most


def test_the_interval_of_an_intersection_covers_what_other_images_would_have():
    """Not the value of infinitely many images, whose histograms are smooth and share more.

    The coverage is higher than the level: resampled, rough histograms also vary more. On synthetic facades (720, in
    sets of 12 and 24; against blurred ones, and against others) it was 0.9 to 1.3 times as wide as it should be.
    """
    others = torch.stack([histogram_intersection(histograms(30, seed=seed).mean(dim=0)) for seed in range(1000, 3000)])
    found = [bootstrap(KINDS["intersection"](seed, 30), seed=seed) for seed in range(200)]
    assert np.mean([interval.low <= others.mean() <= interval.high for interval in found]) > 0.92
    width = np.mean([interval.high - interval.low for interval in found])
    assert 1 < width / (others.quantile(0.975) - others.quantile(0.025)) < 1.5


@pytest.mark.parametrize("seed", range(10))
def test_an_intersection_lies_within_its_interval(seed):
    """A resample has fewer distinct images, so its histograms are rougher and nearly all values lower."""
    measurement = KINDS["intersection"](seed, 12)
    found, values = bootstrap(measurement), bootstrap_distribution(measurement)
    assert np.quantile(values, 0.975) < found.value, "an interval without the shift would not contain it"
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(np.diff(np.quantile(values, [0.025, 0.975])).item(), rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_one_image_has_no_interval_and_a_p_value_of_1(kind):
    measurements = [KINDS[kind](seed, 1) for seed in range(20)]
    for measurement in measurements:
        assert bootstrap(measurement) == pytest.approx((measurement.value, math.nan, math.nan), nan_ok=True)
        assert permutation_p_value(measurement, measurements[0]) == 1, "exchanged, it differs as much"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_values(kind):
    ours, theirs = KINDS[kind](0), KINDS[kind](1)
    state = torch.get_rng_state()
    assert bootstrap(ours) == bootstrap(ours) != bootstrap(ours, seed=1)
    assert permutation_p_value(ours, theirs) == permutation_p_value(ours, theirs)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_images_by_hand():
    """A resample is the first twice, the second twice, or one of each: the mean is 0, 1, or, half the time, 0.5."""
    rows = torch.tensor([0.0, 1.0])
    assert bootstrap(Measurement(rows)) == pytest.approx((0.5, 0, 1), abs=0.03)
    assert bootstrap(Measurement(rows), 0.4) == pytest.approx((0.5, 0.5, 0.5), abs=0.03)
    assert permutation_p_value(Measurement(rows), Measurement(rows * 3)) == 1  # it is 1 whichever is exchanged
    assert permutation_p_value(Measurement(rows), Measurement(rows + 1)) == pytest.approx(0.5, abs=0.02)  # ±1 or 0


def test_an_interval_reads_as_its_value_and_half_its_width():
    assert str(Interval(0.12345, 0.1, 0.15)) == "0.123 ± 0.025"
    assert str(Interval(-0.5, -0.6, -0.3)) == "-0.500 ± 0.150"
    assert str(Interval(12.3456, 12.0, 12.5)) == "12.35 ± 0.25"
    assert str(Interval(0.3612, math.nan, math.nan)) == "0.361 ± –"


@pytest.mark.parametrize("apart", [0, 0.3, 0.6, 1])
@pytest.mark.parametrize("count", [6, 12])
def test_p_is_that_of_scipy(count, apart):
    """scipy makes all exchanges, 2 to the number of images, and so is exact."""
    ours, theirs = normal(count) + apart, normal(count, seed=1)
    exact = stats.permutation_test(
        (ours.double().numpy(), theirs.double().numpy()),
        lambda a, b: np.mean(a) - np.mean(b),
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    found = permutation_p_value(Measurement(ours), Measurement(theirs))
    assert found == pytest.approx(exact, abs=3.5 * math.sqrt(exact * (1 - exact) / PERMUTATIONS) + 1e-4)


@pytest.mark.parametrize("kind", ["ratio", "intersection", "class IoU"])
def test_p_of_any_statistic_is_that_of_exchanging_by_hand(kind):
    ours, theirs = KINDS[kind](0, 8), KINDS[kind](1, 8)
    if kind == "ratio":
        ours = ours._replace(per_image=ours.per_image * torch.tensor([1.35, 1]))
    counted = []
    for number in range(2**8):
        exchanged = torch.tensor([number >> i & 1 for i in range(8)], dtype=bool)
        exchanged = exchanged.reshape(-1, *[1] * (ours.per_image.ndim - 1))
        images = ours.per_image, theirs.per_image
        a, b = torch.where(exchanged, images[1], images[0]), torch.where(exchanged, *images)
        counted.append((ours.statistic(a.double().mean(dim=0)) - ours.statistic(b.double().mean(dim=0))).abs().item())
    exact = np.mean(np.array(counted) >= counted[0] - 1e-9)
    assert 0.01 < exact < 0.99
    assert permutation_p_value(ours, theirs) == pytest.approx(exact, abs=0.016)


def null(kind: str, seed: int) -> tuple[Measurement, Measurement]:
    """Two exchangeable measurements of the same 15 images: the targets' part is equal."""
    ours, theirs = KINDS[kind](seed, 15), KINDS[kind](seed + 10_000, 15)
    if kind in ("ratio", "intersection"):
        theirs.per_image[:, 1] = ours.per_image[:, 1]
    return ours, theirs


@pytest.mark.parametrize("kind", ["mean", "ratio", "intersection"])
def test_p_values_are_uniform_under_the_null_hypothesis(kind, monkeypatch):
    monkeypatch.setattr(significance, "PERMUTATIONS", 999)  # which is quicker
    found = [permutation_p_value(*null(kind, seed), seed=seed) for seed in range(250)]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.05) < 0.09  # 0.05 and three standard errors


def test_the_smallest_p_value_is_one_of_the_permutations():
    ours, theirs = Measurement(normal(60) + 5), Measurement(normal(60, seed=1))
    assert permutation_p_value(ours, theirs) == pytest.approx(1 / (PERMUTATIONS + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_measurements_have_a_p_value_of_1(kind):
    assert permutation_p_value(KINDS[kind](0), KINDS[kind](0)) == 1


def test_with_an_infinite_value_nothing_is_significant():
    ours, theirs = normal(9) + 20, normal(9, seed=1) + 12
    assert permutation_p_value(Measurement(ours), Measurement(theirs)) < 0.01
    ours[3] = math.inf
    assert permutation_p_value(Measurement(ours), Measurement(theirs)) == 1


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 4 × 0.005, 3 × 0.01, 2 × 0.03, and 0.04 not below that
        ([0.5, 0.6], [1, 1]),
        ([0.02], [0.02]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([], []),
    ],
)
def test_holm_by_hand(p, adjusted):
    assert holm_bonferroni(p) == pytest.approx(adjusted)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_bonferroni_has_its_properties(p):
    adjusted = holm_bonferroni(p)
    assert all(before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    by_p = sorted(zip(p, adjusted, strict=True))
    assert [after for _, after in by_p] == sorted(adjusted), "a smaller p stays smaller"
    assert min(adjusted) == min(1, len(p) * min(p)), "the smallest is that of Bonferroni"
    assert holm_bonferroni([p[i] for i in reversed(range(len(p)))]) == adjusted[::-1]
