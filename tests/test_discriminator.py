"""The PatchGAN against the facts of the paper's code, and its 70 pixels by gradient."""

import pytest
import torch
from tools.network_diagrams import discriminator_table
from torch import nn

from pix2pix_colab.discriminator import PatchDiscriminator


@pytest.fixture(scope="module")
def paper() -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator()


@pytest.fixture
def small() -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator(width=4)


def images(size: int = 128) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.rand(2, 1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1)


def of_type(network: nn.Module, kind: type) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_it_has_the_parameters_of_the_paper(paper):
    assert sum(parameter.numel() for parameter in paper.parameters()) == 2_768_705


def test_it_is_the_net_written_out(small):
    """Layer after layer with the bare functions, in train mode."""
    x, functions = torch.cat(images(), dim=1), torch.nn.functional
    state = iter(small.state_dict().values())
    x = functions.leaky_relu(functions.conv2d(x, next(state), next(state), stride=2, padding=1), 0.2)
    for stride in (2, 2, 1):
        x = functions.conv2d(x, next(state), stride=stride, padding=1)
        weight, bias, *_ = (next(state) for _ in range(5))
        x = functions.leaky_relu(functions.batch_norm(x, None, None, weight, bias, training=True), 0.2)
    x = functions.conv2d(x, next(state), next(state), padding=1)
    torch.testing.assert_close(small(*images()), x)


@pytest.mark.parametrize("i", [0, 2, 3])
@pytest.mark.parametrize("which", [0, 1])
def test_other_numbers_and_sizes_get_a_sentence(small, which, i):
    inputs = [*images()]
    inputs[which] = torch.cat([inputs[which]] * 2, dim=i)
    with pytest.raises(ValueError, match=r"takes \(N, 3, H, W\) and \(N, 3, H, W\), with N, H and W equal"):
        small(*inputs)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_source_and_image_may_be_grey(before, after):
    discriminator = PatchDiscriminator(4, before, after)
    source, image = (each[:, :channels] for each, channels in zip(images(), (before, after), strict=True))
    assert discriminator(source, image).shape == (1, 1, 14, 14)
    rows = discriminator_table(discriminator, 128)
    assert [row.input for row in rows[:2]] == [(before + after, 128, 128), (4, 64, 64)]
    assert rows[-1].output == (1, 14, 14)
    assert [row.name for row in rows] == [f"layer {i}" for i in range(1, 6)]


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (2, 4)])
def test_other_channels_get_a_sentence(small, before, after):
    with pytest.raises(ValueError, match=rf"\(1, {before}, 32, 32\) and the image \(1, {after}, 32, 32\), but .*equal"):
        small(torch.zeros(1, before, 32, 32), torch.zeros(1, after, 32, 32))


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 64, 64), (1, 3, 1, 64, 64)])
def test_what_is_no_batch_of_images_gets_a_sentence(small, shape):
    with pytest.raises(ValueError, match="this PatchGAN takes"):
        small(torch.zeros(shape), torch.zeros(shape))


def test_weights_are_drawn_as_in_the_appendix(paper):
    for layer in of_type(paper, nn.Conv2d):
        spread = 6 * 0.02 / layer.weight.numel() ** 0.5  # six standard errors
        assert abs(layer.weight.mean().item()) < spread
        assert layer.weight.std().item() == pytest.approx(0.02, abs=spread)
    scales = torch.cat([norm.weight for norm in of_type(paper, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, abs=0.003)
    assert all(not parameter.any() for name, parameter in paper.named_parameters() if name.endswith("bias"))
