"""What a generator makes of an image: of any size, as a PIL image, an array or a tensor."""

from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.func import functional_call

from .generator import UNetGenerator
from .utils.device import explain_out_of_memory, fork_rng
from .utils.images import convert, to_float, to_uint8

Images = TypeVar("Images", Image.Image, np.ndarray, Tensor)


@torch.no_grad()
def translate(generator: UNetGenerator, source: Images, seed: int = 0) -> Images:
    """Generate an output for each source by the paper's test-time rule (section 3.3).

    Each image goes through by itself: dropout is on, drawn from ``seed`` anew for every image, and BatchNorm takes the
    statistics of that one image. So an output depends on its source and the seed alone, not on what it is batched
    with. Nothing is changed: not the generator's mode or buffers, and not the random state.

    An image of any size goes through whole, mirrored at its borders up to multiples of the generator's image size, and
    the output is cropped back. Grey becomes colour and colour grey where the generator takes the other one.

    Args:
        source: a PIL image of any mode but F, which is turned upright as its EXIF data say; or uint8: an array (H, W),
            (H, W, 1) or (H, W, 3), or a tensor (C, H, W) or (N, C, H, W) with C 1 or 3.

    Returns:
        The same kind, in the same size, in as many channels as the generator's target has: a PIL image in the mode L or
        RGB; an array (H, W, C), or (H, W) for grey made of (H, W); a tensor on the device of ``source``.

    Raises:
        ValueError: for anything else, such as floats, and for images without a pixel.
        MemoryError: if the memory of the GPU or the machine doesn't suffice.
    """
    _check(source)
    if isinstance(source, Image.Image):
        array = np.atleast_3d(convert(source, generator.source_channels))
        output = translate(generator, array, seed)
        return Image.fromarray(output if output.shape[2] == 3 else output[:, :, 0])
    if isinstance(source, np.ndarray):
        image = torch.from_numpy(np.array(np.atleast_3d(source), order="C")).permute(2, 0, 1)  # (H, W, C) -> (C, H, W)
        output = translate(generator, image, seed).permute(1, 2, 0).numpy()
        return output[:, :, 0] if source.ndim == 2 and output.shape[2] == 1 else output
    if source.ndim == 3:
        return _translate(generator, source[None], seed)[0]
    return _translate(generator, source, seed)


def _check(source: object) -> None:
    """Raise ValueError for what ``translate`` doesn't take."""
    if not _is_taken(source):
        numbers = getattr(source, "dtype", getattr(source, "mode", ""))  # of an array or tensor, of a PIL image
        size = tuple(getattr(source, "shape", getattr(source, "size", ())))
        got = f"{type(source).__name__} {numbers} {size or ''}".split()
        raise ValueError(
            "translate takes a PIL image not of floats, a uint8 array (H, W), (H, W, 1) or (H, W, 3), or a uint8 "
            "tensor (C, H, W) or (N, C, H, W) with 1 or 3 channels, and no image without pixels, but got: "
            f"{' '.join(got)}."
        )


def _is_taken(source: object) -> bool:
    if isinstance(source, Image.Image):
        return source.mode != "F" and 0 not in source.size  # floats don't say what is white
    if isinstance(source, np.ndarray):
        channels = source.shape[2:] or (1,)
        return source.dtype == np.uint8 and source.ndim in (2, 3) and channels[0] in (1, 3) and source.size > 0
    if isinstance(source, Tensor) and source.ndim in (3, 4):
        channels, height, width = source.shape[-3:]
        return source.dtype == torch.uint8 and channels in (1, 3) and height > 0 and width > 0
    return False


def _translate(generator: UNetGenerator, images: Tensor, seed: int) -> Tensor:
    """uint8 (N, 1 or 3, H, W) -> uint8 (N, target_channels, H, W), on the same device."""
    device, was_training = next(generator.parameters()).device, generator.training
    height, width = images.shape[2:]
    less = "Scale it down, or move the generator to a device with more memory."
    try:
        generator.train()
        with (
            fork_rng(device),
            explain_out_of_memory(lambda: f"Out of memory on {device} at {width}×{height} px. {less}"),
        ):
            outputs = images.new_empty(len(images), generator.target_channels, height, width)
            for i in range(len(images)):
                torch.manual_seed(seed)
                buffers = {name: buffer.clone() for name, buffer in generator.named_buffers()}
                image = _with_channels(images[i : i + 1].to(device), generator.source_channels)
                whole = functional_call(generator, buffers, (to_float(_pad(image, generator.image_size)),))
                outputs[i] = to_uint8(_crop(whole, height, width))[0]
    finally:
        generator.train(was_training)
    return outputs


def _with_channels(images: Tensor, channels: int) -> Tensor:
    """Grey (N, 1, H, W) as colour (N, 3, H, W), or the other way round, to the bit as Pillow does it."""
    if images.shape[1] <= channels:
        return images.expand(-1, channels, -1, -1)
    red, green, blue = images.int().split(1, dim=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16).to(torch.uint8)  # ITU-R BT.601


def _pad(images: Tensor, multiple: int) -> Tensor:
    """Mirror (N, C, H, W) at the borders until H and W are multiples; to a pixel, by as much on either side."""
    for axis in (2, 3):
        images = images.index_select(axis, _mirrored(images.shape[axis], multiple).to(images.device))
    return images


def _mirrored(size: int, multiple: int) -> Tensor:
    """Which pixels a padded line consists of. 3 px up to 8: 2 1 0 1 2 1 0 1, since mirrors are mirrored again."""
    room, period = -size % multiple, max(1, 2 * (size - 1))
    way = torch.arange(-(room // 2), size + room - room // 2) % period  # from the first pixel to the last, and back
    return torch.minimum(way, period - way)


def _crop(images: Tensor, height: int, width: int) -> Tensor:
    """The middle of (N, C, H, W): what ``_pad`` was given."""
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[..., top : top + height, left : left + width]
