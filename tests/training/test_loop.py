"""The training step against a reference, and a loop that can be interrupted and resumed."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.noise import noise_pairs
from helpers.tiny_runs import bits, pull_the_plug

from pix2pix_colab import PatchDiscriminator, UNetGenerator, translate
from pix2pix_colab.data import Pairs
from pix2pix_colab.training import TrainConfig, Training, load_newest, read_run, save_checkpoint, train
from pix2pix_colab.training import loop as module
from pix2pix_colab.training.run_folder import RunFolder
from pix2pix_colab.utils.device import autocast_dtype

CONFIG = TrainConfig(lambda_l1=100, epochs=4, width=2, image_size=128)


def pairs_of(before: int, after: int, size: int = 130) -> Pairs:
    """Two pairs, grey where the channels are 1."""
    random = torch.Generator().manual_seed(2)
    images = [torch.randint(256, (2, channels, size, size), generator=random) for channels in (before, after)]
    return Pairs(*(each.to(torch.uint8) for each in images), ["a", "b"])


@pytest.fixture
def float32(monkeypatch):
    monkeypatch.setattr("pix2pix_colab.training.step.autocast_dtype", lambda device: torch.float32)


def reference_step(generator, discriminator, adam_g, adam_d, source, target, lambda_l1):
    """The step of the paper, term by term, in plain float32."""
    output = generator(source)
    real = discriminator(source, target)
    fake = discriminator(source, output.detach())
    bce = F.binary_cross_entropy_with_logits
    d_loss = 0.5 * (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)))
    adam_d.zero_grad()
    d_loss.backward()
    adam_d.step()
    fake = discriminator(source, output)
    adversarial, l1 = bce(fake, torch.ones_like(fake)), (output - target).abs().mean()
    adam_g.zero_grad()
    (adversarial + lambda_l1 * l1).backward()
    adam_g.step()
    return d_loss, adversarial, l1


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_a_step_is_the_reference_step(float32, before, after):
    config = replace(CONFIG, dropout=0.0, source_channels=before, target_channels=after)
    training = Training(pairs_of(before, after), config)
    nets = training.generator, training.discriminator
    generator = UNetGenerator(2, 128, 0.0, source_channels=before, target_channels=after)
    twins = generator, PatchDiscriminator(2, before, after)
    for twin, net in zip(twins, nets, strict=True):
        twin.load_state_dict(net.state_dict())
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in twins]
    for _ in range(3):
        source, target = training.next_batch()
        assert (source.shape[1], target.shape[1]) == (before, after)
        expected = torch.stack(reference_step(*twins, *adams, source, target, 100)).detach()
        torch.testing.assert_close(training.step(source, target), expected, rtol=1e-4, atol=1e-5)
    for twin, net in zip(twins, nets, strict=True):
        for a, b in zip(net.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_the_generators_update_leaves_the_discriminator_alone(pairs):
    training = Training(pairs, CONFIG)
    source, target = training.next_batch()
    before = [p.detach().clone() for p in training.discriminator.parameters()]
    weights = [p.detach().clone() for p in training.generator.parameters()]
    training.update_generator(source, target, training.generator(source))
    assert all(map(torch.equal, before, training.discriminator.parameters()))
    assert not any(map(torch.equal, weights, training.generator.parameters()))
    assert all(p.grad is None and p.requires_grad for p in training.discriminator.parameters())


def test_the_discriminators_update_leaves_the_generator_alone(pairs):
    training = Training(pairs, CONFIG)
    source, target = training.next_batch()
    training.update_discriminator(source, target, training.generator(source))
    assert all(p.grad is None for p in training.generator.parameters())


def test_l1_only_evaluates_no_discriminator(pairs, monkeypatch):
    monkeypatch.setattr(PatchDiscriminator, "forward", lambda *_: pytest.fail("D was evaluated"))
    d_loss, adversarial, l1 = Training(pairs, replace(CONFIG, lambda_l1=math.inf)).step(
        *Training(pairs, CONFIG).next_batch()
    )
    assert d_loss.isnan() and adversarial == 0 and l1 > 0


def test_every_pair_comes_once_an_epoch(pairs):
    training = Training(pairs, replace(CONFIG, image_size=128))
    training.next_batch()
    assert len(training.order) == 2
    training.next_batch(), training.next_batch()
    assert training.order == []


def test_the_learning_rate_is_that_of_the_paper():
    config = TrainConfig()
    assert config.learning_rate_in(1) == config.learning_rate_in(100) == 2e-4
    assert config.learning_rate_in(101) == pytest.approx(2e-4 * (1 - 1 / 101))
    assert config.learning_rate_in(200) == pytest.approx(2e-4 / 101)


def test_the_learning_rate_reaches_both_optimisers(pairs):
    training = Training(pairs, CONFIG)
    training.steps_done = 3 * training.steps_per_epoch  # the fourth and last epoch
    training.advance()
    for optimizer in (training.optimizer_g, training.optimizer_d):
        rate = optimizer.param_groups[0]["lr"].item()
        assert rate == pytest.approx(CONFIG.learning_rate_in(4)) == pytest.approx(2e-4 / 3)
    first = next(iter(training.optimizer_g.state))
    before = first.detach().clone()
    training.learning_rate.fill_(0)
    training.step(*training.next_batch())
    assert torch.equal(first, before), "at a learning rate of 0 nothing is learned"


@pytest.mark.parametrize("changes", [{}, {"lambda_l1": math.inf}, {"balanced_layers": 3, "discriminator_shift": 1}])
def test_a_resumed_run_is_bit_identical(pairs, tmp_path, monkeypatch, changes):
    config = replace(CONFIG, **changes)
    whole = train(pairs, config, tmp_path / "whole", log_every=5)
    monkeypatch.setattr(module, "SAVE_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        train(pairs, config, tmp_path / "torn", pull_the_plug(10), log_every=5)  # in the middle of an epoch
    starts = []
    torn = train(pairs, config, tmp_path / "torn", lambda progress: starts.append(progress.step), log_every=5)
    assert 0 < starts[0] <= 10  # 10, or a step or two before if that was still being written
    assert repr(torn.history) == repr(whole.history)  # repr: NaN is not equal to itself
    assert bits(torn.load_generator().state_dict()) == bits(whole.load_generator().state_dict())


def test_a_finished_run_is_returned_at_once(pairs, tmp_path, monkeypatch):
    """It may lie where nothing can be written."""
    first = train(pairs, CONFIG, tmp_path)
    monkeypatch.setattr(RunFolder, "__enter__", lambda _: pytest.fail("it was locked"))
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("it was trained again"))
    assert train(pairs, CONFIG, tmp_path) == first == read_run(tmp_path)


def test_the_history_sums_up_every_step(pairs, tmp_path):
    seen = []
    run = train(pairs, CONFIG, tmp_path, on_progress=lambda progress: seen.append(progress.step), log_every=5)
    assert seen == [0, 5, 10, 12]
    assert [(row["step"], row["epoch"]) for row in run.history] == [(5, 2), (10, 4), (12, 4)]
    assert all(0 < row["l1"] < 2 for row in run.history)


def test_other_pairs_in_the_same_folder_are_refused(pairs, tmp_path):
    train(pairs, CONFIG, tmp_path)
    with pytest.raises(ValueError, match=r"pairs = 3 pairs of 140 px, \w+ there, 2 pairs.*another folder"):
        train(pairs[:2], CONFIG, tmp_path)


def test_the_callers_random_state_is_kept(pairs, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(pairs, CONFIG, tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_bad_settings_get_a_sentence(pairs, tmp_path):
    with pytest.raises(ValueError, match=r"0 pairs of 140 px can't train nets of 128 px"):
        train(pairs[:0], CONFIG, tmp_path)
    with pytest.raises(ValueError, match=r"3 pairs of 140 px can't train nets of 256 px"):
        train(pairs, replace(CONFIG, image_size=256), tmp_path)
    with pytest.raises(ValueError, match="λ is -1"):
        TrainConfig(lambda_l1=-1)
    with pytest.raises(ValueError, match="epochs is 0"):
        TrainConfig(epochs=0)
    for name in ("source_channels", "target_channels"):
        for channels in (0, 2, 4):
            with pytest.raises(ValueError, match=rf"{name} is {channels}, but it must be 3 for colour or 1 for grey"):
                TrainConfig(**{name: channels})


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (3, 3)])
@pytest.mark.parametrize("image_size", [128, 256, 512])
def test_grey_and_colour_are_trained_at_every_size(tmp_path, image_size, before, after):
    config = TrainConfig(epochs=1, width=4, image_size=image_size, source_channels=before, target_channels=after)
    pairs, starts = pairs_of(before, after, image_size + 2), []
    run = train(pairs, config, tmp_path, lambda at: starts.append(next(at.generator.parameters()).detach().clone()))
    assert len(run.history) == 1 and 0 < run.history[0]["l1"] < 2 and run.history[0]["discriminator"] > 0
    assert not torch.equal(starts[0], starts[-1])
    generator = read_run(tmp_path).load_generator()
    assert torch.equal(next(generator.parameters()), starts[-1])
    assert (generator.source_channels, generator.target_channels) == (before, after)
    output = translate(generator, pairs.source)
    assert output.shape == pairs.target.shape and output.float().std() > 0


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1)])
def test_pairs_of_other_channels_get_a_sentence(pairs, tmp_path, before, after):
    advice = rf"train with TrainConfig\(source_channels={before}, target_channels={after}\)"
    with pytest.raises(ValueError, match=rf"have {before} source and {after} target .* would have 3 and 3: {advice}"):
        train(pairs_of(before, after), CONFIG, tmp_path)
    advice = r"TrainConfig\(source_channels=3, target_channels=3\)"
    with pytest.raises(ValueError, match=rf"have 3 source .* would have {before} and {after}: train with {advice}"):
        train(pairs, replace(CONFIG, source_channels=before, target_channels=after), tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_that_says_less_is_read(pairs, tmp_path):
    """Those of November 2026 don't say the size of the pairs, nor the λ of a start as a number."""
    run = train(pairs, CONFIG, tmp_path)
    state, file, _ = load_newest(tmp_path)
    for name in ("size", "start_lambda"):
        del state[name]
    save_checkpoint(file, state)
    assert not read_run(tmp_path).identity.differences(run.identity)
    assert train(pairs, CONFIG, tmp_path).history == run.history


@pytest.mark.parametrize("change", [{"config": {"depth": 8}}, {"config": None}, {"pairs": None}])
def test_a_checkpoint_of_another_version_is_a_sentence(pairs, tmp_path, change):
    train(pairs, CONFIG, tmp_path)
    state, file, _ = load_newest(tmp_path)
    state |= change
    if None in change.values():
        del state[next(iter(change))]
    save_checkpoint(file, state)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is not a run's checkpoint, or another version wrote it"):
        read_run(tmp_path)


def test_precision_follows_the_machine(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert autocast_dtype(cpu) == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert autocast_dtype(cpu) == torch.float32
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, value=capability: value)
        assert autocast_dtype(cuda) == dtype


def test_a_run_tells_the_direction_and_the_fingerprint_of_its_pairs(tmp_path):
    pairs = replace(noise_pairs(2, 143), direction="BtoA")
    run = train(pairs, TrainConfig(width=1, epochs=1, image_size=128), tmp_path, device="cpu")
    for each in (run, read_run(tmp_path)):
        assert each.identity.pairs == pairs.record()
        assert each.identity.pairs.direction == "BtoA" and each.identity.pairs.size == 143
