"""Pairs: the very pixels that Pillow makes, the same jitter on both images, and a sentence for each bad file."""

import re
from pathlib import Path

import pytest
import torch
from helpers.noise import noise
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from pix2pix_colab.data import Pairs, read_pairs, write_pairs
from pix2pix_colab.utils.images import to_float, to_uint8


def save(file: Path, height: int = 20, seed: int = 0) -> Image.Image:
    """Write a pair of noise and return it."""
    image = Image.fromarray(noise(height, 2 * height, 3, seed=seed).numpy())
    image.save(file)
    return image


def map_of_places(size: int) -> torch.Tensor:
    """uint8 (1, 3, size, size) in which each pixel says where it is."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([y // 2, x // 2, y % 2 * 2 + x % 2])[None].to(torch.uint8)


def place_of(crop: torch.Tensor) -> tuple[int, int, bool]:
    """Top and left of a crop of ``map_of_places``, and whether it was mirrored."""
    half_y, half_x, odd = to_uint8(crop).long()
    y, x = half_y * 2 + odd // 2, half_x * 2 + odd % 2
    return y.min().item(), x.min().item(), (x[0, 0] > x[0, -1]).item()


@pytest.fixture
def sides(tmp_path) -> Path:
    """Three pairs in two folders of one wrapper: A/1.png is noise of seed 1, B/1.jpg of 101."""
    for offset, side, ending in ((0, "A", "png"), (100, "B", "jpg")):
        (tmp_path / side).mkdir()
        for n in (1, 2, 10):
            Image.fromarray(noise(20, 20, 3, seed=n + offset).numpy()).save(tmp_path / side / f"{n}.{ending}")
    return tmp_path


@pytest.fixture
def pairs() -> Pairs:
    images = noise(2, 3, 3, 20, 20)
    return Pairs(images[0], images[1], ["a", "b", "c"])


def test_both_directions_are_read(tmp_path):
    image = save(tmp_path / "1.png")
    left, right = pil_to_tensor(image.crop((0, 0, 20, 20))), pil_to_tensor(image.crop((20, 0, 40, 20)))
    for direction, source, target in (("BtoA", right, left), ("AtoB", left, right)):
        read = read_pairs(tmp_path, 20, direction)
        assert torch.equal(read.source[0], source)
        assert torch.equal(read.target[0], target)
        assert read.direction == read[:1].direction == read.to("cpu").direction == direction
    assert torch.equal(read_pairs(str(tmp_path), 20).source[0], left)  # as in the notebooks and on the command line


def test_a_name_that_only_looks_like_a_number_is_a_name(tmp_path):
    for name in ("²", "1"):
        save(tmp_path / f"{name}.png")
    assert read_pairs(tmp_path, 8).names == ["1.png", "².png"]


def test_a_crop_is_that_of_the_image_resized_anew(tmp_path):
    """Reading once and cropping each time gives the pixels of the paper's code, which does all of it each time."""
    file = save(tmp_path / "1.png", height=100)
    both = file.crop((0, 0, 100, 100)), file.crop((100, 0, 200, 100))
    read = read_pairs(tmp_path)
    assert read.size == 286
    source, target = (pil_to_tensor(half.resize((286, 286), Image.Resampling.BICUBIC)) for half in both)
    assert torch.equal(read.source[0], source) and torch.equal(read.target[0], target)
    seen = set()
    for seed in range(20):
        places = Pairs(map_of_places(286), read.target, ["1"])
        top, left, mirrored = place_of(places.batch([0], 256, torch.Generator().manual_seed(seed))[0][0])
        seen.add(mirrored)
        for crop, half in zip(read.batch([0], 256, torch.Generator().manual_seed(seed)), both, strict=True):
            once_more = half.resize((286, 286), Image.Resampling.BICUBIC).crop((left, top, left + 256, top + 256))
            if mirrored:
                once_more = once_more.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            assert torch.equal(to_uint8(crop[0]), pil_to_tensor(once_more))
    assert seen == {True, False}


def test_jitter_and_mirror_are_the_same_on_both():
    pixels = map_of_places(286)
    source, target = Pairs(pixels, pixels, ["1"]).batch([0] * 8, 256, torch.Generator().manual_seed(0))
    assert torch.equal(source, target)
    assert len({place_of(crop) for crop in source}) == 8  # sampled for each pair anew


def test_every_offset_comes_and_half_is_mirrored():
    pixels, random = map_of_places(286), torch.Generator().manual_seed(0)
    pairs = Pairs(pixels, pixels, ["1"])
    places = [place_of(pairs.batch([0], 256, random)[0][0]) for _ in range(300)]
    tops, lefts, mirrored = zip(*places, strict=True)
    assert set(tops) == set(lefts) == set(range(31))
    assert tops != lefts
    assert 133 <= sum(mirrored) <= 167  # within two standard deviations of 150


def test_the_jitter_follows_only_its_seed(pairs):
    first, again, other = (pairs.batch([0, 1, 2], 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))
    state = torch.get_rng_state()
    pairs.batch([0], 8, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_random_the_middle_is_taken(pairs):
    for side in (8, 20):
        edge = (20 - side) // 2
        source, target = pairs.batch([2, 0], side)
        middle = slice(edge, edge + side)
        assert torch.equal(to_uint8(source), pairs.source[[2, 0]][:, :, middle, middle])
        assert torch.equal(to_uint8(target), pairs.target[[2, 0]][:, :, middle, middle])


def test_a_crop_that_does_not_fit_gets_a_sentence(pairs):
    with pytest.raises(ValueError, match="A crop of 21 px doesn't fit into pairs of 20 px: read them larger"):
        pairs.batch([0], 21)


def test_all_256_values_come_back():
    values = torch.arange(256, dtype=torch.uint8)
    floats = to_float(values)
    assert floats.dtype == torch.float32
    assert floats[0] == -1 and floats.abs().max() <= 1 and floats[255] == pytest.approx(1, abs=2e-7)
    assert torch.equal(to_uint8(floats), values)
    assert torch.equal(to_uint8(floats + 0.49 / 127.5), values)  # rounded, not cut off
    assert torch.equal(to_uint8(floats - 0.49 / 127.5), values)


def test_values_out_of_range_are_clipped():
    assert to_uint8(torch.tensor([-5.0, -1.01, 1.01, 5.0])).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back_to_the_same_bits(pairs, tmp_path, direction, channels):
    pairs = Pairs(pairs.source[:, :channels], pairs.target, pairs.names)
    folder = write_pairs(pairs, tmp_path / "new" / "folder", direction)
    read = read_pairs(folder, 20, direction, source_channels=channels)
    assert torch.equal(read.source, pairs.source) and torch.equal(read.target, pairs.target)
    assert read.names == ["a.png", "b.png", "c.png"]


def test_no_pair_is_written_over_another(pairs, tmp_path):
    frames = Pairs(pairs.source, pairs.target, ["frame.0001", "frame.0002", "frame.0003.jpg"])
    read = read_pairs(write_pairs(frames, tmp_path), 20)
    assert read.names == ["frame.0001.png", "frame.0002.png", "frame.0003.png"]
    with pytest.raises(ValueError, match=r"The names 1\.jpg, 1\.png, 2\.png would share files"):
        write_pairs(Pairs(pairs.source, pairs.target, ["1.jpg", "1.png", "2.png"]), tmp_path)


def test_an_empty_or_missing_folder_gets_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} holds no image: give the folder"):
        read_pairs(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"There is no folder {tmp_path}/gone: give"):
        read_pairs(tmp_path / "gone")


def test_the_pair_of_one_file_is_read(tmp_path):
    save(tmp_path / "1.png")
    assert torch.equal(read_pairs(tmp_path / "1.png", 20).source, read_pairs(tmp_path, 20).source)
    with pytest.raises(ValueError, match=r"1\.png: there are too few to be split"):
        read_pairs(tmp_path / "1.png", 20, split="train")


def truncate(file: Path) -> None:
    save(file, height=100)
    file.write_bytes(file.read_bytes()[:-2000])


def save_odd(file: Path) -> None:
    Image.fromarray(noise(20, 41, 3).numpy()).save(file)


BAD = {  # what is done to a file, and why it is left out then
    "2.jpg": (lambda file: file.write_text("<html>not found</html>"), "is no image but text, such as a web page .*"),
    "4.png": (lambda file: file.write_bytes(b""), "is no image"),
    "5.jpg": (truncate, r"can't be read \(image file is truncated.*\)"),
    "6.png": (truncate, r"can't be read \(.*\)"),
    "8.png": (lambda file: file.symlink_to("gone"), r"can't be read \(.*No such file.*\)"),
    "9.png": (save_odd, "is 41 px wide, which can't be halved into two images of equal width"),
    "10.png": (lambda file: save(file, height=300), r"can't be read \(it has more than 120,000 pixels.*\)"),
}


@pytest.fixture
def small_images(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300 * 200)


@pytest.fixture(params=["in memory", "streamed"])
def either(request, monkeypatch) -> None:
    """Each of these tests holds for pairs in memory and for pairs that are decoded ahead."""
    if request.param == "streamed":
        monkeypatch.setattr("pix2pix_colab.data.pair_files.LARGE", 0)


@pytest.mark.usefixtures("small_images", "either")
def test_bad_files_are_left_out_with_one_warning_that_says_why(tmp_path):
    for good in ("1.png", "3.png"):
        save(tmp_path / good)
    for name, (spoil, _) in BAD.items():
        spoil(tmp_path / name)
    with pytest.warns(UserWarning) as warned:
        read = read_pairs(tmp_path, 8)
    assert read.names == ["1.png", "3.png"] and list(read.skipped) == list(BAD)
    assert len(warned) == 1 and warned[0].filename == __file__
    first, *lines = str(warned[0].message).split("\n")
    assert first == f"7 were left out of {tmp_path}, and 2 pairs read:"
    assert lines == [f"  {name}: {why}" for name, why in read.skipped.items()]
    for name, (_, why) in BAD.items():
        assert re.fullmatch(why, read.skipped[name])


@pytest.mark.usefixtures("small_images", "either")
def test_if_all_files_are_bad_each_is_named(tmp_path):
    for name, (spoil, _) in BAD.items():
        spoil(tmp_path / name)
    named = "".join(rf"\n  {name}: {why}" for name, (_, why) in BAD.items())
    with pytest.raises(ValueError, match=f"^Not one pair is left of {tmp_path}:{named}$"):
        read_pairs(tmp_path, 8)


def test_where_the_pairs_are_too_few_to_be_split_it_is_said(tmp_path):
    save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=f"Not one pair is left of {tmp_path}: there are too few to be split"):
        read_pairs(tmp_path, 8, split="train", limit=3)


@pytest.mark.parametrize("bad", ["A/2.png", "B/2.jpg"])
def test_of_two_folders_the_bad_file_is_named(sides, bad):
    (sides / bad).write_text("no image")
    with pytest.warns(UserWarning, match=rf"1 were left out of {sides}, and 2 pairs read:\n  2: {bad} is no image$"):
        assert read_pairs(sides, 8).skipped == {"2": f"{bad} is no image"}


@pytest.mark.parametrize(("width", "fits"), [(20, True), (40, False)])
def test_images_of_other_aspect_are_no_pair(sides, width, fits):
    Image.fromarray(noise(20, width, 3).numpy()).resize((5 * width + 1, 100)).save(sides / "A/2.png")
    if fits:
        assert len(read_pairs(sides, 8)) == 3
        return
    with pytest.warns(UserWarning, match="2: its images are 201×100 and 20×20 px, which differ in aspect$"):
        assert read_pairs(sides, 8).names == ["1", "10"]


@pytest.mark.parametrize(
    ("source", "target", "names"),
    [
        ((2, 3, 8, 8), (3, 3, 8, 8), 2),
        ((2, 3, 8, 8), (2, 3, 9, 9), 2),
        ((2, 3, 8, 8), (2, 3, 8, 8), 3),
        ((3, 8, 8), (3, 8, 8), 3),
        ((2, 2, 8, 8), (2, 2, 8, 8), 2),
        ((2, 4, 8, 8), (2, 3, 8, 8), 2),
        ((2, 1, 8, 8), (2, 1, 9, 9), 2),
        ((2, 3, 8, 9), (2, 3, 8, 9), 2),
    ],
)
def test_tensors_that_make_no_pairs_are_refused(source, target, names):
    with pytest.raises(ValueError, match="names don't make pairs"):
        Pairs(torch.zeros(source, dtype=torch.uint8), torch.zeros(target, dtype=torch.uint8), ["x"] * names)


def test_pairs_of_floats_are_refused():
    with pytest.raises(ValueError, match=r"Pairs are uint8, but these are torch\.uint8 and torch\.float32"):
        Pairs(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8), ["x"])


def test_pairs_can_be_sliced(pairs):
    part = pairs[1:]
    assert len(part) == 2 and part.names == ["b", "c"]
    assert torch.equal(part.source, pairs.source[1:]) and torch.equal(part.target, pairs.target[1:])
    assert len(pairs) == 3 and pairs.size == 20
    assert torch.equal(pairs.to("cpu").source, pairs.source)
    picked = pairs[[2, 0]]
    assert picked.names == ["c", "a"]
    assert torch.equal(picked.source, pairs.source[[2, 0]]) and torch.equal(picked.target, pairs.target[[2, 0]])


def test_one_pixel_changes_the_fingerprint(pairs):
    prints = {
        pairs.record().fingerprint,
        pairs[:2].record().fingerprint,
        Pairs(pairs.target, pairs.source, "abc").record().fingerprint,
    }
    assert len(prints) == 3
    assert pairs.record().fingerprint.startswith("3 pairs of 20 px, ")
    for images in (pairs.source, pairs.target):
        images[2, 1, 19, 0] ^= 1
        assert pairs.record().fingerprint not in prints
        images[2, 1, 19, 0] ^= 1
    assert pairs.record().fingerprint in prints


# --- two folders, splits, limits, channels


def first_of(folder: Path, n: int = 1) -> torch.Tensor:
    return pil_to_tensor(Image.open(next(folder.glob(f"{n}.*"))).convert("RGB"))


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_two_folders_are_read_in_both_directions(sides, direction):
    pairs = read_pairs(sides, 20, direction)
    read = pairs[:]
    a, b = first_of(sides / "A"), first_of(sides / "B")
    assert torch.equal(read.source[0], a if direction == "AtoB" else b)
    assert torch.equal(read.target[0], b if direction == "AtoB" else a)
    assert pairs.names == read.names == ["1", "2", "10"] and pairs.skipped == read.skipped == {}
    assert pairs.direction == read.direction == direction


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("given_as", ["source and target", "targets="])
def test_folders_that_say_what_they_are_have_one_direction(sides, direction, given_as):
    (sides / "A").rename(sides / "source")
    (sides / "B").rename(sides / "target")
    if given_as == "targets=":
        read = read_pairs(sides / "source", 20, direction, targets=sides / "target")
    else:
        read = read_pairs(sides, 20, direction)
    assert read.direction == "AtoB"
    assert torch.equal(read.source[0], first_of(sides / "source"))
    assert torch.equal(read.target[0], first_of(sides / "target"))


@pytest.mark.parametrize(
    ("limit", "read"),
    [(None, range(10)), (10, range(10)), (99, range(10)), (5, range(0, 10, 2)), (3, (0, 3, 6)), (1, [0])],
)
def test_a_limit_takes_evenly_from_all(tmp_path, limit, read):
    for n in range(10):
        save(tmp_path / f"{n}.png", height=2)
    assert read_pairs(tmp_path, 2, limit=limit).names == [f"{n}.png" for n in read]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (1, 1)])
def test_grey_and_colour_are_read_as_asked(sides, channels):
    source_channels, target_channels = channels
    options = {"source_channels": source_channels, "target_channels": target_channels}
    pairs, colour = read_pairs(sides, 20, "AtoB", **options), read_pairs(sides, 20, "AtoB")[:]
    assert pairs.channels == channels
    read = pairs[:]
    for images, wanted, seen in zip((read.source, read.target), channels, (colour.source, colour.target), strict=True):
        assert images.shape == (3, wanted, 20, 20)
        weights = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
        expected = seen.float() if wanted == 3 else (seen * weights).sum(1, keepdim=True)
        torch.testing.assert_close(images.float(), expected, rtol=0, atol=0 if wanted == 3 else 0.6)


def test_other_directions_and_channels_get_a_sentence(sides):
    with pytest.raises(ValueError, match='direction is \'BtoC\', but it must be "AtoB" or "BtoA"'):
        read_pairs(sides, direction="BtoC")
    for channels in (0, 2, 4):
        with pytest.raises(ValueError, match=f"Images have 1 channel or 3, not {channels} and 3"):
            read_pairs(sides, source_channels=channels)


def test_a_batch_has_the_channels_of_its_images(pairs):
    source, target = Pairs(pairs.source[:, :1], pairs.target, pairs.names).batch([0, 2], 16, torch.Generator(), "cpu")
    assert source.shape == (2, 1, 16, 16) and target.shape == (2, 3, 16, 16)
    for grey, colour in zip((source, target), pairs.batch([0, 2], 16, torch.Generator()), strict=True):
        assert torch.equal(grey, colour[:, : grey.shape[1]])
