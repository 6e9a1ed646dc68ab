"""Decode the files of a pair into its source and its target."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..utils.images import convert, load_image
from .folders import PairFiles

Decoded = tuple[np.ndarray, np.ndarray]  # source and target
SAME_ASPECT = 0.02  # as much may the aspects of source and target differ, since widths and heights are rounded


@dataclass(frozen=True)
class PairDecoder:
    """Decodes pairs into source and target, each uint8 (C, size, size).

    Args:
        files: of the pairs.
        size: side in px that all images are resized to.
        channels: of the source and of the target, each 1 or 3.
        direction: "AtoB", or "BtoA" if image B is the source.
    """

    files: Sequence[PairFiles]
    size: int
    channels: tuple[int, int]
    direction: str

    def decode(self, index: int) -> Decoded | str:
        """Source and target of a pair, or why they can't be decoded."""
        try:
            images = _open_pair(self.files[index])
        except ValueError as error:
            return str(error)
        source, target = images if self.direction == "AtoB" else reversed(images)
        return self._fit(source, self.channels[0]), self._fit(target, self.channels[1])

    def _fit(self, image: Image.Image, channels: int) -> np.ndarray:
        fitted = convert(image, channels).resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.atleast_3d(fitted).transpose(2, 0, 1).copy()  # (H, W, C) -> (C, H, W)

    def allocate(self, count: int) -> Decoded:
        """Memory for the sources and the targets of so many pairs, each uint8 (count, C, size, size)."""
        source, target = (np.empty((count, channels, self.size, self.size), np.uint8) for channels in self.channels)
        return source, target


def map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """Call a function for each item on all cores; results come in order, only a few ahead of what is taken."""
    with ThreadPoolExecutor() as threads:
        ahead = deque()
        try:
            for item in items:
                ahead.append(threads.submit(function, item))
                if len(ahead) > 2 * (os.cpu_count() or 1):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


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
