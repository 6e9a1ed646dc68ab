"""Images as the bytes that a browser shows, for looking only: metrics are taken from the tensors."""

import io

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ..utils.images import label_colours

BYTES = 50_000  # of a JPEG, at most, as large data from the kernel to the browser are slow on Colab
QUALITIES = (92, 85, 75, 60, 40, 20)


def encode(images: Tensor) -> list[bytes]:
    """Encode uint8 (N, 1 or 3, H, W) as N WebPs. A label map is lossless: its edges stay sharp, in less than 1 kB."""
    encoded = []
    for image in images:
        picture = to_pil_image(image.expand(3, -1, -1).cpu())
        lossless = label_colours(picture) is not None
        encoded.append(_save(picture, "WEBP", lossless=lossless, quality=75, method=4))
    return encoded


def encode_jpeg(image: Tensor) -> bytes:
    """Encode uint8 (C, H, W) as a JPEG of less than ``BYTES``: of the best quality that fits, or of half the size."""
    picture = to_pil_image(image.cpu())
    for quality in QUALITIES:
        encoded = _save(picture, "JPEG", quality=quality, subsampling=0 if quality > 80 else 2)
        if len(encoded) < BYTES:
            return encoded
    return encode_jpeg(image[:, ::2, ::2])


def encode_verdicts(real: Tensor) -> list[bytes]:
    """The verdicts of ``critic_map``, (N, n, n) in [0, 1], as N times n × n bytes, row by row: 255 is called real."""
    return [each.numpy().tobytes() for each in (255 * real).round().to(torch.uint8).cpu()]


def _save(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
