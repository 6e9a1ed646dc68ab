"""Seams: whether files side by side hold two images each, by the edges that run down them."""

import numpy as np
from PIL import Image

from ..utils.images import open_picture
from .label_maps import IMAGES
from .pair_decoder import LARGE, PairDecoder

MIDDLE = 1 / 2
STRIPS = {"three": (1 / 3, 2 / 3), "four": (1 / 4, MIDDLE, 3 / 4)}  # where the images of a strip meet
ROWS, BESIDE = 256, 12  # that are looked at; columns on each side, but for the two next to a seam, which JPEG blurs
SEAM, NONE = 3.0, 1.5  # times the step between other columns: in the middle of facades 23, elsewhere and in panoramas 1
TEXTURE = 1.0  # level between columns; of less, two images may meet without an edge


def describe_seams(decoder: PairDecoder) -> list[str]:
    """A sentence if most files look like single images, or like strips of three or four."""
    files = [pair.first for pair in decoder.files[:: 1 + len(decoder.files) // IMAGES] if pair.second is None]
    looks = [] if decoder.any_aspect else [columns for file in files if (columns := _columns(file)) is not None]
    if len(looks) < 3:
        return []

    def typical(place: float) -> tuple[float, float]:
        """The step at a place, as a multiple of that beside it, and that beside it: medians over the files."""
        steps = np.array([_step(columns, place) for columns in looks])
        return float(np.median(steps[:, 0] / (steps[:, 1] + 1))), float(np.median(steps[:, 1]))

    so = "if all are pairs side by side, any_aspect=True (--any-aspect) says so."
    for name, places in STRIPS.items():
        if all(typical(place)[0] > SEAM for place in places):
            return [f"the files look like strips of {name} images, and are halved into A and B: {so}"]
    seam, texture = typical(MIDDLE)
    if seam < NONE and texture >= TEXTURE:
        return [f"no edge runs down the middle of the files, as where A and B meet. They may be single images: {so}"]
    return []


def _columns(file: object) -> np.ndarray | None:
    """The usual steps between the columns of an image, in levels; None if it is small or can't be read as levels."""
    try:
        pixels = open_picture(file, False, LARGE).pixels
    except ValueError:  # which is said when it is decoded
        return None
    if not isinstance(pixels, Image.Image) or pixels.width < 8 * BESIDE:
        return None
    grey = pixels.convert("L").resize((pixels.width, min(ROWS, pixels.height)))
    return np.median(
        np.abs(np.diff(np.asarray(grey, np.float32), axis=1)), axis=0
    )  # an edge in a part of the rows is none


def _step(columns: np.ndarray, place: float) -> tuple[float, float]:
    """The greatest step at a place, a share of the width, and the median of those beside it."""
    at = round(place * (len(columns) + 1)) - 1
    beside = [*columns[max(0, at - BESIDE) : at - 2], *columns[at + 3 : at + 1 + BESIDE]]
    return columns[max(0, at - 1) : at + 2].max(), np.median(beside)
