"""The files of a pair as a row of bytes."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ..utils.images import convert, load_image
from .cache import Row
from .folders import PairFiles

SAME_ASPECT = 0.02  # as much may the aspects of source and target differ, since widths and heights are rounded


class PairReader:
    """Loads pairs as rows of bytes: the source, then the target, each (C, size, size)."""

    def __init__(self, files: list[PairFiles], size: int, channels: tuple[int, int], swap: bool):
        self.files, self.size, self.channels, self.swap = files, size, channels, swap
        self.row_bytes = sum(channels) * size**2

    def load(self, number: int) -> Row:
        """The row of a pair, or why there is none."""
        try:
            images = _open_pair(self.files[number])
        except ValueError as error:
            return str(error)
        parts = zip(reversed(images) if self.swap else images, self.channels, strict=True)
        return np.concatenate([self._fit(image, channels) for image, channels in parts])

    def _fit(self, image: Image.Image, channels: int) -> np.ndarray:
        fitted = convert(image, channels).resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.asarray(fitted).reshape(self.size, self.size, channels).transpose(2, 0, 1).ravel()

    def split(self, rows: Tensor) -> list[Tensor]:
        """Source and target (N, C, size, size), as views into the rows."""
        parts = rows.split([channels * self.size**2 for channels in self.channels], dim=1)
        return [part.unflatten(1, (-1, self.size, self.size)) for part in parts]

    def stamp(self) -> str:
        """Changes when anything does that the rows depend on."""
        digest = sha256(repr((1, self.size, self.channels, self.swap)).encode())  # 1: of this way to read and to resize
        for pair in self.files:
            digest.update(repr((pair.name, [_state(file) for file in pair[1:] if file])).encode())
        return digest.hexdigest()


def _state(file: Path) -> tuple:
    """Which file this is, and in which version; not where it lies, so that a data set can be moved."""
    if not file.exists():  # a link to nowhere
        return file.parts[-2:]
    stat = file.stat()
    return *file.parts[-2:], stat.st_size, stat.st_mtime_ns


def _open_pair(pair: PairFiles) -> tuple[Image.Image, Image.Image]:
    """Images A and B. Raises ValueError if one can't be read, or they don't fit together."""
    if pair.second is None:
        image = load_image(pair.first)
        if image.width % 2:
            raise ValueError(f"is {image.width} px wide, which can't be halved into two images of equal width")
        middle = image.width // 2
        return image.crop((0, 0, middle, image.height)), image.crop((middle, 0, image.width, image.height))
    first, second = (_load_half(file) for file in pair[1:])
    if abs(first.width * second.height / (first.height * second.width) - 1) > SAME_ASPECT:
        sizes = " and ".join(f"{image.width}×{image.height}" for image in (first, second))
        raise ValueError(f"its images are {sizes} px, which differ in aspect")
    return first, second


def _load_half(file: Path) -> Image.Image:
    try:
        return load_image(file)
    except ValueError as error:
        raise ValueError(f"{file.parent.name}/{file.name} {error}") from error
