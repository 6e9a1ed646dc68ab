"""Images: any file as 8-bit grey or colour, as data sets and ``translate`` see it, and as tensors of the networks."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from .decoding import picture_of
from .picture import Picture, Range

MODES = {1: "L", 3: "RGB"}  # by the number of channels
ARRAY = ".npy"  # one channel: depth, CT, temperature
FEW, MOST = 64, 256  # colours of an exact label map; of more than few, most pixels lie in areas
IN_AREAS = 0.5, 0.8  # the least share of the pixels off the background, of few colours and of more
NO_IMAGES = {  # what files that are called images often are, by how they begin
    b"version https://git-lfs": " but a pointer of Git LFS: fetch the files with git lfs pull",
    b"PK\x03\x04": " but a zip archive: unpack it",
    b"Rar!": " but a RAR archive: unpack it",
    b"7z\xbc\xaf": " but a 7z archive: unpack it",
    b"\x1f\x8b": " but a gzip archive: unpack it",
    b"ftyp": " but a HEIC or a video: save it as JPEG",  # after four bytes
    b"%PDF": " but a PDF: save its pages as PNG",
    b"<": " but text, such as a web page that a download brought",
}
LOOKED_AT = 2048  # px, side of the part that is looked at
SAME_ASPECT = 0.02  # as much may two aspects differ, since widths and heights are rounded


class Seen(NamedTuple):
    """How training saw the files of its sources, which ``translate`` repeats."""

    aspect: float | None = None  # width / height of files that were squashed to squares; None: they differed
    range: Range | None = None  # the values that were black and white; None: the least and the greatest of their bits
    exif: bool = True  # whether they were turned as their EXIF data say
    target_range: Range | None = None


UNSEEN, SQUARE = Seen(), Seen(1.0)


class LargeImageError(Exception):
    """An image of more pixels than was asked for."""


def is_image(file: Path) -> bool:
    """Detect an image that can be read, by its ending; hidden files (macOS leaves ._1.jpg beside 1.jpg) are none."""
    ending = file.suffix.lower()
    known = ending == ARRAY or Image.registered_extensions().get(ending) in Image.OPEN
    return known and not file.name.startswith(".")


def open_picture(file: str | Path | bytes, upright: bool = True, most: float = math.inf) -> Picture:
    """Read an image file of any kind, by its path or its bytes.

    Args:
        upright: whether to turn it as its EXIF data say.
        most: pixels that it may have.

    Raises:
        LargeImageError: if it has more; nothing was decoded yet.
        ValueError: if it can't be read: no image, cut off, or of a dangerous size. The message is only the reason.
    """
    content = b""
    try:
        if not isinstance(file, bytes) and Path(file).suffix == ARRAY and Path(file).stat().st_size > 2 * most:
            raise LargeImageError
        content = file if isinstance(file, bytes) else Path(file).read_bytes()  # by its name, Pillow would map a TIFF
        if content.startswith(b"\x93NUMPY"):
            return picture_of(np.load(io.BytesIO(content), allow_pickle=False))
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > most:
                raise LargeImageError
            return picture_of(opened, upright)
    except UnidentifiedImageError as error:
        start = content[:16].ljust(16, b"\0")
        formats = (name for name in Image.ID if (accept := Image.OPEN[name][1]) and accept(start) is True)
        kind = next(formats, None) if content else None
        words = (
            "but is damaged, or none of the kinds that Pillow reads as grey or colour (of many bands, or floats?): "
            "save it as PNG, or each channel as .npy"
        )
        starts = content[:99].lstrip(), content[4:12]
        other = next((words for begin, words in NO_IMAGES.items() if any(s.startswith(begin) for s in starts)), "")
        raise ValueError(f"can't be read (it begins as {kind}, {words})" if kind else f"is no image{other}") from error
    except LargeImageError:
        raise
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        words = "scale it down or, if you trust it, set PIL.Image.MAX_IMAGE_PIXELS = None before"
        raise ValueError(
            f"can't be read (it has more than {limit:,} pixels, which Pillow takes for an attack: {words})"
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__  # in one line
        raise ValueError(f"can't be read ({reason})") from error


def convert(
    image: Image.Image | str | Path | bytes, channels: int = 3, values: Range | None = None, upright: bool = True
) -> Image.Image:
    """An image of any mode, or a file by its path or bytes, as 8-bit grey (L, 1 channel) or colour (RGB, 3 channels).

    It is turned upright as its EXIF data say, its colours are converted to sRGB by its ICC profile, what is transparent
    lies on white, and more than 8 bits are scaled to 8 by their range. Converted once more, without a range, it
    stays as it is. What is in the file and not in the result, or was guessed, is a warning.

    Args:
        values: those that become black and white. None: 0 to 255, or of whole numbers that need 10, 12, 14 or 16 bits
            the range of those bits.
        upright: whether to turn it as its EXIF data say.

    Raises ValueError for floats, signed and 32-bit values without a range, and for a file or EXIF data that can't be
    read. The message is only the reason.
    """
    picture = picture_of(image, upright) if isinstance(image, Image.Image) else open_picture(image, upright)
    for note in picture.notes:
        warnings.warn(f"The image {note}.", stacklevel=2)
    return eight_bits(picture, channels, values)


def eight_bits(picture: Picture, channels: int, values: Range | None) -> Image.Image:
    """A picture as 8-bit grey (1 channel) or colour (3), by its range."""
    return picture.image(values).convert("RGB").convert(MODES[channels])


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize by bicubic interpolation; an exact label map by the nearest pixel, so that no classes are mixed."""
    factor = max(a / b for a, b in zip(image.size, size, strict=True))
    exact = image.size != size and label_colours(image, factor)
    return image.resize(size, Image.Resampling.NEAREST if exact else Image.Resampling.BICUBIC)


def label_colours(image: Image.Image, factor: float = 1) -> dict | None:
    """The classes of an exact label map, which no JPEG has mixed: its pixels by colour; None if an image is none.

    It has at most 64 colours, or at most 256 that lie in areas, unlike the levels of a grey photo. If it is to shrink
    by a ``factor``, few colours must lie in areas, too: the nearest pixel breaks thin lines. This is the one rule for
    reading, board, metrics and slider; ``isLabelMap`` in widgets/label_colours.js follows it.
    """
    if not (found := image.getcolors(MOST)):
        return None
    few = len(found) <= FEW
    if not few or factor > 1:
        side = math.ceil(factor) if few else max(3, math.ceil(factor))
        if _share_in_areas(image, max(found)[1], side) < IN_AREAS[not few]:
            return None
    return {colour: count for count, colour in found}


def _share_in_areas(image: Image.Image, background: int | tuple[int, ...], side: int) -> float:
    """Of the pixels off the background, the share that lies in squares of ``side`` px of one colour."""
    left, top = (max(0, length - LOOKED_AT) // 2 for length in image.size)
    part = image.crop((left, top, min(image.width, left + LOOKED_AT), min(image.height, top + LOOKED_AT)))
    weights = np.array([1, 2**8, 2**16], np.float32)[: len(part.getbands())]  # float32 holds 24 bits exactly
    pixels = torch.from_numpy(np.atleast_3d(np.asarray(part)) @ weights)[None, None]
    off = pixels != float(np.ravel(background) @ weights)
    if not off.any() or min(part.size) <= side:
        return 1.0
    flat = (_pool(pixels, side, 0) == -_pool(-pixels, side, 0)).float()  # whether a square is of one colour
    return float(_pool(flat, side, side - 1)[off].mean())


def _pool(images: Tensor, side: int, padding: int) -> Tensor:
    """The greatest value in each square, in rows and then in columns."""
    rows = max_pool2d(pad(images, [padding] * 4), (1, side), 1)
    return max_pool2d(rows, (side, 1), 1)


def fit_to(image: Image.Image, aspect: float | None, size: int) -> Image.Image:
    """Scale an image to what training saw.

    Training squashes images of a common ``aspect`` to squares of ``size`` px. One of that aspect becomes such a square,
    too. Of another one, pixels are squashed by as much, so that what it shows has its usual shape, and the shorter side
    becomes ``size`` px, the longer at most 16 times that. Where there was no common aspect, any image becomes a square.
    """
    width = 1.0 if aspect is None else min(16.0, max(1 / 16, image.width / image.height / aspect))
    if abs(width - 1) <= SAME_ASPECT:
        width = 1.0
    scaled = (round(size * max(1.0, width)), round(size * max(1.0, 1 / width)))
    return resize(image, scaled)


def common_aspect(aspects: Sequence[float]) -> float | None:
    """The aspect that images share, the middle one; None if they differ."""
    middle = sorted(aspects)[len(aspects) // 2] if aspects else None
    return middle if middle and all(abs(aspect / middle - 1) <= SAME_ASPECT for aspect in aspects) else None


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
