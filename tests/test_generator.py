"""The U-Net against the table of the paper's Torch code, and against the same network written recursively."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from pix2pix_colab.figures import generator_table
from pix2pix_colab.generator import IMAGE_SIZES, UNetGenerator


@pytest.fixture(scope="module")
def paper() -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator()


@pytest.fixture
def small() -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(width=4, image_size=128)


def source(*shape: int) -> torch.Tensor:
    return torch.rand(shape or (1, 3, 128, 128), generator=torch.Generator().manual_seed(1)) * 2 - 1


def of_type(network: nn.Module, *types: type) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, types)]


class NestedBlock(nn.Module):
    """One level of the recursive U-Net: a block holds the block below it, and concatenates its input to its output."""

    def __init__(self, outer: int, inner: int, below: nn.Module | None, outermost: bool = False, dropout: bool = False):
        super().__init__()
        self.outermost = outermost
        down = nn.Conv2d(outer, inner, 4, 2, 1, bias=False)
        up = nn.ConvTranspose2d(inner * 2 if below else inner, outer, 4, 2, 1, bias=outermost)
        if outermost:
            layers = [down, below, nn.ReLU(True), up, nn.Tanh()]
        elif below is None:
            layers = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, nn.BatchNorm2d(outer), nn.Dropout(0.5)]
        else:
            layers = [nn.LeakyReLU(0.2, True), down, nn.BatchNorm2d(inner), below]
            layers += [nn.ReLU(True), up, nn.BatchNorm2d(outer)] + [nn.Dropout(0.5)] * dropout
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) if self.outermost else torch.cat([x, self.layers(x)], 1)


def nested_unet(width: int, levels: int) -> NestedBlock:
    """Built from the inside out, with PyTorch's default weights and dropout in the first three decoder layers."""
    block = NestedBlock(width * 8, width * 8, None)
    for level in range(levels - 5):
        block = NestedBlock(width * 8, width * 8, block, dropout=level < 2)
    for outer in (width * 4, width * 2, width):
        block = NestedBlock(outer, outer * 2, block)
    return NestedBlock(3, width, block, outermost=True)


def test_it_has_the_parameters_of_the_paper(paper):
    assert sum(parameter.numel() for parameter in paper.parameters()) == 54_413_955
    assert len(paper.state_dict()) == 82


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("image_size", "width"), [(128, 8), (256, 4), (512, 2)])
def test_it_is_the_nested_net_of_the_paper(image_size, width, training):
    torch.manual_seed(0)
    nested, flat = nested_unet(width, image_size.bit_length() - 1), UNetGenerator(width, image_size)
    flat.load_state_dict(dict(zip(flat.state_dict(), nested.state_dict().values(), strict=True)))
    outputs = []
    for network in (nested, flat):
        torch.manual_seed(2)  # for the dropout
        outputs.append(network.train(training)(source(1, 3, image_size, image_size)))
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
    assert outputs[0].std() > 0.01


def test_weights_are_drawn_as_in_the_appendix(paper):
    for layer in of_type(paper, nn.Conv2d, nn.ConvTranspose2d):
        spread = 6 * 0.02 / layer.weight.numel() ** 0.5  # six standard errors
        assert abs(layer.weight.mean().item()) < spread
        assert layer.weight.std().item() == pytest.approx(0.02, abs=spread)
    inside = (of_type(paper, nn.Conv2d)[3].weight.abs() < 0.02).float().mean().item()
    assert inside == pytest.approx(0.6827, abs=0.003)  # a normal distribution's share within one deviation
    scales = torch.cat([norm.weight for norm in of_type(paper, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.002)
    assert scales.std().item() == pytest.approx(0.02, abs=0.002)
    assert all(not parameter.any() for name, parameter in paper.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("image_size", [64, 100, 200, 257, 1024, 0, -128])
def test_another_image_size_gets_a_sentence(image_size):
    with pytest.raises(ValueError, match=rf"image_size is {image_size}, .*\(128, 256, 512\) px: choose one"):
        UNetGenerator(image_size=image_size)


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1)])
def test_grey_changes_the_first_and_the_last_layer_alone(image_size, before, after):
    torch.manual_seed(0)
    generator = UNetGenerator(4, image_size, source_channels=before, target_channels=after)
    colour = UNetGenerator(4, image_size)
    shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (generator, colour)]
    ends = {"first": "encoder.0.0.weight", "weight": f"decoder.{len(colour.decoder) - 1}.1.weight"}
    ends["bias"] = ends["weight"].replace("weight", "bias")
    assert shapes[0].pop(ends["first"]) == (4, before, 4, 4) and shapes[1].pop(ends["first"]) == (4, 3, 4, 4)
    assert shapes[0].pop(ends["weight"])[1] == after and shapes[1].pop(ends["weight"])[1] == 3
    assert shapes[0].pop(ends["bias"]) == (after,) and shapes[1].pop(ends["bias"]) == (3,)
    assert shapes[0] == shapes[1]
    rows = generator_table(generator)
    assert rows[0].input == (before, image_size, image_size) and rows[-1].output == (after, image_size, image_size)
    output = generator(source(2, before, image_size, image_size))
    assert output.shape == (2, after, image_size, image_size)
    assert output.abs().max() <= 1 and output.std() > 0


@pytest.mark.parametrize(
    "shape", [(3, 128, 128), (1, 1, 128, 128), (1, 4, 128, 128), (1, 3, 128, 130), (1, 3, 100, 128), (1, 3, 0, 128)]
)
def test_a_source_of_another_shape_gets_a_sentence(small, shape):
    with pytest.raises(ValueError, match=r"The source is \([\d, ]+\), .*multiples of 128: resize or pad"):
        small(torch.zeros(shape))


def test_gradients_reach_every_parameter_and_the_source(small):
    images = source().requires_grad_()
    small(images).square().mean().backward()
    for name, parameter in small.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    assert images.grad.any()


def test_dropout_is_the_noise():
    generator = UNetGenerator(width=4, image_size=128, dropout=0.5)
    assert not torch.equal(generator(source()), generator(source()))
    quiet = UNetGenerator(width=4, image_size=128, dropout=0.0)
    assert torch.equal(quiet(source()), quiet(source()))
    assert {module.p for module in of_type(UNetGenerator(1, 128, dropout=0.3), nn.Dropout)} == {0.3}


def test_without_skips_nothing_passes_by_the_bottleneck():
    torch.manual_seed(0)
    generator = UNetGenerator(width=4, image_size=128, dropout=0.0, skips=False)
    layers = of_type(generator, nn.Conv2d, nn.ConvTranspose2d)
    assert all(layer.out_channels == following.in_channels for layer, following in pairwise(layers))
    with torch.no_grad():
        layers[len(layers) // 2].weight.zero_()  # the first of the decoder
        assert torch.equal(generator(source()), generator(-source()))
        joined = UNetGenerator(width=4, image_size=128, dropout=0.0)
        of_type(joined, nn.ConvTranspose2d)[0].weight.zero_()
        assert not torch.equal(joined(source()), joined(-source()))
