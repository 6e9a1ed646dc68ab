"""Inference: translate images of any size by the paper's test-time rule."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .utils.device import exact_cudnn, explain_out_of_memory, fork_rng
from .utils.images import convert, fit_to, to_float, to_uint8

Images = TypeVar("Images", Image.Image, np.ndarray, Tensor)


@torch.no_grad()
def translate(generator: UNetGenerator, source: Images, seed: int = 0, fit: bool = True) -> Images:
    """Translate each source with the generator, by the paper's test-time rule (section 3.3).

    Images pass one at a time: dropout is on, seeded by ``seed`` for every image, and BatchNorm uses the statistics of
    that image. So an output depends only on its source and the seed. The generator's mode and buffers and the global
    random state stay as they are.

    The source may have any size. A PIL image is scaled to what training saw (``fit_to``), and its output back: the file
    of a training pair is translated as in training. Arrays and tensors, and with ``fit=False`` PIL images
    too, are taken at their own scale: padded by reflection to multiples of the generator's image size, and the output
    cropped back. Grey sources are converted to colour, and colour to grey, if the generator needs it.

    Args:
        source: a PIL image of any mode, which is turned upright as its EXIF data say; or uint8: an array (H, W),
            (H, W, 1) or (H, W, 3), or a tensor (C, H, W) or (N, C, H, W) with C 1 or 3.
        fit: False keeps the scale of a PIL image: for a wide street, or one larger than what training saw.

    Returns:
        The output in the type and size of the source, with the generator's target channels: a PIL image in mode L or
        RGB; an array (H, W, C), or (H, W) if both images are grey; a tensor on the device of ``source``.

    Raises:
        ValueError: for any other type, such as floats without a range, and for empty images.
        MemoryError: if the GPU or the machine runs out of memory.
    """
    return _translate([generator], source, seed, lambda whole: [generator(whole)], fit)[0]


@torch.no_grad()
def translate_by(
    generators: Sequence[UNetGenerator], source: Images, seed: int = 0, late: int = 1, fit: bool = True
) -> list[Images]:
    """Translate each source by several generators that are equal but for their last ``late`` decoder layers.

    What they share is computed once. All else is as in ``translate``.
    """
    device = next(generators[0].parameters()).device

    def run(whole: Tensor) -> Iterator[Tensor]:
        features = generators[0].early_layers(whole, late)
        for generator in generators:
            with fork_rng(device):  # if there is dropout in the late layers: the same masks for each generator
                yield generator.late_layers(*features)

    return _translate(generators, source, seed, run, fit)


@torch.no_grad()
def critic_map(discriminator: PatchDiscriminator, source: Tensor, image: Tensor) -> Tensor:
    """What the discriminator makes of each 70×70 patch of an image: the probability that it is real.

    As in training, BatchNorm uses the statistics of each image. D judges the image for its source. It was trained
    against the outputs of one λ: for others its verdict is no grade.

    Shape:
        source and image (N, C, S, S), uint8 or as the networks have them, float in [-1, 1] -> float32
        (N, S/8 - 2, S/8 - 2) in [0, 1], 30×30 at 256 px. Patch (i, j) reaches from pixel (8 i - 23, 8 j - 23) to
        (8 i + 46, 8 j + 46): at the borders beyond the image. ValueError if the discriminator takes no such images.
    """
    device = next(discriminator.parameters()).device
    both = [(each if each.is_floating_point() else to_float(each)).to(device) for each in (source, image)]
    with _test_time_mode([discriminator]):
        logits = [discriminator(*(each[i : i + 1] for each in both)) for i in range(len(image))]
    return torch.sigmoid(torch.cat(logits)[:, 0])


Run = Callable[[Tensor], Iterable[Tensor]]  # from a source in [-1, 1] to the output of each generator


def _translate(generators: Sequence[UNetGenerator], source: Images, seed: int, run: Run, fit: bool) -> list[Images]:
    """Translate images of any type; see ``translate``. Returns the outputs of each generator, in the source's type."""
    check_source(source)
    if isinstance(source, Image.Image):
        first = generators[0]
        image = convert(source, first.source_channels, first.seen.range, first.seen.exif)
        fitted = fit_to(image, first.seen.aspect, first.image_size) if fit else image
        arrays = _translate(generators, np.atleast_3d(fitted), seed, run, fit)
        outputs = [Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0]) for array in arrays]
        return [output.resize(image.size, Image.Resampling.BICUBIC) for output in outputs]
    if isinstance(source, np.ndarray):
        image = torch.from_numpy(np.array(np.atleast_3d(source), order="C")).permute(2, 0, 1)  # (H, W, C) -> (C, H, W)
        outputs = [output.permute(1, 2, 0).numpy() for output in _translate(generators, image, seed, run, fit)]
        grey = source.ndim == 2 and generators[0].target_channels == 1
        return [output[:, :, 0] if grey else output for output in outputs]
    if source.ndim == 3:
        return [output[0] for output in _translate_batch(generators, source[None], seed, run)]
    return list(_translate_batch(generators, source, seed, run))


def check_source(source: object) -> None:
    """Raise ValueError if the source has a type or shape that ``translate`` does not accept."""
    if not _is_taken(source):
        numbers = getattr(source, "dtype", getattr(source, "mode", ""))  # of an array or tensor, of a PIL image
        size = tuple(getattr(source, "shape", getattr(source, "size", ())))
        got = f"{type(source).__name__} {numbers} {size or ''}".split()
        raise ValueError(
            "translate takes a PIL image, a uint8 array (H, W), (H, W, 1) or (H, W, 3), or a uint8 "
            "tensor (C, H, W) or (N, C, H, W) with 1 or 3 channels, and no image without pixels, but got: "
            f"{' '.join(got)}."
        )


def _is_taken(source: object) -> bool:
    if isinstance(source, Image.Image):
        return 0 not in source.size
    if isinstance(source, np.ndarray):
        channels = source.shape[2:] or (1,)
        return source.dtype == np.uint8 and source.ndim in (2, 3) and channels[0] in (1, 3) and source.size > 0
    if isinstance(source, Tensor) and source.ndim in (3, 4):
        channels, height, width = source.shape[-3:]
        return source.dtype == torch.uint8 and channels in (1, 3) and height > 0 and width > 0
    return False


def _translate_batch(generators: Sequence[UNetGenerator], images: Tensor, seed: int, run: Run) -> Tensor:
    """uint8 (N, 1 or 3, H, W) -> uint8 (generators, N, target_channels, H, W), on the same device."""
    first, (height, width) = generators[0], images.shape[2:]
    device = next(first.parameters()).device
    less = "Scale it down, or move the generator to a device with more memory."
    with (
        fork_rng(device),
        exact_cudnn(),
        explain_out_of_memory(lambda: f"Out of memory on {device} at {width}×{height} px. {less}"),
        _test_time_mode(generators),
    ):
        outputs = images.new_empty(len(generators), len(images), first.target_channels, height, width)
        for i in range(len(images)):
            torch.manual_seed(seed)
            image = _with_channels(images[i : i + 1].to(device), first.source_channels)
            for output, whole in zip(outputs, run(to_float(_pad(image, first.image_size))), strict=True):
                output[i] = to_uint8(_crop(whole, height, width))[0]
    return outputs


@contextmanager
def _test_time_mode(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Dropout on, and BatchNorm by the statistics of the image, its running averages unchanged. Undone at the end."""
    modules = {module for network in networks for module in network.modules()}
    before = {module: (module.training, getattr(module, "track_running_stats", None)) for module in modules}
    try:
        for module in modules:
            module.training = True
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = False
        yield
    finally:
        for module, (training, track) in before.items():
            module.training = training
            if track is not None:
                module.track_running_stats = track


def _with_channels(images: Tensor, channels: int) -> Tensor:
    """Convert between grey (N, 1, H, W) and colour (N, 3, H, W), bit-identical to Pillow."""
    if images.shape[1] <= channels:
        return images.expand(-1, channels, -1, -1)
    red, green, blue = images.int().split(1, dim=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16).to(torch.uint8)  # ITU-R BT.601


def _pad(images: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) by reflection to multiples of ``multiple``, equally on both sides (to within a pixel)."""
    for axis in (2, 3):
        size = images.shape[axis]
        room = -size % multiple
        index = np.pad(np.arange(size), (room // 2, room - room // 2), "reflect")  # of 3 px in 8: 2 1 0 1 2 1 0 1
        images = images.index_select(axis, torch.from_numpy(index).to(images.device))
    return images


def _crop(images: Tensor, height: int, width: int) -> Tensor:
    """Centre crop of (N, C, H, W): the inverse of ``_pad``."""
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[..., top : top + height, left : left + width]
