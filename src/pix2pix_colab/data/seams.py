"""Seams: whether files side by side hold two images each, by the edges that run down them."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..utils.images import open_picture
from .label_maps import IMAGES
from .pair_decoder import PairDecoder

MIDDLE = 1 / 2
STRIPS = {"three": (1 / 3, 2 / 3), "four": (1 / 4, MIDDLE, 3 / 4)}  # where the images of a strip meet
LOOKED_AT = 512, 256  # px, to which images are scaled down
BESIDE = 12  # columns on each side of a seam, but for the two next to it, which JPEG blurs
SEAM, NONE = 3.0, 1.5  # times the step between other columns: in the middle of facades 23, elsewhere and in panoramas 1
TEXTURE, PLAIN = 1.0, 8.0  # levels between columns, and along the middle; on plain ground two images meet unseen


def describe_seams(decoder: PairDecoder) -> list[str]:
    """A sentence if most files look like single images, or like strips of three or four."""
    files = [pair.first for pair in decoder.files[:: 1 + len(decoder.files) // IMAGES] if pair.second is None]
    looks = [] if decoder.any_aspect else [look for file in files if (look := _look(file))]
    if len(looks) < 3:
        return []

    def typical(place: float) -> tuple[float, float]:
        """The step at a place, as a multiple of that beside it, and that beside it: medians over the files."""
        at, beside = np.array([_step(steps, place) for steps, _ in looks]).T
        return float(np.median(at / (beside + 1))), float(np.median(beside))

    so = "if all are pairs side by side, any_aspect=True (--any-aspect) says so."
    for name, places in STRIPS.items():
        if all(typical(place)[0] > SEAM for place in places):
            return [f"the files look like strips of {name} images, and are halved into A and B: {so}"]
    seam, texture = typical(MIDDLE)
    if seam < NONE and texture >= TEXTURE and np.median([spread for _, spread in looks]) > PLAIN:
        return [f"no edge runs down the middle of the files, as where A and B meet. They may be single images: {so}"]
    return []


def _look(file: Path) -> tuple[np.ndarray, float] | None:
    """The usual step between a file's columns, and the spread along its middle, in levels; None of a small one."""
    try:
        picture = open_picture(file, upright=False)
        values = picture.values()
        image = picture.image((values.low, max(values.high, values.low + 1)) if values else None).convert("L")
    except ValueError:  # which is said when it is decoded
        return None
    if image.width < 8 * BESIDE:
        return None
    size = [min(pair) for pair in zip(LOOKED_AT, image.size, strict=True)]
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)
    steps = np.median(np.abs(np.diff(pixels, axis=1)), axis=0)  # an edge in a part of the rows is none
    half = pixels.shape[1] // 2
    return steps, float(pixels[:, half - BESIDE : half + BESIDE].mean(axis=1).std())


def _step(steps: np.ndarray, place: float) -> tuple[float, float]:
    """The greatest step at a place, a share of the width, and the median of those beside it."""
    at = round(place * (len(steps) + 1)) - 1
    beside = [*steps[max(0, at - BESIDE) : at - 2], *steps[at + 3 : at + 1 + BESIDE]]
    return steps[max(0, at - 1) : at + 2].max(), np.median(beside)
