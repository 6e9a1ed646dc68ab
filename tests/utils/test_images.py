"""Images: whatever a file holds, what comes is what it looks like, or a line that says why it can't be read."""

import colorsys
import io
from pathlib import Path

import numpy as np
import pytest
from helpers.image_files import encoded as as_file
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pix2pix_colab.utils.images import convert, is_image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

NOISE = np.random.default_rng(0).integers(256, size=(6, 8, 4), dtype=np.uint8)
COLOUR, GREY, ALPHA = NOISE[..., :3], NOISE[..., 0], NOISE[..., 3:]
FLAT = np.full((16, 16, 3), (200, 100, 50), np.uint8)  # what JPEG keeps nearly as it is
BITS = GREY > 127
SHORT = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def on_white(pixels: np.ndarray, alpha: np.ndarray = ALPHA) -> np.ndarray:
    return pixels * (alpha / 255) + 255 * (1 - alpha / 255)


def grey_of(pixels: np.ndarray) -> np.ndarray:
    return pixels @ [0.299, 0.587, 0.114]  # ITU-R BT.601


def image(pixels: np.ndarray, mode: str | None = None) -> Image.Image:
    made = Image.fromarray(np.ascontiguousarray(pixels))
    return made.convert(mode) if mode else made


def lab() -> Image.Image:
    srgb, to = (ImageCms.createProfile(space) for space in ("sRGB", "LAB"))
    return ImageCms.applyTransform(image(FLAT), ImageCms.buildTransform(srgb, to, "RGB", "LAB"))


def palette() -> Image.Image:
    made = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8), "P")
    made.putpalette(COLOUR.tobytes())
    return made


def raw(mode: str, pixels: np.ndarray) -> Image.Image:
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes())


def cmyk_seen() -> np.ndarray:
    cmyk = 255.0 - NOISE
    return cmyk[..., :3] * cmyk[..., 3:] / 255


def ycbcr_seen() -> np.ndarray:
    y, cb, cr = (COLOUR[..., i].astype(float) - (0, 128, 128)[i] for i in range(3))
    return np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1).clip(0, 255)


def hsv_seen() -> np.ndarray:
    return np.array([[colorsys.hsv_to_rgb(*pixel) for pixel in row] for row in COLOUR / 255]) * 255


# name: the image, ending, options of saving, what is seen, and how far from it a value may be
SAVED = {
    "1": (image(BITS), "png", {}, rgb(BITS * 255), 0),
    "1 in bmp": (image(BITS), "bmp", {}, rgb(BITS * 255), 0),
    "1 with a transparent white": (image(BITS), "png", {"transparency": 0}, rgb(np.full((6, 8), 255)), 0),
    "L": (image(GREY), "png", {}, rgb(GREY), 0),
    "L in bmp": (image(GREY), "bmp", {}, rgb(GREY), 0),
    "L in jpg": (image(FLAT[..., 0]), "jpg", {}, rgb(FLAT[..., 0]), 2),
    "L with a transparent grey": (
        image(GREY),
        "png",
        {"transparency": int(GREY[2, 3])},
        rgb(np.where(GREY[2, 3] == GREY, 255, GREY)),
        0,
    ),
    "LA": (image(NOISE[..., [0, 3]]), "png", {}, on_white(rgb(GREY)), 1),
    "LA in tif": (image(NOISE[..., [0, 3]]), "tif", {}, on_white(rgb(GREY)), 1),
    "P": (palette(), "png", {}, COLOUR, 0),
    "P in bmp": (palette(), "bmp", {}, COLOUR, 0),
    "P with a transparent colour": (
        palette(),
        "png",
        {"transparency": 9},
        np.where(np.arange(48).reshape(6, 8, 1) == 9, 255, COLOUR),
        0,
    ),
    "P with alpha for each colour": (palette(), "png", {"transparency": ALPHA.tobytes()}, on_white(COLOUR), 1),
    "RGB": (image(COLOUR), "png", {}, COLOUR, 0),
    "RGB in tif": (image(COLOUR), "tif", {"compression": "tiff_lzw"}, COLOUR, 0),
    "RGB in webp": (image(COLOUR), "webp", {"lossless": True}, COLOUR, 0),
    "RGB in jpg": (image(FLAT), "jpg", {}, FLAT, 4),
    "RGB with a transparent colour": (
        image(COLOUR),
        "png",
        {"transparency": tuple(map(int, COLOUR[2, 3]))},
        np.where((COLOUR[2, 3] == COLOUR).all(-1, keepdims=True), 255, COLOUR),
        0,
    ),
    "RGBX": (raw("RGBX", NOISE), "tif", {}, COLOUR, 0),
    "RGBA": (image(NOISE), "png", {}, on_white(COLOUR), 1),
    "RGBA in tif": (image(NOISE), "tif", {}, on_white(COLOUR), 1),
    "RGBA in bmp": (image(NOISE), "bmp", {}, COLOUR, 0),  # a BMP of 32 bits doesn't say that it has an alpha
    "RGBA in webp": (image(NOISE), "webp", {"lossless": True, "exact": True}, on_white(COLOUR), 1),
    "CMYK": (raw("CMYK", NOISE), "tif", {}, cmyk_seen(), 1),
    "CMYK in jpg": (raw("CMYK", 255 - np.dstack([FLAT, FLAT[..., :1] * 0 + 255])), "jpg", {}, FLAT, 8),
    "YCbCr": (raw("YCbCr", COLOUR), "tif", {}, ycbcr_seen(), 2),
    "YCbCr in jpg": (image(FLAT, "YCbCr"), "jpg", {}, FLAT, 4),
    "LAB": (lab(), "tif", {}, FLAT, 3),
    "PA": (palette().convert("PA"), "tif", {}, COLOUR, 0),
    "16 bits": (image(SHORT), "png", {}, rgb(SHORT / 257), 0.51),
    "16 bits in tif": (image(SHORT), "tif", {}, rgb(SHORT / 257), 0.51),
    "16 bits, big end first": (raw("I;16B", SHORT.astype(">u2")), "tif", {}, rgb(SHORT / 257), 0.51),
    "animated webp": (
        image(COLOUR),
        "webp",
        {"save_all": True, "append_images": [image(255 - COLOUR)], "lossless": True},
        COLOUR,
        0,
    ),
    "animated png": (image(COLOUR), "png", {"save_all": True, "append_images": [image(255 - COLOUR)]}, COLOUR, 0),
    "tif of two pages": (image(COLOUR), "tif", {"save_all": True, "append_images": [image(GREY)]}, COLOUR, 0),
}


def assert_seen(images: list[Image.Image], seen: np.ndarray, tolerance: float) -> None:
    colour, grey = images
    assert (colour.mode, grey.mode) == ("RGB", "L")
    np.testing.assert_allclose(np.asarray(colour).astype(float), seen, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.asarray(grey).astype(float), grey_of(seen), rtol=0, atol=tolerance + 0.6)


@pytest.mark.parametrize("name", SAVED)
def test_a_file_of_any_mode_is_read_as_it_looks(tmp_path, name):
    saved, ending, options, seen, tolerance = SAVED[name]
    file = tmp_path / f"1.{ending}"
    saved.save(file, **options)
    assert_seen([convert(str(file)), convert(file.read_bytes(), 1)], seen, tolerance)


@pytest.mark.parametrize(
    ("unsaved", "seen", "tolerance"),
    [
        (image(NOISE, "RGBa"), on_white(COLOUR), 4),
        (raw("HSV", COLOUR), hsv_seen(), 4),
        (raw("I;16L", SHORT.astype("<u2")), rgb(SHORT / 257), 0.51),
    ],
    ids=["RGBa", "HSV", "I;16L"],
)
def test_a_mode_that_only_lives_in_memory_is_converted_too(unsaved, seen, tolerance):
    assert_seen([convert(unsaved), convert(unsaved, 1)], seen, tolerance)


def test_pixels_of_floats_are_refused(tmp_path):
    Image.fromarray(np.full((6, 8), 0.5, np.float32)).save(tmp_path / "1.tif")
    with pytest.raises(
        ValueError, match=r"^has values from 0.5 to 0.5, and nothing says which is black and which is white$"
    ):
        convert(tmp_path / "1.tif")


UPRIGHT = np.kron([[0, 85, 255], [170, 40, 210]], np.ones((16, 16))).astype(np.uint8)  # 2 × 3 fields, all different
TURNED = {  # what a file holds whose EXIF orientation is the key (TIFF 6.0, tag 274)
    1: UPRIGHT,
    2: np.fliplr(UPRIGHT),
    3: np.rot90(UPRIGHT, 2),
    4: np.flipud(UPRIGHT),
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: np.rot90(UPRIGHT.T, 2),
    8: np.rot90(UPRIGHT, -1),
}


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[274] = orientation
    return made


FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"),
}
SAVABLE = [(form, mode) for form, modes in FORMATS.items() for mode in modes]


def encoded(width: int, height: int, form: str, mode: str, orientation: int) -> bytes:
    pixels = np.random.default_rng(width).integers(256, size=(height, width, 3), dtype=np.uint8)
    made = image(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image(pixels, mode)
    return as_file(made, form, exif=exif(orientation))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(SAVABLE), st.integers(1, 8), st.sampled_from((1, 3)))
def test_any_size_comes_upright_and_whole(scratch, width, height, saved_as, orientation, channels):
    scratch.write_bytes(encoded(width, height, *saved_as, orientation))
    read = convert(scratch, channels)
    assert read.size == ((height, width) if orientation > 4 else (width, height))
    assert read.mode == {1: "L", 3: "RGB"}[channels]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("images") / "1.png"


@pytest.fixture(autouse=True, scope="module")
def no_large_images():
    """So that a damaged size costs no time."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
        yield


def read_or_reason(file: Path, content: bytes) -> Image.Image | str:
    file.write_bytes(content)
    try:
        return convert(file)
    except ValueError as error:
        assert str(error).startswith(("is no image", "can't be read (")) and str(error).isprintable(), repr(str(error))
        assert "()" not in str(error)
        return str(error)


WHOLE = [encoded(24, 16, form, mode, 6) for form, mode in SAVABLE]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(WHOLE))
def test_a_file_cut_off_anywhere_is_an_image_or_a_reason(scratch, data, whole):
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    outcome = read_or_reason(scratch, part)
    assert isinstance(outcome, str) or outcome.size == (16, 24)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(WHOLE))
def test_a_file_with_changed_bytes_is_an_image_or_a_reason(scratch, data, whole):
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    read_or_reason(scratch, bytes(content))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([b"", *(whole[:20] for whole in WHOLE)]), st.binary(max_size=200))
def test_any_bytes_are_an_image_or_a_reason(scratch, start, content):
    read_or_reason(scratch, start + content)


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("TIFF", "RGB")])
def test_half_a_file_is_not_taken_for_whole(scratch, form, mode):
    whole = encoded(40, 40, form, mode, 1)
    assert isinstance(read_or_reason(scratch, whole[: len(whole) // 2]), str)


@pytest.mark.parametrize(("error", "reason"), [(EOFError(), "EOFError"), (OSError("two\n lines"), "two lines")])
def test_the_reason_is_one_line_and_never_empty(tmp_path, monkeypatch, error, reason):
    def fail(*_):
        raise error

    (tmp_path / "1.png").touch()
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ValueError, match=rf"^can't be read \({reason}\)$"):
        convert(tmp_path / "1.png")


def test_a_dangerous_size_is_a_reason(tmp_path, monkeypatch):
    image(COLOUR).save(tmp_path / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(
        ValueError,
        match=r"can't be read \(it has more than 40 pixels, .* set PIL.Image.MAX_IMAGE_PIXELS = None before\)",
    ):
        convert(tmp_path / "1.png")


def test_a_file_that_is_not_there_is_a_reason(tmp_path):
    with pytest.raises(ValueError, match=r"can't be read \(.*No such file"):
        convert(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"can't be read \("):
        convert(tmp_path)


@pytest.mark.parametrize("form", ["JPEG", "MPO", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_an_opened_image_is_set_upright_once(orientation, form):
    options = {"lossless": True} if form == "WEBP" else {"quality": 95}
    options |= {"save_all": True, "append_images": [image(rgb(UPRIGHT))]} if form == "MPO" else {}
    content = as_file(image(rgb(TURNED[orientation])), form, exif=exif(orientation), **options)
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == form
        upright = convert(opened)
    np.testing.assert_allclose(np.asarray(upright).astype(float), rgb(UPRIGHT), atol=6)
    assert upright.getexif().get(274, 1) == 1 and convert(upright).tobytes() == upright.tobytes()


def test_the_image_that_is_converted_stays_as_it_is():
    given = image(TURNED[6])
    given.info["exif"] = exif(6).tobytes()
    assert convert(given).size == given.size[::-1]
    assert given.tobytes() == image(TURNED[6]).tobytes() and given.getexif()[274] == 6


@pytest.mark.parametrize("content", [b"garbage", b"Exif\0\0MM\0*"])
def test_damaged_exif_data_get_a_sentence(content):
    given = image(COLOUR)
    given.info["exif"] = content
    with pytest.raises(ValueError, match=r"^its EXIF data, which say what is up, are damaged: "):
        convert(given)


@pytest.mark.parametrize("name", ["1.jpg", "a b.JPEG", "é.Png", "1.webp", "1.bmp", "1.tif", "1.TIFF", "1.2.png"])
def test_an_image_is_known_by_its_ending(name):
    assert is_image(Path(name))


@pytest.mark.parametrize("name", ["._1.jpg", ".hidden.png", ".png", "png", "1.txt", "1.png.partial", "Thumbs.db"])
def test_hidden_and_other_files_are_no_images(name):
    assert not is_image(Path(name))
