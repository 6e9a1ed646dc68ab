"""The metrics of outputs against their targets, each as what every image adds to it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import ImageCms
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchvision.transforms.functional import to_pil_image

from ..utils.images import to_float

AT_ONCE = 8  # images; as floats, and what SSIM makes of them, each takes some 50 MB
GRADIENTS = 362  # whole levels that a gradient's length can have: up to 255 · √2


class Metric(NamedTuple):
    """What a metric is called, which way is better, and what it says."""

    name: str
    better: str
    meaning: str


METRICS = {
    "l1": Metric("L1", "↓", "mean distance of pixel values, on the scale [-1, 1]"),
    "psnr": Metric("PSNR, dB", "↑", "peak signal-to-noise ratio"),
    "ssim": Metric("SSIM", "↑", "structural similarity"),
    "sharpness": Metric("sharpness", "→ 1", "mean gradient, as a multiple of the photos'"),
    "texture": Metric("texture", "↓", "how far gradients are distributed otherwise than in the photos; 0 is alike"),
    "colour_l": Metric("colour L", "↑", "what the distribution of lightness, in Lab, has in common with the photos'"),
    "colour_a": Metric("colour a", "↑", "the same of green to red"),
    "colour_b": Metric("colour b", "↑", "the same of blue to yellow"),
    "pixel_accuracy": Metric("labels per pixel", "↑", "the share of pixels whose label a net reads off the output"),
    "class_accuracy": Metric("labels per class", "↑", "the same for each class, averaged"),
    "class_iou": Metric("labels by class IoU", "↑", "intersection over union of the classes, averaged"),
    "lpips": Metric("LPIPS", "↓", "distance in AlexNet's features"),
    "kid": Metric("KID × 1000", "↓", "distance of the distributions of Inception's features"),
}
"""All metrics by their key, in the order of the tables."""


def itself(mean: Tensor) -> Tensor:
    """The figure of a metric that is a mean over images."""
    return mean


def ratio(mean: Tensor) -> Tensor:
    """The figure of a metric that is a ratio of two means: (..., 2) -> (...)."""
    return mean[..., 0] / mean[..., 1]


def intersection(mean: Tensor) -> Tensor:
    """Histogram intersection (Swain and Ballard 1991), the paper's measure of colour: (..., 2, bins) -> (...).

    Both histograms have the sum 1; so 1 is equal and 0 is nothing in common.
    """
    return mean.amin(dim=-2).sum(dim=-1)


def wasserstein(mean: Tensor) -> Tensor:
    """How far gradients must be moved to be distributed as the photos', in mean gradients of the photos.

    (..., 2, GRADIENTS) -> (...). In one dimension the Wasserstein distance is what lies between the cumulated
    histograms. It is at least |sharpness - 1|, and more where some gradients are too strong and others too weak.
    """
    ours, theirs = mean.cumsum(dim=-1).unbind(dim=-2)
    average = (mean[..., 1, :] * torch.arange(GRADIENTS)).sum(dim=-1)
    return (ours - theirs).abs().sum(dim=-1) / average


class Measurement(NamedTuple):
    """One metric of N images: ``figure`` of the mean of ``rows``, so that images can be drawn anew or exchanged."""

    rows: Tensor  # float32 (N, ...): what each image adds
    figure: Callable[[Tensor], Tensor] = itself  # of the mean of rows, (..., *rows.shape[1:]) -> (...)

    @property
    def value(self) -> float:
        """The metric of all images together."""
        return self.figure(self.rows.mean(dim=0)).item()


def measure(output: Tensor, target: Tensor) -> dict[str, Measurement]:
    """Measure outputs against their targets, both uint8 (N, 3, H, W) or both (N, 1, H, W): key -> measurement.

    The colour is that of the paper (section 4.2 and figure 7): histogram intersection in Lab, of the pixels of all
    images together, so that it asks whether the colours of the photos occur, and not where. Texture asks the same of
    gradients: a figure of realism for which no net is needed.

    Raises:
        ValueError: if they differ in shape, or there is none.
    """
    if output.shape != target.shape or not len(output):
        raise ValueError(f"{tuple(output.shape)} outputs can't be measured against {tuple(target.shape)} targets.")
    parts = [_measure(*part) for part in zip(output.cpu().split(AT_ONCE), target.cpu().split(AT_ONCE), strict=True)]
    return {key: Measurement(torch.cat([part[key].rows for part in parts]), parts[0][key].figure) for key in parts[0]}


def _measure(output: Tensor, target: Tensor) -> dict[str, Measurement]:
    """``measure`` of as many images as there is memory for."""
    ours, theirs = to_float(output), to_float(target)
    levels = output.float(), target.float()  # SSIM compares means, so it is defined on [0, 255], not on [-1, 1]
    gradients = [gradient_magnitude(images) for images in levels]
    lab = torch.stack([lab_histograms(output), lab_histograms(target)], dim=2)  # (N, 3, 2, 256)
    return {
        "l1": Measurement((ours - theirs).abs().mean(dim=(1, 2, 3))),
        "psnr": Measurement(peak_signal_noise_ratio(ours, theirs, data_range=2.0, reduction="none", dim=(1, 2, 3))),
        "ssim": Measurement(structural_similarity_index_measure(*levels, data_range=255.0, reduction="none")),
        "sharpness": Measurement(torch.stack([g.mean(dim=(1, 2)) for g in gradients], dim=1), ratio),
        "texture": Measurement(torch.stack([_texture(g) for g in gradients], dim=1), wasserstein),
        **{f"colour_{c}": Measurement(lab[:, i], intersection) for i, c in enumerate("lab")},
    }


def gradient_magnitude(images: Tensor) -> Tensor:
    """Length of the grey-value gradient (forward differences) of float (N, C, H, W): (N, H - 1, W - 1)."""
    grey = images.mean(dim=1)
    return torch.hypot(grey.diff(dim=1)[:, :, :-1], grey.diff(dim=2)[:, :-1])


def _texture(gradients: Tensor) -> Tensor:
    """How often which gradient occurs, rounded to levels: (N, H, W) -> (N, GRADIENTS) of sum 1."""
    levels = gradients.round().long().flatten(1)
    return torch.stack([each.bincount(minlength=GRADIENTS) for each in levels]) / levels.shape[1]


def lab_histograms(images: Tensor) -> Tensor:
    """How often which L, a and b occurs in CIELAB (ICC's, D50): uint8 (N, 1 or 3, H, W) -> (N, 3, 256) of sum 1.

    L has steps of 100 / 255; a and b have steps of 1, from -128 to 127.
    """
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    lab = (ImageCms.applyTransform(to_pil_image(image.expand(3, -1, -1)), transform) for image in images)
    counts = torch.tensor([image.histogram() for image in lab], dtype=torch.float32).unflatten(1, (3, 256))
    return counts / images.shape[2:].numel()


def disagreement(ours: Tensor, theirs: Tensor, target: Tensor, size: int = 128) -> tuple[int, slice, slice]:
    """Where L1 and the eye disagree most: L1 finds ``theirs`` nearer to the target, but its sharpness is further off.

    Args:
        ours, theirs, target: uint8 (N, C, H, W).
        size: side of the detail in px.

    Returns:
        The image's number, and which rows and columns.
    """

    def pooled(maps: Tensor) -> Tensor:  # (N, H, W) -> (N, h, w), one mean for each detail
        return torch.nn.functional.avg_pool2d(maps[:, None], size, stride=size // 4)[:, 0]

    ours, theirs, target = (images.cpu().float() for images in (ours, theirs, target))
    nearer = pooled((ours - target).abs().mean(dim=1)) - pooled((theirs - target).abs().mean(dim=1))
    sharp = [
        pooled(torch.nn.functional.pad(gradient_magnitude(images), (0, 1, 0, 1))) for images in (ours, theirs, target)
    ]
    off = [(sharpness / sharp[2].clamp(min=1)).clamp(min=0.01).log().abs() for sharpness in sharp[:2]]
    apart = nearer.clamp(min=0) * (off[1] - off[0]).clamp(min=0)
    image, row, column = torch.unravel_index(apart.argmax(), apart.shape)
    top, left = row.item() * (size // 4), column.item() * (size // 4)
    return image.item(), slice(top, top + size), slice(left, left + size)
