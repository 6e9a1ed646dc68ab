"""Image files as bytes, also such as Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image


def encoded(image: Image.Image | Tensor, kind: str = "PNG", **options) -> bytes:
    """By Pillow; a tensor is uint8 (C, H, W)."""
    image, buffer = to_pil_image(image) if isinstance(image, Tensor) else image, io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_16_bits(values: np.ndarray) -> bytes:
    """(H, W, 2) is grey and opacity, (H, W, 3) colour, (H, W, 4) colour and opacity."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def tiff(values: np.ndarray, byte_order: str = "<", **tags: int | tuple) -> bytes:
    """A TIFF of whatever numbers, (H, W) or (H, W, C); tags by their numbers, as t338."""
    height, width, *channels = values.shape
    samples, data = (channels or [1])[0], values.astype(values.dtype.newbyteorder(byte_order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    fields = {256: width, 257: height, 258: values.dtype.itemsize * 8, 259: 1, 262: 2 if samples > 2 else 1}
    fields |= {277: samples, 278: height, 279: len(data), 339: kind} | {int(k[1:]): v for k, v in tags.items()}
    fields[273] = 8 + 2 + 12 * (len(fields) + 1) + 4 + 2 * samples
    head, more = b"", struct.pack(f"{byte_order}{samples}H", *[fields[258]] * samples)
    for tag, value in sorted(fields.items()):
        count = samples if tag == 258 and samples > 2 else 1
        if isinstance(value, tuple):  # of two
            head += struct.pack(f"{byte_order}HHIHH", tag, 3, 2, *value)
        elif count > 2:
            head += struct.pack(f"{byte_order}HHII", tag, 3, count, fields[273] - len(more))
        else:
            head += struct.pack(f"{byte_order}HHII" if byte_order == "<" else ">HHII", tag, 4, 1, value)
    start = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(f"{byte_order}I", 8)
    return start + struct.pack(f"{byte_order}H", len(fields)) + head + bytes(4) + more + data


def wide_gamut() -> bytes:
    """A profile of Adobe RGB's primaries and a gamma of 2.2."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(each * 65536)) for each in values)

    xyz = {"wtpt": (0.9642, 1, 0.8249), "rXYZ": (0.6097, 0.3111, 0.0195), "gXYZ": (0.2053, 0.6257, 0.0609)}
    xyz["bXYZ"] = (0.1492, 0.0632, 0.7446)
    tags = {name: b"XYZ " + bytes(4) + fixed(*each) for name, each in xyz.items()}
    tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), b"curv" + bytes(4) + struct.pack(">IHH", 1, 563, 0))
    text = "wide".encode("utf-16-be")
    named = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    table, body = b"", b""
    for name, data in ({"desc": named, "cprt": named} | tags).items():
        table += struct.pack(">4sII", name.encode(), 132 + 12 * (len(tags) + 2) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s6H4s", 132 + len(table + body), b"lcms", 0x04000000, b"mntr", b"RGB ", b"XYZ ",
                       2026, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    head = head.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags) + 2) + table + body
