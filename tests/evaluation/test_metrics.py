"""The metrics against hand-made cases, scikit-image, scipy, and colours computed in another way."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from skimage.color import rgb2lab, rgb2xyz, xyz2lab
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate
from torchmetrics.functional.image import structural_similarity_index_measure

from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.evaluation import METRICS, Measurement, find_disagreement, grid_peak, measure
from pix2pix_colab.evaluation.fcn_score import class_accuracy, class_iou, pixel_accuracy
from pix2pix_colab.evaluation.metrics import (
    GRADIENT_BINS,
    gradient_magnitude,
    histogram_intersection,
    lab_histograms,
    ratio,
)
from pix2pix_colab.evaluation.report import CLAIMS

PERCEPTUAL, LABELS = {"lpips", "kid"}, {"pixel_accuracy", "class_accuracy", "class_iou"}
COLOURS = ("colour_l", "colour_a", "colour_b")


def noise(*shape: int, low: int = 0, high: int = 256, seed: int = 0) -> Tensor:
    return torch.randint(low, high, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def flat(*colours: tuple[int, ...], size: int = 32) -> Tensor:
    """One image of each colour."""
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].repeat(1, 1, size, size)


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Tensor:
    return torch.cat([flat(left), flat(right)], dim=-1)


def values(output: Tensor, target: Tensor) -> dict[str, float]:
    return {key: measurement.value for key, measurement in measure(output, target).items()}


def blurred(images: Tensor, size: int = 3) -> Tensor:
    return avg_pool2d(images.float(), size, 1, size // 2, count_include_pad=False).round().byte()


def grainy(images: Tensor, strength: float = 25) -> Tensor:
    grain = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * strength
    return (images + grain).round().clamp(0, 255).byte()


def photo_like() -> tuple[Tensor, Tensor]:
    """Smooth images and noisy copies of them: dark, middle and bright."""
    smooth = interpolate(noise(3, 3, 8, 8).float() / 3, size=64, mode="bicubic")
    target = (smooth + torch.tensor([10.0, 80.0, 160.0])[:, None, None, None]).round().clamp(0, 255).byte()
    return grainy(target, 15), target


@pytest.fixture(scope="module")
def facades() -> Tensor:
    return synthetic_facades(6, 128, seed=1).target


def test_every_metric_can_be_measured_and_has_a_name():
    assert set(METRICS) == set(measure(*photo_like())) | LABELS | PERCEPTUAL
    assert {each.__name__ for each in (pixel_accuracy, class_accuracy, class_iou)} == LABELS
    assert list(measure(*photo_like())) == [key for key in METRICS if key not in LABELS | PERCEPTUAL], "in their order"
    assert {claim.key for claim in CLAIMS} <= METRICS.keys()
    assert len({metric.name for metric in METRICS.values()}) == len(METRICS)
    assert {metric.better for metric in METRICS.values()} == {"↑", "↓", "→ 1"}


def test_a_value_is_the_statistic_of_the_mean_over_images():
    rows = torch.tensor([[1.0, 2.0], [5.0, 2.0]])
    assert Measurement(rows[:, 0]).value == 3
    assert Measurement(rows, ratio).value == 3 / 2
    pairs = torch.stack([rows, rows.flip(1)], dim=1)  # of means (3, 2) and (2, 3)
    assert Measurement(pairs, histogram_intersection).value == 2 + 2


def test_equal_images_measure_best(facades):
    found = values(facades, facades)
    assert (found.pop("l1"), found.pop("gradient_distance"), found.pop("psnr")) == (0, 0, 60)
    assert found == pytest.approx(dict.fromkeys(found, 1), abs=1e-5)


def test_a_constant_offset_by_hand():
    target = noise(2, 3, 32, 32, high=200)
    output = target + torch.tensor([51, 5], dtype=torch.uint8)[:, None, None, None]
    found = measure(output, target)
    # 51 of 255 are 0.4 of [-1, 1]; PSNR = 10 log10(2² / 0.4²) = 10 log10(25); 5 are a tenth or so: 20 log10(255 / 5)
    torch.testing.assert_close(found["l1"].per_image, torch.tensor([0.4, 10 / 255]))
    decibels = torch.tensor([10 * math.log10(25), 20 * math.log10(51)])
    torch.testing.assert_close(found["psnr"].per_image, decibels, rtol=1e-4, atol=0)
    assert found["sharpness"].value == pytest.approx(1, abs=1e-4), "edges are as they were"
    assert found["gradient_distance"].value == pytest.approx(0, abs=1e-4)
    assert found["colour_l"].value < 0.95, "but they are lighter"


def test_the_psnr_of_an_exact_image_is_finite():
    """It is 60 dB; that of others is as it was, up to there: a tenth of the pixels off by one level is 58.1 dB."""
    target = noise(3, 3, 32, 40, high=200)
    output = target.clone()
    output[1, :, :, ::10] += 1
    output[2] += 20
    decibels = torch.tensor([60, 20 * math.log10(255) + 10, 20 * math.log10(255 / 20)])
    torch.testing.assert_close(measure(output, target)["psnr"].per_image, decibels, rtol=1e-4, atol=0)


def test_the_grid_is_that_of_the_outputs_over_that_of_the_targets():
    target = photo_like()[1]
    output = target.clone()
    output[:, :, ::2] += 8
    assert (
        values(output, target)["grid"] > 10 > 1 == values(target, target)["grid"] > 0.1 > values(target, output)["grid"]
    )
    halved = torch.cat([output, target])  # the mean of both, not the mean of ratios
    peak = grid_peak(halved).unflatten(0, (2, -1)).mean(dim=1)
    both = values(halved, target.repeat(2, 1, 1, 1))["grid"]
    assert both == pytest.approx((peak.sum() / (2 * peak[1])).item())


@pytest.mark.parametrize("size", [(6, 6), (7, 9), (32, 32)])
def test_a_flat_image_has_no_grid(size):
    images = torch.full((2, 3, *size), 120, dtype=torch.uint8)
    torch.testing.assert_close(grid_peak(images), torch.ones(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_torchmetrics_in_float64(channels):
    """Of the levels 0 to 255, since it compares means. Its float32 is 4e-6 off, since it squares them."""
    images = [each[:, :channels] for each in photo_like()]
    expected = structural_similarity_index_measure(
        *(each.double() for each in images), data_range=255.0, reduction="none"
    )
    found = measure(*images)["ssim"].per_image
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-6)


def test_gradient_magnitude_by_hand():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij")
    ramps = torch.stack([torch.zeros(5, 4), 2 * x, 3 * x - 4 * y])  # slopes 0, 2 and √(3² + 4²) = 5
    found = gradient_magnitude(ramps[:, None].expand(-1, 3, -1, -1))
    torch.testing.assert_close(found, torch.tensor([0.0, 2.0, 5.0])[:, None, None].expand(3, 4, 3))
    one = torch.zeros(1, 3, 3, 3)
    one[0, 0, 1, 1] = 9  # red alone, so 3 in grey: up to it from above and from the left, down from it on both sides
    expected = torch.tensor([[0, 3.0], [3.0, math.hypot(3, 3)]])
    torch.testing.assert_close(gradient_magnitude(one)[0], expected)


def test_sharpness_is_relative_to_the_targets():
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    target = torch.stack([2 * x, 6 * y])[:, None].expand(-1, 3, -1, -1).byte()  # slopes 2 and 6
    output = torch.stack([x, 8 - x // 4])[:, None].expand(-1, 3, -1, -1).byte()  # slopes 1 and, by steps, 1/4
    found = measure(output, target)["sharpness"]
    steep = 7 / 31  # 7 steps within 31 differences
    torch.testing.assert_close(found.per_image, torch.tensor([[1, 2], [steep, 6]]), rtol=1e-4, atol=1e-5)
    assert found.value == pytest.approx((1 + steep) / (2 + 6)), "of all images together, not the mean of two ratios"


def test_gradient_distance_is_the_wasserstein_distance_of_scipy(facades):
    for output in (blurred(facades), grainy(facades), facades.flip(0)):
        ours, theirs = (gradient_magnitude(images.float()).round().flatten().numpy() for images in (output, facades))
        expected = wasserstein_distance(ours, theirs) / theirs.mean()
        assert values(output, facades)["gradient_distance"] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def ramps(*slopes: int) -> Tensor:
    """One image of each slope: of five gradients, four are that steep."""
    return (torch.tensor(slopes)[:, None, None, None] * torch.tensor([0, 1, 2, 3, 4, 4])).expand(-1, 3, 6, -1).byte()


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        (ramps(12, 4), ramps(4, 12), 0),  # exchanged
        (ramps(0, 0), ramps(12, 20), 1),  # without any
        (ramps(6, 10), ramps(12, 20), 0.5),  # half as steep
        (ramps(24, 40), ramps(12, 20), 1),  # twice as steep
        (ramps(12, 12), ramps(8, 16), 4 / 12),  # as sharp on average, but equal, and the targets differ
    ],
    ids=["exchanged", "flat", "half", "twice", "alike"],
)
def test_gradient_distance_by_hand(output, target, expected):
    output, target = (interpolate(images.float(), (12, 6)).byte() for images in (output, target))  # SSIM needs 11 px
    output, target = (torch.cat([images, images.flip(-1)], dim=-1) for images in (output, target))
    assert values(output, target)["gradient_distance"] == pytest.approx(expected, abs=1e-5)


def test_every_gradient_has_its_bin():
    extreme = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    extreme[:, :, 1::2, 1::2] = 255
    rows = measure(extreme, extreme)["gradient_distance"].per_image
    assert rows.shape == (1, 2, GRADIENT_BINS) and rows[0, 0, 361] == 0.25, "the steepest, 255 · √2, fits in"
    torch.testing.assert_close(rows.sum(dim=-1), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("output", "target", "common"),
    [
        (flat((200, 40, 30)), flat((200, 40, 30)), (1, 1, 1)),
        (flat((200, 40, 30)), flat((30, 200, 230)), (0, 0, 0)),
        (halves((200, 40, 30), (30, 200, 230)), halves((200, 40, 30), (60, 60, 200)), (0.5, 0.5, 0.5)),
        (flat((90, 90, 90)), flat((160, 160, 160)), (0, 1, 1)),  # both without colour
        (halves((0, 0, 0), (255, 255, 255)), halves((255, 255, 255), (0, 0, 0)), (1, 1, 1)),  # elsewhere
        (flat((0, 0, 0), (255, 255, 255)), flat((255, 255, 255), (0, 0, 0)), (1, 1, 1)),  # in another image
    ],
    ids=["the same", "others", "half of them", "another grey", "mirrored", "exchanged"],
)
def test_colours_in_common_by_hand(output, target, common):
    found = values(output, target)
    assert tuple(found[key] for key in COLOURS) == pytest.approx(common)


def test_a_histogram_has_its_colour_in_its_bin():
    """White, grey and black have a = b = 0, in bin 128; sRGB's red is L, a, b = 54.3, 80.8, 69.9 in D50 (Lindbloom)."""
    found = lab_histograms(flat((0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0))).argmax(dim=-1)
    expected = [[0, 128, 128], [137, 128, 128], [255, 128, 128], [54.3 * 2.55, 128 + 80.8, 128 + 69.9]]
    np.testing.assert_allclose(found, expected, atol=0.6)
    for size in ((9, 7), (1, 1)):
        torch.testing.assert_close(lab_histograms(noise(2, 3, *size)).sum(dim=-1), torch.ones(2, 3))


BRADFORD = [[1.0478112, 0.0228866, -0.0501270], [0.0295424, 0.9904844, -0.0170491], [-0.0092345, 0.0150436, 0.7521316]]


def common_colours(output: Tensor, target: Tensor, bradford: bool) -> list[float]:
    """Intersections by scikit-image and numpy: of CIELAB in D65, or in D50, to which ICC adapts by Bradford."""
    histograms = []
    for images in (output, target):
        rgb = images.permute(0, 2, 3, 1).numpy() / 255
        lab = xyz2lab(rgb2xyz(rgb) @ np.transpose(BRADFORD), illuminant="D50") if bradford else rgb2lab(rgb)
        bins = np.rint(lab * [2.55, 1, 1] + [0, 128, 128]).clip(0, 255)
        histograms.append([np.histogram(bins[..., i], 256, (0, 256))[0] / bins[..., i].size for i in range(3)])
    return np.minimum(*histograms).sum(axis=-1).tolist()


@pytest.mark.parametrize("kind", ["photo-like", "facades", "blurred", "noise"])
def test_colours_in_common_are_those_of_scikit_image(facades, kind):
    """Pillow rounds to 8 bits on the way, which moves pixels by a bin: that is 0.006 at most.

    Another white, D65, moves all of a colour by up to four bins (and blue by thirty), in outputs and targets. The
    synthetic walls are so alike that such spikes matter: 0.05.
    """
    images = {
        "photo-like": photo_like(),
        "facades": (facades, synthetic_facades(6, 128, seed=2).target),
        "blurred": (blurred(facades, 5), facades),
        "noise": (noise(3, 3, 64, 64), noise(3, 3, 64, 64, seed=1)),
    }[kind]
    found = values(*images)
    found = [found[key] for key in COLOURS]
    assert found == pytest.approx(common_colours(*images, bradford=True), abs=0.006)
    assert found == pytest.approx(common_colours(*images, bradford=False), abs=0.05)


def test_grey_is_measured_as_colour_of_three_equal_channels():
    output, target = (images[:, :1] for images in photo_like())
    grey, colour = measure(output, target), measure(output.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1))
    for key, measurement in grey.items():
        torch.testing.assert_close(measurement.per_image, colour[key].per_image, rtol=1e-4, atol=1e-5, msg=key)
    assert grey["ssim"].value < 0.9 and grey["psnr"].value < 30 and grey["colour_l"].value < 0.95
    assert grey["colour_a"].value == grey["colour_b"].value == 1
    with pytest.raises(ValueError, match=r"\(3, 1, 64, 64\) outputs can't be measured against \(3, 3, 64, 64\)"):
        measure(output, target.expand(-1, 3, -1, -1))


def test_images_are_measured_one_by_one(monkeypatch):
    output, target = photo_like()
    monkeypatch.setattr("pix2pix_colab.evaluation.metrics.BATCH_SIZE", 2)  # and one more
    together = measure(output, target)
    for i in range(3):
        for key, alone in measure(output[i : i + 1], target[i : i + 1]).items():
            torch.testing.assert_close(together[key].per_image[i], alone.per_image[0], msg=key)


def test_measuring_changes_nothing():
    output, target = photo_like()
    copies = output.clone(), target.clone()
    measure(output, target)
    find_disagreement(output, target, target, 32)
    assert torch.equal(output, copies[0]) and torch.equal(target, copies[1])


@pytest.mark.parametrize(("outputs", "targets"), [(2, 3), (0, 0)])
def test_numbers_of_images_that_cannot_be_measured_get_a_sentence(outputs, targets):
    with pytest.raises(ValueError, match=rf"\({outputs}, 3, 16, 16\) outputs can't be measured against \({targets}, "):
        measure(noise(outputs, 3, 16, 16), noise(targets, 3, 16, 16))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_one_detail_on_which_l1_prefers_the_blurred_is_found(channels):
    """Elsewhere both equal the target. There, ours is the target moved by a pixel: as sharp, and of a higher L1."""
    target = noise(3, channels, 128, 160)
    ours, theirs = target.clone(), target.clone()
    rows, columns = slice(48, 96), slice(84, 132)
    ours[1, :, rows, columns] = target[1, :, rows, columns].roll(1, dims=-1)
    theirs[1, :, rows, columns] = 128
    assert find_disagreement(ours, theirs, target, size=48) == (1, rows, columns)
    assert find_disagreement(theirs, ours, target, size=48) != (1, rows, columns), "L1 prefers the blurred"


def test_a_disagreement_needs_both():
    """A lower L1 at equal sharpness is no disagreement, nor is a worse sharpness at a higher L1."""
    target = noise(3, 3, 96, 96)
    ours, theirs = target.clone(), target.clone()
    ours[0] = target[0].roll(1, dims=-1)  # theirs is the target: a lower L1, and as sharp
    theirs[1] = 128  # ours is the target, and theirs blurred
    ours[2, :, 48:, 48:] = target[2, :, 48:, 48:].roll(1, dims=-1)
    theirs[2, :, 48:, 48:] = 128  # both
    assert find_disagreement(ours, theirs, target, size=48) == (2, slice(48, 96), slice(48, 96))


@pytest.mark.parametrize("size", [48, 96])
def test_where_l1_and_sharpness_agree_no_detail_is_found(size):
    """Two equal outputs, the target itself, and the target moved a little less: better by both."""
    target = noise(2, 3, 96, 96)
    blurred = torch.full_like(target, 128)
    for second in (blurred, target, (blurred + target.float()).div(2).byte()):
        assert find_disagreement(blurred, second, target, size) is None


def test_a_detail_lies_within_the_image():
    for size, side in ((96, 96), (96, 128), (40, 93)):
        target = noise(2, 3, side, side)
        moved, blurred = target.roll(1, dims=-1), torch.full_like(target, 128)
        number, *parts = find_disagreement(moved, blurred, target, size=size)
        assert number in (0, 1) and all(part.stop - part.start == size and part.stop <= side for part in parts)
