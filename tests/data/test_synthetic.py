"""Synthetic facades: the same every time, labelled exactly, as varied and as ambiguous as the story of λ needs them."""

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_colab.data import LABEL_COLOURS, synthetic_facades


@pytest.fixture(scope="module")
def facades():
    return synthetic_facades(64, size=128)


@pytest.fixture(scope="module")
def many():
    return synthetic_facades(300, size=64)


def as_arrays(images):
    """uint8 (N, 3, H, W) -> int (N, H, W, 3)."""
    return images.permute(0, 2, 3, 1).numpy().astype(int)


def is_class(source, name):
    """Where label maps (N, H, W, 3) show a class: bool (N, H, W)."""
    return (source == LABEL_COLOURS[name]).all(-1)


def test_shapes_types_and_names(facades):
    assert facades.source.shape == facades.target.shape == (64, 3, 128, 128)
    assert facades.source.dtype == facades.target.dtype == torch.uint8
    assert (facades.names[0], facades.names[-1]) == ("synthetic-0000", "synthetic-0063")


def test_the_same_bytes_every_time_and_whatever_the_count(facades):
    assert synthetic_facades(64, size=128).record().fingerprint == facades.record().fingerprint
    assert synthetic_facades(3, size=128).record().fingerprint == facades[:3].record().fingerprint


def test_another_seed_renders_other_houses(facades):
    other = synthetic_facades(8, size=128, seed=1)
    for mine, theirs in ((facades.source, other.source), (facades.target, other.target)):
        assert all((a != b).any() for a in mine for b in theirs)


def test_a_label_map_holds_the_twelve_colours_and_no_other(facades):
    assert len(LABEL_COLOURS) == 12
    colours = np.unique(as_arrays(facades.source) @ (1 << 16, 1 << 8, 1))  # a number for each colour: 0xRRGGBB
    assert colours.tolist() == sorted(r << 16 | g << 8 | b for r, g, b in LABEL_COLOURS.values())


def test_most_of_a_picture_is_the_house(facades):
    background = is_class(as_arrays(facades.source), "background").mean((1, 2))
    assert background.min() > 0.03
    assert background.max() < 0.45


def test_several_hundred_different_houses(many):
    assert len({label.numpy().tobytes() for label in many.source}) == 300


@pytest.mark.parametrize(("size", "agreement"), [(128, 0.9), (286, 0.95), (572, 0.95)])
def test_one_house_at_any_size(size, agreement):
    reference, scaled = (as_arrays(synthetic_facades(8, size=s).source) for s in (256, size))
    for a, b in zip(reference, scaled, strict=True):
        resized = np.asarray(Image.fromarray(b.astype(np.uint8)).resize((256, 256), Image.Resampling.NEAREST))
        assert (resized == a).all(-1).mean() > agreement


def test_the_label_map_does_not_tell_the_colour_of_the_wall(many):
    source, target = as_arrays(many.source), as_arrays(many.target)
    walls = np.stack([photo[wall].mean(0) for photo, wall in zip(target, is_class(source, "facade"), strict=True)])
    assert (walls.std(0) > 25).all()  # grey levels, in each channel
    areas = np.stack([is_class(source, name).mean((1, 2)) for name in LABEL_COLOURS], 1)
    together = np.corrcoef(walls.T, areas.T)[:3, 3:]
    assert np.abs(together).max() < 0.25  # of 36 of them; chance alone gives each about 1 / sqrt(300) = 0.06


def test_the_label_map_tells_where_the_windows_are(facades):
    source, target = as_arrays(facades.source), as_arrays(facades.target)
    windows, walls = is_class(source, "window"), is_class(source, "facade")
    distances = [
        np.abs(photo[window].mean(0) - photo[wall].mean(0)).max()
        for photo, window, wall in zip(target, windows, walls, strict=True)
    ]
    assert np.median(distances) > 25


def test_photos_have_texture_where_the_label_map_is_flat(facades):
    source, target = as_arrays(facades.source), as_arrays(facades.target)
    facade = is_class(source, "facade")
    flat = facade[:, :, 1:] & facade[:, :, :-1]
    steps = np.abs(np.diff(target, axis=2)).mean(-1)
    texture = np.array([step[inside].mean() for step, inside in zip(steps, flat, strict=True)])
    assert texture.min() > 1.5 and texture.mean() > 5


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_below_one_is_refused_in_a_sentence(count):
    with pytest.raises(ValueError, match="count of 1 or more"):
        synthetic_facades(count)
