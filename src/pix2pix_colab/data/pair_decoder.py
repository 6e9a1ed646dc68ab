"""Decode the files of a pair into its source and its target."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from ..utils.images import SAME_ASPECT, LargeImageError, eight_bits, open_picture, resize
from ..utils.picture import Picture, Range, RangeNeededError, Values
from .folders import PairFiles

HALVES = 0.95, 1.4  # width / height of each image of a pair side by side, if nothing else is said
LARGE = 16e6  # px; one image of more is decoded at a time, so that memory doesn't grow with the number of cores
_ONE_LARGE = Lock()


class Decoded(NamedTuple):
    """A pair: source and target, uint8 (C, size, size) each; width / height of the source; what a user should know."""

    source: np.ndarray
    target: np.ndarray
    aspect: float
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class PairDecoder:
    """Decodes pairs into source and target, each uint8 (C, size, size), by the options of ``read_pairs``."""

    files: Sequence[PairFiles]
    size: int
    channels: tuple[int, int]  # of the source and of the target
    direction: str
    ranges: tuple[Range | None, Range | None] = (None, None)  # of the sources and of the targets
    any_aspect: bool = False
    exif: bool = True
    most: float = LARGE  # px that an image may have

    def decode(self, index: int) -> Decoded | ValueError:
        """Source and target of a pair, or why they can't be decoded: a RangeNeededError if a range is needed."""
        try:
            pictures, notes = self.open(self.files[index])
            source, target = (self._fit(picture, side) for side, picture in enumerate(pictures))
        except LargeImageError:
            with _ONE_LARGE:
                return replace(self, most=math.inf).decode(index)
        except ValueError as error:
            return error
        width, height = pictures[0].size
        return Decoded(source, target, width / height, notes)

    def open(self, pair: PairFiles) -> tuple[tuple[Picture, Picture], list[str]]:
        """The pictures of source and target, and notes. Raises ValueError if they can't be read or don't fit."""
        pictures, notes = self._halve(pair.first) if pair.second is None else self._open_both(pair)
        return pictures if self.direction == "AtoB" else pictures[::-1], notes

    def values(self, pair: PairFiles) -> tuple[Values | None, Values | None]:
        """The values of source and target that are wider than 8 bits; None also if they can't be read."""
        try:
            source, target = self.open(pair)[0]
            return source.values(), target.values()
        except LargeImageError:
            with _ONE_LARGE:
                return replace(self, most=math.inf).values(pair)
        except ValueError:  # which is said when it is decoded
            return None, None

    def _fit(self, picture: Picture, side: int) -> np.ndarray:
        if self.ranges[side] is None and (values := picture.values()):
            raise RangeNeededError(values)
        image = eight_bits(picture, self.channels[side], self.ranges[side])
        return np.atleast_3d(resize(image, (self.size, self.size))).transpose(2, 0, 1).copy()  # -> (C, H, W)

    def _halve(self, file: Path) -> tuple[tuple[Picture, Picture], list[str]]:
        whole = open_picture(file, False, self.most)
        notes = list(whole.notes)
        if whole.turned and self.exif:
            turned = open_picture(file, True, self.most)
            if _is_plausible(turned) and not _is_plausible(whole):
                whole = turned
            else:
                notes.append("has EXIF data that turn it, which are not obeyed: it is cut into A and B as it is stored")
        width, height = whole.size
        if width % 2:
            raise ValueError(f"is {width} px wide, which can't be halved into two images of equal width")
        if not (self.any_aspect or _is_plausible(whole)):
            raise ValueError(
                f"is {width}×{height} px, so that A and B side by side would be {width // 2}×{height} px each: if they "
                "are, read the pairs with any_aspect=True (--any-aspect); if it is one image, its partner is missing"
            )
        return (whole.crop(0, width // 2), whole.crop(width // 2, width)), notes

    def _open_both(self, pair: PairFiles) -> tuple[tuple[Picture, Picture], list[str]]:
        first, second = pictures = tuple(self._open(file) for file in pair[1:])
        notes = [f"{_name(file)} {note}" for file, each in zip(pair[1:], pictures, strict=True) for note in each.notes]
        one_turned = ""
        if self.exif and first.turned != second.turned:
            files = map(_name, pair[1:] if first.turned else pair[:0:-1])
            one_turned = (
                "{} is turned by its EXIF data, and {} has none: if both fit together as they are stored, as a mask "
                "drawn on the raw pixels does, read the pairs with exif=False (--no-exif)"
            ).format(*files)
        if abs(first.size[0] * second.size[1] / (first.size[1] * second.size[0]) - 1) > SAME_ASPECT:
            sizes = " and ".join("{}×{}".format(*each.size) for each in pictures)
            reasons = [f"its images are {sizes} px, which differ in aspect", one_turned]
            raise ValueError("; ".join(filter(None, reasons)))
        return pictures, [*notes, one_turned] if one_turned else notes

    def _open(self, file: Path) -> Picture:
        try:
            return open_picture(file, self.exif, self.most)
        except ValueError as error:
            raise ValueError(f"{_name(file)} {error}") from error

    def allocate(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Memory for the sources and the targets of so many pairs, each uint8 (count, C, size, size)."""
        source, target = (np.empty((count, channels, self.size, self.size), np.uint8) for channels in self.channels)
        return source, target


def _is_plausible(whole: Picture) -> bool:
    """Whether a file may be two images of a usual aspect, side by side."""
    width, height = whole.size
    return HALVES[0] <= width / 2 / height <= HALVES[1]


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


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
