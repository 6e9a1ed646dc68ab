"""A slider whose images are flat, each of a colour of its own, so that what is shown tells which image it is."""

import io
import math

from PIL import Image

from pix2pix_colab.widgets import LambdaSlider

from .image_files import encoded

LAMBDAS = (0, 1, 10, 100, 1000, math.inf)
PATH = (0, 0.25, 0.5, 0.75, *(10 ** (i / 4) for i in range(13)), 4000 / 3, 2000, 4000, math.inf)  # 21 positions


def output_colour(i: int, image: int) -> tuple[int, int, int]:
    return 40 * i + 20, 60 * image + 30, 200


def path_colour(i: int, image: int) -> tuple[int, int, int]:
    return 12 * i + 5, 60 * image + 30, 100


def source_colour(image: int) -> tuple[int, int, int]:
    return 250, 250, 60 * image + 10


def target_colour(image: int) -> tuple[int, int, int]:
    return 10, 120, 60 * image + 40


def webp(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64), corner: tuple | None = None) -> bytes:
    """A flat image; with ``corner`` its upper left quarter has that colour."""
    image = Image.new("RGB", size, colour)
    if corner:
        image.paste(corner, (0, 0, size[0] // 2, size[1] // 2))
    return encoded(image, "WEBP", lossless=True)


def make_slider(**more) -> LambdaSlider:
    outputs = {k: [webp(output_colour(i, j)) for j in range(3)] for i, k in enumerate(LAMBDAS)}
    sources, targets = ([webp(colour(j)) for j in range(3)] for colour in (source_colour, target_colour))
    metrics = {"L1 ↓": {k: 0.1 * i for i, k in enumerate(LAMBDAS)}, "KID ↓": {100: 12.34}}
    return LambdaSlider(outputs, sources, targets, **{"metrics": metrics, "caption": "of 24 images"} | more)


def make_path_slider() -> LambdaSlider:
    """With interpolated outputs between the six λ; the first metric was measured for all, the second for two stops."""
    outputs = {k: [webp(path_colour(i, j)) for j in range(2)] for i, k in enumerate(PATH)}
    sources, targets = ([webp(colour(j)) for j in range(2)] for colour in (source_colour, target_colour))
    metrics = {"L1 ↓": {k: 0.01 * i for i, k in enumerate(PATH)}, "KID ↓": {10: 20.5, 100: 12.34}}
    return LambdaSlider(outputs, sources, targets, metrics, stops=LAMBDAS)


def compare(content: bytes) -> LambdaSlider:
    """For ``ImageUpload``: λ that leave an image as it is, but for its size."""
    try:
        image = Image.open(io.BytesIO(content)).convert("RGB").resize((64, 48))
    except OSError as error:
        raise ValueError("<b>this</b> is no image") from error
    shown = [encoded(image, "WEBP", lossless=True)]
    return LambdaSlider({0: shown, 1: shown}, shown)
