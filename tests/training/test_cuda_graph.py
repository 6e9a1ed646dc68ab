"""The CUDA graph of a step, tested without a GPU: it is captured once and then replayed, and a refusal is survived."""

import gc
import math
import weakref
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch
from helpers.noise import noise_pairs
from torch import Tensor

from pix2pix_colab.training import TrainConfig, Training
from pix2pix_colab.training.cuda_graph import WARM_UP, CapturedStep, CaptureError
from pix2pix_colab.utils.device import explain_out_of_memory

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)
GPU = torch.device("cuda", 0)


class StandInStream:
    def __init__(self, name: str, log: list):
        self.name, self.log = name, log

    def wait_stream(self, other: "StandInStream") -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class StandIn:
    """Stand-in for a GPU. ``log`` has the synchronisations, and the stream or capture of each step."""

    def __init__(self, monkeypatch):
        self.log, self.where, self.recordings, self.replays = [], "main", 0, 0
        self.main = StandInStream("main", self.log)
        self.inputs = self.losses = None  # of the recording
        names = {"Stream": lambda device: StandInStream("side", self.log), "CUDAGraph": lambda: self}
        names |= {"current_stream": lambda device: self.main, "device": lambda device: nullcontext()}
        for name, value in (names | {"stream": self.on, "graph": self.recording}).items():
            monkeypatch.setattr(torch.cuda, name, value)

    def step(self, source: Tensor, target: Tensor) -> Tensor:
        self.log.append(f"step on {self.where}")
        losses = torch.stack([source.mean(), target.mean(), (source - target).abs().mean()])
        if self.where == "recording":
            self.inputs, self.losses = (source, target), losses.fill_(math.nan)  # nothing is computed yet
        return losses

    def replay(self) -> None:
        self.replays += 1
        source, target = self.inputs
        self.losses.copy_(torch.stack([source.mean(), target.mean(), (source - target).abs().mean()]))

    @contextmanager
    def on(self, stream: StandInStream):
        self.where = stream.name
        yield
        self.where = "main"

    @contextmanager
    def recording(self, graph: "StandIn", stream: StandInStream):
        assert graph is self and stream.name == "side"
        self.where, self.recordings = "recording", self.recordings + 1
        yield
        self.where = "main"


@pytest.fixture
def gpu(monkeypatch) -> StandIn:
    monkeypatch.delenv("PIX2PIX_CUDA_GRAPH", raising=False)
    return StandIn(monkeypatch)


def batch(value: float, size: int = 2) -> tuple[Tensor, Tensor]:
    return torch.full((size, 3, 4, 4), float(value)), torch.full((size, 3, 4, 4), -float(value))


def losses(value: float) -> list[float]:
    return [value, -value, 2 * value]


ASIDE = ["side waits for main", "step on side", "main waits for side"]


def test_a_step_runs_eagerly_then_is_captured_once_and_then_replayed(gpu):
    captured = CapturedStep(GPU)
    for i in range(WARM_UP):
        assert captured(gpu.step, *batch(i)).tolist() == losses(i)
    assert gpu.log == ASIDE * WARM_UP and gpu.recordings == gpu.replays == 0
    gpu.log.clear()
    results = [captured(gpu.step, *batch(i)) for i in range(10, 14)]
    assert gpu.log == ["step on recording"]
    assert (gpu.recordings, gpu.replays) == (1, 4)
    assert [result.tolist() for result in results] == [losses(i) for i in range(10, 14)]  # of each its own


def test_the_batches_are_copied_to_where_the_recording_reads_them(gpu):
    captured, given = CapturedStep(GPU), batch(5)
    for _ in range(WARM_UP + 1):
        captured(gpu.step, *given)
    assert all(ours is not theirs for ours, theirs in zip(gpu.inputs, given, strict=True))
    for tensor in given:
        tensor.zero_()
    assert gpu.inputs[0].mean() == 5 and gpu.inputs[1].mean() == -5


def test_the_shifts_of_a_step_are_an_input_of_the_graph(gpu):
    """As numbers of Python they would be those of the captured step for ever."""
    training, seen = Training(noise_pairs(), replace(CONFIG, discriminator_shift=1)), []
    training._captured = CapturedStep(GPU)
    training.step = lambda source, target, shifts: gpu.step(source, target)
    for _ in range(WARM_UP + 8):
        training.advance()
        if training._captured.graph:
            seen.append(training._captured.inputs[2].tolist())
    assert gpu.recordings == 1 and len(seen) == 8 and all(len(each) == 3 for each in seen)
    assert any(each != seen[0] for each in seen)


def test_a_smaller_batch_runs_eagerly(gpu):
    captured = CapturedStep(GPU)
    for i in range(WARM_UP + 1):
        captured(gpu.step, *batch(i))
    gpu.log.clear()
    assert captured(gpu.step, *batch(7, size=1)).tolist() == losses(7)
    assert gpu.log == ASIDE and (gpu.recordings, gpu.replays) == (1, 1)
    assert captured(gpu.step, *batch(8)).tolist() == losses(8)
    assert gpu.log == ASIDE and (gpu.recordings, gpu.replays) == (1, 2)


def test_the_graph_can_be_turned_off(gpu, monkeypatch):
    monkeypatch.setenv("PIX2PIX_CUDA_GRAPH", "0")
    captured = CapturedStep(GPU)
    for i in range(WARM_UP + 3):
        assert captured(gpu.step, *batch(i)).tolist() == losses(i)
    assert gpu.log == ["step on main"] * (WARM_UP + 3) and gpu.recordings == 0
    monkeypatch.setenv("PIX2PIX_CUDA_GRAPH", "1")
    captured = CapturedStep(GPU)
    for i in range(WARM_UP + 3):
        captured(gpu.step, *batch(i))
    assert gpu.recordings == 1


def test_a_step_that_cannot_be_captured_goes_on_eagerly_and_says_so_once(gpu):
    def step(source: Tensor, target: Tensor) -> Tensor:
        if gpu.where == "recording":
            raise RuntimeError("operation not permitted when stream is capturing")
        return gpu.step(source, target)

    captured = CapturedStep(GPU)
    for i in range(WARM_UP):
        captured(step, *batch(i))
    expected = (
        r"can't be captured as a CUDA graph \(operation not permitted.*\): it goes on .* PIX2PIX_CUDA_GRAPH=0 in the"
    )
    with pytest.warns(UserWarning, match=expected) as said:
        results = [captured(step, *batch(i)) for i in range(5)]
    assert len(said) == 1 and captured.graph is None
    assert [result.tolist() for result in results] == [losses(i) for i in range(5)]


def test_a_gpu_that_goes_on_with_neither_gets_a_sentence(gpu):
    """After a refused capture the random state may stay in it."""

    def broken(*_: Tensor) -> Tensor:
        raise RuntimeError("Offset increment outside graph capture")

    captured = CapturedStep(GPU)
    for i in range(WARM_UP):
        captured(gpu.step, *batch(i))
    with pytest.raises(CaptureError, match=r"nor run after that \(Offset.*restart Python.*PIX2PIX_CUDA_GRAPH=0 in the"):
        captured(broken, *batch(5))


def test_what_a_refused_capture_held_is_free_for_the_step_without_it(gpu):
    """It may be memory that was lacking. If the step fails, too, the error, which a notebook keeps, holds nothing."""
    held, alive = [], []

    def step(source: Tensor, target: Tensor) -> Tensor:
        alive.append([each() is not None for each in held])
        activations = torch.empty(3)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory")

    captured = CapturedStep(GPU)
    for i in range(WARM_UP):
        captured(gpu.step, *batch(i))
    gc.disable()
    try:
        with pytest.raises(MemoryError) as kept, explain_out_of_memory(lambda: "advice"):
            captured(step, *batch(5))
    finally:
        gc.enable()
    assert alive == [[], [False]], "in the second attempt the first is gone"
    assert kept.value.__cause__ and [each() for each in held] == [None, None]


@pytest.mark.parametrize("name", ["optimizer_d", "optimizer_g"])
def test_an_update_that_is_refused_within_adam_can_be_repeated(pairs, gpu, monkeypatch, name):
    """The scaler has unscaled the gradients by then, and would refuse to do so once more."""
    monkeypatch.setattr("pix2pix_colab.training.step.autocast_dtype", lambda device: torch.float16)
    training = Training(pairs, CONFIG)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="refused"):
        patch.setattr(getattr(training, name), "step", refuse)
        training.step(*training.next_batch())
    training.advance()


def refuse(*_, **__):
    raise RuntimeError("refused")


def test_a_refused_capture_leaves_nothing_half_done(pairs, gpu):
    """It may end in the middle of a step, while D is not to learn."""
    training = Training(pairs, CONFIG)
    with pytest.raises(RuntimeError, match="refused"):
        fail_in_generator_update(training)
    assert all(parameter.requires_grad for parameter in training.discriminator.parameters())
    training.advance()


def fail_in_generator_update(training: Training) -> None:
    source, target = training.next_batch()
    output = training.generator(source)
    hook = training.discriminator.register_forward_pre_hook(refuse)
    try:
        training.update_generator(source, target, output)
    finally:
        hook.remove()


def test_a_graph_is_forgotten_when_another_state_is_loaded(pairs, gpu):
    """Its replays would update the old optimisers' tensors."""
    training = Training(pairs, CONFIG)
    training._captured = CapturedStep(GPU)
    training._captured.graph = torch.cuda.CUDAGraph()
    training.load_state_dict(training.state_dict())
    assert training._captured.graph is None


def test_an_error_in_the_warm_up_is_passed_on_as_it_is(gpu):
    def step(*_: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError, match=r"^CUDA out of memory$"):
        CapturedStep(GPU)(step, *batch(1))


def test_a_training_is_freed_as_soon_as_it_is_left(pairs, gpu):
    training = Training(pairs, CONFIG)
    training._captured = CapturedStep(GPU)  # as on a GPU
    training.advance()
    kept = weakref.ref(training)
    gc.disable()  # Python's collector comes late, and the trainings of a sweep would fill the GPU's memory
    try:
        del training
        assert kept() is None
    finally:
        gc.enable()
