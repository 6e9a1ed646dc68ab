"""Pairs: the very pixels that Pillow makes, the same jitter on both images, and a sentence for each bad file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_colab.pairs import Pairs, read_pairs, to_float, to_uint8, write_pairs


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def save(file: Path, height: int = 20, seed: int = 0) -> Image.Image:
    """Write a pair of noise and return it."""
    image = Image.fromarray(noise(height, 2 * height, 3, seed=seed))
    image.save(file)
    return image


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


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
def pairs() -> Pairs:
    images = torch.from_numpy(noise(2, 3, 3, 20, 20))
    return Pairs(images[0], images[1], ["a", "b", "c"])


def test_both_directions_are_read(tmp_path):
    image = save(tmp_path / "1.png")
    left, right = as_tensor(image.crop((0, 0, 20, 20))), as_tensor(image.crop((20, 0, 40, 20)))
    for direction, source, target in (("BtoA", right, left), ("AtoB", left, right)):
        read = read_pairs(tmp_path, 20, direction)
        assert torch.equal(read.source[0], source)
        assert torch.equal(read.target[0], target)
    assert torch.equal(read_pairs(str(tmp_path), 20).source[0], right)  # facades: labels to photo


def test_files_come_in_the_order_of_their_numbers(tmp_path):
    names = ["10.jpg", "2.JPG", "1.png", "b.png", "a.jpeg"]
    for name in names:
        save(tmp_path / name)
    assert read_pairs(tmp_path, 8).names == ["1.png", "2.JPG", "10.jpg", "a.jpeg", "b.png"]


def test_a_name_that_only_looks_like_a_number_is_a_name(tmp_path):
    for name in ("²", "1"):
        save(tmp_path / f"{name}.png")
    assert read_pairs(tmp_path, 8).names == ["1.png", "².png"]


def test_reading_twice_gives_the_same_bits(tmp_path):
    for i in range(8):
        save(tmp_path / f"{i}.jpg", seed=i)
    first, second = read_pairs(tmp_path, 24), read_pairs(tmp_path, 24)
    assert first.names == second.names
    assert torch.equal(first.source, second.source) and torch.equal(first.target, second.target)
    assert first.fingerprint() == second.fingerprint()


def test_a_crop_is_that_of_the_image_resized_anew(tmp_path):
    """Reading once and cropping each time gives the pixels of the paper's code, which does all of it each time."""
    file = save(tmp_path / "1.png", height=100)
    both = file.crop((0, 0, 100, 100)), file.crop((100, 0, 200, 100))
    read = read_pairs(tmp_path)
    assert read.size == 286
    target, source = (as_tensor(half.resize((286, 286), Image.Resampling.BICUBIC)) for half in both)
    assert torch.equal(read.source[0], source) and torch.equal(read.target[0], target)
    seen = set()
    for seed in range(20):
        places = Pairs(map_of_places(286), read.target, ["1"])
        top, left, mirrored = place_of(places.batch([0], 256, torch.Generator().manual_seed(seed))[0][0])
        seen.add(mirrored)
        for crop, half in zip(read.batch([0], 256, torch.Generator().manual_seed(seed)), reversed(both), strict=True):
            once_more = half.resize((286, 286), Image.Resampling.BICUBIC).crop((left, top, left + 256, top + 256))
            if mirrored:
                once_more = once_more.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            assert torch.equal(to_uint8(crop[0]), as_tensor(once_more))
    assert seen == {True, False}


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((64, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "1.png")
    read = read_pairs(tmp_path, 16).source.float()
    assert read.mean().item() == pytest.approx(127.5, abs=2)
    assert read[..., 2:-2].std() < 2  # without antialiasing, all black or all white


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_any_colour_mode_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(noise(20, 40, 3)).convert(mode)
    image.save(tmp_path / ("1.tif" if mode == "CMYK" else "1.png"))
    expected = as_tensor(image.convert("RGB"))
    read = read_pairs(tmp_path, 20, "AtoB")
    assert torch.equal(torch.cat([read.source[0], read.target[0]], dim=-1), expected)


def test_sixteen_bit_grey_keeps_its_greys(tmp_path):
    grey = np.tile(np.linspace(0, 65535, 40), (20, 1)).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "1.png")
    read = read_pairs(tmp_path, 20, "AtoB")
    both = torch.cat([read.source[0], read.target[0]], dim=-1).float()
    expected = torch.from_numpy(grey / 257.0).float().expand(3, -1, -1)
    torch.testing.assert_close(both, expected, rtol=0, atol=1)


def test_jitter_and_mirror_are_the_same_on_both():
    pixels = map_of_places(286)
    source, target = Pairs(pixels, pixels, ["1"]).batch([0] * 8, 256, torch.Generator().manual_seed(0))
    assert torch.equal(source, target)
    assert len({place_of(crop) for crop in source}) == 8  # drawn for each pair anew


def test_every_offset_comes_and_half_is_mirrored():
    pixels, random = map_of_places(286), torch.Generator().manual_seed(0)
    pairs = Pairs(pixels, pixels, ["1"])
    places = [place_of(pairs.batch([0], 256, random)[0][0]) for _ in range(300)]
    tops, lefts, mirrored = zip(*places, strict=True)
    assert set(tops) == set(lefts) == set(range(31))
    assert tops != lefts
    assert 133 <= sum(mirrored) <= 167  # within two standard deviations of 150


def test_the_jitter_follows_its_seed_alone(pairs):
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


def test_a_batch_is_what_the_nets_take(pairs):
    for images in pairs.batch([0, 1], 16, torch.Generator()):
        assert images.shape == (2, 3, 16, 16)
        assert images.dtype == torch.float32
        assert -1 <= images.min() < -0.9 and 0.9 < images.max() <= 1


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
def test_what_is_written_is_read_back_to_the_same_bits(pairs, tmp_path, direction):
    folder = write_pairs(pairs, tmp_path / "new" / "folder", direction)
    read = read_pairs(folder, 20, direction)
    assert torch.equal(read.source, pairs.source) and torch.equal(read.target, pairs.target)
    assert read.names == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("names", [["v1.1", "v1.2", "v1.3"], ["1.jpg", "1.png", "2.png"]])
def test_no_pair_is_written_over_another(pairs, tmp_path, names):
    try:
        write_pairs(Pairs(pairs.source, pairs.target, names), tmp_path)
    except ValueError:
        return  # refused, which is as good
    assert len(list(tmp_path.iterdir())) == 3


def test_an_empty_folder_gets_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} holds no image \(.jpg, .*give the folder"):
        read_pairs(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match="holds no image"):
        read_pairs(tmp_path)


def test_a_missing_folder_gets_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"There is no folder {tmp_path}/gone: give"):
        read_pairs(tmp_path / "gone")
    save(tmp_path / "1.png")
    with pytest.raises(FileNotFoundError, match=rf"There is no folder {tmp_path}/1.png: give"):
        read_pairs(tmp_path / "1.png")


def test_another_direction_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='direction is \'BtoC\', but it must be "AtoB" or "BtoA"'):
        read_pairs(tmp_path, direction="BtoC")


def truncate(file: Path) -> None:
    save(file, height=100)
    file.write_bytes(file.read_bytes()[:-2000])


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("2.jpg", lambda file: file.write_text("<html>not found</html>")),
        ("2.png", lambda file: file.write_bytes(b"")),
        ("2.jpg", truncate),
        ("2.png", truncate),
        ("2.png", lambda file: file.mkdir()),
    ],
)
def test_a_file_that_is_no_image_is_named(tmp_path, name, spoil):
    for good in ("1.png", "3.png"):
        save(tmp_path / good)
    spoil(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{tmp_path}/{name} is no readable image .*take it out of the folder"):
        read_pairs(tmp_path)


def test_an_image_of_dangerous_size_is_named(tmp_path, monkeypatch):
    save(tmp_path / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=rf"{tmp_path}/1.png is no readable image"):
        read_pairs(tmp_path)


def test_an_odd_width_is_named(tmp_path):
    Image.fromarray(noise(20, 41, 3)).save(tmp_path / "7.png")
    with pytest.raises(ValueError, match=rf"{tmp_path}/7.png is 41 px wide, which can't be halved"):
        read_pairs(tmp_path)


def test_other_files_are_passed_over(tmp_path):
    save(tmp_path / "1.png")
    for name in (".DS_Store", "._1.png", ".hidden.jpg", "Thumbs.db", "notes.txt", "1.png.partial"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "subfolder").mkdir()
    assert read_pairs(tmp_path, 8).names == ["1.png"]


@pytest.mark.parametrize(
    ("source", "target", "names"),
    [
        ((2, 3, 8, 8), (3, 3, 8, 8), 2),
        ((2, 3, 8, 8), (2, 3, 9, 9), 2),
        ((2, 3, 8, 8), (2, 3, 8, 8), 3),
        ((3, 8, 8), (3, 8, 8), 3),
        ((2, 1, 8, 8), (2, 1, 8, 8), 2),
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


def test_one_pixel_changes_the_fingerprint(pairs):
    prints = {pairs.fingerprint(), pairs[:2].fingerprint(), Pairs(pairs.target, pairs.source, "abc").fingerprint()}
    assert len(prints) == 3
    assert pairs.fingerprint().startswith("3 pairs of 20 px, ")
    for images in (pairs.source, pairs.target):
        images[2, 1, 19, 0] ^= 1
        assert pairs.fingerprint() not in prints
        images[2, 1, 19, 0] ^= 1
    assert pairs.fingerprint() in prints
