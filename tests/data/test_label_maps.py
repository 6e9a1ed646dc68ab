"""Label maps are decoded, also after JPEG, and told from what is none; the board's JavaScript reads them alike."""

import io
import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from helpers.image_files import encoded
from helpers.noise import noise_pairs
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from pix2pix_colab.data import LABEL_COLOURS, decode_label_maps, label_classes, nearest_classes, synthetic_facades
from pix2pix_colab.data.label_maps import MIN_SHARE, NEAR
from pix2pix_colab.utils.images import label_colours

WIDGETS = Path(__file__).parents[2] / "src" / "pix2pix_colab" / "widgets"
SOURCE = WIDGETS / "drawing" / "label_map.js"


def as_jpeg(image: Tensor, quality: int = 75) -> Tensor:
    return pil_to_tensor(Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality))))


def test_label_maps_are_decoded():
    classes = torch.randint(len(LABEL_COLOURS), (2, 16, 16), generator=torch.Generator().manual_seed(0))
    painted = torch.tensor(list(LABEL_COLOURS.values()), dtype=torch.uint8)[classes].permute(0, 3, 1, 2)
    assert torch.equal(decode_label_maps(painted), classes)
    assert label_classes(painted) == LABEL_COLOURS


def test_labels_survive_jpeg():
    source = synthetic_facades(3, 256).source
    truth, damaged = decode_label_maps(source), torch.stack([as_jpeg(image) for image in source])
    assert not torch.equal(damaged, source)
    found = decode_label_maps(damaged)
    highest, lowest = (torch.nn.functional.max_pool2d(t.float(), 9, 1, 4) for t in (truth, -truth))
    within = highest == -lowest  # four pixels from any edge
    assert (found == truth).float().mean() > 0.8 and (found == truth)[within].float().mean() > 0.995
    assert label_classes(damaged) == LABEL_COLOURS


def test_images_that_are_no_label_maps_are_refused():
    noise = noise_pairs(2, 64).source
    edges, photos = torch.zeros(2, 3, 64, 64, dtype=torch.uint8), synthetic_facades(3, 128).target
    for images in (noise, edges, photos, noise[:, :1]):
        with pytest.raises(ValueError, match="The sources are no label maps in the twelve colours"):
            decode_label_maps(images)
    for images in (noise, photos):
        with pytest.raises(ValueError, match="no label maps: most of their pixels have none of a few colours"):
            label_classes(images)


def test_classes_of_other_label_maps_are_their_colours_even_after_jpeg():
    colours = {(128, 64, 128), (70, 130, 180), (107, 142, 35), (0, 0, 142)}
    image = Image.new("RGB", (128, 128), (128, 64, 128))
    for i, colour in enumerate(sorted(colours)):
        image.paste(colour, (16 + 24 * i, 20, 36 + 24 * i, 100))
    found = label_classes(as_jpeg(pil_to_tensor(image), 90)[None])
    assert len(found) == len(colours), "JPEG's mixed colours at edges are no classes"
    for colour in colours:
        assert min(math.dist(colour, each) for each in found.values()) < 6
    name, colour = next(iter(found.items()))  # the most frequent first
    assert name == "#{:02x}{:02x}{:02x}".format(*colour) and math.dist(colour, (128, 64, 128)) < 6


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_the_board_reads_label_maps_alike():
    """Of noise it takes the nearest; in label maps it also gives pixels that are near no class the one around them."""
    noise = torch.randint(256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = [noise, as_jpeg(synthetic_facades(1, 128).source[0, :, :64, :64])]
    pixels = [torch.cat([image, image[:1]]).movedim(0, -1).flatten().tolist() for image in images]
    code = f"""import {{ fromPixels, NEAR, LABEL_MAP }} from {json.dumps(SOURCE.as_uri())};
        const found = {pixels}.map((each) => fromPixels(each, 64, {[*map(list, LABEL_COLOURS.values())]}));
        const flat = found.flatMap(({{ labels, near }}) => [[...labels], near]);
        console.log(JSON.stringify([NEAR, LABEL_MAP, ...flat]));"""
    said = subprocess.run(["node", "--input-type=module"], input=code, capture_output=True, text=True, check=True)
    near, share, labels, near_noise, _, near_map = json.loads(said.stdout)
    assert (near, share) == (NEAR, MIN_SHARE)
    expected = nearest_classes(noise[None])
    assert (torch.tensor(labels) == expected[0].flatten()).float().mean() > 0.999  # or as near as another one
    assert near_noise == pytest.approx(expected[1], abs=1e-3) and near_noise < MIN_SHARE
    assert near_map == pytest.approx(nearest_classes(images[1][None])[1], abs=1e-3) and near_map > MIN_SHARE


def blocks(count: int) -> Tensor:
    """A map of so many colours in blocks of 24 px, (3, 384, 384)."""
    classes = (torch.arange(256) % count).reshape(16, 16).repeat_interleave(24, 0).repeat_interleave(24, 1)
    return torch.stack([classes, 255 - classes, classes * 7 % 256]).to(torch.uint8)


def noise(colours: int) -> Tensor:
    levels = torch.randint(colours, (1, 128, 128), generator=torch.Generator().manual_seed(0))
    return levels.to(torch.uint8).expand(3, -1, -1)


def photo() -> Tensor:
    """The levels of a grey photo, smooth and noisy, (3, 128, 128)."""
    smooth = torch.linspace(20, 200, 128).expand(128, 128) + torch.linspace(0, 40, 128)[:, None]
    return (smooth + noise(9)[0]).to(torch.uint8).expand(3, -1, -1)


def thin_lines() -> Tensor:
    return torch.where(torch.eye(128).bool(), 0, 255).to(torch.uint8).expand(3, -1, -1)


KINDS = {  # an image, and whether it is an exact label map
    "12 classes": (blocks(12), True),
    "100 classes": (blocks(100), True),
    "256 classes": (blocks(256), True),
    "one colour": (blocks(1), True),
    "two colours in lines": (thin_lines(), True),
    "60 levels of noise": (noise(60), True),  # a posterised GIF can't be told from dithered classes
    "100 levels of noise": (noise(100), False),
    "a grey photo": (photo(), False),
    "a photo": (synthetic_facades(1, 128).target[0], False),
    "a JPEG of classes": (as_jpeg(blocks(12)), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reading_and_board_agree_on_what_a_label_map_is(kind):
    image, expected = KINDS[kind]
    assert (label_colours(to_pil_image(image)) is not None) == expected
    if expected:
        classes = label_classes(image[None])
        assert classes == LABEL_COLOURS or len(classes) == len(image.flatten(1).unique(dim=1)[0])
    elif "JPEG" not in kind:
        with pytest.raises(ValueError, match="no label maps"):
            label_classes(image[None])


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_the_upload_takes_the_same_for_label_maps():
    images = [image.int() for image, _ in KINDS.values()]
    pixels = [[(image[0] << 16 | image[1] << 8 | image[2]).flatten().tolist(), image.shape[2]] for image in images]
    code = f"""import {{ isLabelMap }} from {json.dumps((WIDGETS / "label_colours.js").as_uri())};
        console.log(JSON.stringify({pixels}.map(([each, width]) => isLabelMap(Uint32Array.from(each), width))));"""
    said = subprocess.run(["node", "--input-type=module"], input=code, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == [expected for _, expected in KINDS.values()]
