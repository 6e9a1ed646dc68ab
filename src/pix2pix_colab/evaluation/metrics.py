"""Metrics of outputs against their targets: one value per image, and a statistic of the mean."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import ImageCms
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ..utils.images import to_float

BATCH_SIZE = 8  # images; each takes some 20 MB, as floats and within SSIM
MAX_PSNR = 60.0  # dB, of an exact image: that of rounding to 8 bits is 59, and libvmaf's cap is 60, too
GRADIENT_BINS = 362  # one per level of the gradient magnitude, whose maximum is 255 · √2


class Metric(NamedTuple):
    """Name, better direction and meaning of a metric."""

    name: str
    better: str
    meaning: str


METRICS = {
    "l1": Metric("L1", "↓", "mean absolute difference of pixel values in [-1, 1]"),
    "psnr": Metric("PSNR, dB", "↑", "peak signal-to-noise ratio; of an exact image 60"),
    "ssim": Metric("SSIM", "↑", "structural similarity index"),
    "sharpness": Metric("sharpness", "→ 1", "mean gradient magnitude relative to the targets'"),
    "gradient_distance": Metric(
        "gradient distance",
        "↓",
        "Wasserstein-1 distance of the gradient-magnitude histograms of outputs and targets; 0 is equal",
    ),
    "grid": Metric("grid", "→ 1", "peak of a period of two pixels in the power spectrum, relative to the targets'"),
    "colour_l": Metric("colour L", "↑", "histogram intersection with the targets in CIELAB: lightness"),
    "colour_a": Metric("colour a", "↑", "histogram intersection with the targets in CIELAB: green to red"),
    "colour_b": Metric("colour b", "↑", "histogram intersection with the targets in CIELAB: blue to yellow"),
    "pixel_accuracy": Metric("per-pixel accuracy", "↑", "FCN score: share of pixels that are classified correctly"),
    "class_accuracy": Metric("per-class accuracy", "↑", "FCN score: accuracy of each class, averaged"),
    "class_iou": Metric("class IoU", "↑", "FCN score: intersection over union of each class, averaged"),
    "lpips": Metric("LPIPS", "↓", "learned perceptual image patch similarity: distance in AlexNet features"),
    "kid": Metric("KID × 1000", "↓", "kernel inception distance: distance of the distributions of Inception features"),
}
"""All metrics by key, in the order of the tables."""


def ratio(mean: Tensor) -> Tensor:
    """Ratio of two means: (..., 2) -> (...)."""
    return mean[..., 0] / mean[..., 1]


def histogram_intersection(mean: Tensor) -> Tensor:
    """Histogram intersection (Swain and Ballard 1991), the paper's measure of colour: (..., 2, bins) -> (...).

    Both histograms sum to 1. So 1 means equal, and 0 means that no bin is shared.
    """
    return mean.amin(dim=-2).sum(dim=-1)


def wasserstein_distance(mean: Tensor) -> Tensor:
    """Wasserstein-1 distance of two gradient histograms, in units of the targets' mean gradient magnitude.

    (..., 2, GRADIENT_BINS) -> (...). In one dimension it is the area between the cumulative histograms. It is at least
    |sharpness - 1|, and larger if some gradients are too strong and others too weak.
    """
    output, target = mean.cumsum(dim=-1).unbind(dim=-2)
    target_mean = (mean[..., 1, :] * torch.arange(GRADIENT_BINS)).sum(dim=-1)
    return (output - target).abs().sum(dim=-1) / target_mean


class Measurement(NamedTuple):
    """One metric of N images: ``statistic`` of the mean of ``per_image``.

    Kept per image, so that the images can be resampled (bootstrap) or exchanged (permutation test).
    """

    per_image: Tensor  # float32 (N, ...)
    statistic: Callable[[Tensor], Tensor] = lambda mean: mean  # (..., *per_image.shape[1:]) -> (...)

    @property
    def value(self) -> float:
        """Value of the metric over all images."""
        return self.statistic(self.per_image.mean(dim=0)).item()


def measure(output: Tensor, target: Tensor) -> dict[str, Measurement]:
    """Measure outputs against their targets, both uint8 (N, 3, H, W) or both (N, 1, H, W): key -> measurement.

    The colour metric is the paper's (section 4.2 and figure 7): histogram intersection in CIELAB over the pixels of
    all images. It says whether the targets' colours occur, not where. The gradient distance says the same of gradients:
    a measure of realism that needs no network. The PSNR of an exact image is infinite, so that of each image is cut off
    at 60 dB (``MAX_PSNR``): means and intervals are finite.

    It is computed where the images are, but for histograms: those, and what is returned, are on the CPU. Raises
    ValueError if the shapes differ, or there are no images.
    """
    check_shapes(output, target)
    parts = [_measure(*batch) for batch in zip(output.split(BATCH_SIZE), target.split(BATCH_SIZE), strict=True)]
    return {
        key: Measurement(torch.cat([part[key].per_image for part in parts]).cpu(), first.statistic)
        for key, first in parts[0].items()
    }


def check_shapes(output: Tensor, target: Tensor) -> None:
    """Raise ValueError if outputs and targets differ in shape, or there are none."""
    if output.shape != target.shape or not len(output):
        raise ValueError(f"{tuple(output.shape)} outputs can't be measured against {tuple(target.shape)} targets.")


def _measure(output: Tensor, target: Tensor) -> dict[str, Measurement]:
    """Measure one batch."""
    error = to_float(output) - to_float(target)
    levels = output.float(), target.float()
    gradients = [gradient_magnitude(images) for images in levels]
    lab = torch.stack([lab_histograms(output), lab_histograms(target)], dim=2)  # (N, 3, 2, 256)
    return {
        "l1": Measurement(error.abs().mean(dim=(1, 2, 3))),
        "psnr": Measurement((10 * (2**2 / error.square().mean(dim=(1, 2, 3))).log10()).clamp(max=MAX_PSNR)),
        "ssim": Measurement(structural_similarity(*levels)),
        "sharpness": Measurement(torch.stack([g.mean(dim=(1, 2)) for g in gradients], dim=1), ratio),
        "gradient_distance": Measurement(
            torch.stack([_gradient_histograms(g) for g in gradients], dim=1), wasserstein_distance
        ),
        "grid": Measurement(torch.stack([grid_peak(images) for images in levels], dim=1), ratio),
        **{f"colour_{c}": Measurement(lab[:, i], histogram_intersection) for i, c in enumerate("lab")},
    }


def structural_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity index (Wang et al. 2004) of levels in [0, 255]: float (N, C, H, W) -> (N,).

    The window is Gaussian, with a standard deviation of 1.5 px, and images are mirrored at their borders. In rows and
    then in columns it has 22 products a pixel, not 121.
    """
    centres = [each.mean(dim=(2, 3), keepdim=True) for each in (x, y)]
    x, y = x - centres[0], y - centres[1]  # about 0 the squares are smaller, and so are their rounding errors
    maps = F.pad(torch.cat([x, y, x * x + y * y, x * y], dim=1), (5, 5, 5, 5), mode="reflect")
    if not maps.is_cuda:  # there cuDNN would take it over, in TF32; a CPU takes a third of the time
        maps = maps.contiguous(memory_format=torch.channels_last)
    window = (torch.arange(-5.0, 6.0, device=maps.device).square() / (-2 * 1.5**2)).softmax(dim=0)
    window = window.expand(maps.shape[1], 1, 1, 11)
    maps = F.conv2d(F.conv2d(maps, window, groups=len(window)), window.mT, groups=len(window))
    x, y, squares, product = maps.chunk(4, dim=1)  # means
    variances, covariance = squares - x * x - y * y, product - x * y
    x, y, c1, c2 = x + centres[0], y + centres[1], (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * x * y + c1) * (2 * covariance + c2) / ((x * x + y * y + c1) * (variances + c2))
    return similarity.mean(dim=(1, 2, 3))


def gradient_magnitude(images: Tensor) -> Tensor:
    """Gradient magnitude of the grey values, by forward differences: float (N, C, H, W) -> (N, H - 1, W - 1)."""
    grey = images.mean(dim=1)
    return torch.hypot(grey.diff(dim=1)[:, :, :-1], grey.diff(dim=2)[:, :-1])


def _gradient_histograms(gradients: Tensor) -> Tensor:
    """Histograms of gradient magnitudes, rounded to whole levels: (N, H, W) -> (N, GRADIENT_BINS), each of sum 1."""
    levels = gradients.round().long().flatten(1).cpu()
    return torch.stack([each.bincount(minlength=GRADIENT_BINS) for each in levels]) / levels.shape[1]


def lab_histograms(images: Tensor) -> Tensor:
    """Histograms of L, a and b in CIELAB (ICC, D50): uint8 (N, 1 or 3, H, W) -> (N, 3, 256), each of sum 1.

    A bin of L is 100 / 255 wide; a bin of a or b is 1 wide, from -128 to 127.
    """
    lab = (ImageCms.applyTransform(to_pil_image(image.expand(3, -1, -1)), _to_lab()) for image in images.cpu())
    counts = torch.tensor([image.histogram() for image in lab], dtype=torch.float32).unflatten(1, (3, 256))
    return counts / images.shape[2:].numel()


@cache
def _to_lab() -> ImageCms.ImageCmsTransform:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(*profiles, "RGB", "LAB")


def grid_peak(images: Tensor) -> Tensor:
    """How much an image has of a grid of two pixels: levels in [0, 255], (N, C, H, W) -> (N,). Photos have about 1.

    Transposed convolutions leave such a grid. Of the power spectrum of the grey values, without their mean: the line at
    period 2 over the mean of the five lines before it, of rows or columns, whichever is larger. Both include the power
    of rounding to whole levels: a flat image has 1.
    """
    grey = images.float().mean(dim=1)
    power = torch.fft.fft2(grey - grey.mean(dim=(1, 2), keepdim=True)).abs().square()
    power = power + grey[0].numel() / 12
    lines = [power.sum(dim=axis) for axis in (2, 1)]  # of rows, (N, H); of columns, (N, W)
    halves = [(each, each.shape[1] // 2) for each in lines]
    return torch.stack([each[:, half] / each[:, 1:half][:, -5:].mean(dim=1) for each, half in halves]).amax(dim=0)


def find_disagreement(
    first: Tensor, second: Tensor, target: Tensor, size: int = 128
) -> tuple[int, slice, slice] | None:
    """Find the detail of ``size`` px on which L1 and sharpness disagree most about two sets of uint8 (N, C, H, W).

    There ``second`` has the lower L1, but ``first`` has the sharpness closer to the target's. Returns the index of the
    image, its rows and its columns; None if there is no such detail.
    """

    def pooled(maps: Tensor, side: int) -> Tensor:  # (N, H, W) -> (N, h, w), the mean of each detail
        return torch.nn.functional.avg_pool2d(maps[:, None], side, stride=size // 4)[:, 0]

    images = [each.cpu().float() for each in (first, second, target)]
    l1 = [pooled((each - images[2]).abs().mean(dim=1), size) for each in images[:2]]
    gradients = [pooled(gradient_magnitude(each), size - 1) for each in images]  # as ``measure`` finds them of a detail
    sharpness = [each / gradients[2].clamp(min=1) for each in gradients[:2]]
    error = [each.clamp(min=0.01).log().abs() for each in sharpness]
    closer = (sharpness[0] - 1).abs() < (sharpness[1] - 1).abs()
    textured = gradients[2] >= 1  # relative to a flat target nothing is sharp
    disagreement = (l1[0] - l1[1]).clamp(min=0) * (error[1] - error[0]).clamp(min=0) * closer * textured
    if not disagreement.any():
        return None
    image, row, column = torch.unravel_index(disagreement.argmax(), disagreement.shape)
    top, left = row.item() * (size // 4), column.item() * (size // 4)
    return image.item(), slice(top, top + size), slice(left, left + size)
