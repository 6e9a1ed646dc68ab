"""Canvas of a synthetic facade: a label map, a photo and the light on it, painted together."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from ..label_maps import LABEL_COLOURS, Colour

UNIT = 256  # coordinates are in px of an image of this size; other sizes are scaled from it
DETAIL = 2  # the photo is painted this many times as large, then averaged down


class Box(NamedTuple):
    """A rectangle, in px of an image of ``UNIT`` px."""

    left: float
    top: float
    right: float
    bottom: float

    width = property(lambda box: box.right - box.left)
    height = property(lambda box: box.bottom - box.top)

    def part(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """The part between these shares of the width (left, right) and the height (top, bottom)."""
        x, y, width, height = self.left, self.top, self.width, self.height
        return Box(x + left * width, y + top * height, x + right * width, y + bottom * height)

    def cut(self, count: int) -> list["Box"]:
        """The box, cut into as many of equal width side by side."""
        return [self.part(i / count, 0, (i + 1) / count, 1) for i in range(count)]

    def grow(self, sides: float, top: float, bottom: float) -> "Box":
        """The box with this much more on either side, above and below."""
        return Box(self.left - sides, self.top - top, self.right + sides, self.bottom + bottom)

    def pixels(self, image: Image.Image) -> tuple[int, int, int, int]:
        """The box in an image, at least one px wide and high."""
        left, top, right, bottom = (round(c * image.width / UNIT) for c in self)
        return left, top, max(right, left + 1), max(bottom, top + 1)


class Canvas:
    """Label map and photo, painted together so that they agree, and the light that falls on the photo."""

    def __init__(self, size: int, noise_seed: int):
        self.noise = np.random.default_rng(noise_seed)
        self.label, self.light = Image.new("RGB", (size, size)), Image.new("L", (size, size))
        self.photo = Image.new("RGB", (size * DETAIL, size * DETAIL))

    def box(self, box: Box, fill: Colour | Image.Image, label: str | None = None) -> None:
        """Fill a box of the photo with a colour or a texture; with a label, of the label map too, and in full light."""
        pixels = box.pixels(self.photo)
        self.photo.paste(fill.crop(pixels) if isinstance(fill, Image.Image) else fill, pixels)
        if label:
            self.label.paste(LABEL_COLOURS[label], box.pixels(self.label))
            self.shade(box, 1)

    def raised(self, box: Box, colour: Colour, label: str | None = None, depth: float = 1) -> None:
        """Paint a box that stands out of the wall, lit from the upper left: bright and dark edges, a shadow below."""
        self.shade(Box(*(c + depth / 2 for c in box)).grow(0, 0, depth / 2), 0.55)
        self.shade(box, 1)
        self.box(box, colour, label)
        self.box(box._replace(bottom=box.top + 0.6), tint(colour, 1.15))
        self.box(box._replace(top=box.bottom - 0.6), tint(colour, 0.68))

    def recess(self, box: Box) -> None:
        """Paint the shadow that the wall casts on what is set back into it."""
        self.shade(box._replace(bottom=box.top + 1.8), 0.5)
        self.shade(box._replace(right=box.left + 1), 0.62)

    def shade(self, box: Box, light: float) -> None:
        """Set the light on a box: 1 is full, 0 black."""
        self.light.paste(round(255 * light), box.pixels(self.light))

    def bars(self, box: Box, gaps: float, width: float, colour: Colour, upright: bool = True) -> None:
        """Paint bars at even distances, the first and the last at the edges of the box."""
        width /= box.width if upright else box.height
        for start in np.linspace(0, 1 - width, max(1, round(gaps)) + 1).tolist():
            self.box(box.part(start, 0, start + width, 1) if upright else box.part(0, start, 1, start + width), colour)

    def cloud(self, rows: int, columns: int) -> np.ndarray:
        """Smooth noise in [0, 1], float32 (side, side) of the photo, the same at any size."""
        grid = Image.fromarray(self.noise.random((rows, columns), dtype=np.float32))
        return np.asarray(grid.resize(self.photo.size, Image.Resampling.BICUBIC))

    def finish(self) -> np.ndarray:
        """Label map and photo, uint8 (2, size, size, 3)."""
        shadow = 1 - np.asarray(self.light.filter(ImageFilter.GaussianBlur(0.7 * self.light.width / UNIT))) / 255
        taken = (1, 0.97, 0.9)  # of red, green and blue: shadows are a little blue
        photo = np.asarray(self.photo.reduce(DETAIL)) * (1 - shadow[..., None] * taken)
        photo *= np.linspace(1.06, 0.94, len(photo))[:, None, None]  # and the street is darker than the roof
        photo += self.noise.normal(0, 1.5, (*shadow.shape, 1))
        return np.stack([np.asarray(self.label), photo.clip(0, 255).astype(np.uint8)])


def tint(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter colour."""
    return tuple(min(255, round(c * factor)) for c in colour)


def mix(a: Colour, b: Colour, share: np.ndarray) -> Image.Image:
    """A texture between two colours: float (side, side) from 0 (all a) to 1 (all b)."""
    mask = Image.fromarray((share.clip(0, 1) * 255).astype(np.uint8))
    return Image.composite(Image.new("RGB", mask.size, b), Image.new("RGB", mask.size, a), mask)
