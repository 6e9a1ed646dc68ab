"""Images of any size and kind: padded by mirrors that are walked by hand, and cropped back to where they were."""

import re

import numpy as np
import pytest
import torch
from helpers.noise import noise
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from pix2pix_colab import UNetGenerator, translate
from pix2pix_colab.data import read_pairs
from pix2pix_colab.utils.images import UNSEEN, Seen, to_float, to_uint8

KINDS = ("tensor", "batch", "array", "flat array", "PIL")


def make(channels: tuple[int, int] = (3, 3), **settings) -> UNetGenerator:
    """A generator far enough from its start that outputs differ."""
    torch.manual_seed(0)
    generator = UNetGenerator(4, 128, **settings, source_channels=channels[0], target_channels=channels[1])
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return generator


class Echo(nn.Module):
    """In the place of a generator: it returns its source, and notes what it was given."""

    def __init__(self, image_size: int = 256, source_channels: int = 3, target_channels: int = 3):
        super().__init__()
        self.image_size, self.source_channels, self.target_channels = image_size, source_channels, target_channels
        self.weight = nn.Parameter(torch.ones(1))
        self.seen, self.sources = UNSEEN, []

    def forward(self, source: Tensor) -> Tensor:
        assert source.shape[:2] == (1, self.source_channels) and source.is_contiguous()
        assert all(size and size % self.image_size == 0 for size in source.shape[2:])
        self.sources.append(source)
        return source[:, :1].expand(-1, self.target_channels, -1, -1) if self.target_channels == 1 else source


def as_kind(image: Tensor, kind: str) -> Tensor | np.ndarray | Image.Image:
    """(C, H, W) as another kind; a flat array is (H, W)."""
    array = image.permute(1, 2, 0).numpy()
    flat = array[:, :, 0] if len(image) == 1 else array
    others = {"batch": image[None], "array": array, "flat array": flat}
    return others.get(kind, Image.fromarray(np.ascontiguousarray(flat)) if kind == "PIL" else image)


def to_tensor(output: Tensor | np.ndarray | Image.Image) -> Tensor:
    """Any kind as (C, H, W)."""
    if isinstance(output, Tensor):
        return output[0] if output.ndim == 4 else output
    return torch.from_numpy(np.array(np.atleast_3d(output))).permute(2, 0, 1)


def facts(image: Tensor | np.ndarray | Image.Image) -> tuple:
    """What kind it is, its type of numbers, and its sizes."""
    return (type(image), image.mode, image.size) if isinstance(image, Image.Image) else (type(image), image.dtype)


def walk(size: int, begin: int, count: int) -> list[int]:
    """The pixels that a walker passes who turns at both ends of a line, ``begin`` steps before the first pixel."""
    there_and_back = [*range(size), *range(size - 2, 0, -1)]
    return [there_and_back[i % len(there_and_back)] for i in range(-begin, count - begin)]


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(KINDS), st.sampled_from([1, 3]))
def test_any_size_and_kind_comes_back_pixel_by_pixel(height, width, kind, channels):
    image = noise(channels, height, width)
    source = as_kind(image, kind)
    output = translate(Echo(source_channels=channels, target_channels=channels), source, fit=False)
    assert facts(output) == facts(source)
    assert np.shape(output) == np.shape(source)
    assert torch.equal(to_tensor(output), image)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(KINDS), *[st.sampled_from([1, 3])] * 2)
def test_a_u_net_takes_any_size_and_kind(height, width, kind, source_channels, target_channels):
    image = noise(source_channels, height, width)
    generator = make((source_channels, target_channels))
    output = translate(generator, as_kind(image, kind), seed=3, fit=False)
    assert type(output) is type(as_kind(image, kind))
    rows, columns = ((-(-size // 128) * 128 - size) // 2 for size in (height, width))
    padded = np.pad(image, ((0, 0), (rows, -(height + rows) % 128), (columns, -(width + columns) % 128)), "reflect")
    torch.manual_seed(3)
    whole = to_uint8(generator(to_float(torch.from_numpy(padded)[None])).detach())[0]
    assert torch.equal(to_tensor(output), whole[:, rows : rows + height, columns : columns + width])


@pytest.mark.parametrize("size", [1, 2, 3, 40, 85, 86, 127, 128, 129, 200, 255, 257])
def test_borders_are_mirrored_evenly(size):
    echo, image = Echo(128), noise(3, size, 2 * size)
    translate(echo, image)
    (padded,) = echo.sources
    lines = []
    for length in (size, 2 * size):
        count = -(-length // 128) * 128
        lines.append(walk(length, (count - length) // 2, count))
    assert torch.equal(to_uint8(padded)[0], image[:, lines[0]][:, :, lines[1]])
    assert list(padded.shape[2:]) == [len(line) for line in lines]


def test_a_batch_is_each_image_alone():
    generator, images = make(), noise(3, 3, 70, 150)
    together = translate(generator, images)
    assert together.shape == images.shape
    assert not torch.equal(together[0], together[1])
    for image, output in zip(images, together, strict=True):
        assert torch.equal(translate(generator, image), output)
    assert torch.equal(translate(generator, images.flip(0)).flip(0), together)
    twins = translate(generator, images[[0, 0]])
    assert torch.equal(twins[0], twins[1]), "dropout is drawn anew for every image"


def test_the_layout_in_memory_has_no_say():
    generator, image = make(), noise(3, 90, 110)
    expected = translate(generator, image)
    others = (image.transpose(1, 2).contiguous().transpose(1, 2), image.permute(1, 2, 0).contiguous().permute(2, 0, 1))
    assert all(torch.equal(translate(generator, other), expected) for other in others)
    array = as_kind(image, "array")
    flipped = np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]  # steps backwards through the memory
    locked = array.copy()
    locked.flags.writeable = False
    for other in (np.asfortranarray(array), flipped, locked):
        assert torch.equal(to_tensor(translate(generator, other)), expected)
    assert np.array_equal(locked, as_kind(image, "array"))


def test_colour_becomes_grey_as_pillow_does_it():
    image = noise(3, 50, 60)
    expected = torch.from_numpy(np.array(as_kind(image, "PIL").convert("L")))
    for kind in KINDS:
        assert torch.equal(to_tensor(translate(Echo(128, 1, 1), as_kind(image, kind), fit=False))[0], expected), kind
    grey = noise(1, 50, 60)
    for kind in KINDS:
        assert torch.equal(to_tensor(translate(Echo(128), as_kind(grey, kind), fit=False)), grey.expand(3, -1, -1)), (
            kind
        )


@pytest.mark.parametrize(
    ("orientation", "turn"), [(1, None), (3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)]
)
def test_a_pil_image_is_set_upright_as_its_exif_data_say(orientation, turn):
    """Orientation 6: to be seen upright, it is to be rotated by 90° clockwise."""
    upright = Image.fromarray(noise(90, 60, 3).numpy())
    given = upright.transpose(turn) if turn is not None else upright.copy()
    given.getexif()[274] = orientation
    expected, generator = translate(Echo(128), upright, fit=False), Echo(128)
    output = translate(generator, given, fit=False)
    assert output.size == (60, 90) and output.tobytes() == expected.tobytes() == upright.tobytes()
    assert translate(generator, output, fit=False).tobytes() == output.tobytes(), (
        "it doesn't carry the orientation any more"
    )


@pytest.mark.parametrize(
    ("source", "target", "shape", "expected"),
    [
        (1, 1, (9, 8), (9, 8)),
        (1, 1, (9, 8, 1), (9, 8, 1)),
        (1, 3, (9, 8), (9, 8, 3)),
        (1, 3, (9, 8, 1), (9, 8, 3)),
        (3, 1, (9, 8, 3), (9, 8, 1)),
        (3, 1, (9, 8), (9, 8)),
        (3, 3, (9, 8), (9, 8, 3)),
        (3, 3, (9, 1), (9, 1, 3)),
        (1, 1, (9, 1), (9, 1)),
    ],
)
def test_arrays_have_the_channels_of_the_target(source, target, shape, expected):
    output = translate(make((source, target)), noise(*shape).numpy())
    assert output.shape == expected and output.dtype == np.uint8


def test_the_seed_decides_at_any_size():
    generator, image = make(), noise(3, 140, 60)
    assert torch.equal(translate(generator, image, seed=1), translate(generator, image, seed=1))
    assert not torch.equal(translate(generator, image, seed=1), translate(generator, image, seed=2))
    quiet = make(dropout=0.0)
    assert torch.equal(translate(quiet, image, seed=1), translate(quiet, image, seed=2)), "by dropout alone"


def test_running_statistics_have_no_say():
    generator, source = make(dropout=0.0), noise(3, 3, 128, 128)  # so that only BatchNorm sets the modes apart
    output = translate(generator, source)
    with torch.no_grad():
        assert not torch.equal(to_uint8(generator.eval()(to_float(source))), output)
    for name, buffer in generator.named_buffers():
        if "running" in name:
            buffer.fill_(3)
    assert torch.equal(translate(generator, source), output)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training):
    generator, image = make().train(training), noise(2, 3, 100, 30)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    kept, random = image.clone(), torch.get_rng_state()
    translate(generator, image)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert {module.training for module in generator.modules()} == {training}
    assert torch.equal(torch.get_rng_state(), random) and torch.equal(image, kept)
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_a_failure_changes_nothing_either(monkeypatch):
    generator, random = make().eval(), torch.get_rng_state()
    monkeypatch.setattr(generator, "forward", lambda source: torch.rand(3).reshape(2))
    with pytest.raises(RuntimeError, match="shape"):
        translate(generator, noise(3, 128, 128))
    assert not generator.training
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("shape", [(0, 3, 128, 128), (0, 1, 5, 7)])
def test_no_images_give_no_images(shape):
    output = translate(make((3, 1)), noise(*shape))
    assert output.shape == (0, 1, *shape[2:]) and output.dtype == torch.uint8


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((8, 8, 3)), "ndarray float64 (8, 8, 3)"),
        (np.zeros((8, 8), np.uint16), "ndarray uint16 (8, 8)"),
        (np.zeros((8, 8), bool), "ndarray bool (8, 8)"),
        (np.zeros((8, 8, 4), np.uint8), "ndarray uint8 (8, 8, 4)"),
        (np.zeros((2, 8, 8, 3), np.uint8), "ndarray uint8 (2, 8, 8, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "ndarray uint8 (0, 8, 3)"),
        (np.zeros(8, np.uint8), "ndarray uint8 (8,)"),
        (torch.zeros(3, 8, 8), "Tensor torch.float32 (3, 8, 8)"),
        (noise(8, 8), "Tensor torch.uint8 (8, 8)"),
        (noise(8, 8, 3), "Tensor torch.uint8 (8, 8, 3)"),
        (noise(1, 1, 3, 8, 8), "Tensor torch.uint8 (1, 1, 3, 8, 8)"),
        (noise(3, 0, 8), "Tensor torch.uint8 (3, 0, 8)"),
        (noise(2, 3, 8, 0), "Tensor torch.uint8 (2, 3, 8, 0)"),
        (Image.new("RGB", (0, 8)), "Image RGB (0, 8)"),
        ("photo.jpg", "str"),
        ([noise(3, 8, 8)], "list"),
        (None, "NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_gets_a_sentence(source, words):
    expected = rf"takes a PIL image, a uint8 array .* no image without pixels, but got: {re.escape(words)}\.$"
    with pytest.raises(ValueError, match=expected):
        translate(make(), source)


def saved_pairs(folder, size, count=3):
    """Photos and label maps of a size, of which the first is opened."""
    random = np.random.default_rng(0)
    for side in "AB":
        (folder / side).mkdir(parents=True)
        for i in range(count):
            photo = np.kron(random.integers(0, 256, (9, 9, 3), dtype=np.uint8), np.ones((40, 40, 1), np.uint8))
            Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC).save(folder / side / f"{i}.png")
    return Image.open(folder / "A" / "0.png")


@pytest.mark.parametrize("size", [(128, 128), (512, 512), (300, 150), (150, 300), (77, 41), (1024, 512)])
@pytest.mark.parametrize("trained", [False, True])
def test_the_file_of_a_pair_is_translated_as_training_saw_it(tmp_path, size, trained):
    """Of any size and aspect; whether it is known how its run saw its pairs, or not."""
    generator, image = make(dropout=0.0), saved_pairs(tmp_path, size)
    pairs = read_pairs(tmp_path, 128)
    if trained:
        generator.seen = pairs.seen
        assert pairs.seen.aspect == pytest.approx(size[0] / size[1])
    expected = Image.fromarray(to_pixels(translate(generator, pairs.source[0]))).resize(size, Image.Resampling.BICUBIC)
    output = translate(generator, image)
    assert output.size == size and output.tobytes() == expected.tobytes()


def to_pixels(image: Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).contiguous().numpy()


def test_an_image_of_another_aspect_keeps_its_shapes():
    """Of pairs twice as wide as high, which were squashed, a square shows half as much, at the same scale."""
    echo, disc = Echo(128), Image.new("RGB", (400, 400), "white")
    echo.seen = Seen(2.0)
    translate(echo, disc)
    assert echo.sources[0].shape[2:] == (256, 128)
    echo.seen = Seen(1.0)
    translate(echo, disc.resize((800, 400)))
    assert echo.sources[1].shape[2:] == (128, 256)
    translate(echo, disc.resize((800, 400)), fit=False)
    assert echo.sources[2].shape[2:] == (512, 896)


def test_a_source_of_wide_values_has_the_range_of_the_pairs(tmp_path):
    depth = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (128, 1))
    image, echo = Image.fromarray(4 * depth), Echo(128, 1, 1)
    with pytest.raises(ValueError, match=r"has values from 0 to 4, and nothing says which is black"):
        translate(echo, image)
    echo.seen = Seen(1.0, (0, 4))
    assert np.abs(np.asarray(translate(echo, image)).astype(int) - 255 * depth).max() <= 1


def test_a_label_map_is_scaled_without_new_colours():
    echo, colours = Echo(128), [(0, 0, 220), (0, 128, 252), (252, 240, 0)]
    blocks = np.random.default_rng(0).integers(0, 3, (8, 8))
    image = Image.fromarray(np.kron(np.array(colours, np.uint8)[blocks], np.ones((60, 60, 1), np.uint8)))
    translate(echo, image)
    seen = to_uint8(echo.sources[0])[0].flatten(1).T.unique(dim=0)
    assert sorted(map(tuple, seen.tolist())) == sorted(colours)


def test_too_large_an_image_gets_a_sentence():
    generator, random = make().eval(), torch.get_rng_state()
    huge = torch.zeros(1, dtype=torch.uint8).expand(3, 2**28, 2**28)  # more than there are addresses
    with pytest.raises(MemoryError, match=r"^Out of memory on cpu at 268435456×268435456 px\. Scale it down"):
        translate(generator, huge)
    assert not generator.training and torch.equal(torch.get_rng_state(), random)
