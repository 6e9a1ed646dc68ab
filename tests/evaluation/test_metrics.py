"""The metrics, against cases made by hand, against scikit-image, and against colours computed in another way."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from skimage.color import rgb2lab, rgb2xyz, xyz2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.evaluation.fcn_score import class_accuracy, class_iou, pixel_accuracy
from pix2pix_colab.evaluation.metrics import (
    GRADIENTS,
    METRICS,
    Measurement,
    disagreement,
    gradient_magnitude,
    intersection,
    lab_histograms,
    measure,
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


def test_every_metric_can_be_measured_and_has_its_name():
    assert set(METRICS) == set(measure(*photo_like())) | LABELS | PERCEPTUAL
    assert {each.__name__ for each in (pixel_accuracy, class_accuracy, class_iou)} == LABELS
    assert list(measure(*photo_like())) == [key for key in METRICS if key not in LABELS | PERCEPTUAL], "in their order"
    assert {claim.key for claim in CLAIMS} <= METRICS.keys()
    assert len({metric.name for metric in METRICS.values()}) == len(METRICS)
    assert {metric.better for metric in METRICS.values()} == {"↑", "↓", "→ 1"}


def test_a_value_is_the_figure_of_the_mean_of_its_rows():
    rows = torch.tensor([[1.0, 2.0], [5.0, 2.0]])
    assert Measurement(rows[:, 0]).value == 3
    assert Measurement(rows, ratio).value == 3 / 2
    assert Measurement(torch.stack([rows, rows.flip(1)], dim=1), intersection).value == 2 + 2  # of (3, 2) and (2, 3)


def test_equal_images_measure_best(facades):
    found = values(facades, facades)
    assert (found.pop("l1"), found.pop("texture"), found.pop("psnr")) == (0, 0, math.inf)
    assert found == pytest.approx(dict.fromkeys(found, 1), abs=1e-5)


def test_each_image_has_its_row():
    for key, measurement in measure(*photo_like()).items():
        assert measurement.rows.dtype == torch.float32 and len(measurement.rows) == 3, key


def test_a_constant_offset_by_hand():
    target = noise(2, 3, 32, 32, high=200)
    output = target + torch.tensor([51, 5], dtype=torch.uint8)[:, None, None, None]
    found = measure(output, target)
    # 51 of 255 are 0.4 of [-1, 1]; PSNR = 10 log10(2² / 0.4²) = 10 log10(25); 5 are a tenth or so: 20 log10(255 / 5)
    torch.testing.assert_close(found["l1"].rows, torch.tensor([0.4, 10 / 255]))
    decibels = torch.tensor([10 * math.log10(25), 20 * math.log10(51)])
    torch.testing.assert_close(found["psnr"].rows, decibels, rtol=1e-4, atol=0)
    assert found["sharpness"].value == pytest.approx(1, abs=1e-4), "edges are as they were"
    assert found["texture"].value == pytest.approx(0, abs=1e-4)
    assert found["colour_l"].value < 0.95, "but they are lighter"


def test_psnr_is_that_of_scikit_image():
    output, target = photo_like()
    expected = [peak_signal_noise_ratio(t.numpy(), o.numpy()) for o, t in zip(output, target, strict=True)]
    found = measure(output, target)["psnr"].rows
    torch.testing.assert_close(found, torch.tensor(expected).float(), rtol=1e-4, atol=0)


def test_ssim_is_that_of_scikit_image():
    """Of the grey values 0 to 255: SSIM compares means, so it isn't the same on [-1, 1]."""
    output, target = photo_like()
    padding = ((0, 0), (5, 5), (5, 5))  # torchmetrics mirrors images at their borders, scikit-image leaves borders out
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    expected = [
        structural_similarity(*(np.pad(image.numpy(), padding, mode="reflect") for image in images), **settings)
        for images in zip(output, target, strict=True)
    ]
    torch.testing.assert_close(measure(output, target)["ssim"].rows, torch.tensor(expected).float(), rtol=0, atol=1e-3)


def test_gradient_magnitude_by_hand():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij")
    ramps = torch.stack([torch.zeros(5, 4), 2 * x, 3 * x - 4 * y])  # slopes 0, 2 and √(3² + 4²) = 5
    found = gradient_magnitude(ramps[:, None].expand(-1, 3, -1, -1))
    torch.testing.assert_close(found, torch.tensor([0.0, 2.0, 5.0])[:, None, None].expand(3, 4, 3))
    one = torch.zeros(1, 3, 3, 3)
    one[0, 0, 1, 1] = 9  # red alone, so 3 in grey: up to it from above and from the left, down from it on both sides
    expected = torch.tensor([[0, 3.0], [3.0, math.hypot(3, 3)]])
    torch.testing.assert_close(gradient_magnitude(one)[0], expected)


def test_sharpness_is_a_multiple_of_the_photos():
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    target = torch.stack([2 * x, 6 * y])[:, None].expand(-1, 3, -1, -1).byte()  # slopes 2 and 6
    output = torch.stack([x, 8 - x // 4])[:, None].expand(-1, 3, -1, -1).byte()  # slopes 1 and, by steps, 1/4
    found = measure(output, target)["sharpness"]
    steep = 7 / 31  # 7 steps within 31 differences
    torch.testing.assert_close(found.rows, torch.tensor([[1, 2], [steep, 6]]), rtol=1e-4, atol=1e-5)
    assert found.value == pytest.approx((1 + steep) / (2 + 6)), "of all images together, not the mean of two ratios"


def test_blur_costs_sharpness_and_noise_adds_it_and_both_cost_texture(facades):
    smooth, rough = values(blurred(facades), facades), values(grainy(facades), facades)
    assert smooth["sharpness"] < 0.75 and rough["sharpness"] > 1.25
    assert smooth["texture"] > 0.25 and rough["texture"] > 0.25
    for strength in (3, 5):  # and more costs more
        more = values(blurred(facades, strength + 2), facades)
        less = values(blurred(facades, strength), facades)
        assert more["sharpness"] < less["sharpness"] and more["texture"] > less["texture"]


def test_texture_is_the_wasserstein_distance_of_scipy(facades):
    for output in (blurred(facades), grainy(facades), facades.flip(0)):
        ours, theirs = (gradient_magnitude(images.float()).round().flatten().numpy() for images in (output, facades))
        expected = wasserstein_distance(ours, theirs) / theirs.mean()
        assert values(output, facades)["texture"] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def ramps(*slopes: int) -> Tensor:
    """One image of each slope: of five gradients, four are that steep."""
    return (torch.tensor(slopes)[:, None, None, None] * torch.tensor([0, 1, 2, 3, 4, 4])).expand(-1, 3, 6, -1).byte()


@pytest.mark.parametrize(
    ("output", "target", "texture"),
    [
        (ramps(12, 4), ramps(4, 12), 0),  # exchanged
        (ramps(0, 0), ramps(12, 20), 1),  # without any
        (ramps(6, 10), ramps(12, 20), 0.5),  # half as steep
        (ramps(24, 40), ramps(12, 20), 1),  # twice as steep
        (ramps(12, 12), ramps(8, 16), 4 / 12),  # as sharp on average, but alike where the photos differ
    ],
    ids=["exchanged", "flat", "half", "twice", "alike"],
)
def test_texture_by_hand(output, target, texture):
    output, target = (interpolate(images.float(), (12, 6)).byte() for images in (output, target))  # SSIM needs 11 px
    output, target = (torch.cat([images, images.flip(-1)], dim=-1) for images in (output, target))
    assert values(output, target)["texture"] == pytest.approx(texture, abs=1e-5)


def test_what_is_flat_has_lost_all_texture():
    found = values(flat((128, 128, 128), size=64), noise(1, 3, 64, 64))
    assert found["texture"] == pytest.approx(1, abs=1e-5), "all gradients must be moved, by their mean"


def test_texture_tells_from_sharpness_what_is_too_strong_here_and_too_weak_there():
    x = torch.arange(32).expand(32, 32)
    even, uneven = (2 * x).byte(), torch.where(x < 16, 0, 4 * (x - 16)).byte()  # slope 2, and 0 or 4
    found = values(uneven.expand(1, 3, -1, -1), even.expand(1, 3, -1, -1))
    assert found["sharpness"] == pytest.approx(1, abs=0.05) and found["texture"] == pytest.approx(1, abs=0.05)


def test_every_gradient_has_its_bin():
    extreme = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    extreme[:, :, 1::2, 1::2] = 255
    rows = measure(extreme, extreme)["texture"].rows
    assert rows.shape == (1, 2, GRADIENTS) and rows[0, 0, 361] == 0.25, "the steepest, 255 · √2, fits in"
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


def test_colour_and_not_place_counts(facades):
    order = torch.randperm(128 * 128, generator=torch.Generator().manual_seed(0))
    mixed = facades.flatten(2)[:, :, order].unflatten(2, (128, 128))
    found, other = values(mixed, facades), values(grainy(facades), facades)
    assert [found[key] for key in COLOURS] == pytest.approx([1, 1, 1], abs=1e-5)
    assert other["colour_l"] < 0.97
    assert found["l1"] > 0.1 and found["texture"] > 0.2


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

    Another white, D65, moves all of a colour by up to four bins (and blue by thirty), for outputs and photos alike; the
    drawn walls are so alike that such spikes matter: 0.05.
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
        torch.testing.assert_close(measurement.rows, colour[key].rows, rtol=1e-4, atol=1e-5, msg=key)
    assert grey["ssim"].value < 0.9 and grey["psnr"].value < 30 and grey["colour_l"].value < 0.95
    assert grey["colour_a"].value == grey["colour_b"].value == 1
    with pytest.raises(ValueError, match=r"\(3, 1, 64, 64\) outputs can't be measured against \(3, 3, 64, 64\)"):
        measure(output, target.expand(-1, 3, -1, -1))


def test_images_are_measured_one_by_one(monkeypatch):
    output, target = photo_like()
    monkeypatch.setattr("pix2pix_colab.evaluation.metrics.AT_ONCE", 2)  # and one more
    together = measure(output, target)
    for i in range(3):
        for key, alone in measure(output[i : i + 1], target[i : i + 1]).items():
            torch.testing.assert_close(together[key].rows[i], alone.rows[0], msg=key)


def test_measuring_changes_nothing():
    output, target = photo_like()
    copies = output.clone(), target.clone()
    measure(output, target)
    disagreement(output, target, target, 32)
    assert torch.equal(output, copies[0]) and torch.equal(target, copies[1])


@pytest.mark.parametrize(("outputs", "targets"), [(2, 3), (0, 0)])
def test_numbers_of_images_that_cannot_be_measured_get_a_sentence(outputs, targets):
    with pytest.raises(ValueError, match=rf"\({outputs}, 3, 16, 16\) outputs can't be measured against \({targets}, "):
        measure(noise(outputs, 3, 16, 16), noise(targets, 3, 16, 16))


@pytest.mark.parametrize("channels", [1, 3])
def test_disagreement_finds_the_one_detail_where_l1_prefers_the_blurred(channels):
    """Everywhere else both are the photo. There, ours is the photo moved by a pixel: as sharp, and off by more."""
    target = noise(3, channels, 128, 160)
    ours, theirs = target.clone(), target.clone()
    rows, columns = slice(48, 96), slice(84, 132)
    ours[1, :, rows, columns] = target[1, :, rows, columns].roll(1, dims=-1)
    theirs[1, :, rows, columns] = 128
    assert disagreement(ours, theirs, target, size=48) == (1, rows, columns)
    assert disagreement(theirs, ours, target, size=48) != (1, rows, columns), "L1 finds the blurred nearer"


def test_disagreement_wants_both():
    """What is nearer by L1 but as sharp, and what is less sharp but not nearer, is no disagreement."""
    target = noise(3, 3, 96, 96)
    ours, theirs = target.clone(), target.clone()
    ours[0] = target[0].roll(1, dims=-1)  # theirs is the photo: nearer, and as sharp
    theirs[1] = 128  # ours is the photo, and theirs blurred
    ours[2, :, 48:, 48:] = target[2, :, 48:, 48:].roll(1, dims=-1)
    theirs[2, :, 48:, 48:] = 128  # both
    assert disagreement(ours, theirs, target, size=48) == (2, slice(48, 96), slice(48, 96))


def test_a_detail_lies_within_the_image():
    for size, side in ((96, 96), (96, 128), (40, 93)):
        images = [noise(2, 3, side, side, seed=i) for i in range(3)]
        number, *parts = disagreement(*images, size=size)
        assert number in (0, 1) and all(part.stop - part.start == size and part.stop <= side for part in parts)
