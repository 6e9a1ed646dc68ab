"""Pictures: what an image file shows, upright, opaque and in sRGB, or values that need a range to be shown."""

import io
import struct
import sys
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

Range = tuple[float, float]  # the values that are black and white
BITS = (8, 10, 12, 14, 16)  # of whole numbers, in 16-bit files
ORIENTATION = 0x112  # EXIF's tag of what is up
WHITE_IS_ZERO, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLES, EXTRA_SAMPLES = 0, 258, 262, 277, 338  # of TIFF
OPACITY = (1, 2)  # among the extra samples
SRGB = ImageCms.createProfile("sRGB")


class Values(NamedTuple):
    """The least and the greatest value of an image, and the bits that whole numbers from 0 on need, else None."""

    low: float
    high: float
    bits: int | None


class RangeNeededError(ValueError):
    """Values of which nothing says which is black and which is white."""

    def __init__(self, values: Values):
        self.values = values
        words = f"has values from {values.low:g} to {values.high:g}"
        super().__init__(f"{words}, and nothing says which is black and which is white")


@dataclass(frozen=True)
class Picture:
    """What an image file shows.

    Args:
        pixels: an 8-bit image of mode L or RGB; or values, an array (H, W) or (H, W, 3), wider than 8 bits or no whole
            numbers.
        bits: of each value, if they are whole numbers from 0 on; 8 is that of an image.
        notes: what of the file is not in the pixels, or was guessed.
        turned: whether its EXIF data say that another side is up than the first row; ``image`` is turned if it was
            asked for.
        inverted: whether the least value is white.
    """

    pixels: Image.Image | np.ndarray
    bits: int | None = 8
    notes: tuple[str, ...] = ()
    turned: bool = False
    inverted: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.pixels.size if isinstance(self.pixels, Image.Image) else self.pixels.shape[1::-1]

    def crop(self, left: int, right: int) -> "Picture":
        """Some of the columns."""
        if isinstance(self.pixels, Image.Image):
            return replace(self, pixels=self.pixels.crop((left, 0, right, self.pixels.height)))
        return replace(self, pixels=self.pixels[:, left:right])

    def values(self) -> Values | None:
        """The values that are wider than 8 bits; None of an 8-bit image.

        Raises:
            ValueError: if some are no numbers.
        """
        if isinstance(self.pixels, Image.Image):
            return None
        if blank := int(np.isnan(self.pixels).sum()):
            raise ValueError(f"has {blank:,} values that are no numbers (NaN): fill them in")
        finite = self.pixels[np.isfinite(self.pixels)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        least = next(bits for bits in BITS if high < 2**bits) if self.bits == 16 else self.bits
        return Values(low, high, least)

    def image(self, values: Range | None = None) -> Image.Image:
        """An 8-bit image of mode L or RGB.

        Args:
            values: those that become black and white; None is 0 and the greatest that its bits can be.

        Raises:
            RangeNeededError: if there is no range, and they are no whole numbers from 0 on.
        """
        found = self.values()
        if values is None:
            if found is None:
                return self.pixels
            if found.bits is None:
                raise RangeNeededError(found)
            values = 0, 2**found.bits - 1
        black, white = reversed(values) if self.inverted else values
        levels = (np.asarray(self.pixels).astype(np.float64) - black) * (255 / (white - black))
        return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def picture_of(image: Image.Image | np.ndarray, upright: bool = True) -> Picture:
    """The picture of an image as Pillow opened it, or of an array (H, W), (H, W, 1) or (H, W, 3).

    Args:
        upright: whether to turn it as its EXIF data say.

    Raises:
        ValueError: for EXIF data that can't be read, and arrays of another shape.
    """
    if isinstance(image, np.ndarray):
        return _of_array(image)
    notes, samples = [], getattr(image, "tag_v2", {}).get(SAMPLES, 0)
    if image.format != "MPO" and getattr(image, "is_animated", False):  # a phone's second picture is a preview
        notes.append(f"has {image.n_frames} pages, of which the first is read")
    low = _low_bytes(image)
    image.load()
    tags = getattr(image, "tag_v2", {})
    try:
        turned = image.getexif().get(ORIENTATION, 1) in range(2, 9)
        if upright and turned:
            image, low = ImageOps.exif_transpose(image), low and ImageOps.exif_transpose(low)
    except (SyntaxError, struct.error) as error:
        raise ValueError(f"its EXIF data, which say what is up, are damaged: {error}") from error
    extra = samples > 3 and tags.get(PHOTOMETRIC) == 2 and image.mode in ("RGB", "RGBA", "RGBX")
    if extra and (tags.get(EXTRA_SAMPLES) or (0,))[0] not in OPACITY:
        notes.append(f"has {samples} bands, of which the first three are read: the 4th is not said to be opacity")
        image = image if image.mode == "RGB" else Image.merge("RGB", image.split()[:3])
    inverted = False
    if low is not None:
        pixels, bits = _wide_colour(image, low), 16
    elif image.mode == "F" or image.mode.startswith("I"):
        pixels, bits = np.asarray(image), _bits(image, tags)
        inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    else:
        pixels, bits = _opaque(_to_srgb(image, notes), notes), 8
    return Picture(pixels, bits, tuple(notes), turned, inverted)


def _of_array(array: np.ndarray) -> Picture:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise ValueError(f"an array of shape {array.shape} is no image: (H, W) is grey, (H, W, 3) colour")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise ValueError(f"an array of {array.dtype} is no image")
    if array.dtype == np.uint8:
        return Picture(Image.fromarray(array))
    return Picture(array, 16 if array.dtype == np.uint16 else None)


def _bits(image: Image.Image, tags: dict) -> int | None:
    """Bits of whole numbers from 0 on; None for floats, signed and 32-bit values."""
    said = (tags.get(BITS_PER_SAMPLE) or (16,))[0]
    if image.mode.startswith("I;16"):
        return said if 8 < said < 16 else 16
    low, high = image.getextrema() if image.mode == "I" else (-1, 0)
    return 16 if image.format != "TIFF" and low >= 0 and high < 2**16 else None


def _low_bytes(image: Image.Image) -> Image.Image | None:
    """The lower bytes of 16-bit colour: Pillow reads the upper ones only, but of any order of bytes."""
    other = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}

    def swap(args: object) -> object:
        if isinstance(args, tuple):
            return tuple(map(swap, args))
        is_wide = isinstance(args, str) and args[:-1] in ("RGB;16", "RGBA;16")
        return args[:-1] + other[args[-1]] if is_wide else args

    there = getattr(image, "tile", [])  # none in an image that is no file, or was read before
    tiles = [tile._replace(args=swap(tile.args)) for tile in there]
    if image.mode not in ("RGB", "RGBA") or tiles == there:
        return None
    image.fp.seek(0)
    twin = Image.open(io.BytesIO(image.fp.read()))
    twin.tile = tiles
    twin.load()
    return twin


def _wide_colour(high: Image.Image, low: Image.Image) -> np.ndarray:
    """(H, W, 3) of 16 bits; what is transparent lies on white."""
    values = np.asarray(high).astype(np.uint16) << 8
    values |= np.asarray(low)[..., : values.shape[2]]
    if values.shape[2] == 4:
        white, opacity = values.max(), values[..., 3:] / max(1, values[..., 3].max())
        values = (values[..., :3] * opacity + white * (1 - opacity)).round().astype(np.uint16)
    return values


def _to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert colours to sRGB by the image's ICC profile."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if not profile:
        return image
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(opened).lower():
            return image
        opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        if image.mode not in ("L", "RGB", "CMYK", "LAB"):
            image = image.convert("L" if image.mode in ("LA", "La", "1") else "RGB")
        image = ImageCms.profileToProfile(image, opened, SRGB, outputMode="RGB")
        if opacity:
            image.putalpha(opacity)
    except (ImageCms.PyCMSError, OSError) as error:
        notes.append(f"has an ICC profile that can't be used ({error}): its colours are taken for sRGB")
    return image


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    """Mode L or RGB, what is transparent on white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if not image.getextrema()[3][1]:
            notes.append("is wholly transparent, and read as white")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "L" else image.convert("RGB")
