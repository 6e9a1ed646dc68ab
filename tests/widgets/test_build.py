"""What a slider is given to show: decoded again, each image is the right one at its place."""

import copy
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.image_files import encoded
from helpers.noise import noise
from PIL import Image
from torch import Tensor

from pix2pix_colab import LambdaPath, UNetGenerator, translate
from pix2pix_colab.data import Pairs, synthetic_facades
from pix2pix_colab.evaluation import Measurement, Report
from pix2pix_colab.widgets import build, encode
from pix2pix_colab.widgets.build import LONGEST, slider_of_image, slider_of_pairs, slider_of_path

COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}
COLOURS |= {"white": (250, 250, 250), "grey": (90, 90, 90)}


def flat(*names: str, width: int = 32) -> Tensor:
    """One image of each colour."""
    colours = torch.tensor([COLOURS[name] for name in names], dtype=torch.uint8)
    return colours[:, :, None, None].expand(-1, -1, 32, width)


def decode(image_bytes: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(image_bytes))
    assert (image.format, image.mode) == ("WEBP", "RGB")
    return image


def colours(encoded: list[bytes]) -> list[str]:
    """The names of the flat colours of images."""
    names = []
    for image_bytes in encoded:
        pixels = np.asarray(decode(image_bytes)).astype(int)
        (name,) = [name for name, colour in COLOURS.items() if np.abs(pixels - colour).max() == 0]
        names.append(name)
    return names


def assert_like(image_bytes: bytes, image: Image.Image, tolerance: float = 12) -> None:
    """A WebP shows the image, within what is lost on average."""
    shown = decode(image_bytes)
    assert shown.size == image.size
    off = np.abs(np.asarray(shown).astype(int) - np.asarray(image.convert("RGB")).astype(int))
    assert off.mean() < tolerance


def test_label_maps_are_lossless_and_grey_photos_are_not():
    """By the rule of reading: 200 classes in areas are a label map, 200 levels of a photo none."""
    classes = torch.arange(200).repeat(2)[:196].reshape(14, 14).repeat_interleave(24, 0).repeat_interleave(24, 1)
    label_map, photo = classes.expand(3, -1, -1).to(torch.uint8), noise(1, 200, 200).expand(3, -1, -1)
    for image, lossless in ((label_map, True), (photo, False)):
        assert np.array_equal(decode(encode(image[None])[0]), image.permute(1, 2, 0)) == lossless


def test_images_are_encoded_one_by_one_in_their_colours():
    encoded = encode(flat("red", "green", "white", "grey", width=48))
    assert colours(encoded) == ["red", "green", "white", "grey"]
    assert decode(encoded[0]).size == (48, 32)
    assert encode(flat("red")[:0]) == []


def test_grey_becomes_colour():
    assert colours(encode(flat("white", "grey")[:, :1])) == ["white", "grey"]


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_photos_are_lossy(channels):
    (encoded,) = encode(noise(1, channels, 128, 128))
    assert encoded[12:16] == b"VP8 "  # and not VP8L


@pytest.fixture
def pairs() -> Pairs:
    return Pairs(flat("red", "blue"), flat("white", "grey"), ["one", "two"])


def outputs(*more: str) -> dict[float, Tensor]:
    return {math.inf: flat("green", "red", *more), 0: flat("blue", "green", *more), 100: flat("grey", "white", *more)}


@pytest.mark.parametrize("more", [(), ("white", "white")], ids=["as many outputs", "more outputs"])
def test_the_slider_shows_what_each_lambda_made_of_each_pair(pairs, more):
    slider = slider_of_pairs(pairs, outputs(*more))
    assert slider.lambdas == [0, 100, math.inf]
    shown = [colours(images) for images in slider.data["outputs"]]
    assert shown == [["blue", "green"], ["grey", "white"], ["green", "red"]]
    assert colours(slider.data["sources"]) == ["red", "blue"]
    assert colours(slider.data["targets"]) == ["white", "grey"]
    assert slider.data["names"] == ["one", "two"]
    assert (slider.data["metrics"], slider.data["caption"], slider.value) == ([], "", 100)


def test_a_path_shows_what_is_between_its_stops_and_what_was_measured(pairs):
    path = outputs() | {31.6: flat("red", "blue")}
    report = Report(106, {"l1": {k: Measurement(torch.tensor([k / 100, k / 100])) for k in (0, 100)}})
    slider = slider_of_pairs(pairs, path, report, stops=[0, 100, math.inf])
    assert slider.lambdas == [0, 31.6, 100, math.inf] and slider.stops == [0, 100, math.inf]
    assert colours(slider.data["outputs"][1]) == ["red", "blue"]
    assert slider.data["positions"][1]["label"] == "λ = 32"
    assert slider.data["metrics"] == [{"name": "L1 ↓", "values": [0, None, 1, None]}]


def test_fewer_outputs_than_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match="as many sources"):
        slider_of_pairs(pairs, {0: flat("red")})


def test_the_slider_shows_what_was_measured(pairs):
    measured = {0: Measurement(torch.tensor([0.25, 0.75])), 100: Measurement(torch.tensor([0.125, 0.125]))}
    measured[math.inf] = Measurement(torch.tensor([0.0, 0.0]))
    slider = slider_of_pairs(pairs, outputs(), Report(106, {"l1": measured, "ssim": {100: measured[100]}}))
    assert slider.data["metrics"] == [
        {"name": "L1 ↓", "values": [0.5, 0.125, 0.0]},  # in the order of the stops, whatever that of the report is
        {"name": "SSIM ↑", "values": [None, 0.125, None]},
    ]
    assert slider.data["caption"] == "of all 106 test images"


def test_grey_pairs_are_shown():
    pairs = Pairs(flat("white")[:, :1], flat("grey")[:, :1], ["one"])
    slider = slider_of_pairs(pairs, {0: flat("grey")[:, :1], 10: flat("red")})
    assert [colours(images) for images in slider.data["outputs"]] == [["grey"], ["red"]]
    assert (colours(slider.data["sources"]), colours(slider.data["targets"])) == (["white"], ["grey"])


def make(width: int = 2, **channels: int) -> UNetGenerator:
    torch.manual_seed(width)
    generator = UNetGenerator(width, 128, **channels)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)  # far enough from the start that outputs differ
    return generator


@pytest.fixture(scope="module")
def generators() -> dict[float, UNetGenerator]:
    return {100: make(2), 0: make(4)}


def smooth(width: int, height: int) -> Image.Image:
    """A picture that encoding and scaling keep, and that looks otherwise when it is turned or mirrored."""
    y, x = np.mgrid[0:height, 0:width]
    red, green, blue = x / max(1, width - 1), y / max(1, height - 1), (x + y) / (width + height)
    return Image.fromarray((255 * np.stack([red, green**2, blue], axis=-1)).astype(np.uint8))


@pytest.mark.parametrize("size", [(128, 128), (129, 37), (1, 1), (3, 200), (255, 256)])
def test_an_image_of_any_size_is_translated_by_each_lambda(generators, size):
    image = smooth(*size)
    slider = slider_of_image(generators, image)
    assert slider.lambdas == [0, 100]
    assert_like(*slider.data["sources"], image, tolerance=20)  # colour has half the resolution: much of 3 columns
    for (image_bytes,), generator in zip(slider.data["outputs"], (generators[0], generators[100]), strict=True):
        assert image_bytes == encode(torch.from_numpy(np.array(translate(generator, image))).permute(2, 0, 1)[None])[0]
    assert slider.data["outputs"][0] != slider.data["outputs"][1]
    assert (slider.data["targets"], slider.data["metrics"], slider.data["names"]) == ([], [], ["your image"])


@pytest.fixture(scope="module")
def path() -> LambdaPath:
    other = copy.deepcopy(first := make(2))
    with torch.no_grad():
        for parameter in other.decoder[-2:].parameters():
            parameter.mul_(-2)
    return LambdaPath({1: first, 100: other})


def test_an_image_is_translated_all_along_a_path(path):
    image = smooth(70, 40)
    slider = slider_of_image(path, image)
    assert (slider.lambdas, slider.stops, slider.value) == (path.grid(), [1, 100], 100)
    assert len(slider.lambdas) == 5 and len({images[0] for images in slider.data["outputs"]}) == 5
    for (shown,), lambda_l1 in zip(slider.data["outputs"], path.grid(), strict=True):
        output = torch.from_numpy(np.array(translate(path.generator(lambda_l1), image))).permute(2, 0, 1)
        assert shown == encode(output[None])[0]


def test_pairs_or_sources_or_neither_are_translated_all_along_a_path(path):
    pairs = synthetic_facades(2, 128)
    shown = slider_of_path(path, pairs)
    assert (shown.lambdas, shown.stops) == (path.grid(), [1, 100])
    assert shown.data["targets"] == encode(pairs.target) and shown.data["names"] == pairs.names
    bare = slider_of_path(path, pairs.source)
    assert bare.data["outputs"] == shown.data["outputs"] and bare.data["sources"] == shown.data["sources"]
    assert bare.data["targets"] == []
    assert shown.data["outputs"][0] == encode(path.translate(pairs.source, [1])[1])
    assert len(slider_of_path(path).data["sources"]) == 6, "label maps that are rendered on the spot"


def test_a_large_image_is_scaled_to_1024_px_for_a_path(path):
    slider = slider_of_image(path, smooth(2050, 20))
    assert decode(*slider.data["sources"]).size == decode(*slider.data["outputs"][3]).size == (1024, 10)


def test_a_tensor_is_taken_as_the_image_that_it_is(generators):
    image = smooth(70, 40)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert slider_of_image(generators, pixels).data == slider_of_image(generators, image, fit=False).data


def test_a_file_its_name_and_its_bytes_are_the_same(generators, tmp_path):
    file = tmp_path / "mein Häuschen.png"
    smooth(70, 40).save(file)
    slider = slider_of_image(generators, smooth(70, 40))
    for kind in (file, str(file), file.read_bytes()):
        other = slider_of_image(generators, kind)
        assert other.data | {"names": []} == slider.data | {"names": []}
        assert other.data["names"] == ["your image" if isinstance(kind, bytes) else "mein Häuschen.png"]


@pytest.mark.parametrize("read", [Path, Path.read_bytes, Image.open], ids=["file", "bytes", "opened"])
def test_a_rotated_image_is_set_upright(generators, tmp_path, read):
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: to be seen upright, it is to be rotated by 90° clockwise
    file = tmp_path / "1.jpg"
    file.write_bytes(encoded(smooth(60, 90).rotate(90, expand=True), "JPEG", exif=exif, quality=95))
    slider = slider_of_image(generators, read(file))
    assert_like(*slider.data["sources"], smooth(60, 90))
    assert decode(slider.data["outputs"][0][0]).size == (60, 90)


@pytest.mark.parametrize(
    ("size", "scaled"), [((4500, 30), (2048, 14)), ((20, 2050), (20, 2048)), ((9, 2048), (9, 2048))]
)
def test_a_large_image_is_scaled_to_2048_px(generators, size, scaled):
    image = smooth(*size)
    slider = slider_of_image({0: generators[100]}, image)
    assert LONGEST == 2048
    assert image.size == size, "the caller's image stays as it is"
    for (image_bytes,) in (slider.data["sources"], slider.data["outputs"][0]):
        assert decode(image_bytes).size == scaled
    assert_like(*slider.data["sources"], smooth(*scaled))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
def test_a_pil_image_of_any_mode_is_taken_and_left_alone(generators, monkeypatch, mode):
    monkeypatch.setattr(build, "LONGEST", 64)
    image = Image.fromarray(np.full((50, 100), 25700, np.uint16)) if mode[0] == "I" else smooth(100, 50).convert(mode)
    image = image.convert(mode)
    before = image.tobytes()
    slider = slider_of_image({0: generators[100]}, image)
    assert (image.mode, image.size, image.tobytes()) == (mode, (100, 50), before)
    assert decode(*slider.data["sources"]).size == (64, 32)
    if mode[0] == "I":
        assert decode(*slider.data["sources"]).getpixel((9, 9)) == pytest.approx((100,) * 3, abs=3)  # of 255


def test_the_source_is_shown_as_the_generators_get_it(generators):
    """What is transparent lies on white; Pillow by itself would show what is behind it."""
    clear = Image.new("RGBA", (40, 40), (250, 5, 5, 0))
    slider = slider_of_image({0: generators[100]}, clear)
    assert decode(*slider.data["sources"]).getpixel((20, 20)) == (255, 255, 255)
    white = slider_of_image({0: generators[100]}, Image.new("RGB", (40, 40), "white"))
    assert slider.data["outputs"] == white.data["outputs"]


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1)])
def test_a_net_of_grey_images_takes_colour_and_its_output_is_shown(before, after):
    generator, image = make(source_channels=before, target_channels=after), smooth(60, 50)
    slider = slider_of_image({0: generator}, image)
    assert_like(*slider.data["sources"], image)
    output = translate(generator, image)
    assert output.mode == {1: "L", 3: "RGB"}[after]
    pixels = torch.from_numpy(np.atleast_3d(output).copy()).permute(2, 0, 1)
    assert slider.data["outputs"][0] == encode(pixels[None])


def test_what_is_no_image_gets_a_sentence_with_its_name(generators, tmp_path):
    text, torn = tmp_path / "note.txt", tmp_path / "torn.png"
    text.write_text("no image")
    torn.write_bytes(encoded(smooth(60, 60))[:-60])
    cases = {
        b"no image": r"^your image is no image: choose another image\.$",
        text: r"^note\.txt is no image: choose another image\.$",
        str(torn): r"^torn\.png can't be read \(.+\): choose another image\.$",
        tmp_path / "missing.png": r"^missing\.png can't be read \(.*No such file.*\): choose another image\.$",
        tmp_path: rf"^{tmp_path.name} can't be read \(.+\): choose another image\.$",
        b"": r"^your image is no image: choose another image\.$",
    }
    for given, sentence in cases.items():
        with pytest.raises(ValueError, match=sentence):
            slider_of_image(generators, given)
    with pytest.raises(ValueError, match="has values from 0 to 0"):
        slider_of_image(generators, Image.new("F", (9, 9)))
