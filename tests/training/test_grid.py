"""Phase balance and shifted inputs of D: what keeps a grid of two pixels out of the outputs."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from helpers.noise import noise_pairs
from torch import Tensor

from pix2pix_colab import PatchDiscriminator, UNetGenerator
from pix2pix_colab.training import TrainConfig, Training, read_run, train, train_lambda_path
from pix2pix_colab.training.step import shift

CONFIG = TrainConfig(epochs=2, width=2, image_size=128, balanced_layers=3, discriminator_shift=1)


def spread(generator: UNetGenerator, layer: int) -> float:
    """How far the sums of a decoder layer's even and odd taps lie apart at most, in any column or row of a filter."""
    weight = generator.decoder[layer][1].weight.detach()
    sums = weight.unflatten(2, (2, 2)).sum(dim=2), weight.unflatten(3, (2, 2)).sum(dim=3).mT
    return max(each.diff(dim=2).abs().max().item() for each in sums)


def test_balance_moves_the_weights_to_the_nearest_that_are_balanced():
    generator = UNetGenerator(2, 128)
    before = generator.decoder[-1][1].weight.detach().clone()
    generator.balance_phases(1)
    after = generator.decoder[-1][1].weight.detach().clone()
    torch.testing.assert_close(after.sum(dim=(2, 3)), before.sum(dim=(2, 3)))  # the mean stays
    assert spread(generator, -1) < 1e-7 and spread(generator, -2) > 1e-3
    torch.testing.assert_close(((after - before) * after).sum(), torch.tensor(0.0), atol=1e-7, rtol=0)  # orthogonal
    generator.balance_phases(1)
    torch.testing.assert_close(generator.decoder[-1][1].weight.detach(), after)


def test_a_balanced_layer_is_an_upsampling_and_a_convolution():
    generator = UNetGenerator(2, 128)
    generator.balance_phases(1)
    layer = generator.decoder[-1][1]
    filters = layer.weight.detach().clone().transpose(0, 1).flip(2, 3)  # of a convolution of zeros between pixels
    for axis in (2, 3):  # each is the sum of two neighbours of a filter of three taps
        first, second, third, _ = filters.unbind(axis)
        filters = torch.stack([first, second - first, third - second + first], axis)
    x = torch.rand(1, 4, 16, 16)
    upsampled = torch.nn.functional.interpolate(x, scale_factor=2)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(upsampled, filters, layer.bias, padding=1))


def test_a_training_keeps_the_sums_of_the_last_layers_equal_and_no_others():
    training = Training(noise_pairs(), CONFIG)
    for _ in range(6):
        training.advance()
    assert [spread(training.generator, layer) < 1e-6 for layer in range(-4, 0)] == [False, True, True, True]


def test_stripes_stay_stripes_in_the_last_layer():
    """An input that is equal from row to row gives such an output; so with columns."""
    stripes, inside = torch.rand(1, 4, 1, 64).expand(-1, -1, 64, 64), slice(1, -1)  # at the border taps have no input
    found = {}
    for balanced in (0, 3):
        training = Training(noise_pairs(), replace(CONFIG, balanced_layers=balanced))
        for _ in range(6):
            training.advance()
        layer = training.generator.decoder[-1]
        with torch.no_grad():
            outputs = [layer(stripes), layer(stripes.mT).mT]
        found[balanced] = max(each[..., inside, inside].diff(dim=2).abs().max().item() for each in outputs)
    assert found[3] < 1e-6 < 1e-3 < found[0]


def test_frozen_layers_keep_every_bit():
    generator = UNetGenerator(2, 128)
    generator.freeze_early_layers(2)
    before = [layer[1].weight.detach().clone() for layer in generator.decoder]
    generator.balance_phases(7)
    changed = [not torch.equal(a, layer[1].weight) for a, layer in zip(before, generator.decoder, strict=True)]
    assert changed == [False] * 5 + [True] * 2


def test_a_shift_moves_the_image_and_reflects_what_is_missing():
    rows = torch.arange(5.0)[None, None, :, None] + 10 * torch.arange(5.0)
    shifted = shift(rows, torch.tensor([1, 2]))
    assert shifted[0, 0, :, 0].tolist() == [21, 22, 23, 24, 23]
    assert shifted[0, 0, 0].tolist() == [21, 31, 41, 31, 21]
    assert torch.equal(shift(rows, torch.tensor([0, 0])), rows)


@pytest.fixture
def seen(monkeypatch) -> list[tuple[Tensor, Tensor]]:
    """What D is given, pass by pass."""
    passes, forward = [], PatchDiscriminator.forward

    def note(net: PatchDiscriminator, source: Tensor, image: Tensor) -> Tensor:
        passes.append((source.detach().clone(), image.detach().clone()))
        return forward(net, source, image)

    monkeypatch.setattr(PatchDiscriminator, "forward", note)
    return passes


def offset_of(shifted: Tensor, image: Tensor) -> tuple[int, int]:
    (found,) = (at for at in product((0, 1), repeat=2) if torch.equal(shifted, shift(image, torch.tensor(at))))
    return found


def test_each_pass_of_d_sees_source_and_image_shifted_alike(seen):
    training, offsets = Training(noise_pairs(), replace(CONFIG, epochs=20)), []
    for _ in range(20):
        batch = []
        original = training.next_batch
        training.next_batch = lambda original=original, batch=batch: batch.extend(original()) or tuple(batch)
        training.advance()
        training.next_batch = original
        source, target = batch
        passes, seen[:] = list(seen), []
        assert len(passes) == 3
        offsets += [offset_of(each[0], source) for each in passes]
        assert offset_of(passes[1][1], target) == offsets[-2]  # the target is moved as its source
    assert set(offsets) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert any(len({*offsets[i : i + 3]}) == 3 for i in range(0, 60, 3))  # anew for each pass


def test_without_a_shift_d_sees_the_batch_as_it_is_and_the_crops_are_the_papers(seen):
    plain, never = Training(noise_pairs(), replace(CONFIG, discriminator_shift=0)), Training(noise_pairs(), CONFIG)
    source, target = never.next_batch()
    plain.advance()
    assert torch.equal(seen[1][0], source) and torch.equal(seen[1][1], target)
    assert torch.equal(plain.random.get_state(), never.random.get_state())  # no other random number was taken


def test_they_are_recorded_with_the_run_and_legs_keep_them(tmp_path):
    runs = train_lambda_path(noise_pairs(), (0, 100, math.inf), CONFIG, tmp_path, late_layers=2)
    for run in runs.values():
        config = read_run(run.folder).config
        assert (config.balanced_layers, config.discriminator_shift) == (3, 1)
        generator = run.load_generator()
        assert max(spread(generator, layer) for layer in (-3, -2, -1)) < 1e-6
    with pytest.raises(ValueError, match="balanced_layers = 3 there, 0 here"):
        train(noise_pairs(), replace(CONFIG, balanced_layers=0), runs[100].folder)


def test_the_defaults_are_the_papers():
    assert (TrainConfig().balanced_layers, TrainConfig().discriminator_shift) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("balanced_layers", 8, "choose 0 to 7"),
        ("balanced_layers", -1, "choose 0 to 7"),
        ("balanced_layers", 1.5, "choose 0 to 7"),
        ("balanced_layers", 3.0, "choose 0 to 7"),
        ("balanced_layers", True, "choose 0 to 7"),
        ("discriminator_shift", 1.0, "whole number of px"),
        ("discriminator_shift", -1, "from 0 to 127"),
        ("discriminator_shift", 0.5, "whole number of px"),
        ("discriminator_shift", 128, "from 0 to 127"),
    ],
)
def test_what_cannot_be_is_refused(name, value, words):
    with pytest.raises(ValueError, match=words):
        replace(CONFIG, **{name: value})
