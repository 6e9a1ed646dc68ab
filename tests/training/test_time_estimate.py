"""The remaining steps of a sweep, and how long they take."""

import math
import time
from dataclasses import replace

import pytest
import torch
from helpers.tiny_runs import train_until

from pix2pix_colab.data import Pairs
from pix2pix_colab.training import TrainConfig, Training, train
from pix2pix_colab.training import time_estimate as module
from pix2pix_colab.training.lambda_sweep import folder_of
from pix2pix_colab.training.time_estimate import TimeEstimate, estimate_time, seconds_per_step

CONFIG = TrainConfig(epochs=4, width=1, image_size=128, batch_size=2)  # 2 steps an epoch, the second with one pair
CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch) -> list[float]:
    """The λ of the measurements, by which a step takes 2 s, and 0.5 s without D."""
    lambdas = []

    def stand_in(pairs: Pairs, config: TrainConfig, device: torch.device, seconds: float) -> float:
        lambdas.append(config.lambda_l1)
        return 0.5 if config.lambda_l1 == math.inf else 2.0

    monkeypatch.setattr(module, "seconds_per_step", stand_in)
    return lambdas


def test_a_fresh_run_has_all_steps_to_go(pairs, tmp_path, measured):
    assert estimate_time(pairs, (100,), CONFIG, tmp_path) == TimeEstimate(8, 16.0)
    assert estimate_time(pairs, (100,), replace(CONFIG, batch_size=3), tmp_path) == TimeEstimate(4, 8.0)
    assert estimate_time(pairs, (100,), replace(CONFIG, batch_size=1, epochs=5), tmp_path) == TimeEstimate(15, 30.0)


def test_the_steps_of_all_lambdas_are_added_up(pairs, tmp_path, measured):
    assert estimate_time(pairs, (0, 100, math.inf), CONFIG, tmp_path) == TimeEstimate(24, 8 * 2 + 8 * 2 + 8 * 0.5)
    assert estimate_time(pairs, (0, 0.0, 0), CONFIG, tmp_path) == TimeEstimate(8, 16.0)  # a sweep trains it once, too


def test_l1_only_is_measured_separately_and_each_only_once(pairs, tmp_path, measured):
    estimate_time(pairs, (0, math.inf, 1, 10, 100), CONFIG, tmp_path)
    assert measured == [0, math.inf]
    measured.clear()
    estimate_time(pairs, (math.inf,), CONFIG, tmp_path)
    assert measured == [math.inf]


def test_a_finished_run_has_none_to_go_and_is_not_measured(pairs, tmp_path, measured):
    folder = folder_of(tmp_path, 0)
    train(pairs, replace(CONFIG, lambda_l1=0), folder)
    left = estimate_time(pairs, (0,), CONFIG, tmp_path)
    assert left == TimeEstimate(0, 0.0) and str(left) == "Everything is trained already."
    assert measured == []
    assert estimate_time(pairs, (0, 100), CONFIG, tmp_path) == TimeEstimate(8, 16.0)
    for checkpoint in folder.glob("*.pt"):
        checkpoint.write_bytes(b"damaged")  # its history tells how far it is
    assert estimate_time(pairs, (0,), replace(CONFIG, epochs=7), tmp_path) == TimeEstimate(6, 12.0)


def test_a_run_that_was_stopped_has_the_rest_to_go_and_is_left_as_it_is(pairs, tmp_path, measured):
    folder = folder_of(tmp_path, 0)
    assert train_until(4, folder, replace(CONFIG, lambda_l1=0), pairs) is None
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert estimate_time(pairs, (0,), CONFIG, tmp_path) == TimeEstimate(4, 8.0)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(("history", "left"), [("", 8), ("\r\n", 8), ("step,l1\r\n2,0.5\r\n4,0.5\r\n", 4)])
def test_an_interrupted_run_has_the_rest_to_go(pairs, tmp_path, measured, history, left):
    """All of it, if it was saved before its first row."""
    folder_of(tmp_path, 0).mkdir()
    (folder_of(tmp_path, 0) / "history.csv").write_text(history, newline="")
    assert estimate_time(pairs, (0,), CONFIG, tmp_path) == TimeEstimate(left, 2.0 * left)


def test_nothing_is_written_and_the_callers_random_state_is_kept(pairs, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert estimate_time(pairs, (100,), CONFIG, tmp_path / "new", CPU, seconds=0).steps == 8
    assert torch.equal(torch.rand(3), expected) and not (tmp_path / "new").exists()


def test_the_measurement_is_that_of_the_steps(pairs, monkeypatch):
    step, configs = Training.step, []

    def slow(training: Training, *batch: torch.Tensor) -> torch.Tensor:
        configs.append(training.config)
        time.sleep(0.05)
        return step(training, *batch)

    monkeypatch.setattr(Training, "step", slow)
    begin = time.perf_counter()
    measured = seconds_per_step(pairs, CONFIG, CPU, seconds=0.3)
    taken = time.perf_counter() - begin
    assert 0.05 <= measured <= taken / 5  # it is the median of several times of five steps
    assert taken >= 0.3 and set(configs) == {CONFIG}


def test_more_seconds_are_measured_longer(pairs, monkeypatch):
    steps = []
    monkeypatch.setattr(Training, "step", lambda *_: steps.append(1) or time.sleep(0.01) or torch.zeros(3))
    seconds_per_step(pairs, CONFIG, CPU, seconds=0)
    least = len(steps)
    assert 5 < least < 15
    seconds_per_step(pairs, CONFIG, CPU, seconds=0.3)
    assert len(steps) - least > least


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "about 0 s"),
        (89.4, "about 89 s"),
        (90, "about 2 min"),
        (120, "about 2 min"),
        (3599, "about 60 min"),
        (5369, "about 89 min"),
        (5400, "about 1 h 30 min"),
        (7199, "about 2 h 0 min"),
        (36 * 3600, "about 36 h 0 min"),
    ],
)
def test_the_time_is_told_in_words(seconds, words):
    assert str(TimeEstimate(1000, seconds)).endswith(f" each: {words}.")


def test_the_steps_and_their_time_are_told():
    assert str(TimeEstimate(80_000, 984)) == "80,000 steps to go, 12.3 ms each: about 16 min."
    assert str(TimeEstimate(10, 0.00123)) == "10 steps to go, 0.123 ms each: about 0 s."
    assert str(TimeEstimate(100, 99.96)) == "100 steps to go, 1,000 ms each: about 2 min."
    assert str(TimeEstimate(10, 23.456)) == "10 steps to go, 2,346 ms each: about 23 s."


def test_what_a_sweep_would_refuse_is_refused(pairs, tmp_path, measured):
    for lambda_l1 in (-1, math.nan, "100"):
        with pytest.raises(ValueError, match="λ is"):
            estimate_time(pairs, (lambda_l1,), CONFIG, tmp_path)
    with pytest.raises(ValueError, match="3 pairs of 140 px can't train nets of 256 px"):
        estimate_time(pairs, (0,), replace(CONFIG, image_size=256), tmp_path)
