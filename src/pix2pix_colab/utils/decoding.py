"""Decoding: what Pillow opened as a picture, upright, opaque, in sRGB, and with all its bits."""

import io
import struct
import sys

import numpy as np
from PIL import Image, ImageCms, ImageOps

from .picture import Picture

ORIENTATION = 0x112  # EXIF's tag of what is up
_TURNS = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_90 TRANSVERSE ROTATE_270"
UNTURN = {i: Image.Transpose[name] for i, name in enumerate(_TURNS.split(), start=2)}  # by orientation
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLES, PLANAR, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 277, 284, 338, 339  # of TIFF
SIGNED = 2  # among the sample formats
COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}  # channels by PHOTOMETRIC: white is zero, black is zero, RGB, CMYK
OPACITY = (1, 2)  # among the extra samples
FAINT = 128  # of 255: an image that is nowhere more opaque may have another scale
SRGB = ImageCms.createProfile("sRGB")


def picture_of(image: Image.Image | np.ndarray, upright: bool = True) -> Picture:
    """The picture of an image as Pillow opened it, or of an array (H, W), (H, W, 1) or (H, W, 3).

    ``upright`` turns it as its EXIF data say. Raises ValueError if they can't be read, and for arrays of another shape.
    """
    if isinstance(image, np.ndarray):
        return _of_array(image)
    notes, tags = [], dict(getattr(image, "tag_v2", {}))
    if image.format != "MPO" and getattr(image, "is_animated", False):  # a phone's second picture is a preview
        notes.append(f"has {image.n_frames} pages, of which the first is read")
    low = _low_bytes(image, tags, notes)
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        image.load()
        if image.format == "TIFF":  # which Pillow has turned
            if not upright and orientation in UNTURN:
                image, low = (each and each.transpose(UNTURN[orientation]) for each in (image, low))
        elif upright:
            image, low = ImageOps.exif_transpose(image), low and ImageOps.exif_transpose(low)
    except (SyntaxError, struct.error) as error:
        raise ValueError(f"its EXIF data, which say what is up, are damaged: {error}") from error
    turned, image = orientation in UNTURN, _without_extra_bands(image, tags, notes)
    inverted = False
    if (low is not None or image.mode.startswith("I;16")) and "transparency" in image.info:
        notes.append("has 16 bits and a transparent colour, which is read as any other colour")
    if low is not None:
        pixels, bits = _wide_colour(image, low, notes), 16
    elif image.mode == "L" and (tags.get(SAMPLE_FORMAT) or (1,))[0] == SIGNED:  # which Pillow takes for 0 to 255
        pixels, bits = np.asarray(image).view(np.int8), None
    elif image.mode == "F" or image.mode.startswith("I"):
        pixels, bits = np.asarray(image), _bits(image, tags)
        inverted = tags.get(PHOTOMETRIC) == 0
    else:
        pixels, bits = _opaque(_to_srgb(image, notes), notes), 8
    return Picture(pixels, bits, tuple(notes), turned, inverted)


def _of_array(array: np.ndarray) -> Picture:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise ValueError(f"an array of shape {array.shape} is no image: (H, W) is grey, (H, W, 3) colour")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise ValueError(f"an array of {array.dtype} is no image")
    if array.dtype == np.uint8:
        return Picture(Image.fromarray(array))
    return Picture(array, 16 if array.dtype.kind == "u" and array.dtype.itemsize == 2 else None)


def _without_extra_bands(image: Image.Image, tags: dict, notes: list[str]) -> Image.Image:
    """Without the bands of a TIFF that are neither colour nor said to be opacity."""
    samples, colours = tags.get(SAMPLES, 1), COLOURS.get(tags.get(PHOTOMETRIC), 4)
    opacity = samples > colours and (tags.get(EXTRA_SAMPLES) or (0,))[0] in OPACITY
    if samples > colours + opacity:
        words = f"of which the first {colours + opacity} are read: the others are not said to be opacity"
        notes.append(f"has {samples} bands, {words}")
    if samples <= colours or opacity:
        return image
    if image.mode in ("RGBA", "RGBX"):
        return Image.merge("RGB", image.split()[:3])
    return image.getchannel("L") if image.mode in ("LA", "LX") else image


def _bits(image: Image.Image, tags: dict) -> int | None:
    """Bits of whole numbers from 0 on; None for floats, signed and 32-bit values."""
    said = (tags.get(BITS_PER_SAMPLE) or (16,))[0]
    if image.mode.startswith("I;16"):
        return said if 8 < said < 16 else 16
    low, high = image.getextrema() if image.mode == "I" else (-1, 0)
    return 16 if image.format != "TIFF" and low >= 0 and high < 2**16 else None


def _low_bytes(image: Image.Image, tags: dict, notes: list[str]) -> Image.Image | None:
    """The lower bytes of 16-bit colour: Pillow reads the upper ones only, but of any order of bytes."""
    other = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}

    def swap(args: object) -> object:
        if isinstance(args, tuple):
            return tuple(map(swap, args))
        is_wide = isinstance(args, str) and args[:-1] in ("RGB;16", "RGBA;16", "RGBX;16")
        return args[:-1] + other[args[-1]] if is_wide else args

    there = getattr(image, "tile", [])  # none in an image that is no file, or was read before
    tiles = [tile._replace(args=swap(tile.args)) for tile in there]
    if tags.get(PLANAR) == 2 and max(tags.get(BITS_PER_SAMPLE) or (8,)) > 8:
        raise ValueError("16 bits in separate planes, which Pillow misreads: save it as PNG or with one plane")
    if any("LA;16" in str(tile.args) for tile in there):
        notes.append("has 16 bits of grey and opacity, of which the upper 8 are read: save it without opacity")
    for tile in there:  # what Pillow gives in no other order of bytes
        depth = tile.args[-1] if tile.codec_name.startswith("ppm") and image.mode == "RGB" else 0
        if depth > 255 or tile.codec_name == "SGI16" or "RGBa;16" in str(tile.args):
            notes.append("has 16 bits of colour, of which the upper 8 are read: save it as PNG")
    if image.mode not in ("RGB", "RGBA", "RGBX") or tiles == there:
        return None
    image.fp.seek(0)
    twin = Image.open(io.BytesIO(image.fp.read()))
    twin.tile = tiles
    twin.load()
    return twin


def _wide_colour(high: Image.Image, low: Image.Image, notes: list[str]) -> np.ndarray:
    """(H, W, 3) of 16 bits; what is transparent lies on white."""
    values = np.asarray(high).astype(np.uint16) << 8
    values |= np.asarray(low)[..., : values.shape[2]]
    if _profile_of(high):
        notes.append("has an ICC profile, which is not applied to 16 bits of colour")
    if values.shape[2] == 4:
        white, opacity = values.max(), values[..., 3:] / max(1, values[..., 3].max())
        values = (values[..., :3] * opacity + white * (1 - opacity)).round().astype(np.uint16)
        _note_blank(values, opacity, white, notes)
    return values


def _to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert colours to sRGB by the image's ICC profile."""
    try:
        if not (opened := _profile_of(image)):
            return image
        opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        if image.mode not in ("L", "RGB", "CMYK", "LAB"):
            image = image.convert("L" if image.mode in ("LA", "La", "1") else "RGB")
        image = ImageCms.profileToProfile(image, opened, SRGB, outputMode="RGB")
        if opacity:
            image.putalpha(opacity)
    except (ImageCms.PyCMSError, OSError) as error:
        notes.append(f"has an ICC profile that can't be used ({error}): its colours are taken for sRGB")
    return image


def _profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The ICC profile, if it is another one than sRGB, by what it does to some colours."""
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if not (profile := image.info.get("icc_profile")):
        return None
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if opened.profile.xcolor_space.strip() != "RGB":
        return opened
    some = Image.fromarray(np.mgrid[0:256:51, 0:256:51, 0:256:51].reshape(3, 6, 36).transpose(1, 2, 0).astype(np.uint8))
    seen = ImageCms.profileToProfile(some, opened, SRGB, outputMode="RGB")
    return opened if np.abs(np.asarray(seen).astype(int) - np.asarray(some)).max() > 2 else None


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    """Mode L or RGB, what is transparent on white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opacity = image.getchannel("A")
        if (most := opacity.getextrema()[1]) == 1:
            notes.append("has an opacity of 1 at most, of 255, which is taken for opaque")
            image.putalpha(opacity.point(lambda level: 255 * level))
        elif 1 < most < FAINT:
            notes.append(f"has an opacity of {most} at most, of 255, so that it is nearly white")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        _note_blank(np.asarray(image), np.asarray(opacity), 255, notes)
    return image if image.mode == "L" else image.convert("RGB")


def _note_blank(pixels: np.ndarray, opacity: np.ndarray, white: int, notes: list[str]) -> None:
    """Note if nothing is seen of what is partly transparent, or of a half of it, since all of it is white now."""
    middle = pixels.shape[1] // 2
    parts = {"": slice(None), " in its left half": slice(middle), " in its right half": slice(middle, None)}
    for where, columns in parts.items():
        if (opacity[:, columns] < max(1, opacity.max())).any() and (pixels[:, columns] == white).all():
            notes.append(f"is blank{where}: what is transparent is read as white, and so is the rest")
            return
