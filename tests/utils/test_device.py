"""Device, algorithms and precision of a training, and how it resumes on another device."""

import math
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from helpers.noise import noise_pairs

from pix2pix_colab import UNetGenerator, translate
from pix2pix_colab.data import Pairs
from pix2pix_colab.training import TrainConfig, Training, time_estimate, train
from pix2pix_colab.utils.device import default_device, exact_cudnn, fast_cudnn, fork_rng

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return noise_pairs()


def set_dtype(monkeypatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr("pix2pix_colab.training.step.autocast_dtype", lambda device: dtype)


@pytest.mark.parametrize(("there", "here"), [(torch.float32, torch.float16), (torch.float16, torch.float32)], ids=str)
def test_a_run_is_resumed_in_another_precision(pairs, monkeypatch, there, here):
    """Colab gives a T4 (fp16, with a scaler) today and an L4 (bf16, without) tomorrow."""
    set_dtype(monkeypatch, there)
    first = Training(pairs, CONFIG)
    first.advance()
    set_dtype(monkeypatch, here)
    second = Training(pairs, CONFIG)
    second.load_state_dict(first.state_dict())
    assert all(map(torch.equal, first.generator.parameters(), second.generator.parameters()))
    second.advance()
    second.log()
    assert (second.steps_done, second.history[-1]["step"]) == (2, 2)
    second.check_weights()


def test_a_scaler_resumes_at_its_scale(pairs, monkeypatch):
    set_dtype(monkeypatch, torch.float16)
    first, second = Training(pairs, CONFIG), Training(pairs, CONFIG)
    first.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    first.advance()
    second.load_state_dict(first.state_dict())
    assert second.scaler.get_scale() == first.scaler.get_scale() == 2.0


def test_each_update_can_be_repeated_and_has_a_scale_of_its_own(pairs, monkeypatch):
    """Cells 9 and 11 of notebook 3, run twice; and what overflows in G is no overflow of D."""
    set_dtype(monkeypatch, torch.float16)
    training = Training(pairs, CONFIG)
    training.scaler, training.scaler_d = (torch.amp.GradScaler("cpu", init_scale=2.0**8) for _ in range(2))
    source, target = training.next_batch()
    for _ in range(2):
        output = training.generator(source)
        training.update_discriminator(source, target, output)
        training.update_generator(source, target, output)
    training.scaler.load_state_dict(training.scaler.state_dict() | {"scale": 2.0**125})
    training.step(source, target)
    assert training.scaler.get_scale() < 2.0**125 and training.scaler_d.get_scale() == 2.0**8


def test_gradients_are_unscaled_before_adam_to_the_same_bits(pairs, monkeypatch):
    """Fused Adam unscales them, too, but then writes them: 0.23 GB a step at width 64."""
    set_dtype(monkeypatch, torch.float16)
    scales, step = [], torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda adam: scales.append(adam.grad_scale) or step(adam))
    ours, usual = Training(pairs, CONFIG), Training(pairs, CONFIG)
    usual._update = lambda optimizer, scaler, loss: (
        optimizer.zero_grad(),
        scaler.scale(loss).backward(),
        scaler.step(optimizer),
        scaler.update(),
    )
    for training in (ours, usual):
        torch.manual_seed(0)
        training.advance()
    assert scales[:2] == [None, None] and all(scale == 2.0**16 for scale in scales[2:])
    assert all(map(torch.equal, ours.generator.parameters(), usual.generator.parameters()))
    assert all(map(torch.equal, ours.discriminator.parameters(), usual.discriminator.parameters()))


@pytest.mark.parametrize("lambda_l1", [100, math.inf])
@pytest.mark.parametrize("enabled", [False, True])
def test_one_loss_that_a_scaler_skips_is_no_end_of_a_run(pairs, enabled, lambda_l1):
    training = Training(pairs, replace(CONFIG, lambda_l1=lambda_l1))
    training.scaler = torch.amp.GradScaler("cpu", enabled=enabled)
    training.advance()
    (sound,) = training.pending
    training.pending.append(torch.full((3,), math.inf))
    if enabled:
        training.log()
        assert training.history[-1]["l1"] == sound[2].item()
    else:
        with pytest.raises(FloatingPointError, match="NaN or infinite"):
            training.log()
    training.pending = [torch.full((3,), math.inf)]
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        training.log()


@pytest.mark.parametrize("there", [False, True])
def test_the_optimisers_fit_the_device_on_which_a_run_is_resumed(pairs, there):
    """A graph needs capturable optimisers, which the checkpoint of a run on a CPU doesn't have."""
    state = Training(pairs, CONFIG).state_dict()
    for name in ("optimizer_g", "optimizer_d"):
        state[name]["param_groups"][0]["capturable"] = there
    training = Training(pairs, CONFIG)
    training.load_state_dict(state)
    for optimizer in (training.optimizer_g, training.optimizer_d):
        assert optimizer.param_groups[0]["lr"] is training.learning_rate
        assert optimizer.param_groups[0]["capturable"] is False
    training.device = GPU
    training.load_state_dict({**state, "pending": [], "random": state["random"][:2]})
    assert (
        training.optimizer_g.param_groups[0]["capturable"] is training.optimizer_d.param_groups[0]["capturable"] is True
    )


def cudnn() -> tuple[bool, bool, bool]:
    return torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic


def test_cudnn_is_used_and_picks_its_fastest_algorithms(pairs, tmp_path, monkeypatch):
    before, seen, advance = cudnn(), set(), Training.advance
    monkeypatch.setattr(Training, "advance", lambda training: seen.add(cudnn()) or advance(training))
    train(pairs, replace(CONFIG, epochs=1), tmp_path)
    assert seen == {(True, True, False)}
    seen.clear()
    time_estimate.seconds_per_step(pairs, CONFIG, CPU, seconds=0)  # the estimate measures what the training does
    assert seen == {(True, True, False)}
    assert cudnn() == before


def test_cudnn_is_deterministic_or_off_if_torch_is_set_so(monkeypatch):
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    with fast_cudnn():
        assert cudnn() == (True, False, True)
    with torch.backends.cudnn.flags(enabled=False), fast_cudnn():
        assert cudnn() == (False, False, True)


@pytest.mark.parametrize("context", [fast_cudnn, exact_cudnn])
@pytest.mark.parametrize("tf32", [False, True])
def test_tf32_stays_the_users(monkeypatch, context, tf32):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
    with context():
        assert torch.backends.cudnn.allow_tf32 is tf32
    assert torch.backends.cudnn.allow_tf32 is tf32


def test_translate_takes_deterministic_algorithms(monkeypatch):
    """On a GPU the same image would else give other bits in another process."""
    seen, generator = [], UNetGenerator(2, 128)
    generator.register_forward_pre_hook(lambda *_: seen.append(cudnn()))
    translate(generator, torch.zeros(3, 128, 128, dtype=torch.uint8))
    assert seen == [(True, False, True)]


@pytest.mark.parametrize(
    ("gpus", "rank", "expected"), [(2, None, 0), (2, "1", 1), (2, "2", 0), (1, "3", 0), (8, "5", 5)]
)
def test_the_processes_are_spread_over_all_gpus(monkeypatch, gpus, rank, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert default_device() == torch.device("cuda", expected)


def test_without_a_gpu_the_cpu_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert default_device() == CPU


def test_the_random_state_is_restored():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    for device in (CPU, "cpu"):
        with fork_rng(device):
            torch.manual_seed(1)
            torch.rand(3)
            assert not torch.equal(torch.get_rng_state(), before)
        assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(KeyboardInterrupt), fork_rng(CPU):
        torch.rand(3)
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), before)


def test_the_random_state_of_the_gpu_is_restored_too(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: taken.append(devices) or nullcontext())
    fork_rng(GPU), fork_rng("cuda:1"), fork_rng("cpu")
    assert taken == [[GPU], [torch.device("cuda", 1)], []]


@pytest.mark.parametrize("setting", ["backends.fp32_precision", "backends.cudnn.fp32_precision"])
def test_tf32_may_be_set_in_the_newer_way(setting):
    """Where torch has it. It then refuses to tell ``allow_tf32``."""
    code = f"""import torch
from pix2pix_colab.utils.device import exact_cudnn, fast_cudnn
try:
    torch.{setting} = "ieee"
except AttributeError:
    pass
for context in (exact_cudnn, fast_cudnn):
    with context():
        assert torch.backends.cudnn.deterministic == (context is exact_cudnn)
assert not torch.backends.cudnn.deterministic
"""
    subprocess.run([sys.executable, "-c", code], check=True)
