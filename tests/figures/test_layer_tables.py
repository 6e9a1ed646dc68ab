"""Tables and diagrams of the two networks against the paper's architecture and against gradients."""

import re
import warnings
from itertools import pairwise

import pytest
import torch
from tools import network_diagrams
from tools.network_diagrams import draw_discriminator, draw_generator, logit_patch

from pix2pix_colab.discriminator import PatchDiscriminator
from pix2pix_colab.figures import generator_table, receptive_fields, show_diagram
from pix2pix_colab.generator import IMAGE_SIZES, UNetGenerator
from pix2pix_colab.utils.markdown import markdown_table


@pytest.fixture(scope="module")
def paper_rows():
    return generator_table(UNetGenerator(width=64, image_size=256))


def test_the_table_is_the_papers_generator(paper_rows):
    assert [row.name for row in paper_rows] == [f"{side} {i}" for side in ("encoder", "decoder") for i in range(1, 9)]
    encoder, decoder = paper_rows[:8], paper_rows[8:]
    assert [row.output[0] for row in encoder] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [row.output[0] for row in decoder] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [row.output[1:] for row in encoder] == [(size, size) for size in (128, 64, 32, 16, 8, 4, 2, 1)]
    assert [row.output[1:] for row in decoder] == [(size, size) for size in (2, 4, 8, 16, 32, 64, 128, 256)]
    assert {row.layer for row in encoder} == {"Conv 4×4 /2"}
    assert {row.layer for row in decoder} == {"ConvTranspose 4×4 ×2"}


def test_normalisation_and_dropout_are_named_where_they_are(paper_rows):
    assert [row.output[1] for row in paper_rows if "Dropout 0.5" in row.after] == [2, 4, 8]
    assert [row.name for row in paper_rows if "no BatchNorm" in row.after] == ["encoder 1", "encoder 8", "decoder 8"]
    assert [row.name for row in paper_rows if not row.before] == ["encoder 1"]
    assert paper_rows[1].before == "LeakyReLU 0.2"
    assert paper_rows[-1].after == "no BatchNorm, Tanh"


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_partners_are_of_one_size_and_double_the_channels(image_size):
    rows = {row.name: row for row in generator_table(UNetGenerator(width=16, image_size=image_size))}
    n = len(rows) // 2
    assert 2**n == image_size
    assert rows["encoder 1"].input == rows[f"decoder {n}"].output == (3, image_size, image_size)
    assert rows["decoder 1"].input == rows[f"encoder {n}"].output == (128, 1, 1)
    assert rows[f"encoder {n}"].skip_partner == rows[f"decoder {n}"].skip_partner == ""
    for i in range(1, n):
        down, up, after = rows[f"encoder {i}"], rows[f"decoder {n - i}"], rows[f"decoder {n - i + 1}"]
        assert (down.skip_partner, up.skip_partner) == (up.name, down.name)
        assert down.output == up.output
        assert after.input == (2 * up.output[0], *up.output[1:])
        assert up.joined_channels == f"{down.output[0]} + {up.output[0]} = {after.input[0]}"


def test_without_skips_there_are_no_partners():
    rows = generator_table(UNetGenerator(width=16, skips=False))
    assert not any(row.skip_partner or row.joined_channels for row in rows)
    assert all(row.output == following.input for row, following in pairwise(rows))


def test_markdown_has_a_header_and_a_line_per_row(paper_rows):
    lines = markdown_table(paper_rows).splitlines()
    assert len(lines) == 2 + len(paper_rows)
    assert lines[0] == "| name | before | layer | after | input | output | skip partner | joined channels |"
    assert "| 1024×2×2 | 512×4×4 | encoder 6 | 512 + 512 = 1024 |" in lines[2 + 9]
    assert {line.count("|") for line in lines} == {9}


@pytest.mark.parametrize("training", [True, False])
def test_the_networks_are_not_changed(training):
    generator, discriminator = UNetGenerator(width=16).train(training), PatchDiscriminator(width=16).train(training)
    networks = generator, discriminator
    before = [{name: value.clone() for name, value in network.state_dict().items()} for network in networks]
    random = torch.get_rng_state()
    draw_generator(generator)
    draw_discriminator(discriminator)
    assert torch.equal(torch.get_rng_state(), random)
    for network, state in zip(networks, before, strict=True):
        assert network.training is training
        assert not any(module._forward_hooks for module in network.modules())
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_receptive_field_grows_to_70():
    discriminator = PatchDiscriminator(width=16)
    rows = receptive_fields(discriminator)
    assert [row.layer for row in rows] == [f"layer {i}" for i in (5, 4, 3, 2, 1)]
    assert [row.field for row in rows] == [4, 7, 16, 34, 70]
    assert rows[-1].field == discriminator.receptive_field()
    assert [row.jump for row in rows] == [1, 1, 2, 4, 8]
    assert [row.start for row in rows] == [-1, -2, -5, -11, -23]


@pytest.mark.parametrize(("row", "column"), [(3, 10), (7, 7), (0, 13)])
def test_the_patch_is_where_the_gradient_is(row, column):
    discriminator = PatchDiscriminator(width=16).eval()
    image = torch.randn(1, 3, 128, 128, requires_grad=True)
    discriminator(torch.randn_like(image), image)[0, 0, row, column].backward()
    seen = image.grad[0].abs().amax(dim=0) > 0
    top, left, side = logit_patch(discriminator, row, column)
    expected = torch.zeros(128, 128, dtype=torch.bool)
    expected[max(top, 0) : top + side, max(left, 0) : left + side] = True  # the rest of the patch is padding
    assert torch.equal(seen, expected)


@pytest.mark.parametrize(("width", "image_size"), [(16, 128), (64, 256), (16, 512)])
def test_figures_are_drawn_without_warnings(width, image_size):
    image = torch.randint(256, (3, image_size, image_size), dtype=torch.uint8)
    discriminator = PatchDiscriminator(width)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_fits(draw_generator(UNetGenerator(width, image_size)))
        assert_fits(draw_generator(UNetGenerator(16, image_size, skips=False)))
        assert_fits(draw_discriminator(discriminator, image_size))
        assert_fits(draw_discriminator(discriminator, image_size, image))


def assert_fits(figure):
    """Every text lies inside the page, and none over another."""
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_diagrams_of_the_package_are_those_of_the_networks(tmp_path):
    """`make assets` draws them anew. Other versions of matplotlib write other curves, but the same texts."""
    network_diagrams.main(tmp_path)
    for name in ("generator", "discriminator"):
        drawings = (tmp_path / f"{name}.svg").read_text(), show_diagram(name).data
        fresh, shipped = (re.findall("<!-- (.*?) -->", drawing) for drawing in drawings)
        assert len(fresh) > 30 and fresh == shipped
