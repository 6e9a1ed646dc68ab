"""λ path: training from a start, the legs from neighbour to neighbour, and what they share."""

import itertools
import math
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.noise import noise_pairs
from helpers.tiny_runs import bits
from test_resume import assert_same, in_child

from pix2pix_colab import LAMBDAS, LambdaPath
from pix2pix_colab.training import TrainConfig, Training, estimate_time, load_checkpoint, loop, train
from pix2pix_colab.training import lambda_path as module
from pix2pix_colab.training.lambda_path import path_configs, train_lambda_path
from pix2pix_colab.training.lambda_sweep import folder_of, read_sweep, sweep
from pix2pix_colab.training.run_folder import RunFolder
from pix2pix_colab.training.runs import NEWEST, PREVIOUS, Run, find_run, load_newest, read_run

CONFIG = TrainConfig(epochs=4, width=2, image_size=128)  # 3 steps each; a leg is 1 epoch
LATE = 3


@pytest.fixture(scope="module")
def path(pairs, tmp_path_factory) -> dict[float, Run]:
    return train_lambda_path(pairs, LAMBDAS, CONFIG, tmp_path_factory.mktemp("path"), device="cpu")


def early(generator) -> dict[str, torch.Tensor]:
    """Weights and buffers of all layers but the last three of the decoder."""
    last = len(generator.decoder) - LATE
    state = generator.state_dict()
    return {n: v for n, v in state.items() if n.startswith("encoder") or int(n.split(".")[1]) < last}


def test_a_trunk_and_short_legs(path):
    assert list(path) == list(LAMBDAS)
    assert {k: (run.config.epochs, run.config.late_layers) for k, run in path.items()} == {
        **dict.fromkeys((0, 1, 10, 1000), (1, 3)),
        100: (4, None),
        math.inf: (2, 3),  # twice: its steps cost less than half
    }
    assert [run.history[-1]["step"] for run in path.values()] == [3, 3, 3, 12, 3, 6]


def test_all_runs_of_a_path_share_their_early_layers_bit_by_bit(path):
    shared = [early(run.load_generator()) for run in path.values()]
    whole = [run.load_generator().state_dict() for run in path.values()]
    assert len(shared[0]) > 40
    for other in shared[1:]:
        assert all(torch.equal(value, other[name]) for name, value in shared[0].items())
    late = set(whole[0]) - set(shared[0])
    learned = [name for name in late if name.endswith(("weight", "bias"))]
    for one, other in itertools.pairwise(whole):
        assert not any(torch.equal(one[name], other[name]) for name in learned), "every late layer learns in each leg"


def test_a_leg_goes_on_from_its_neighbour(pairs, path, tmp_path):
    """By hand: 10 starts from 100, 1 from 10; D goes on too, and Adam begins anew."""
    leg = replace(CONFIG, lambda_l1=10, epochs=1, late_layers=LATE)
    begin = {}

    def look(progress):
        begin.setdefault("G", {k: v.clone() for k, v in progress.generator.state_dict().items()})

    ten = train(pairs, leg, tmp_path / "10", look, "cpu", start=path[100])
    assert all(torch.equal(value, begin["G"][name]) for name, value in path[100].load_generator().state_dict().items())
    assert weights(ten) == weights(path[10])
    one = train(pairs, replace(leg, lambda_l1=1), tmp_path / "1", device="cpu", start=ten)
    assert weights(one) == weights(path[1])
    before, after = load_newest(path[100].folder).state, load_newest(ten.folder).state
    steps = {int(each["step"]) for each in after["optimizer_g"]["state"].values()}
    assert steps == {3}, "Adam begins anew"
    assert len(after["optimizer_g"]["state"]) < len(before["optimizer_g"]["state"])
    assert not torch.equal(*(each["discriminator"]["layers.0.0.weight"] for each in (before, after)))


def test_no_gradient_is_computed_for_what_does_not_learn(pairs):
    training = Training(pairs, replace(CONFIG, late_layers=LATE))
    source, target = training.next_batch()
    features, skips = training.generator.early_layers(source, LATE)
    assert not features.requires_grad and not any(skip.requires_grad for skip in skips)
    training.step(source, target)
    learning = {id(p) for layer in training.generator.decoder[-LATE:] for p in layer.parameters()}
    for parameter in training.generator.parameters():
        assert (parameter.grad is not None) == (id(parameter) in learning)
    assert {id(p) for p in training.optimizer_g.param_groups[0]["params"]} == learning
    assert all(p.grad is not None for p in training.discriminator.parameters()), "D learns whole"


@pytest.mark.parametrize("stop", [2, 14, 19])  # in the trunk, in a leg down, in a leg up
def test_interrupted_anywhere_it_ends_in_the_same_bits(pairs, path, tmp_path, monkeypatch, stop):
    done = []

    def press(progress):
        done.append(progress.step > 0)
        if sum(done) == stop:
            signal.raise_signal(signal.SIGINT)

    ways = {"pairs": pairs, "config": CONFIG, "root": tmp_path, "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(module, "train", partial(train, log_every=1))
        with pytest.raises(KeyboardInterrupt, match=r"Interrupted at step \d+ of \d+, which is saved"):
            train_lambda_path(**ways, on_progress=press)
    assert len(list(tmp_path.glob("lambda_*"))) == {2: 1, 14: 2, 19: 4}[stop]
    for k, run in train_lambda_path(**ways).items():
        assert weights(run) == weights(path[k])


def weights(run: Run) -> list[dict]:
    state = load_checkpoint(run.folder / NEWEST)
    return bits([state["generator"], state["discriminator"]])


def train_until_killed(root: Path, lambda_l1: float, threads: int) -> None:
    """What a child does: train the path, and be killed after the second step of a leg, of which the first is saved."""
    torch.set_num_threads(threads)
    save, loop.SAVE_SECONDS = RunFolder.save, 0

    def save_or_die(self, state, wait=False):
        if (state["config"]["lambda_l1"], state["steps_done"]) == (lambda_l1, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, state, wait=True)

    RunFolder.save = save_or_die
    train_lambda_path(noise_pairs(), LAMBDAS, CONFIG, root, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("leg", [10, 0, math.inf])  # the first down, the last down, and the last up, without D
def test_killed_in_a_leg_it_ends_in_the_same_bits(pairs, path, tmp_path, monkeypatch, leg):
    root = tmp_path / "path"
    assert in_child(train_until_killed, root, leg, torch.get_num_threads()) == -signal.SIGKILL
    order = [100, 10, 1, 0, 1000, math.inf]
    there = order[: order.index(leg) + 1]
    assert {folder.name for folder in root.iterdir()} == {folder_of(root, k).name for k in there}
    assert load_newest(folder_of(root, leg)).state["steps_done"] == 1
    taken, advance = Counter(), Training.advance
    monkeypatch.setattr(Training, "advance", lambda self: (taken.update([self.config.lambda_l1]), advance(self))[1])
    runs = train_lambda_path(pairs, LAMBDAS, CONFIG, root, device="cpu")
    left = {k: path[k].history[-1]["step"] - (k == leg) for k in order[order.index(leg) :]}
    assert taken == left, "the trunk and finished legs are not trained again, and of this leg only what was lost"
    for k, run in runs.items():
        assert_same(run.folder, path[k].folder)


def test_finished_legs_are_not_trained_again(pairs, path, monkeypatch):
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("it was trained again"))
    again = train_lambda_path(pairs, LAMBDAS, CONFIG, path[0].folder.parent, device="cpu")
    assert repr(again) == repr(path)
    assert repr(read_sweep(path[0].folder.parent)) == repr(path)


def test_any_set_of_lambdas_and_any_trunk(pairs, tmp_path):
    runs = train_lambda_path(pairs, (50, 3), CONFIG, tmp_path, device="cpu", trunk=20, late_layers=1, leg=1 / 2)
    found = {k: (run.config.late_layers, run.config.epochs) for k, run in runs.items()}
    assert found == {3: (1, 2), 20: (None, 4), 50: (1, 2)}
    assert LambdaPath({k: run.load_generator() for k, run in runs.items()}).late_layers == 1


def test_a_run_is_copied_as_the_trunk_by_one_process_only(pairs, path, tmp_path, monkeypatch):
    """Of two: the folder is locked while the first one writes."""
    there = []
    for name, function in {
        "is_initialized": lambda: True,
        "get_rank": lambda: 1,
        "get_world_size": lambda: 2,
        "barrier": lambda: there.append(
            (tmp_path / "lambda_100").exists() or shutil.copytree(path[100].folder, tmp_path / "lambda_100")
        ),
    }.items():
        monkeypatch.setattr(module.distributed, name, function)
    train_lambda_path(pairs, (), None, tmp_path, device="cpu", start=path[100])
    assert there[0] == tmp_path / "lambda_100", "it was not there before the first barrier"


def test_a_finished_run_is_taken_as_the_trunk(pairs, path, tmp_path, monkeypatch):
    before = weights(path[100])
    runs = train_lambda_path(pairs, (10, 100), CONFIG, tmp_path / "own", device="cpu", start=path[100])
    assert weights(runs[100]) == before == weights(path[100]) and runs[100].folder == tmp_path / "own" / "lambda_100"
    assert weights(runs[10]) == weights(path[10])
    alone = train_lambda_path(pairs, (), None, tmp_path / "own", device="cpu", start=path[100])
    assert repr(alone) == repr({100: runs[100]})
    wider, longer = replace(CONFIG, width=4), replace(CONFIG, epochs=8)
    for start, config in ((path[100], wider), (path[100], longer), (path[10], None)):
        with pytest.raises(ValueError, match=f"{re.escape(str(start.folder))} can't be the trunk"):
            train_lambda_path(pairs, (10,), config, tmp_path / "other", device="cpu", start=start)
    assert not (tmp_path / "other").exists()
    other = train(pairs, replace(CONFIG, seed=5), tmp_path / "seed", device="cpu")
    with pytest.raises(ValueError, match="holds a path whose trunk has other settings"):
        train_lambda_path(pairs, (10,), replace(CONFIG, seed=5), tmp_path / "own", device="cpu", start=other)
    with pytest.raises(ValueError, match=r"seed can't be the trunk \(pairs = 3 pairs of .* there, 2 pairs"):
        train_lambda_path(pairs[:2], (10,), None, tmp_path / "others", device="cpu", start=other)
    assert not (tmp_path / "others").exists()


def test_a_trunk_is_not_extended_under_legs_of_other_lambdas(pairs, path, tmp_path):
    """They would be lost: they started from the trunk as it was."""
    root = tmp_path / "copy"
    shutil.copytree(path[100].folder.parent, root)
    before = weights(path[100])
    for lambdas in ((5,), (100,)):
        with pytest.raises(ValueError, match="holds a path whose trunk has other settings"):
            train_lambda_path(pairs, lambdas, replace(CONFIG, epochs=8), root, device="cpu")
    assert weights(read_run(root / "lambda_100")) == before


@pytest.mark.parametrize("train_all", [train_lambda_path, sweep])
def test_two_lambdas_that_would_share_a_folder_get_a_sentence(pairs, tmp_path, train_all):
    with pytest.raises(ValueError, match=r"λ = 10(\.0)? and λ = 10\.0000001 are too close"):
        train_all(pairs, (10, 10.0000001), CONFIG, tmp_path)
    assert not list(tmp_path.iterdir())


def test_legs_of_all_layers_get_a_sentence(pairs, tmp_path):
    with pytest.raises(ValueError, match="late_layers is None, but a leg trains only the last layers"):
        train_lambda_path(pairs, (10,), CONFIG, tmp_path, late_layers=None)


def test_the_estimate_takes_the_settings_of_a_start(pairs, path, tmp_path):
    estimate = estimate_time(pairs, (10, 100), None, tmp_path, "cpu", 0, path=True, start=path[100])
    assert estimate.steps == path[10].config.epochs * len(pairs)


def test_a_folder_without_a_checkpoint_is_named_and_left_out(path, tmp_path):
    """A leg that was killed before its first checkpoint leaves one."""
    root = tmp_path / "copy"
    shutil.copytree(path[100].folder.parent, root)
    (root / "lambda_7").mkdir()
    with pytest.warns(UserWarning, match="lambda_7 holds no checkpoint yet: it is left out"):
        assert read_sweep(root).keys() == path.keys()


def test_a_trunk_is_copied_from_whatever_checkpoint_is_sound(pairs, path, tmp_path):
    gone = replace(path[100], folder=tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="gone"):
        train_lambda_path(pairs, (10,), CONFIG, tmp_path / "own", device="cpu", start=gone)
    gone.folder.mkdir()
    shutil.copy(path[100].folder / NEWEST, gone.folder / PREVIOUS)  # killed between the two renames of a save
    runs = train_lambda_path(pairs, (10,), CONFIG, tmp_path / "own", device="cpu", start=gone)
    assert weights(runs[100]) == weights(path[100]) and weights(runs[10]) == weights(path[10])


def files(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in root.rglob("*.pt")}


def test_what_would_break_a_path_is_refused_before_anything_is_trained(pairs, path, tmp_path, monkeypatch):
    shutil.copytree(path[0].folder.parent, tmp_path / "path")
    sweep(pairs, (10, 100), CONFIG, tmp_path / "sweep", device="cpu")
    before = files(tmp_path)
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("it was trained"))
    further = replace(CONFIG, epochs=6)  # its legs have one epoch, too
    for root, lambdas, config, changes, sentence in (
        ("path", LAMBDAS, further, {}, "whose trunk has other settings"),
        ("path", LAMBDAS, CONFIG, {"leg": 0.5}, "lambda_10 is no leg of this path.*epochs = 1 there"),
        ("path", LAMBDAS, CONFIG, {"late_layers": 2}, "late_layers = 3 there"),
        ("path", (*LAMBDAS, 30), CONFIG, {}, "lambda_10 is no leg of this path, from λ = 30 .*it started from λ = 100"),
        ("path", (0,), CONFIG, {}, "lambda_0 is no leg of this path, from λ = 100 .*it started from λ = 1"),
        ("sweep", LAMBDAS, further, {}, "lambda_10 is no leg of this path.*it started from random weights"),
    ):
        with pytest.raises(ValueError, match=sentence):
            train_lambda_path(pairs, lambdas, config, tmp_path / root, device="cpu", **changes)
    assert files(tmp_path) == before


def test_numbers_of_numpy_are_taken(pairs, path, tmp_path):
    runs = train_lambda_path(pairs, np.array([10.0, 100.0]), CONFIG, tmp_path, device="cpu")
    assert weights(runs[10]) == weights(path[10]) and type(runs[10].config.lambda_l1) is float
    assert TrainConfig(lambda_l1=np.int64(3)) == TrainConfig(lambda_l1=3)


def test_a_leg_takes_time():
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"leg is .*greater than 0"):
            path_configs((0,), CONFIG, leg=wrong)


def test_a_finished_run_is_found_only_for_the_same_settings_and_pairs(pairs, path, tmp_path):
    folder, settings = path[100].folder, replace(CONFIG, lambda_l1=100)
    assert repr(find_run(folder, pairs, settings)) == repr(path[100])
    assert find_run(folder, pairs, replace(settings, epochs=8)) is None, "it would have to be trained on"
    assert find_run(folder, noise_pairs(seed=2), settings) is None
    assert find_run(tmp_path, pairs, settings) is None
    assert find_run(path[10].folder, pairs, path[10].config) is None, "it has a start"
    (tmp_path / NEWEST).write_bytes(b"damaged")
    assert find_run(tmp_path, pairs, settings) is None


def test_the_start_is_part_of_what_a_run_is(pairs, path, tmp_path):
    leg = replace(CONFIG, lambda_l1=10, epochs=1, late_layers=LATE)
    train(pairs, leg, tmp_path, device="cpu", start=path[100])
    with pytest.raises(ValueError, match=r"start = λ = 100 at step 12 \(weights \w{16}\) there, λ = 1 at step 3"):
        train(pairs, leg, tmp_path, device="cpu", start=path[1])
    with pytest.raises(ValueError, match=r"start = λ = 100 .* there, None here"):
        train(pairs, replace(leg, late_layers=None), tmp_path, device="cpu")


def test_a_start_must_fit(pairs, path, tmp_path):
    with pytest.raises(ValueError, match="late_layers is 3, but without a start the other layers would stay random"):
        train(pairs, replace(CONFIG, late_layers=3), tmp_path)
    for name, value in {"width": 4, "dropout_layers": (2,)}.items():
        with pytest.raises(ValueError, match=f"{re.escape(str(path[100].folder))}, have {name} = "):
            train(pairs, replace(CONFIG, **{name: value}), tmp_path, start=path[100])
    for wrong in (0, 8):
        with pytest.raises(ValueError, match=f"late_layers is {wrong}, but the decoder has 7: choose 1 to 7"):
            replace(CONFIG, late_layers=wrong)
    assert not list(Path(tmp_path).iterdir())


def test_all_of_g_can_go_on_from_a_start(pairs, path, tmp_path):
    run = train(pairs, replace(CONFIG, epochs=1), tmp_path, device="cpu", start=path[100])
    first = path[100].load_generator().encoder[0][0].weight
    assert not torch.equal(run.load_generator().encoder[0][0].weight, first)


def test_the_settings_of_the_legs():
    trunk, down, up = path_configs((math.inf, 0, 100, 7, 500, 7), TrainConfig(epochs=200))
    assert (trunk.lambda_l1, trunk.epochs, trunk.late_layers) == (100, 200, None)
    assert [c.lambda_l1 for c in down] == [7, 0] and [c.lambda_l1 for c in up] == [500, math.inf]
    assert {(c.epochs, c.late_layers) for c in down + up[:-1]} == {(44, 3)}
    assert (up[-1].epochs, up[-1].late_layers) == (88, 3)
    with pytest.raises(ValueError, match="λ is -1"):
        path_configs((-1,), TrainConfig())


def test_the_time_of_a_path_is_estimated(pairs, path, tmp_path):
    ways = {"config": CONFIG, "device": "cpu", "seconds": 0.01, "path": True}
    assert estimate_time(pairs, LAMBDAS, root=tmp_path, **ways).steps == 12 + 4 * 3 + 6
    assert str(estimate_time(pairs, LAMBDAS, root=path[0].folder.parent, **ways)) == "Everything is trained already."
    for run in (path[100], path[10]):
        (folder_of(tmp_path, run.config.lambda_l1)).mkdir()
        (folder_of(tmp_path, run.config.lambda_l1) / "history.csv").write_bytes(
            (run.folder / "history.csv").read_bytes()
        )
    assert estimate_time(pairs, LAMBDAS, root=tmp_path, **ways).steps == 3 * 3 + 6
    assert estimate_time(pairs, LAMBDAS, root=tmp_path / "new", **ways, start=path[100]).steps == 4 * 3 + 6
