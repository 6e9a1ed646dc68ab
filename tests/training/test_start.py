"""Training from trained weights: all of them or some layers', of a run or of a λ path."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from helpers.noise import noise_pairs

from pix2pix_colab import LambdaPath
from pix2pix_colab.training.checkpoint import load_checkpoint
from pix2pix_colab.training.config import TrainConfig
from pix2pix_colab.training.loop import Run, train
from pix2pix_colab.training.run_folder import NEWEST
from pix2pix_colab.training.start import layer_of, load_start
from pix2pix_colab.training.trunk_and_legs import lambda_path

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)
SHORT = replace(CONFIG, epochs=1)


@pytest.fixture(scope="module")
def pairs():
    return noise_pairs()


@pytest.fixture(scope="module")
def runs(pairs, tmp_path_factory) -> dict[float, Run]:
    return lambda_path(pairs, (10, 100), CONFIG, tmp_path_factory.mktemp("path"), device="cpu")


@pytest.fixture
def path(runs) -> LambdaPath:
    return LambdaPath({k: run.load_generator() for k, run in runs.items()}, runs[100].load_discriminator())


def taken(path: LambdaPath, layers: Iterable[str] | None = None) -> set[str]:
    """The layers whose weights a training takes."""
    weights, _ = load_start(path, SHORT, layers)
    return {layer_of(network, name) for network, found in weights.items() for name in found}


def test_a_training_from_a_path_is_one_from_the_run_at_that_anchor(pairs, runs, path, tmp_path):
    from_run = train(pairs, SHORT, tmp_path / "run", device="cpu", start=runs[100])
    from_path = train(pairs, SHORT, tmp_path / "path", device="cpu", start=path)
    states = [load_checkpoint(run.folder / NEWEST) for run in (from_run, from_path)]
    for network in ("generator", "discriminator"):
        for name, weights in states[0][network].items():
            assert torch.equal(weights, states[1][network][name]), name
    assert from_run.history == from_path.history


def test_between_the_anchors_it_starts_from_the_interpolated_generator(path):
    weights, name = load_start(path, replace(SHORT, lambda_l1=30))
    for key, value in path.generator(30).state_dict().items():
        assert torch.equal(weights["generator"][key], value)
    assert name.startswith("λ = 30 of a λ path (weights ")
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
    changed = {layer_of("generator", name) for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder.5", "decoder.6"}


def test_layers_are_taken_by_name(path):
    everything = {*(f"encoder.{i}" for i in range(7)), *(f"decoder.{i}" for i in range(7)), "discriminator"}
    assert taken(path) == everything
    assert taken(path, layers=["encoder"]) == {f"encoder.{i}" for i in range(7)}
    assert taken(path, layers=["decoder.1", "discriminator"]) == {"decoder.1", "discriminator"}


def test_the_others_are_random_and_may_have_other_channels(pairs, path, tmp_path):
    grey = replace(pairs, source=pairs.source[:, :1])
    config = replace(SHORT, source_channels=1)
    with pytest.raises(ValueError, match=r"don't fit .* 1 source .*: encoder\.0 .*, discriminator .* Train"):
        train(grey, config, tmp_path / "all", start=path)
    assert not (tmp_path / "all").exists()
    layers = [*(f"encoder.{i}" for i in range(1, 7)), "decoder"]
    run = train(grey, config, tmp_path / "some", device="cpu", start=path, layers=layers)
    assert run.load_generator().source_channels == 1
    with pytest.raises(ValueError, match=r"start = λ = 100 of a λ path \(weights \w+\), of it decoder\.0, .* there"):
        train(grey, config, tmp_path / "some", device="cpu")


def test_what_makes_no_sense_is_a_sentence(pairs, path, tmp_path):
    for wanted, sentence in (
        (
            {"start": path, "layers": ["encoder", "middle"]},
            "There are no layers middle in the start: choose of encoder, decoder, decoder.0, ",
        ),
        ({"start": path, "layers": []}, "layers is empty: choose of encoder, decoder, "),
        ({"start": path, "layers": [0]}, "There are no layers 0 in the start"),
        ({"layers": ["encoder"]}, "layers says which layers begin with the weights of a start, but there is none"),
        (
            {"start": path, "layers": ["decoder"], "config": replace(SHORT, late_layers=6)},
            "With late_layers = 6, encoder.0, encoder.1, .* would stay random: name them in layers, too",
        ),
        (
            {"start": path, "config": replace(SHORT, width=4)},
            "don't fit networks of width 4, 128 px",
        ),
        (
            {"start": path, "config": replace(SHORT, image_size=256)},
            "don't fit networks of width 2, 256 px",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            train(pairs, wanted.pop("config", SHORT), tmp_path, **wanted)
    assert not list(tmp_path.iterdir())


def test_the_names_of_layers_may_be_a_string_or_any_iterable_in_any_order(path):
    names = [load_start(path, SHORT, layers)[1] for layers in (["encoder"], "encoder", iter(["encoder"]), {"encoder"})]
    names.append(load_start(path, SHORT, [f"encoder.{i}" for i in reversed(range(7))])[1])
    assert len(set(names)) == 1
    assert taken(path, iter(["encoder"])) == {f"encoder.{i}" for i in range(7)}


def test_a_start_between_anchors_is_named_by_the_anchors(path):
    """Interpolated weights are rounded differently by other CPUs and GPUs, where a training may be resumed."""
    name = load_start(path, replace(SHORT, lambda_l1=30))[1].partition("(")[2]
    assert name == load_start(path, replace(SHORT, lambda_l1=50))[1].partition("(")[2]
    with torch.no_grad():
        path.anchors[0].decoder[-1][1].weight[0] += 1
    assert name != load_start(path, replace(SHORT, lambda_l1=30))[1].partition("(")[2]


def test_what_is_no_start_is_refused(pairs, path, tmp_path):
    for wrong in ("runs", 100, path.anchors[0], {}):
        with pytest.raises(TypeError, match="but it must be a finished run"):
            train(pairs, SHORT, tmp_path, start=wrong)
    with pytest.raises(ValueError, match=r"A λ path can't be the trunk: first run = train\(…, start=path\)"):
        lambda_path(pairs, (10,), CONFIG, tmp_path, start=path)


def test_a_tuned_run_can_be_the_trunk_of_a_path(pairs, path, tmp_path):
    tuned = train(pairs, SHORT, tmp_path / "tuned", device="cpu", start=path)
    for _ in range(2):  # the second time nothing is left to do
        legs = lambda_path(pairs, (10, math.inf), None, tmp_path / "path", device="cpu", start=tuned)
        assert list(legs) == [10, 100, math.inf]
        first, trunk = tuned.load_generator(), legs[100].load_generator()
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), trunk.parameters(), strict=True))
    assert LambdaPath({k: run.load_generator() for k, run in legs.items()}).late_layers == 3
