"""Training from trained weights: all of them or some layers', of a run or of a λ path."""

import math
from dataclasses import replace

import pytest
import torch
from helpers.tiny_runs import bits

from pix2pix_colab import LambdaPath
from pix2pix_colab.training import NEWEST, Run, TrainConfig, load_checkpoint, train, train_lambda_path
from pix2pix_colab.training.start import load_start

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)
SHORT = replace(CONFIG, epochs=1)


@pytest.fixture(scope="module")
def runs(pairs, tmp_path_factory) -> dict[float, Run]:
    return train_lambda_path(pairs, (10, 100), CONFIG, tmp_path_factory.mktemp("path"), device="cpu")


@pytest.fixture
def path(runs) -> LambdaPath:
    return LambdaPath({k: run.load_generator() for k, run in runs.items()}, runs[100].load_discriminator())


def test_a_training_from_a_path_is_one_from_the_run_at_that_anchor(pairs, runs, path, tmp_path):
    from_run = train(pairs, SHORT, tmp_path / "run", device="cpu", start=runs[100])
    from_path = train(pairs, SHORT, tmp_path / "path", device="cpu", start=path)
    one, other = (load_checkpoint(run.folder / NEWEST) for run in (from_run, from_path))
    assert all(bits(one[network]) == bits(other[network]) for network in ("generator", "discriminator"))
    assert from_run.history == from_path.history


def test_between_the_anchors_it_starts_from_the_interpolated_generator(path):
    weights, name = load_start(path, replace(SHORT, lambda_l1=30))
    assert bits(weights["generator"]) == bits(dict(path.generator(30).state_dict()))
    assert name.lambda_l1 == 30 and name.name.startswith("λ = 30 of a λ path (weights ")
    with pytest.raises(ValueError, match="λ is 1000, but this path leads from 10 to 100"):
        load_start(path, replace(SHORT, lambda_l1=1000))


def test_a_path_without_a_discriminator_starts_with_a_random_one(pairs, path, tmp_path):
    path.discriminator = None
    weights, _ = load_start(path, SHORT)
    assert not weights["discriminator"] and weights["generator"]
    train(pairs, SHORT, tmp_path, device="cpu", start=path)


def test_only_the_last_layers_of_a_path_can_learn(pairs, path, tmp_path):
    run = train(pairs, replace(SHORT, late_layers=2), tmp_path, device="cpu", start=path)
    before, after = path.generator(100).state_dict(), run.load_generator().state_dict()
    changed = {".".join(name.split(".")[:2]) for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder.5", "decoder.6"}


@pytest.mark.parametrize(
    ("changes", "there"),
    [({"width": 4}, "width = 2"), ({"image_size": 256}, "image_size = 128"), ({"dropout": 0.0}, "dropout = 0.5")],
)
def test_a_path_of_other_networks_is_a_sentence(pairs, path, tmp_path, changes, there):
    with pytest.raises(ValueError, match=f"of the start, the λ path, have {there}: train with the same"):
        train(pairs, replace(SHORT, **changes), tmp_path, start=path)
    assert not list(tmp_path.iterdir())


def test_a_start_between_anchors_is_named_by_the_anchors(path):
    """Interpolated weights are rounded differently by other CPUs and GPUs, where a training may be resumed."""
    name = load_start(path, replace(SHORT, lambda_l1=30))[1].name.partition("(")[2]
    assert name == load_start(path, replace(SHORT, lambda_l1=50))[1].name.partition("(")[2]
    with torch.no_grad():
        path.anchors[0].decoder[-1][1].weight[0] += 1
    assert name != load_start(path, replace(SHORT, lambda_l1=30))[1].name.partition("(")[2]


def test_what_is_no_start_is_refused(pairs, path, tmp_path):
    for wrong in ("runs", 100, path.anchors[0], {}):
        with pytest.raises(TypeError, match="but it must be a finished run"):
            train(pairs, SHORT, tmp_path, start=wrong)
    with pytest.raises(ValueError, match=r"start must be a finished run, .*first run = train\(…, start=path\)"):
        train_lambda_path(pairs, (10,), CONFIG, tmp_path, start=path)


def test_a_tuned_run_can_be_the_trunk_of_a_path(pairs, path, tmp_path):
    tuned = train(pairs, SHORT, tmp_path / "tuned", device="cpu", start=path)
    for _ in range(2):  # the second time nothing is left to do
        legs = train_lambda_path(pairs, (10, math.inf), None, tmp_path / "path", device="cpu", start=tuned)
        assert list(legs) == [10, 100, math.inf]
        first, trunk = (bits(run.load_generator().state_dict()) for run in (tuned, legs[100]))
        assert first == trunk
    assert LambdaPath({k: run.load_generator() for k, run in legs.items()}).late_layers == 3
