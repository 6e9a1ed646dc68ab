"""Pictures: what an image file shows, upright, opaque and in sRGB, or values that need a range to be shown."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image

Range = tuple[float, float]  # the values that are black and white
BITS = (8, 10, 12, 14, 16)  # of whole numbers, in 16-bit files
NO_VALUE = 2**16 - 1  # in 16-bit files of fewer bits


class Values(NamedTuple):
    """The least and the greatest value of an image, and the bits that whole numbers from 0 on need, else None.

    Depth often has 65,535 where nothing was measured: ``no_value``. It needs no bits, and becomes white.
    """

    low: float
    high: float
    bits: int | None
    no_value: bool = False


class RangeNeededError(ValueError):
    """Values of which nothing says which is black and which is white."""

    def __init__(self, values: Values):
        self.values = values
        words = f"has values from {values.low:g} to {values.high:g}"
        super().__init__(f"{words}, and nothing says which is black and which is white")


@dataclass(frozen=True)
class Picture:
    """What an image file shows.

    ``pixels`` is an 8-bit image of mode L or RGB; or values, an array (H, W) or (H, W, 3), wider than 8 bits or no
    whole numbers.
    """

    pixels: Image.Image | np.ndarray
    bits: int | None = 8  # of each value, if they are whole numbers from 0 on
    notes: tuple[str, ...] = ()  # what of the file is not in the pixels, or was guessed
    turned: bool = False  # whether its EXIF data say that another side is up than the first row
    inverted: bool = False  # whether the least value is white

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
        """The values that are wider than 8 bits; None of an 8-bit image. Raises ValueError if some are no numbers."""
        if isinstance(self.pixels, Image.Image):
            return None
        if blank := int(np.isnan(self.pixels).sum()):
            raise ValueError(f"has {blank:,} values that are no numbers (NaN): fill them in")
        finite = self.pixels[np.isfinite(self.pixels)]
        no_value = False
        if self.bits == 16 and self.pixels.ndim == 2:
            known = finite[finite < NO_VALUE]
            no_value = known.size < finite.size and known.size > 0 and 2**8 <= known.max() < 2 ** BITS[-2]
            finite = known if no_value else finite
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        least = next(bits for bits in BITS if high < 2**bits) if self.bits == 16 else self.bits
        return Values(low, high, least, bool(no_value))

    def image(self, values: Range | None = None) -> Image.Image:
        """An 8-bit image of mode L or RGB, by the values that become black and white.

        None is 0 and the greatest that its bits can be; RangeNeededError if they are no whole numbers from 0 on. An
        8-bit image in a set of wider ones, whose range goes beyond 255, keeps its own.
        """
        found = self.values()
        if values is None and found:
            if found.bits is None:
                raise RangeNeededError(found)
            values = 0, 2**found.bits - 1
        if found is None:
            if values is None or max(values) > 255:
                return self.pixels
            levels = np.asarray(self.pixels)
            beyond = (levels > max(values)) & (levels < 255)  # 255 is no class, in masks of class ids
            if 2 * beyond.sum() > (levels < 255).sum() > 0:
                words = f"most of them beyond the range {tuple(values)} of the others"
                raise ValueError(
                    f"has levels of 8 bits up to {levels.max()}, {words}: save all of them with the same values"
                )
        black, white = reversed(values) if self.inverted else values
        levels = (np.asarray(self.pixels).astype(np.float64) - black) * (255 / (white - black))
        return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))
