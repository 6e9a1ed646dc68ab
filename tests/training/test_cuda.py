"""On a GPU: the captured step equals the eager step, nothing waits for it, and the paper's settings fit into a T4."""

import gc
import math
from dataclasses import replace

import pytest
import torch
from helpers.noise import noise_pairs
from helpers.tiny_runs import pull_the_plug

from pix2pix_colab.data import Pairs
from pix2pix_colab.training import TrainConfig, Training, load_newest, read_run, train
from pix2pix_colab.training import loop as module
from pix2pix_colab.training.cuda_graph import WARM_UP
from pix2pix_colab.utils.device import default_device, fast_cudnn

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU here.")

GPU = default_device()
CONFIG = TrainConfig(epochs=4, width=8, image_size=128)  # with 3 pairs 12 steps, the last 6 at a falling rate
DTYPES = pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16, torch.float16), ids=str)


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    monkeypatch.delenv("PIX2PIX_CUDA_GRAPH", raising=False)


@pytest.fixture
def exact(monkeypatch):
    """Deterministic algorithms."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with fast_cudnn():
            assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def set_dtype(monkeypatch, dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and torch.cuda.get_device_capability(GPU) < (8, 0):
        pytest.skip("This GPU has no bf16.")
    monkeypatch.setattr("pix2pix_colab.training.step.autocast_dtype", lambda device: dtype)


def advanced(pairs: Pairs, config: TrainConfig, steps: int) -> Training:
    training = Training(pairs, config, GPU)
    for _ in range(steps):
        training.advance()
    return training


def is_captured(training: Training) -> bool:
    return training._captured.graph is not None


def weights(training: Training) -> list[torch.Tensor]:
    return [p.detach().clone() for net in (training.generator, training.discriminator) for p in net.parameters()]


def adam_steps(training: Training) -> list[float]:
    optimizers = training.optimizer_g, training.optimizer_d
    return [state["step"].item() for optimizer in optimizers for state in optimizer.state.values()]


def check_equal(a: dict, b: dict) -> None:
    """Assert that two states are bit-identical."""
    torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def check_against_the_eager_step(pairs: Pairs, config: TrainConfig, steps: int, monkeypatch) -> None:
    before = weights(Training(pairs, config, GPU))
    captured = advanced(pairs, config, steps)
    assert is_captured(captured)
    assert not all(map(torch.equal, before, weights(captured))), "nothing was learned"
    state = captured.state_dict()  # now, since it holds the random state of the GPU
    monkeypatch.setenv("PIX2PIX_CUDA_GRAPH", "0")
    eager = advanced(pairs, config, steps)
    assert not is_captured(eager)
    assert len(state["pending"]) == len(eager.pending) == steps
    check_equal(state, eager.state_dict())  # losses, weights, running means, Adam's, scale, random states


@DTYPES
@pytest.mark.parametrize("lambda_l1", [100, math.inf])
def test_the_captured_step_equals_the_eager_step(pairs, exact, monkeypatch, lambda_l1, dtype):
    set_dtype(monkeypatch, dtype)
    check_against_the_eager_step(pairs, replace(CONFIG, lambda_l1=lambda_l1), 10, monkeypatch)


@pytest.mark.parametrize("count", [3, 7])  # every second batch is smaller; the first after the warm-up
def test_a_smaller_last_batch_equals_the_eager_step(count, exact, monkeypatch):
    check_against_the_eager_step(noise_pairs(count), replace(CONFIG, batch_size=2), 10, monkeypatch)


def test_the_learning_rate_of_a_new_epoch_reaches_the_captured_step(pairs, monkeypatch):
    set_dtype(monkeypatch, torch.float32)  # no step is skipped
    monkeypatch.setattr(TrainConfig, "learning_rate_in", lambda config, epoch: 0.0 if epoch == 3 else 2e-4)
    training = advanced(pairs, CONFIG, 5)
    assert is_captured(training)
    learned = []
    for _ in range(6):  # steps 6, of epoch 2; 7, 8 and 9, of epoch 3; 10 and 11, of epoch 4
        before = weights(training)
        training.advance()
        learned.append(not all(map(torch.equal, before, weights(training))))
    assert learned == [True, False, False, False, True, True]


@DTYPES
def test_advancing_does_not_wait_for_the_gpu(pairs, monkeypatch, dtype):
    set_dtype(monkeypatch, dtype)
    training = advanced(pairs, replace(CONFIG, batch_size=2), 2 * WARM_UP + 2)  # each second batch is a smaller one
    training.log()
    assert is_captured(training)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            training.advance()
        with pytest.raises(RuntimeError, match="synchronizing CUDA operation"):
            training.log()  # which has to wait
    finally:
        torch.cuda.set_sync_debug_mode(before)
    training.log()
    assert len(training.history) == 2 and 0 < training.history[-1]["l1"] < 2


@pytest.mark.parametrize(
    ("lambda_l1", "dtype"),
    [(100, torch.float32), (100, torch.bfloat16), (100, torch.float16), (math.inf, torch.float16)],
    ids=str,
)
def test_a_resumed_run_is_bit_identical(pairs, exact, tmp_path, monkeypatch, lambda_l1, dtype):
    set_dtype(monkeypatch, dtype)
    config, starts = replace(CONFIG, epochs=8, lambda_l1=lambda_l1), []
    train(pairs, config, tmp_path / "whole", device=GPU, log_every=5)
    monkeypatch.setattr(module, "SAVE_SECONDS", -1)  # after each step, unless one is still being written
    with pytest.raises(KeyboardInterrupt):
        train(pairs, config, tmp_path / "torn", pull_the_plug(10), GPU, log_every=5)  # in the middle of an epoch
    train(pairs, config, tmp_path / "torn", lambda progress: starts.append(progress.step), GPU, log_every=5)
    assert 0 < starts[0] <= 10
    whole, torn = (load_newest(tmp_path / name).state for name in ("whole", "torn"))
    assert whole.pop("pairs") == torn.pop("pairs")
    check_equal(whole, torn)


@pytest.mark.parametrize(("there", "here"), [("cpu", GPU), (GPU, "cpu")], ids=("to the GPU", "to the CPU"))
def test_a_run_is_resumed_on_another_device(pairs, tmp_path, monkeypatch, there, here):
    monkeypatch.setattr(module, "SAVE_SECONDS", -1)
    starts = []
    with pytest.raises(KeyboardInterrupt):
        train(pairs, CONFIG, tmp_path, pull_the_plug(5), there, log_every=1)
    run = train(pairs, CONFIG, tmp_path, lambda progress: starts.append(progress.step), here, log_every=1)
    assert 0 < starts[0] <= 5 and starts[-1] == 12  # enough steps are left for a capture
    assert read_run(tmp_path).history == run.history
    assert all(0 < row["l1"] < 2 for row in run.history)


def test_an_overflow_in_fp16_skips_the_update(pairs, monkeypatch):
    set_dtype(monkeypatch, torch.float16)
    training = Training(pairs, CONFIG, GPU)
    scalers = training.scaler, training.scaler_d
    for recorded in (False, True):  # in the warm-up, then in the graph
        for _ in range(WARM_UP + 1 if recorded else 1):
            training.advance()
        for scaler in scalers:
            scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**100})
        before, steps = weights(training), adam_steps(training)
        training.advance()
        assert is_captured(training) == recorded
        assert all(map(torch.equal, before, weights(training))) and adam_steps(training) == steps
        assert [scaler.get_scale() for scaler in scalers] == [2.0**99] * 2
        for scaler in scalers:
            scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**8})
        training.advance()
        assert not all(map(torch.equal, before, weights(training)))
        assert adam_steps(training) == [count + 1 for count in steps]
        assert [scaler.get_scale() for scaler in scalers] == [2.0**8] * 2


@DTYPES
def test_the_papers_settings_fit_into_a_t4(monkeypatch, dtype):
    set_dtype(monkeypatch, dtype)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(GPU)
    with fast_cudnn():
        training = advanced(noise_pairs(4, 286), TrainConfig(), 10)
    training.log()
    assert is_captured(training)
    assert 0.9e9 < torch.cuda.max_memory_allocated(GPU) < 15e9  # 57 million weights, their slopes and Adam's two


def test_a_training_frees_its_memory_at_once(pairs):
    left = []
    gc.collect()
    gc.disable()  # Python's collector comes late, and the trainings of a sweep would fill the GPU's memory
    try:
        for _ in range(3):
            training = advanced(pairs, CONFIG, WARM_UP + 2)
            assert is_captured(training)
            taken = torch.cuda.memory_allocated(GPU)
            del training
            left.append(torch.cuda.memory_allocated(GPU))
    finally:
        gc.enable()
    assert taken - left[-1] > 5e6  # a few million numbers
    assert left[2] <= left[1] + 1e6
