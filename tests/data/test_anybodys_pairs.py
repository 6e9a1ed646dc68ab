"""Other people's pairs: each file is read as its owner means it, or a sentence says what was not."""

import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.image_files import encoded, png_of_16_bits, tiff, wide_gamut
from PIL import Image, ImageCms

from pix2pix_colab import LambdaPath, UNetGenerator, load_pretrained, save_pretrained, translate
from pix2pix_colab.data import Pairs, decode_label_maps, jitter_size, label_classes, read_pairs, unpack
from pix2pix_colab.data.pair_decoder import PairDecoder
from pix2pix_colab.training import TrainConfig, read_run, train
from pix2pix_colab.utils.images import Seen, convert, resize, to_uint8
from pix2pix_colab.widgets import ImageUpload, slider_of_image

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))


def lay(folder: Path, **files) -> Path:
    """A folder with the sides A and B; each file is named as in A_1_png."""
    for name, content in files.items():
        side, stem, ending = name.split("_")
        file = folder / side / f"{stem}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif ending == "npy":
            np.save(file, content)
        else:
            image = content if isinstance(content, Image.Image) else Image.fromarray(content)
            image.save(file, **({"exif": image.getexif()} if image.getexif() else {}))
    return folder


def grey(size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, (90, 120, 90))


def read(folder: Path, size: int = 64, **options):
    """The pairs, and what is said of them."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pairs = read_pairs(folder, size, **options)
    return pairs, "\n".join(str(each.message) for each in told)


# --- 2: ranges


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("kind", ["png", "tif", "npy", "colour png", "colour tif"])
def test_whole_numbers_have_the_range_of_their_bits(tmp_path, bits, kind):
    values = (RAMP * (2**bits - 1)).round().astype(np.uint16)
    colour = np.dstack([values, values[::-1], values[:, ::-1]])
    content = {"colour png": png_of_16_bits(colour), "colour tif": tiff(colour)}.get(kind, values)
    folder = lay(tmp_path, A_1_png=grey(), **{f"B_1_{kind.split()[-1]}": content})
    pairs, said = read(folder)
    room = next(each for each in (8, 10, 12, 14, 16) if bits <= each)
    expected = (RAMP * (2**bits - 1) / (2**room - 1) * 255).round()
    assert np.abs(pairs.target[0, 0].numpy() - expected).max() <= 1
    assert (f"white is {2**room - 1:,} ({room} bits)" in said) == (room < 16)


def test_the_range_is_that_of_all_images_of_the_folder_in_all_splits(tmp_path):
    dark, bright = (RAMP * 1000).astype(np.uint16), (RAMP * 4000).astype(np.uint16)
    folder = tmp_path
    for split, values in (("train", dark), ("test", bright)):
        lay(folder / split, A_1_png=grey(), B_1_png=values)
    train, said = read(folder, split="train")
    assert train.target.max() == round(1000 / 4095 * 255) and "white is 4,095 (12 bits)" in said
    assert read(folder, split="test")[0].target.max() == round(4000 / 4095 * 255)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("kind", ["float tif", "signed tif", "32-bit tif", "float npy", "signed npy", "double npy"])
def test_other_numbers_need_a_range_and_the_sentence_names_it(tmp_path, kind, swap):
    number, ending = kind.split()
    dtype = {"float": np.float32, "signed": np.int16, "32-bit": np.int32, "double": np.float64}[number]
    values = (RAMP * 900 - 100).astype(dtype)
    folder = lay(tmp_path, A_1_png=grey(), **{f"B_1_{ending}": tiff(values) if ending == "tif" else values})
    side, options = ("source", {"direction": "BtoA"}) if swap else ("target", {})
    with pytest.raises(ValueError, match=rf"values of all {side}s go from -100 to 800\. .* --{side}-range -100 800"):
        read_pairs(folder, 64, **options)
    pairs, _ = read(folder, **{f"{side}_range": (-100, 800)}, **options)
    assert np.abs(getattr(pairs, side)[0, 0].numpy() - RAMP * 255).max() <= 1
    clipped, _ = read(folder, **{f"{side}_range": (0, 400)}, **options)
    assert (getattr(clipped, side)[0, 0, 0, [0, -1]] == torch.tensor([0, 255])).all()
    reverse, _ = read(folder, **{f"{side}_range": (800, -100)}, **options)
    assert np.abs(getattr(reverse, side)[0, 0].numpy() - (255 - RAMP * 255)).max() <= 1


@pytest.mark.parametrize("options", [{}, {"target_range": (-128, 127)}])
def test_signed_8_bits_are_no_bytes_from_0_on(tmp_path, options):
    values = np.full((64, 64), -1, np.int8)
    values[:, :32] = 127
    lay(tmp_path, A_1_png=grey(), B_1_tif=tiff(values))
    if not options:
        with pytest.raises(ValueError, match=r"from -1 to 127.*target_range="):
            read_pairs(tmp_path, 64)
        return
    pairs, _ = read(tmp_path, **options)
    assert pairs.target[0, 0, 0, [0, 63]].tolist() == [255, 127]


def test_8_bits_beyond_a_range_of_others_are_left_out(tmp_path):
    """Else they would be white."""
    lay(tmp_path, A_1_png=grey(), A_2_png=grey(), B_1_npy=np.float32(RAMP), B_2_png=grey())
    pairs, said = read(tmp_path, target_range=(0, 1))
    assert pairs.names == ["1"] or len(pairs) == 1
    assert "levels of 8 bits up to 120, most of them beyond the range (0, 1)" in said
    masks = np.full((64, 64), 3, np.uint8)
    masks[:40] = 255  # no class
    assert len(read(lay(tmp_path / "ids", A_1_png=masks, B_1_png=grey()), source_range=(0, 11))[0]) == 1


@pytest.mark.parametrize("ending", ["ppm", "tif"])
def test_16_bits_of_colour_that_are_cut_to_8_are_said(tmp_path, ending):
    values = np.dstack([(RAMP * 4095).round().astype(np.uint16)] * 3)
    ppm = b"P6\n64 64\n65535\n" + values.astype(">u2").tobytes()
    multiplied = tiff(np.dstack([values, np.full((64, 64), 65535, np.uint16)]), t338=1)
    _, said = read(lay(tmp_path, A_1_png=grey(), **{f"B_1_{ending}": ppm if ending == "ppm" else multiplied}))
    assert "has 16 bits of colour, of which the upper 8 are read" in said


def test_one_range_is_found_for_all_and_sound_pairs_are_read_without_one(tmp_path):
    folder = lay(
        tmp_path, A_1_png=grey(), B_1_png=grey(), A_2_png=grey(), B_2_npy=RAMP, A_3_png=grey(), B_3_npy=9 * RAMP
    )
    pairs, said = read(folder)
    assert pairs.names == ["1"] and "target_range=(0, 9)" in said
    assert list(pairs.skipped) == ["2", "3"]


@pytest.mark.parametrize("value", [(0, 0), (0,), (1, 2, 3), ("a", 1), (0, float("nan")), (0, float("inf")), 5])
def test_a_range_is_two_different_numbers(tmp_path, value):
    with pytest.raises(ValueError, match=r"target_range is .* it must be two different numbers"):
        read_pairs(lay(tmp_path, A_1_png=grey(), B_1_png=grey()), 64, target_range=value)


def test_what_is_no_number_is_said(tmp_path):
    values = RAMP.copy()
    values[3, 4] = np.nan
    folder = lay(tmp_path, A_1_png=grey(), B_1_npy=values)
    with pytest.raises(ValueError, match=r"has 1 values that are no numbers \(NaN\): fill them in"):
        read_pairs(folder, 64, target_range=(0, 1))


def test_white_is_zero_is_obeyed_at_16_bits_as_at_8(tmp_path):
    wide = tiff((RAMP * 4095).round().astype(np.uint16), t262=0)
    narrow = tiff((RAMP * 255).round().astype(np.uint8), t262=0)
    pairs, _ = read(lay(tmp_path, A_1_tif=narrow, B_1_tif=wide))
    assert np.abs(pairs.source[0, 0].numpy() - (255 - RAMP * 255)).max() <= 1
    assert (pairs.source.int() - pairs.target.int()).abs().max() <= 1


def test_16_bits_of_colour_and_opacity_lie_on_white(tmp_path):
    colour = np.zeros((64, 64, 4), np.uint16)
    colour[:, :32, 3] = 65535
    pairs, _ = read(lay(tmp_path, A_1_png=grey(), B_1_png=png_of_16_bits(colour)))
    assert (pairs.target[0, :, :, 0] == 0).all() and (pairs.target[0, :, :, -1] == 255).all()


def test_no_value_of_a_depth_map_is_no_bit(tmp_path):
    values = (RAMP * 4000).round().astype(np.uint16)
    values[:9] = 65535
    pairs, said = read(lay(tmp_path, A_1_png=grey(), B_1_png=values))
    assert "white is 4,095 (12 bits)" in said and "65,535 is taken for no value" in said and "class ids" not in said
    assert (pairs.target[0, 0, 4] == 255).all() and pairs.target[0, 0, 30, -1] == round(4000 / 4095 * 255)


def test_8_bits_beside_16_keep_their_own_range(tmp_path):
    narrow, wide = (RAMP * 255).round().astype(np.uint8), (RAMP * 4095).round().astype(np.uint16)
    pairs, _ = read(lay(tmp_path, A_1_png=narrow, A_2_png=wide, B_1_png=grey(), B_2_png=grey()))
    assert (pairs.source[0].int() - pairs.source[1].int()).abs().max() <= 1


def test_a_range_holds_for_8_bits_too(tmp_path):
    ids = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) % 12, np.ones((16, 16), np.uint8))
    pairs, said = read(lay(tmp_path, A_1_png=ids, B_1_png=grey()), source_range=(0, 11))
    assert pairs.source.unique().tolist() == [round(255 * k / 11) for k in range(12)] and "class ids" not in said
    assert pairs.seen.range == (0, 11)


# --- 3: is it a pair at all?


@pytest.mark.parametrize("size", [(128, 128), (384, 128), (512, 128), (128, 256), (400, 600), (600, 400), (1920, 1080)])
def test_what_may_be_a_single_image_is_asked_about(tmp_path, size):
    grey(size).save(tmp_path / "1.png")
    words = f"is {size[0]}×{size[1]} px, .* {size[0] // 2}×{size[1]} px each: .* any_aspect=True .--any-aspect."
    with pytest.raises(ValueError, match=words):
        read_pairs(tmp_path, 64)
    pairs, said = read(tmp_path, any_aspect=True)
    assert len(pairs) == 1 and not said


@pytest.mark.parametrize("size", [(512, 256), (1200, 600), (256, 128), (640, 240), (600, 300), (510, 256)])
def test_two_images_of_a_usual_aspect_are_taken(tmp_path, size):
    grey(size).save(tmp_path / "1.png")
    assert len(read(tmp_path)[0]) == 1


def scene(number: int, width: int = 128, height: int = 128) -> np.ndarray:
    """A smooth image with the texture of a photo, another one for each number."""
    random = np.random.default_rng(number)
    low = Image.fromarray(random.integers(60, 190, (4, 4, 3), dtype=np.uint8)).resize((width, height), 3)
    return (np.asarray(low, int) + random.integers(-9, 10, (height, width, 1))).clip(0, 255).astype(np.uint8)


def strip(*panels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.concatenate(panels, axis=1))


def noisy_black(number: int) -> np.ndarray:
    """A scan: something in the middle, and noise around it."""
    image = np.abs(np.random.default_rng(number).normal(0, 3, (128, 128, 1))).astype(np.uint8).repeat(3, 2)
    image[30:100, 30:100] += scene(number)[:70, :70]
    return image


def mask(number: int) -> np.ndarray:
    """A label map of a scene: some rectangles."""
    image = np.full((128, 128, 3), (0, 0, 220), np.uint8)
    for x, y, colour in np.random.default_rng(number).integers(10, 100, (9, 3)):
        image[y : y + 20, x : x + 15] = 2 * colour, 80, 255 - colour
    return image


SEAMS = {  # files by their number, and what is said of their seams
    "label map and photo": (lambda i: strip(mask(i), scene(i)), ""),
    "grey and colour": (lambda i: strip(scene(i).mean(axis=2, keepdims=True).repeat(3, 2).astype("u1"), scene(i)), ""),
    "objects on white": (
        lambda i: strip(*[np.pad(scene(i)[:90, :90], ((19, 19), (19, 19), (0, 0)), constant_values=255)] * 2),
        "",
    ),
    "two label maps": (lambda i: strip(mask(i), 255 - mask(i)), ""),
    "scans of noisy black": (lambda i: strip(*(noisy_black(2 * i + k) for k in range(2))), ""),
    "panoramas": (lambda i: Image.fromarray(scene(i, 256)), "no edge runs down the middle"),
    "smooth panoramas": (lambda i: Image.fromarray(scene(i, 256)).resize((2400, 1200), 3), "no edge runs down the mid"),
    "three upright photos": (lambda i: strip(*(scene(3 * i + k, 80, 120) for k in range(3))), "strips of three"),
    "three upright panels": (lambda i: strip(mask(i)[:, :86], 255 - mask(i)[:, :86], scene(i, 86)), "strips of three"),
    "four upright photos": (lambda i: strip(*(scene(4 * i + k, 60, 120) for k in range(4))), "strips of four"),
    "four flat panels": (
        lambda i: strip(*(np.full((99, 50, 3), 60 * k, np.uint8) for k in range(4))),
        "strips of four",
    ),
}


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("kind", SEAMS)
def test_strips_and_panoramas_of_the_aspect_of_pairs_are_asked_about(tmp_path, kind, ending):
    make, expected = SEAMS[kind]
    for i in range(7):
        make(i).save(tmp_path / f"{i}.{ending}")
    assert expected in read(tmp_path)[1] if expected else read(tmp_path)[1] == ""
    assert read(tmp_path, any_aspect=True)[1] == "", "it was said that they are pairs"


# --- 4: one side turned


def turned(orientation: int, size: tuple[int, int] = (128, 128)) -> Image.Image:
    image = grey(size)
    image.getexif()[0x112] = orientation
    return image


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
@pytest.mark.parametrize("side", "AB")
def test_one_side_turned_is_said_with_the_choice(tmp_path, orientation, side):
    other = "BA"["AB".index(side)]
    lay(tmp_path, **{f"{side}_1_jpg": turned(orientation), f"{other}_1_png": grey((128, 128))})
    pairs, said = read(tmp_path)
    assert f"{side}/1.jpg is turned by its EXIF data, and {other}/1.png has none" in said and "--no-exif" in said
    assert len(pairs) == 1
    assert not read(tmp_path, exif=False)[1]


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_turned_tiff_is_as_any_other_file(tmp_path, orientation):
    """Pillow turns a TIFF by itself when it is loaded."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    lay(tmp_path, A_1_tif=tiff(noise, t274=orientation), B_1_png=noise)
    pairs, said = read(tmp_path, 96)
    assert "A/1.tif is turned by its EXIF data" in said and not torch.equal(pairs.source, pairs.target)
    stored, said = read(tmp_path, 96, exif=False)
    assert torch.equal(stored.source, stored.target) and not said and stored.seen.exif is False


def test_what_was_read_as_stored_is_translated_as_stored():
    generator, sources = UNetGenerator(2, 128), []
    generator.register_forward_pre_hook(lambda _, given: sources.append(given[0]))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    plain = image.copy()
    image.getexif()[0x112] = 6
    generator.seen = Seen(1.0, exif=False)
    for each in (image, plain):
        translate(generator, each)
    assert torch.equal(*sources)


@pytest.mark.parametrize("kind", ["path", "PIL", "bytes"])
def test_a_slider_has_the_range_of_the_pairs_once(tmp_path, kind):
    file = lay(tmp_path, A_1_png=(np.tile(np.linspace(0, 4095, 128), (128, 1))).astype(np.uint16)) / "A/1.png"
    generator, sources = UNetGenerator(2, 128), []
    generator.seen = Seen(1.0, (0, 4095))
    generator.register_forward_pre_hook(lambda _, given: sources.append(given[0]))
    image = {"path": file, "PIL": Image.open(file), "bytes": file.read_bytes()}[kind]
    slider_of_image({100: generator}, image)
    translate(generator, Image.open(file))
    assert torch.equal(*sources) and sources[0].max() - sources[0].min() > 1.9


@pytest.mark.parametrize("kind", ["path", "bytes", "PIL", "tensor"])
def test_a_slider_sees_a_file_as_the_pairs_were_read_and_a_tensor_as_it_is(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 12, (128, 128, 3), np.uint8)
    image = Image.fromarray(pixels)
    image.getexif()[0x112] = 6
    file = lay(tmp_path, A_1_png=image) / "A/1.png"
    generator, sources = UNetGenerator(2, 128), []
    generator.register_forward_pre_hook(lambda _, given: sources.append(given[0]))
    generator.seen = Seen(1.0, (0, 11), exif=False)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    given = {"path": file, "bytes": file.read_bytes(), "PIL": Image.open(file), "tensor": tensor}[kind]
    slider_of_image({100: generator}, given)
    expected = tensor if kind == "tensor" else (tensor.float() * 255 / 11).round().to(torch.uint8)
    assert torch.equal(to_uint8(sources[0])[0], expected)


def test_both_sides_turned_are_not_worth_a_word(tmp_path):
    lay(tmp_path, A_1_jpg=turned(6), B_1_jpg=turned(6))
    assert not read(tmp_path)[1]


def test_a_side_turned_to_another_aspect_is_read_as_stored_if_one_says_so(tmp_path):
    lay(tmp_path, A_1_jpg=turned(6, (192, 128)), B_1_png=grey((192, 128)))
    with pytest.raises(ValueError, match=r"differ in aspect; A/1.jpg is turned by its EXIF data.*--no-exif"):
        read_pairs(tmp_path, 64)
    assert len(read(tmp_path, exif=False)[0]) == 1


@pytest.mark.parametrize(("orientation", "size", "cut"), [(3, (128, 64), "stored"), (6, (64, 128), "upright")])
def test_a_file_side_by_side_is_turned_before_it_is_cut_only_if_that_makes_a_pair(tmp_path, orientation, size, cut):
    image = turned(orientation, size)
    if cut == "stored":
        image.paste((255, 0, 0), (0, 0, 64, 64))
    else:
        image.paste((255, 0, 0), (0, 64, 64, 128))  # clockwise by 90°, what is below comes to the left
    image.save(tmp_path / "1.png", exif=image.getexif())
    pairs, said = read(tmp_path)
    assert pairs.source[0, :, 32, 32].tolist() == [255, 0, 0] and pairs.target[0, 0, 32, 32] == 90
    assert ("are not obeyed" in said) == (cut == "stored")


# --- 5: nothing is dropped without a word


@pytest.mark.parametrize(("ending", "kind"), {"tif": "TIFF", "gif": "GIF", "webp": "WEBP", "png": "PNG"}.items())
def test_further_pages_are_named(tmp_path, ending, kind):
    pages = encoded(grey(), kind, save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    pairs, said = read(lay(tmp_path, A_1_png=grey(), **{f"B_1_{ending}": pages}))
    assert f"B/1.{ending} has 2 pages, of which the first is read" in said
    assert abs(int(pairs.target[0, 0, 5, 5]) - 90) < 9


@pytest.mark.parametrize("tags", [{}, {"t338": 0}, {"t338": 1}, {"t338": 2}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_band_is_opacity_only_if_the_file_says_so(tmp_path, tags, dtype):
    values = np.full((64, 64, 4), np.iinfo(dtype).max, dtype)
    values[..., 0] = values[..., 3] = 0
    pairs, said = read(lay(tmp_path, A_1_png=grey(), B_1_tif=tiff(values, **tags)))
    if tags.get("t338"):
        assert (pairs.target == 255).all()
    else:
        assert pairs.target[0, :, 5, 5].tolist() == [0, 255, 255] and "has 4 bands, of which the first 3" in said


def test_many_bands_are_no_image_of_ours_but_an_image(tmp_path):
    lay(tmp_path, A_1_png=grey(), B_1_tif=tiff(np.zeros((8, 8, 7), np.uint8), t262=1))
    with pytest.raises(ValueError, match=r"B/1.tif can't be read \(it begins as TIFF, but .* many bands"):
        read_pairs(tmp_path, 64)


@pytest.mark.parametrize(("samples", "tags"), [(2, {"t262": 1}), (5, {"t262": 5})])
def test_further_bands_of_grey_and_of_cmyk_are_said(tmp_path, samples, tags):
    """Or refused by an older Pillow."""
    lay(tmp_path, A_1_png=grey(), B_1_tif=tiff(np.full((64, 64, samples), 9, np.uint8), t338=0, **tags))
    try:
        _, said = read(tmp_path)
    except ValueError as error:
        assert "many bands" in str(error)
        return
    assert f"has {samples} bands, of which the first {samples - 1} are read" in said


def test_16_bits_of_colour_and_infrared(tmp_path):
    values = np.dstack([(RAMP * 4095).round().astype(np.uint16)] * 4)
    pairs, said = read(lay(tmp_path, A_1_png=grey(), B_1_tif=tiff(values, t338=0)))
    assert len(pairs.target.unique()) > 60 and "12 bits" in said and "4 bands" in said


CLEAR, PLAIN = (0, 0, 0, 0), (90, 120, 90, 255)


def laid_on(ground: tuple, box: tuple, colour: tuple) -> Image.Image:
    """A pair side by side with opacity: a rectangle on a ground."""
    image = Image.new("RGBA", (128, 64), ground)
    image.paste(colour, box)
    return image


SAID = {  # a file, and what is said of it
    "half blank": (
        encoded(laid_on(PLAIN, (64, 0, 128, 64), CLEAR)),
        "is blank in its right half: what is transparent is read as white",
    ),
    "a white logo": (
        encoded(laid_on(CLEAR, (20, 20, 90, 50), (255,) * 4)),
        "is blank: what is transparent is read as white, and so is the rest",
    ),
    "an opacity of 0 and 1": (
        encoded(laid_on((90, 120, 90, 1), (0, 0, 9, 9), CLEAR)),
        "has an opacity of 1 at most, of 255, which is taken for opaque",
    ),
    "faint": (
        encoded(Image.new("RGBA", (128, 64), (90, 120, 90, 90))),
        "has an opacity of 90 at most, of 255, so that it is nearly white",
    ),
    "a transparent colour of 16 bits": (
        encoded(Image.fromarray(np.full((64, 128), 9000, np.uint16)), transparency=9000),
        "has 16 bits and a transparent colour, which is read as any other",
    ),
    "pages": (
        encoded(Image.new("RGB", (128, 64)), "TIFF", save_all=True, append_images=[grey()]),
        "has 2 pages, of which the first is read",
    ),
    "infrared": (tiff(np.full((64, 128, 4), 90, np.uint8), t338=0), "has 4 bands, of which the first 3 are read"),
    "opacity and infrared": (
        tiff(
            np.dstack([np.full((64, 128, 3), 90), np.full((64, 128), 255), np.full((64, 128), 90)]).astype("u1"),
            t338=(2, 0),
        ),
        "has 5 bands, of which the first 4 are read",
    ),
}


@pytest.mark.parametrize(("content", "said"), SAID.values(), ids=SAID)
def test_what_is_not_seen_of_an_image_is_said_wherever_it_is_read(tmp_path, content, said):
    """In pairs side by side and in translate, in the slider of a file and in an upload."""
    file = tmp_path / ("1.png" if content.startswith(b"\x89PNG") else "1.tif")
    file.write_bytes(content)
    assert f"{file.name}: {said}" in read(tmp_path)[1]
    generator = UNetGenerator(2, 128)
    for see in (translate, lambda generator, image: slider_of_image({100.0: generator}, image)):
        with pytest.warns(UserWarning, match=f"The image {said}"):
            see(generator, Image.open(file))
    upload = ImageUpload(lambda content: slider_of_image({100.0: generator}, content))
    upload.show(content)
    assert upload.slider and f"The image {said}" in upload.picker.message


def test_what_is_seen_of_an_image_needs_no_words(tmp_path):
    laid_on(PLAIN, (64, 0, 128, 64), (200, 40, 40, 128)).save(tmp_path / "1.png")
    Image.new("RGBA", (128, 64), "white").save(tmp_path / "2.png")  # opaque
    assert read(tmp_path)[1] == ""


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_an_icc_profile_is_converted_to_srgb(mode):
    truth = Image.new("RGB", (8, 8), (200, 60, 40))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))
    wide = ImageCms.profileToProfile(truth, ImageCms.createProfile("sRGB"), profile)
    wide = wide.quantize(4) if mode == "P" else wide.convert(mode)
    wide.info["icc_profile"] = profile.tobytes()
    assert np.abs(np.array(wide.convert("RGB")).astype(int) - np.array(truth)).max() > 15
    assert np.abs(np.array(convert(wide)).astype(int) - np.array(truth)).max() <= 2


def test_srgb_stays_to_the_bit_and_a_damaged_profile_is_said(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in (("A", srgb), ("B", b"damaged")):
        (tmp_path / name).mkdir()
        noise.save(tmp_path / name / "1.png", icc_profile=profile)
    pairs, said = read(tmp_path)
    assert torch.equal(pairs.source, pairs.target) and "B/1.png has an ICC profile that can't be used" in said


# --- 6: label maps


def streets(size: int, seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    colours = np.array([(0, 0, 0), (70, 130, 180), (128, 64, 128), (107, 142, 35), (220, 20, 60)], np.uint8)
    labels = np.kron(random.integers(0, 5, (8, 8)), np.ones((size // 8, size // 8), int))
    return Image.fromarray(colours[labels])


@pytest.mark.parametrize("size", [64, 96, 200, 1000])
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "L"])
def test_exact_label_maps_keep_their_colours_at_any_size(tmp_path, size, mode):
    image = streets(size).quantize(32) if mode == "P" else streets(size).convert(mode)
    pairs, _ = read(lay(tmp_path, A_1_png=image, B_1_png=grey((size, size))))
    colours = {tuple(c) for c in np.array(image.convert("RGB")).reshape(-1, 3).tolist()}
    assert {tuple(c) for c in pairs.source[0].flatten(1).T.tolist()} == colours
    assert set(label_classes(pairs.source).values()) == colours


def patches(side: int, size: int, ids: Sequence[int] = range(8)) -> np.ndarray:
    """A label map of random patches: classes by colour, or by grey level."""
    count = -(-size // side)
    classes = np.random.default_rng(1).choice(ids, (count, count)).repeat(side, 0).repeat(side, 1)[:size, :size]
    return classes.astype(np.uint8)


@pytest.mark.parametrize(("side", "size"), [(2, 64), (3, 126), (4, 512), (1, 32)])
def test_small_patches_keep_their_classes_as_long_as_none_is_lost(side, size):
    colours = np.random.default_rng(0).integers(0, 256, (8, 3), dtype=np.uint8)[patches(side, size)]
    image = Image.fromarray(colours)
    assert {c for _, c in resize(image, (286, 286)).getcolors()} == {c for _, c in image.getcolors()}


def test_one_fine_map_does_not_take_the_board_from_all(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 3), dtype=np.uint8)
    fine = Image.fromarray(colours[patches(2, 512)]).resize((128, 128), Image.Resampling.BICUBIC)
    maps = [colours[patches(16, 128)]] * 3 + [np.asarray(fine)]
    found = label_classes(torch.from_numpy(np.stack(maps)).movedim(-1, 1))
    assert sorted(found.values()) == sorted(map(tuple, colours.tolist()))


def test_photos_and_thin_lines_are_interpolated():
    lines = Image.new("L", (256, 256), 255)
    for i in range(0, 256, 16):
        lines.paste(0, (i, 0, i + 2, 256))
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    for image in (lines, photo):
        assert resize(image, (100, 100)).tobytes() == image.resize((100, 100), Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize("ignored", [False, True])
def test_grey_masks_of_ids_are_recognised(tmp_path, ignored):
    ids = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) % 12, np.ones((16, 16), np.uint8))
    if ignored:
        ids[:16, :16] = 255
    pairs, said = read(lay(tmp_path, A_1_png=ids, B_1_png=grey()))
    assert "masks of class ids" in said and "source_range=(0, 11)" in said and "palette" in said
    assert len(label_classes(pairs.source)) == 12 + ignored


def test_the_boards_classes_are_those_of_the_files():
    """Few, many, rare ones, and those that resemble some of the facades'."""
    for colours in ([(255, 0, 0), (255, 255, 0), (0, 255, 0)], [(i * 4, 9, 255 - i * 4) for i in range(60)]):
        images = torch.tensor(colours, dtype=torch.uint8).repeat_interleave(64, 0).T.reshape(1, 3, -1, 64)
        assert set(label_classes(images).values()) == set(colours)
        with pytest.raises(ValueError, match="no label maps in the twelve colours"):
            decode_label_maps(images)
    empty = torch.zeros(30, 3, 64, 64, dtype=torch.uint8)
    empty[29, 0, :20] = 200
    assert set(label_classes(empty).values()) == {(0, 0, 0), (200, 0, 0)}


@pytest.mark.parametrize("ids", [[0, 1, 3, 17, 44, 62, 90], [0, 1], range(0, 150, 5), [0, 1, 255]])
def test_ids_far_apart_are_recognised_if_some_are_not(tmp_path, ids):
    ids = [*ids, 1]
    said = read(lay(tmp_path, A_1_png=patches(32, 256, ids), B_1_png=grey((256, 256))))[1]
    assert "masks of class ids" in said


@pytest.mark.parametrize("most", [60, 120, 190])
@pytest.mark.parametrize("kind", ["blobs", "ramp", "speckle"])
def test_grey_images_on_black_are_no_class_ids(tmp_path, most, kind):
    y, x = np.mgrid[:256, :256]
    middles = np.random.default_rng(0).integers(20, 236, (12, 2))
    blobs = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 150) for a, b in middles).clip(0, 1)
    speckle = np.random.default_rng(1).random((256, 256)) * ((x - 128) ** 2 + (y - 128) ** 2 < 3000)
    image = {"blobs": blobs, "ramp": y / 255, "speckle": speckle}[kind] * most
    assert "class ids" not in read(lay(tmp_path, A_1_png=image.astype(np.uint8), B_1_png=grey((256, 256))))[1]


def test_the_recipe_of_the_docs_gives_each_id_a_colour_of_its_own(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text().partition("### Masks of class ids")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    lay(tmp_path / "mine", A_1_png=np.arange(256, dtype=np.uint8).reshape(16, 16), A_2_png=grey((16, 16)))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert len(Image.open("mine/A/1.png").getcolors(300)) == 256 and Image.open("mine/A/2.png").size == (16, 16)


def test_dark_photos_and_black_targets_are_no_class_ids(tmp_path):
    noise = np.random.default_rng(0).integers(0, 40, (64, 64), np.uint8)
    assert "class ids" not in read(lay(tmp_path, A_1_png=noise, B_1_png=np.ones((64, 64), np.uint8)))[1]


def test_many_classes_keep_their_colours(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (150, 3), np.uint8)
    image = Image.fromarray(np.kron(np.arange(144).reshape(12, 12), np.ones((40, 40), int)).astype(np.uint8))
    image.putpalette(colours.tobytes())
    pairs, _ = read(lay(tmp_path, A_1_png=image, B_1_png=grey((480, 480))), 286)
    assert {tuple(c) for c in pairs.source[0].flatten(1).T.tolist()} <= {tuple(c) for c in colours.tolist()}


@pytest.mark.parametrize("levels", [(0, 255), (0, 0), (0, 100, 200)])
def test_other_grey_maps_are_not_taken_for_ids(tmp_path, levels):
    mask = np.repeat(np.array(levels, np.uint8), 64)[:, None].repeat(64 * len(levels), 1)
    assert "class ids" not in read(lay(tmp_path, A_1_png=mask, B_1_png=grey((64, 64))))[1]


# --- 9: sentences that help


def test_thousands_left_out_are_a_count_ten_names_and_a_file(tmp_path):
    for i in range(25):
        lay(tmp_path, **{f"A_{i}a_png": grey((8, 8)), f"B_{i}b_png": grey((8, 8))})
    with pytest.raises(ValueError, match=r"40 more: all are in ") as error:
        read_pairs(tmp_path, 8)
    lines = str(error.value).splitlines()
    assert len(lines) == 12
    named = Path(re.search(r"all are in (.*)", lines[-1])[1]).read_text(encoding="utf-8").splitlines()
    assert len(named) == 50 and set(lines[1:11]) <= set(named)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("more.zip", "is an archive: unpack it, or give it as PAIRS"),
        ("more.rar", "is an archive: unpack it"),
        ("checkpoint.pt", "is no image but weights: train.start=read_run"),
        ("depth.exr", ".*save each channel as .npy"),
    ],
)
def test_other_files_among_images_get_the_advice_that_fits(tmp_path, name, advice):
    grey((128, 64)).save(tmp_path / "1.png")
    (tmp_path / name).write_bytes(b"x")
    assert re.search(rf"{name}: {advice}", read(tmp_path)[1])


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "a pointer of Git LFS: fetch the files with git lfs",
        ),
        (b"PK\x03\x04" + bytes(99), "a zip archive: unpack it"),
        (b"%PDF-1.7\n", "a PDF: save its pages"),
        (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "a HEIC or a video: save it as JPEG"),
        (b"\n<!DOCTYPE html><html>", "text, such as a web page"),
    ],
)
def test_what_is_only_called_an_image_is_said_to_be_what_it_is(tmp_path, content, advice):
    _, said = read(lay(tmp_path, A_1_png=grey(), B_1_png=grey(), A_2_png=grey(), B_2_png=content))
    assert f"B/2.png is no image but {advice}" in said


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    """As many threads as there are decode at once, but of large images only one."""
    import threading

    from pix2pix_colab.data import pair_decoder

    busy, most, lock = 0, 0, threading.Lock()
    plain = pair_decoder.resize

    def watched(*arguments):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        try:
            threading.Event().wait(0.01)
            return plain(*arguments)
        finally:
            with lock:
                busy -= 1

    monkeypatch.setattr(pair_decoder, "resize", watched)
    for i in range(12):
        lay(tmp_path, **{f"A_{i}_png": grey(), f"B_{i}_png": grey()})
    read_pairs(tmp_path, 8)
    assert most > 1
    most = 0
    defaults = PairDecoder.__init__.__defaults__
    monkeypatch.setattr(PairDecoder.__init__, "__defaults__", (*defaults[:-1], 64 * 64 - 1))  # px
    assert len(read_pairs(tmp_path, 8)) == 12 and most == 1


def test_a_file_of_any_kind_is_the_same_as_bytes(tmp_path):
    np.save(tmp_path / "1.npy", (RAMP * 4095).astype(np.uint16))
    assert convert(tmp_path / "1.npy").tobytes() == convert((tmp_path / "1.npy").read_bytes()).tobytes()


# --- 7: names in archives; 8: mirroring


def zip_of(file: Path, names: dict[bytes, bytes]) -> Path:
    """As Windows packs: names in its code page, and no word of which."""
    body, index = b"", b""
    for name, data in names.items():
        facts = struct.pack("<HHHHIIIHH", 0, 0, 0, 0x5821, zlib.crc32(data), len(data), len(data), len(name), 0)
        index += b"PK\1\2" + struct.pack("<HH", 20, 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0x20, len(body)) + name
        body += b"PK\3\4" + struct.pack("<H", 20) + facts + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(index), len(body), 0)
    file.write_bytes(body + index + b"PK\5\6" + end)
    return file


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["ソファ", "表面", "図表", "機能", "写真"]),
        ("gb18030", ["中国", "沑片", "照片", "図"]),
        ("big5", ["功能", "許願", "訛", "許", "照片", "淚"]),
        ("cp437", ["Müller", "é", "ñandú"]),
        ("cp866", ["фото", "дом"]),
        ("utf-8", ["写真", "é", "фото"]),
    ],
)
@pytest.mark.parametrize("sides", ["", "AB"])
def test_no_file_of_a_zip_is_lost_whatever_its_code_page(tmp_path, encoding, names, sides):
    files = [f"{side}/{name}.png" for side in sides for name in names] or [f"{name}.png" for name in names]
    packed = dict.fromkeys([file.encode(encoding) for file in files], encoded(grey((64 if sides else 128, 64))))
    folder = unpack(zip_of(tmp_path / "set.zip", packed), tmp_path / "set")
    pairs, said = read(folder)
    assert len(pairs) == len(names) and not said
    if encoding in ("cp932", "utf-8", "cp437"):
        assert {Path(name).stem for name in pairs.names} == set(names)


def test_names_that_no_code_page_reads_stay_apart(tmp_path):
    names = [b"\x95\\.png", b"\x95_.png", b"\xff\xff.png", b"plain.png"]
    folder = unpack(zip_of(tmp_path / "set.zip", dict.fromkeys(names, encoded(grey((128, 64))))), tmp_path / "set")
    assert len(read(folder)[0]) == 4


@pytest.mark.parametrize("encoding", ["cp932", "utf-8"])
def test_backslashes_of_folders_are_folders_in_any_code_page(tmp_path, encoding):
    names = [f"{side}\\{name}.png".encode(encoding) for side in "AB" for name in ("猫", "表面")]
    folder = unpack(zip_of(tmp_path / "set.zip", dict.fromkeys(names, encoded(grey()))), tmp_path / "set")
    assert len(read(folder)[0]) == 2


def test_names_that_occur_twice_in_an_archive_are_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("1.png", b"first")
        packed.writestr("./1.png", b"second")
    with pytest.warns(UserWarning, match=r"1 names occur more than once in set.zip, and the last .*: 1.png"):
        unpack(tmp_path / "set.zip", tmp_path / "set")


def test_a_checkpoint_is_no_archive_of_images(tmp_path):
    torch.save({"weights": torch.ones(3)}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"it is no archive of images but weights: .* train\(start=\)"):
        unpack(tmp_path / "checkpoint.pt", tmp_path / "set")


def test_without_mirroring_no_crop_is_mirrored_and_all_else_is_the_same():
    left_to_right = torch.arange(100, dtype=torch.uint8).expand(1, 3, 100, 100).contiguous()
    pairs = Pairs(left_to_right, left_to_right, ["1"])
    plain, other = (
        torch.cat([pairs.batch([0], 64, torch.Generator().manual_seed(i), mirror=mirror)[0] for i in range(30)])
        for mirror in (False, True)
    )
    assert (plain.diff(dim=-1) > 0).all()
    mirrored = (other.diff(dim=-1) < 0).all(dim=(1, 2, 3))
    assert 5 < mirrored.sum() < 25
    assert torch.equal(torch.where(mirrored[:, None, None, None], other.flip(-1), other), plain)


def test_a_run_records_whether_it_mirrored_and_how_it_saw_its_pairs(tmp_path):
    folder = lay(tmp_path / "pairs", A_1_npy=9 * RAMP[:, :32], B_1_png=grey((32, 64)))
    pairs = read_pairs(folder, jitter_size(128), source_range=(0, 9))
    config = TrainConfig(width=2, image_size=128, epochs=1, mirror=False)
    run = read_run(train(pairs, config, tmp_path / "run", device="cpu").folder)
    assert run.config.mirror is False and run.load_generator().seen[:2] == (0.5, (0, 9))
    with pytest.raises(ValueError, match="mirror = False there, True here"):
        train(pairs, replace(config, mirror=True), tmp_path / "run", device="cpu")
    path = save_pretrained(LambdaPath({100: run.load_generator()}), tmp_path / "path.safetensors")
    assert load_pretrained(path).generator(100).seen[:2] == (0.5, [0, 9])


@pytest.mark.parametrize("value", [1, None, "no"])
def test_mirror_is_true_or_false(value):
    with pytest.raises(ValueError, match=r"mirror is .*, but it must be True or False\."):
        TrainConfig(mirror=value)
