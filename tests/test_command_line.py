"""The command line: sweep, path, evaluate, export, help, and errors of the user in one line."""

import math
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.noise import noise
from helpers.offline import go_offline
from PIL import Image

from pix2pix_colab import __main__ as module
from pix2pix_colab import load_pretrained, translate
from pix2pix_colab.__main__ import main
from pix2pix_colab.data import Pairs, read_pairs, synthetic_facades, write_pairs
from pix2pix_colab.evaluation import Report, evaluate
from pix2pix_colab.training import (
    CaptureError,
    TrainConfig,
    load_checkpoint,
    read_sweep,
    save_checkpoint,
    sweep,
    train_lambda_path,
)
from pix2pix_colab.utils.markdown import markdown_table

NO_TRAINING_PAIRS = "needs training pairs to train its segmentation network"
SEEN = "are training pairs of the runs in"
NO_LABELS = "The sources are no label maps"
MEASURED = ["l1", "psnr", "ssim", "sharpness", "gradient_distance", "grid", "colour_l", "colour_a", "colour_b"]
CONFIG = TrainConfig(epochs=1, width=2, image_size=128)


def noise_folder(folder: Path, direction: str = "AtoB", size: int = 32) -> Path:
    images = noise(2, 2, 3, size, size)
    return write_pairs(Pairs(images[0], images[1], ["1", "2"]), folder, direction)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Synthetic facades in the splits train and test, and a sweep of two λ."""
    folder, train_pairs = tmp_path_factory.mktemp("facades"), synthetic_facades(10, 143, seed=1)
    write_pairs(train_pairs, folder / "pairs" / "train")
    write_pairs(synthetic_facades(6, 128, seed=2), folder / "pairs" / "test")
    sweep(train_pairs[:2], (0, math.inf), CONFIG, folder / "runs", device="cpu")
    return folder


@pytest.fixture
def offline(monkeypatch, tmp_path):
    go_offline(monkeypatch, tmp_path, module)


@pytest.fixture
def refused(capsys) -> Callable:
    """Exit code 2, and after whatever bars there are a sentence, which is returned."""

    def run(*words: object) -> str:
        with pytest.raises(SystemExit, match=r"^2$"):
            main([*map(str, words)])
        bars, _, sentence = capsys.readouterr().err.partition("error: ")
        assert all("step/s" in each or not each for each in bars.splitlines())
        return sentence.removesuffix("\n")

    return run


def test_it_sweeps_a_folder(tmp_path, capsys):
    pairs, runs = noise_folder(tmp_path / "pairs", "AtoB"), tmp_path / "runs"
    settings = ["--lambdas", "inf", "0", "--width", "1", "--epochs", "1", "--direction", "AtoB"]
    main(["sweep", str(pairs), str(runs), *settings])
    read = read_sweep(runs)
    assert list(read) == [0, math.inf]
    assert read[0].config == TrainConfig(lambda_l1=0, epochs=1, width=1)
    assert read[0].history[-1]["step"] == 2
    assert "λ = 0" in capsys.readouterr().err


def test_it_takes_the_papers_settings_by_default(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(module, "sweep", lambda *arguments: taken.extend(arguments))
    main(["sweep", str(noise_folder(tmp_path / "pairs")), str(tmp_path / "runs")])
    pairs, lambdas, config, root, _ = taken
    assert (len(pairs), pairs.size) == (2, 286)
    assert list(lambdas) == [0, 1, 10, 100, 1000, math.inf]
    assert config == TrainConfig()
    assert root == tmp_path / "runs"


def test_it_takes_ranges_any_aspect_and_no_mirroring(tmp_path, refused):
    """Depth in metres as .npy, and files of squares: neither goes without being asked for."""
    depth = np.tile(np.linspace(-1, 80, 32, dtype=np.float32), (32, 1))
    for side, image in (("A", depth), ("B", depth[::-1])):
        (tmp_path / "depth" / side).mkdir(parents=True)
        np.save(tmp_path / "depth" / side / "1.npy", image)
    small = ["--lambdas", "inf", "--width", "1", "--epochs", "1"]
    said = refused("sweep", tmp_path / "depth", tmp_path / "runs", *small)
    assert "--source-range -1 80" in said and "--target-range -1 80" in said
    ranges = ["--source-range", "-1", "80", "--target-range", "0", "80"]
    main(["sweep", str(tmp_path / "depth"), str(tmp_path / "runs"), *small, *ranges, "--no-mirror", "--no-exif"])
    run = read_sweep(tmp_path / "runs")[math.inf]
    assert run.config.mirror is False and run.load_generator().seen == (1, (-1, 80), False, (0, 80))

    (tmp_path / "square").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "square" / "1.png")
    assert "--any-aspect" in refused("sweep", tmp_path / "square", tmp_path / "others", *small)
    main(["sweep", str(tmp_path / "square"), str(tmp_path / "others"), *small, "--any-aspect"])


def test_it_trains_a_path_and_evaluates_it(folder, offline, tmp_path, refused, capsys):
    runs, pairs = tmp_path / "runs", str(folder / "pairs")
    settings = ["--split", "test", "--width", "2", "--epochs", "4", "--image-size", "128", "--lambdas", "0", "inf"]
    main(["path", pairs, str(runs), *settings])
    read = read_sweep(runs)
    found = [(k, run.config.epochs, run.config.late_layers) for k, run in read.items()]
    assert found == [(0, 1, 3), (100, 4, None), (math.inf, 2, 3)]
    capsys.readouterr()
    main(["evaluate", pairs, str(runs), "--split", "train"])
    assert "| λ = 0 | λ = 100 | L1 only |" in capsys.readouterr().out
    sweep(read_pairs(folder / "pairs", 143, split="test"), (5,), replace(read[100].config, seed=0), runs, device="cpu")
    assert "differ in more than λ" in refused("evaluate", pairs, runs, "--split", "train")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["swep"],
        ["sweep", "pairs"],
        ["sweep", "pairs", "runs", "--direction", "CtoD"],
        ["sweep", "pairs", "runs", "--lambdas", "many"],
        ["evaluate"],
        ["export", "runs"],
        ["export", "runs", "model.onnx", "--weights", "int4"],
    ],
)
def test_it_refuses_what_it_does_not_know(arguments, refused):
    said = refused(*arguments)
    assert "--help" in said and "\n" not in said


@pytest.mark.parametrize("command", [[], ["sweep"], ["path"], ["evaluate"], ["export"]])
def test_help_explains(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0 and "show this help" in said
    expected = {"PAIRS", "RUNS", "a data set (facades", "default: the data set's own"}
    if command in ([], ["export"]):
        expected = {"RUN", "FILE", "default: int8", "--parts"} if command else {"sweep", "evaluate", "export"}
    assert all(words in " ".join(said.split()) for words in expected)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """The runs of a λ path."""
    root = tmp_path_factory.mktemp("path")
    train_lambda_path(synthetic_facades(2, 143), (0, 100), replace(CONFIG, epochs=2), root, device="cpu")
    return root


ONNX = {"reason": 'There is no onnx here: pip install onnx, or ".[onnx]".'}


def test_it_exports_a_run_and_a_path(path, tmp_path, capsys):
    onnx = pytest.importorskip("onnx", **ONNX)
    for arguments, kind in (
        ([path, tmp_path / "path.onnx", "--weights", "float32"], "λ path"),
        ([path / "lambda_100", tmp_path / "run.onnx", "--size", "256", "--seed", "3"], "generator"),
        ([path, tmp_path / "parts", "--parts"], "discriminator of a λ path"),
    ):
        main(["export", *map(str, arguments)])
        *_, last = said = capsys.readouterr().out.splitlines()
        file, _, size = last.rpartition(": ")
        assert Path(file).stat().st_size / 1e6 == pytest.approx(float(size.removesuffix(" MB")), abs=0.06)
        assert len(said) == (3 if "--parts" in arguments else 1)
        described = {each.key: each.value for each in onnx.load(file).metadata_props}
        given = {"size": "256,256", "seed": "3"} if "--size" in arguments else {"size": "128,128", "seed": "0"}
        weights = "float32" if "float32" in arguments else "int8"
        described.pop("lambdas", None)
        assert described == {"kind": kind, "weights": weights, "aspect": "1.0"} | given


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep"], "take those of a λ path (train_lambda_path), not of a sweep. Or export one run, from its own"),
        (["missing"], "There is no folder missing: name that of a run"),
        (["path/lambda_100", "--parts"], "Parts are for a λ path, but this is one generator"),
        (["path", "--size", "100"], "size is (100, 100), but it must be (H, W), both multiples"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_can_not_be_exported_gets_a_sentence(arguments, sentence, path, folder, tmp_path, monkeypatch, refused):
    pytest.importorskip("onnx", **ONNX)
    monkeypatch.chdir(tmp_path)
    Path("path").symlink_to(path)
    Path("sweep").symlink_to(folder / "runs")
    said = refused("export", arguments[0], "model.onnx", *arguments[1:])
    assert sentence in said and "\n" not in said


def test_an_export_without_onnx_says_what_to_install(path, tmp_path, monkeypatch, refused):
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = refused("export", path, tmp_path / "model.onnx")
    assert said.startswith("An export needs the package onnx") and "pip install onnx" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep", "missing", "runs"], "There is nothing at 'missing'"),
        (["sweep", "pairs", "runs", "--epochs", "0"], "epochs is 0, but it must be greater than 0"),
        (["sweep", "pairs", "runs", "--lambdas", "-1"], "λ is -1.0, but it must be a number from 0"),
        (["sweep", "edges2handbags", "runs", "--image-size", "100"], "image_size is 100"),  # before a download
        (["sweep", "edges2handbags", "runs", "--lambdas", "nan"], "λ is nan"),
        (["sweep", "pairs", "/dev/null/runs"], "can't be written"),
        (["sweep", "pairs", "runs", "--split", "val"], "'val' is none of them"),
        (["evaluate", "pairs", "runs"], "holds no lambda_… folder"),
        (["evaluate", "pairs", "damaged"], "is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_an_error_of_the_user_is_one_line_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, refused):
    noise_folder(tmp_path / "pairs")
    (tmp_path / "damaged" / "lambda_0").mkdir(parents=True)
    (tmp_path / "damaged" / "lambda_0" / "checkpoint.pt").write_bytes(b"no checkpoint")
    monkeypatch.chdir(tmp_path)
    said = refused(*arguments)
    assert sentence in said and "\n" not in said


def test_a_gpu_that_refuses_the_graph_is_one_line(folder, tmp_path, monkeypatch, refused):
    def refuse(*_):
        raise CaptureError("set PIX2PIX_CUDA_GRAPH=0 in the environment and resume.")

    monkeypatch.setattr(module, "sweep", refuse)
    said = refused("sweep", folder, tmp_path / "runs")
    assert said == "set PIX2PIX_CUDA_GRAPH=0 in the environment and resume."


def test_a_bug_is_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "sweep", lambda *_: {}["missing"])
    with pytest.raises(KeyError):
        main(["sweep", str(noise_folder(tmp_path / "pairs")), str(tmp_path / "runs")])


def test_a_shell_sees_the_line_and_the_code(tmp_path):
    command = [sys.executable, "-m", "pix2pix_colab", "evaluate", "missing", "missing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: missing holds no lambda_… folder: train a sweep into it first.\n"


def printed(report: Report) -> str:
    """What is to be printed: the table, the differences of all metrics, the claims."""
    parts = [report.table(), *(report.difference_table(key) for key in report.measured)]
    return "\n\n".join([*filter(None, parts), *([markdown_table(report.claims())] if report.claims() else [])])


def test_it_prints_table_differences_and_claims(folder, offline, capsys):
    main(["evaluate", str(folder / "pairs"), str(folder / "runs"), "--split", "test"])
    found = capsys.readouterr().out
    train_pairs = read_pairs(folder / "pairs", 143, split="train")
    pairs = read_pairs(folder / "pairs", 128, split="test")
    outputs = {k: translate(run.load_generator(), pairs.source) for k, run in read_sweep(folder / "runs").items()}
    assert found == printed(evaluate(outputs, pairs, train_pairs, folder / "runs", "cpu")) + "\n"
    head, *tables = found.split("\n\n")
    assert head.startswith("| 6 images | λ = 0 | L1 only | targets |\n")
    assert re.search(r"\| class IoU ↑ \| 0\.\d{3} ± 0\.\d{3} \| 0\.\d{3} ± 0\.\d{3} \| 0\.\d{3} ±", head)
    assert sum("row − column" in table for table in tables) == len(MEASURED) + 3
    assert tables[-1].startswith("| the paper says |") and tables[-1].count("L1 only |") == 6


@pytest.mark.slow
def test_without_runs_it_measures_the_pretrained_path(offline, tmp_path, monkeypatch, refused, capsys):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        write_pairs(synthetic_facades(2, 256), tmp_path / "data" / split)
    before = sorted((tmp_path / "data").rglob("*"))
    main(["evaluate", "data", "--split", "test"])
    found = capsys.readouterr().out
    assert "| 2 images | λ = 0 | λ = 1 | λ = 10 | λ = 100 | λ = 1000 | L1 only | targets |" in found
    path, pairs = load_pretrained(), read_pairs("data", 256, "AtoB", "test")
    report = evaluate(path.translate(pairs.source, path.lambdas), pairs)
    rows = [row.split(" | ")[:7] for row in report.table().splitlines() if row.startswith(("| L1 ", "| sharpness"))]
    assert len(rows) == 2 and all(" | ".join(row) in found for row in rows)
    assert sorted((tmp_path / "data").rglob("*")) == before, "nothing is written among one's images"
    said = refused("evaluate", "data", "--split", "test", "--direction", "BtoA")
    assert "no label maps" in said and "They were read BtoA: try the other --direction" in said


@pytest.mark.parametrize(("split", "count"), [("train", 10), ("test", 6)])
def test_it_gives_the_reason_for_a_missing_fcn_score(folder, offline, capsys, split, count):
    """On the training pairs, or on a folder without any others."""
    source, split = (folder / "pairs", split) if split == "train" else (folder / "pairs" / "test", "all")
    main(["evaluate", str(source), str(folder / "runs"), "--split", split])
    found = capsys.readouterr().out
    assert f"| {count} images |" in found and NO_TRAINING_PAIRS in found and "accuracy ↑" not in found


def test_a_test_split_needs_no_train_split(folder, offline, tmp_path, capsys):
    write_pairs(synthetic_facades(2, 128), tmp_path / "test")
    main(["evaluate", str(tmp_path), str(folder / "runs"), "--split", "test"])
    found = capsys.readouterr().out
    assert "| 2 images |" in found and NO_TRAINING_PAIRS in found


def test_training_pairs_of_no_label_maps_are_not_even_read(folder, offline, tmp_path, capsys, monkeypatch):
    """They may be 138,567 of edges2handbags."""
    read, splits = module._read_pairs, []
    monkeypatch.setattr(module, "_read_pairs", lambda o, split, *rest: splits.append(split) or read(o, split, *rest))
    images = noise(4, 3, 128, 128)
    for split in ("train", "test"):
        write_pairs(Pairs(images, images.flip(0), list("1234")), tmp_path / split)
    main(["evaluate", str(tmp_path), str(folder / "runs"), "--split", "test"])
    assert "train" not in splits
    assert NO_LABELS in capsys.readouterr().out
    main(["evaluate", str(folder / "pairs"), str(folder / "runs"), "--split", "test"])
    assert splits[-1] == "train"


def test_it_measures_a_sweep_of_one_lambda_in_grey(offline, tmp_path, capsys):
    folder = noise_folder(tmp_path / "pairs", "AtoB", size=128)
    pairs = read_pairs(folder, 128, "AtoB", target_channels=1)
    config = TrainConfig(epochs=1, width=2, image_size=128, target_channels=1)
    (run,) = sweep(pairs, (10,), config, tmp_path / "runs", device="cpu").values()
    main(["evaluate", str(folder), str(tmp_path / "runs"), "--direction", "AtoB", "--split", "all"])
    expected = evaluate({10: translate(run.load_generator(), pairs.source)}, pairs)
    assert capsys.readouterr().out == expected.table() + "\n", "and nothing is compared"


@pytest.fixture
def small(offline, tmp_path) -> Callable:
    """Train for an epoch on some of twelve pairs of noise in a folder, then evaluate them; return what is warned of."""
    images = noise(2, 12, 3, 64, 64)
    write_pairs(Pairs(images[0], images[1], [str(i) for i in range(12)]), tmp_path / "pairs")
    settings = ["--lambdas", "inf", "--width", "1", "--epochs", "1", "--image-size", "128"]

    def run(command: str, *words: str) -> str:
        with warnings.catch_warnings(record=True) as warned:
            main([command, str(tmp_path / "pairs"), str(tmp_path / "runs"), *words, *settings * (command == "sweep")])
        return " ".join(str(each.message) for each in warned)

    return run


def move_into_splits(folder: Path) -> None:
    """Ten of the twelve pairs to train on, and two to test on."""
    for split, names in (("train", range(10)), ("test", (10, 11))):
        (folder / split).mkdir()
        for name in names:
            (folder / f"{name}.png").rename(folder / split / f"{name}.png")


def test_both_commands_take_the_right_split_by_themselves(small, tmp_path, capsys):
    move_into_splits(tmp_path / "pairs")
    assert "split" not in small("sweep") + small("evaluate")
    (run,) = read_sweep(tmp_path / "runs").values()
    assert run.history[-1]["step"] == 10 and "| 2 images |" in capsys.readouterr().out


def test_without_splits_only_unseen_pairs_are_measured(small, capsys):
    assert "has no splits" not in small("sweep", "--split", "train")
    warned = small("evaluate")
    assert "has no splits: the random tenth is measured that --split train leaves out" in warned and SEEN not in warned
    assert "| 1 images |" in capsys.readouterr().out
    assert SEEN in small("evaluate", "--split", "all")
    assert SEEN not in small("evaluate", "--split", "train"), "which says it"


def test_training_pairs_are_never_measured_in_silence(small):
    assert "has no splits: all pairs are trained on, and none are left to evaluate" in small("sweep")
    assert "Of the 1 pairs that are measured, 1 are training pairs of the runs in" in small("evaluate")
    assert "Of the 12 pairs that are measured, 12 are" in small("evaluate", "--split", "all")


def test_training_pairs_that_were_moved_are_known(small, tmp_path):
    """All pairs were trained on; two of them are called test now."""
    small("sweep")
    move_into_splits(tmp_path / "pairs")
    assert "Of the 2 pairs that are measured, 2 are training pairs" in small("evaluate")


def test_evaluate_takes_the_direction_of_the_runs_and_refuses_the_reverse(small, tmp_path, monkeypatch, capsys):
    read, directions = module.read_pairs, []
    monkeypatch.setattr(
        module, "read_pairs", lambda *given, **more: directions.append(given[2]) or read(*given, **more)
    )
    small("sweep", "--direction", "BtoA", "--split", "train")
    directions.clear()
    assert "direction" not in small("evaluate") and set(directions) == {"BtoA"}
    capsys.readouterr()
    with pytest.raises(SystemExit):
        small("evaluate", "--direction", "AtoB")
    assert re.search(
        r"^error: --direction AtoB is the reverse of that of the runs in .*runs: leave it out\.$",
        capsys.readouterr().err,
    )
    state = load_checkpoint(tmp_path / "runs" / "lambda_inf" / "checkpoint.pt") | {"direction": None}
    state["config"]["lambda_l1"] = 100  # another run, of pairs that don't say it, and the first
    save_checkpoint(tmp_path / "runs" / "lambda_100" / "checkpoint.pt", state)
    directions.clear()
    assert "direction" not in small("evaluate") and set(directions) == {"BtoA"}


def test_a_folder_of_a_data_sets_name_is_of_ones_own_pairs(tmp_path, monkeypatch, capsys):
    """Facades that are downloaded are read BtoA."""
    monkeypatch.chdir(tmp_path)
    noise_folder(tmp_path / "facades")
    taken = []
    monkeypatch.setattr(module, "sweep", lambda pairs, *_: taken.append(pairs.direction))
    with pytest.warns(UserWarning, match=f"{tmp_path}/facades is read, as pairs of your own"):
        main(["sweep", "facades", "runs"])
    assert taken == ["AtoB"]
