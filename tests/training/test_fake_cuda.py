"""What a GPU would run, on a GPU that computes nothing: trainings of each kind, and eleven mutants that it catches."""

import math
from dataclasses import replace

import pytest
import torch
from helpers.fake_cuda import ON_CUDA_BUILDS, FakeGpu, on_cpu
from helpers.noise import noise_pairs
from helpers.tiny_runs import pull_the_plug
from torch import Tensor

from pix2pix_colab import LambdaPath, translate
from pix2pix_colab.data import StreamedPairs, pair_files, read_pairs, write_pairs
from pix2pix_colab.training import TrainConfig, loop, sweep, train, train_lambda_path
from pix2pix_colab.training.cuda_graph import WARM_UP
from pix2pix_colab.training.step import Training, make_discriminator

pytestmark = ON_CUDA_BUILDS
CONFIG = TrainConfig(epochs=4, width=2, image_size=128)
STEPS = WARM_UP + 2


@pytest.fixture(autouse=True)
def captured(monkeypatch):
    monkeypatch.delenv("PIX2PIX_CUDA_GRAPH", raising=False)


@pytest.fixture(params=[(7, 5), (9, 0)], ids=["T4", "H200"])
def gpu(request):
    with FakeGpu(request.param) as gpu:
        yield gpu


def advance(training: Training, gpu: FakeGpu, steps: int = STEPS) -> Training:
    gpu.waits.clear()
    for _ in range(steps):
        training.advance()
    assert not gpu.waits
    return training


@pytest.mark.parametrize(
    "changes",
    [{}, {"lambda_l1": math.inf}, {"late_layers": 3}, {"balanced_layers": 3, "discriminator_shift": 1}],
    ids=["plain", "L1 only", "a leg of a path", "against the grid"],
)
def test_a_step_is_captured_once_replayed_and_never_waited_for(gpu, changes):
    training = advance(Training(noise_pairs(), replace(CONFIG, **changes), "cuda"), gpu)
    assert (gpu.captures, gpu.replays) == (1, STEPS - WARM_UP)
    assert training.dtype == (torch.float16 if gpu.capability == (7, 5) else torch.bfloat16)
    training.log()  # which has to wait
    assert gpu.waits and training.history[0]["l1"] == 0
    training.check_weights()


def test_images_and_weights_have_their_channels_last():
    """As tensor cores take them. In fp16, since which kernel computes in bf16 is asked of the driver."""
    seen = []
    with FakeGpu() as gpu:
        training = Training(noise_pairs(), CONFIG, "cuda")
        for layer in [*training.generator.modules(), *training.discriminator.modules()]:
            if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                layer.register_forward_hook(lambda layer, inputs, output: seen.extend([*inputs, layer.weight, output]))
        advance(training, gpu, 1)
        for state in (training.optimizer_g.state, training.optimizer_d.state):
            for weight, moments in state.items():
                seen += [weight.grad, moments["exp_avg"], moments["exp_avg_sq"]] if weight.ndim == 4 else []
        assert len(seen) > 100 and all(each.is_contiguous(memory_format=torch.channels_last) for each in seen)


def test_streamed_pairs_move_as_bytes_and_are_not_waited_for(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_files, "LARGE", 0)
    pairs = read_pairs(write_pairs(noise_pairs(), tmp_path), 140)
    assert isinstance(pairs, StreamedPairs)
    training = Training(pairs, CONFIG, "cuda")
    gpu.copies.clear()
    advance(training, gpu, 3)
    assert gpu.copies == {"to cuda torch.uint8": 6, "pinned torch.uint8": 6}


def test_a_smaller_last_batch_is_never_captured():
    with FakeGpu() as gpu:
        advance(Training(noise_pairs(), replace(CONFIG, batch_size=2), "cuda"), gpu, WARM_UP + 4)
    assert (gpu.captures, gpu.replays) == (1, 2)  # of the batches 3 to 6 two are whole


@pytest.mark.parametrize("there", ["cpu", "cuda"])
@pytest.mark.parametrize("here", ["cpu", "cuda"])
def test_a_state_goes_on_on_either_device(there, here):
    with FakeGpu() as gpu:
        first, second = (Training(noise_pairs(), CONFIG, device) for device in (there, here))
        first.advance()
        gpu.random_state += 7
        state = on_cpu(first.state_dict())
        gpu.random_state -= 7
        second.load_state_dict(state)
        assert gpu.random_state[0] == (7 if there == here == "cuda" else 0)
        advance(second, gpu)
        assert gpu.captures == (here == "cuda")
        second.log()


def test_a_run_is_killed_resumed_and_translates(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    pairs, starts = noise_pairs(), []
    with pytest.raises(KeyboardInterrupt):
        train(pairs, CONFIG, tmp_path, pull_the_plug(5), log_every=5)
    run = train(pairs, CONFIG, tmp_path, lambda progress: starts.append(progress.step), log_every=5)
    assert 0 < starts[0] <= 5 and starts[-1] == 12 and gpu.captures == 2
    generator = run.load_generator("cuda")
    for device in ("cpu", "cuda"):
        output = translate(generator, pairs.source[:2].to(device))
        assert (output.device.type, output.shape, output.dtype) == (device, (2, 3, 140, 140), torch.uint8)


def test_a_sweep_captures_each_run(tmp_path):
    with FakeGpu() as gpu:
        runs = sweep(noise_pairs(), (100, math.inf), replace(CONFIG, epochs=2), tmp_path)
    assert len(runs) == gpu.captures == 2


def test_a_path_is_trained_and_translates(tmp_path):
    pairs, config = noise_pairs(), replace(CONFIG, epochs=2)
    with FakeGpu() as gpu:
        runs = train_lambda_path(pairs, (0, 100), config, tmp_path)
        assert len(runs) == 2 and gpu.captures == 1  # the leg is of one epoch
        path = LambdaPath({k: run.load_generator("cuda") for k, run in runs.items()})
        outputs = path.translate(pairs.source[:1], [0, 30])
    assert outputs[30].device.type == "cpu" and outputs[30].shape == (1, 3, 140, 140)


class DefaultAdam(Training):
    def _adam(self, net):
        return torch.optim.Adam(net.parameters(), self.learning_rate, (0.5, 0.999), capturable=True)


class ForeachAdam(Training):
    def _adam(self, net):
        return torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), foreach=True)


class Reading(Training):
    def step(self, *batch: Tensor) -> Tensor:
        losses = super().step(*batch)
        return losses * losses[0].item()


class FromTheHost(Training):
    def step(self, *batch: Tensor) -> Tensor:
        return super().step(*batch) + torch.tensor(0.0, device=self.device)


class CpuTensor(Training):
    def step(self, source: Tensor, target: Tensor) -> Tensor:
        return super().step(source, target + torch.zeros(1, 3, 1, 1))


class CpuNumber(Training):
    def step(self, *batch: Tensor) -> Tensor:
        return torch.stack([*super().step(*batch), torch.zeros(())])


class CpuGenerator(Training):
    def step(self, source: Tensor, target: Tensor) -> Tensor:
        return super().step(source, target + torch.rand(3, 1, 1, device=self.device, generator=self.random))


class CpuLearningRate(Training):
    def __init__(self, *args):
        super().__init__(*args)
        self.optimizer_g.param_groups[0]["lr"] = torch.tensor(2e-4)


class FixedLearningRate(Training):
    def _adam(self, net):
        return torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), fused=True, capturable=True)


class CpuDiscriminator(Training):
    def __init__(self, *args):
        super().__init__(*args)
        self.discriminator = make_discriminator(self.config)


@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        (DefaultAdam, "waits for the GPU"),  # the scaler asks whether a gradient is finite
        (ForeachAdam, "waits for the GPU|on cpu"),
        (Reading, "_local_scalar_dense waits for the GPU in a capture"),
        (FromTheHost, "copy from cpu to cuda in a capture"),
        (CpuTensor, "devices"),
        (CpuNumber, "stack takes tensors of two devices"),
        (CpuGenerator, "generator of the CPU"),
        (CpuLearningRate, "number on cpu"),
        (FixedLearningRate, "each replay has it"),
        (CpuDiscriminator, "should be the same|devices"),
    ],
)
def test_a_mutant_is_caught(mutant, said):
    with FakeGpu():
        training = mutant(noise_pairs(), CONFIG, "cuda")
        with pytest.raises((AssertionError, RuntimeError), match=said):
            for _ in range(STEPS):
                training.advance()


class NotCapturable(Training):
    def _adam(self, net):
        return torch.optim.Adam(net.parameters(), self.learning_rate, (0.5, 0.999), fused=True)


def test_an_adam_that_is_not_capturable_is_refused():
    with FakeGpu() as gpu, pytest.warns(UserWarning, match="capturable"):
        advance(NotCapturable(noise_pairs(), CONFIG, "cuda"), gpu)
    assert gpu.captures == gpu.replays == 0
