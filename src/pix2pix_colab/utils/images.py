"""Image conversion: files of any mode to 8-bit grey or colour, and to the tensors of the networks."""

import io
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

MODES = {1: "L", 3: "RGB"}  # by the number of channels


def is_image(file: Path) -> bool:
    """Detect an image that Pillow opens, by its ending; hidden files (macOS leaves ._1.jpg beside 1.jpg) are none."""
    return Image.registered_extensions().get(file.suffix.lower()) in Image.OPEN and not file.name.startswith(".")


def load_image(file: str | Path | bytes, channels: int = 3) -> Image.Image:
    """Read an image file of any mode, by its path or its bytes, and ``convert`` it.

    Raises:
        ValueError: if it can't be read: no image, cut off, or of a dangerous size. The message is only the reason.
    """
    try:
        content = file if isinstance(file, bytes) else Path(file).read_bytes()  # by its name, Pillow would map a TIFF
        with Image.open(io.BytesIO(content)) as opened:
            return convert(opened, channels)
    except UnidentifiedImageError as error:
        raise ValueError("is no image") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__  # in one line
        raise ValueError(f"can't be read ({reason})") from error


def convert(image: Image.Image, channels: int = 3) -> Image.Image:
    """An image of any mode as 8-bit grey ("L", 1 channel) or colour ("RGB", 3 channels), a new one.

    It is turned upright as its EXIF data say, 16 bits are scaled to 8 (Pillow only clips them at 255), and what is
    transparent lies on white. Converted once more, it stays as it is.

    Raises:
        ValueError: for pixels of floats, and for EXIF data that can't be read.
    """
    image.load()
    try:
        image = ImageOps.exif_transpose(image)
    except (SyntaxError, struct.error) as error:
        raise ValueError(f"its EXIF data, which say what is up, are damaged: {error}") from error
    if image.mode == "F":
        raise ValueError("its pixels are floats, which don't say what is white")
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB").convert(MODES[channels])


def to_float(images: Tensor) -> Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1], the range of the nets."""
    return scale_(images.to(torch.float32, copy=True))


def scale_(images: Tensor) -> Tensor:
    """[0, 255] -> [-1, 1], in place and in one pass over the memory: at one pair a step, that is what data costs."""
    return torch.add(_MINUS_ONE, images, alpha=SCALE, out=images)


_MINUS_ONE = torch.tensor(-1.0)
SCALE = (2 - 2e-7) / 255  # a trace below 2 / 255, so that rounding doesn't take 255 beyond 1


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] -> uint8 in [0, 255], rounded: the inverse of ``to_float``."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
