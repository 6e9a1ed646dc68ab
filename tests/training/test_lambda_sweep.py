"""One run for each λ, all other settings equal, and none trained twice."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.noise import noise_pairs
from helpers.tiny_runs import bits

from pix2pix_colab.data import Pairs
from pix2pix_colab.training import NEWEST, Progress, ProgressBar, TrainConfig, load_checkpoint, read_sweep, sweep
from pix2pix_colab.training.step import Training

CONFIG = TrainConfig(epochs=1, width=2, image_size=128)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return noise_pairs(2, 128)


@pytest.fixture(scope="module")
def swept(pairs, tmp_path_factory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("sweep")
    return root, sweep(pairs, (math.inf, 0, 100), CONFIG, root)


def test_there_is_a_folder_for_each_lambda(swept):
    root, runs = swept
    assert list(runs) == [math.inf, 0, 100]
    assert sorted(folder.name for folder in root.iterdir()) == ["lambda_0", "lambda_100", "lambda_inf"]
    assert [runs[k].folder.name for k in (0, 100, math.inf)] == ["lambda_0", "lambda_100", "lambda_inf"]
    assert all(run.config.lambda_l1 == lambda_l1 for lambda_l1, run in runs.items())


@pytest.mark.parametrize("shift", [0, 1])
def test_all_but_lambda_is_equal(pairs, tmp_path, shift):
    weights, config = [], replace(CONFIG, discriminator_shift=shift)

    def look(progress: Progress) -> None:
        if progress.step == 0:
            weights.append(torch.cat([p.detach().flatten().clone() for p in progress.generator.parameters()]))

    runs = sweep(pairs, (1, math.inf), config, tmp_path, look)
    assert {replace(run.config, lambda_l1=0) for run in runs.values()} == {replace(config, lambda_l1=0)}
    assert len(weights) == 2 and torch.equal(*weights)
    states = [load_checkpoint(run.folder / NEWEST) for run in runs.values()]
    assert states[0]["pairs"] == states[1]["pairs"]
    assert torch.equal(states[0]["random"][0], states[1]["random"][0])  # of the order, the jitter and the shifts
    trained = [run.load_generator().encoder[0][0].weight for run in runs.values()]
    assert not torch.equal(*trained)


def test_a_finished_run_is_not_trained_again(pairs, swept, monkeypatch):
    root, runs = swept
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("it was trained again"))
    again = sweep(pairs, (0, 100, math.inf), CONFIG, root)
    assert list(again) == [0, 100, math.inf]
    assert all(repr(again[k]) == repr(runs[k]) for k in runs)  # repr: NaN is not equal to itself


def test_a_further_lambda_trains_only_that_one(pairs, tmp_path):
    sweep(pairs, (0,), CONFIG, tmp_path)
    before = (tmp_path / "lambda_0" / NEWEST).read_bytes()
    seen = []
    sweep(pairs, (0, 0.5), CONFIG, tmp_path, lambda progress: seen.append((progress.config.lambda_l1, progress.step)))
    assert seen == [(0, 2), (0.5, 0), (0.5, 2)]
    assert (tmp_path / "lambda_0" / NEWEST).read_bytes() == before
    assert (tmp_path / "lambda_0.5").is_dir()


def test_a_sweep_is_read_back_in_the_order_of_lambda(swept):
    root, runs = swept
    (root / "notes.txt").write_text("not a run")
    read = read_sweep(root)
    assert list(read) == [0, 100, math.inf]
    assert all(repr(read[k]) == repr(runs[k]) for k in runs)
    for k in runs:
        assert bits(read[k].load_generator().state_dict()) == bits(runs[k].load_generator().state_dict())


def test_a_root_without_runs_gets_a_sentence(tmp_path):
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=rf"{root} holds no lambda_… folder: train a sweep into it first"):
            read_sweep(root)


def progress(step: int, lambda_l1: float = 100, history: tuple = ()) -> Progress:
    return Progress(replace(CONFIG, lambda_l1=lambda_l1), step, 50, list(history), None)


def test_the_bar_follows_the_run(capsys):
    bar = ProgressBar()
    bar(progress(0))
    assert (bar.bar.total, bar.bar.n) == (50, 0) and bar.bar.desc.startswith("λ = 100")
    bar(progress(20, history=({"step": 20, "l1": 0.25},)))
    assert bar.bar.n == 20 and "l1=0.250" in bar.bar.postfix
    bar(progress(50, history=({"step": 50, "l1": 0.125},)))
    assert bar.bar is None  # closed
    shown = capsys.readouterr().err
    assert "50/50" in shown and "l1=0.125" in shown


def test_each_run_has_a_bar_of_its_own(capsys):
    bar = ProgressBar()
    for lambda_l1 in (0, math.inf):
        bar(progress(0, lambda_l1))
        bar(progress(50, lambda_l1))
    shown = capsys.readouterr().err
    assert re.search(r"λ = 0: 100%.*50/50", shown) and re.search(r"L1 only: 100%.*50/50", shown)


def test_the_bar_of_a_resumed_run_starts_where_it_was():
    bar = ProgressBar()
    bar(progress(30))
    assert bar.bar.initial == bar.bar.n == 30
    bar(progress(50))
