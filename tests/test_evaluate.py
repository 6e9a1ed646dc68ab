"""An evaluation from end to end: which metrics there are, what they are taken of, and why others are missing."""

import math
import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pix2pix_colab import evaluate as module
from pix2pix_colab import labels, perceptual
from pix2pix_colab.config import TrainConfig
from pix2pix_colab.evaluate import LABEL_FIGURES, evaluate, main
from pix2pix_colab.intervals import Interval
from pix2pix_colab.labels import confusion, read_labels, train_segmenter
from pix2pix_colab.metrics import METRICS, measure
from pix2pix_colab.pairs import Pairs, read_pairs, write_pairs
from pix2pix_colab.report import Report
from pix2pix_colab.sweep import read_sweep, sweep
from pix2pix_colab.synthetic import draw_facades
from pix2pix_colab.tables import markdown_table
from pix2pix_colab.translate import translate

NO_NET = "a net could learn to read labels off photos"
NO_LABELS = "The sources are no label maps"
MEASURED = ["l1", "psnr", "ssim", "sharpness", "texture", "colour_l", "colour_a", "colour_b"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def outputs_of(pairs: Pairs) -> dict[float, Tensor]:
    """In the place of generators: of λ = 0 nothing to do with the source, of 100 the photo with grain, of ∞ a blur."""
    target = pairs.target.float()
    grain = 20 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    blur = avg_pool2d(target, 9, 1, 4, count_include_pad=False)
    images = {0: pairs.target.roll(1, dims=0).float(), 100: target + grain, math.inf: blur}
    return {k: each.round().clamp(0, 255).byte() for k, each in images.items()}


@pytest.fixture(scope="module")
def train_pairs() -> Pairs:
    return draw_facades(10, 143, seed=1)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return draw_facades(6, 128, seed=2)


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No network, as in a place without one; a GPU would round in its own way; a net that learns for a second."""
    monkeypatch.setattr(perceptual, "urlopen", lambda *_, **__: (_ for _ in ()).throw(URLError("no network")))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for load in (perceptual._alexnet, perceptual._inception):
        load.cache_clear()
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    for name, value in {"WIDTH": 4, "FEWEST": 12, "MOST": 12}.items():
        monkeypatch.setattr(labels, name, value)


def test_label_maps_are_read_off_the_outputs_and_the_photos(pairs, train_pairs, tmp_path):
    outputs = outputs_of(pairs)
    report = evaluate(outputs, pairs, train_pairs, tmp_path / "runs", "cpu")
    assert list(report.measured) == [*MEASURED, *LABEL_FIGURES] == [k for k in METRICS if k not in ("lpips", "kid")]
    assert (report.images, list(report.photos)) == (6, list(LABEL_FIGURES))
    assert all(list(row) == [0, 100, math.inf] for row in report.measured.values())
    assert (tmp_path / "runs" / "segmenter.pt").exists(), "so that it is trained once"
    segmenter = train_segmenter(train_pairs, tmp_path / "runs" / "segmenter.pt")
    truth = read_labels(pairs.source)
    for key, figure in LABEL_FIGURES.items():
        for images, measurement in ((pairs.target, report.photos[key]), (outputs[100], report.measured[key][100])):
            seen = confusion(segmenter, images, truth)
            assert torch.equal(measurement.rows, seen.float()) and measurement.figure is figure
            assert measurement.value == pytest.approx(figure(seen.double().mean(dim=0)).item())
    for k, output in outputs.items():
        for key, measurement in measure(output, pairs.target).items():
            assert torch.equal(report.measured[key][k].rows, measurement.rows)


def test_without_a_network_the_report_says_so(pairs, monkeypatch):
    monkeypatch.setattr(module, "KID_IMAGES", len(pairs))
    report = evaluate(outputs_of(pairs), pairs)
    assert set(report.missing) == {"lpips", "kid", *LABEL_FIGURES} and not report.kid
    for key, name in (("lpips", "LPIPS"), ("kid", "KID")):
        assert re.match(rf"{name} needs weights, and .* can't be fetched from .*no network", report.missing[key])
    table = report.table()
    assert "\n\nLPIPS: not measured. LPIPS needs weights" in table
    assert "\n\nKID × 1000: not measured. KID needs weights" in table


def test_too_few_images_for_kid_are_a_reason(pairs):
    assert module.KID_IMAGES == 50
    report = evaluate({0: pairs.target}, pairs)
    assert report.missing["kid"] == "KID compares sets of images, and 6 are too few: take 50 or more."


@pytest.mark.parametrize(
    ("source", "taught", "why"),
    [("label maps", False, NO_NET), ("noise", True, NO_LABELS), ("noise", False, NO_LABELS), ("grey", True, NO_LABELS)],
)
def test_why_no_labels_are_read_is_said(pairs, train_pairs, tmp_path, source, taught, why):
    sources = {"label maps": pairs.source, "noise": noise(6, 3, 128, 128), "grey": pairs.source[:, :1]}
    these = Pairs(sources[source], pairs.target, pairs.names)
    report = evaluate(outputs_of(pairs), these, train_pairs if taught else None, tmp_path)
    assert list(report.measured) == MEASURED and not report.photos
    assert all(why in report.missing[key] for key in LABEL_FIGURES)
    names = "labels per pixel, labels per class, labels by class IoU"
    assert f"\n\n{names}: not measured. {report.missing['class_iou']}" in report.table()
    assert not list(tmp_path.glob("*.pt")), "nothing is trained for nothing"


def test_training_pairs_that_teach_no_labels_are_a_reason(pairs, tmp_path):
    others = Pairs(noise(2, 3, 143, 143), noise(2, 3, 143, 143), ["1", "2"])
    report = evaluate(outputs_of(pairs), pairs, others, tmp_path)
    assert all(NO_LABELS in report.missing[key] for key in LABEL_FIGURES)


def test_with_weights_lpips_and_kid_are_measured(pairs, monkeypatch):
    target = pairs.target

    def far(output: Tensor, photos: Tensor, device: torch.device) -> Tensor:
        assert torch.equal(photos, target) and device == torch.device("cpu")
        return (output.float() - photos).abs().mean(dim=(1, 2, 3)) / 255

    def apart(outputs: dict, photos: Tensor, device: torch.device) -> dict:
        assert torch.equal(photos, target) and device == torch.device("cpu")
        return {k: (0.01 * (i + 1), 0.002) for i, k in enumerate(outputs)}

    monkeypatch.setattr(module, "lpips", far)
    monkeypatch.setattr(module, "kid", apart)
    monkeypatch.setattr(module, "KID_IMAGES", len(pairs))
    outputs = outputs_of(pairs)
    report = evaluate(outputs, pairs)
    assert list(report.measured) == [*MEASURED, "lpips"] and set(report.missing) == set(LABEL_FIGURES)
    for k, output in outputs.items():
        assert torch.equal(report.measured["lpips"][k].rows, far(output, target, torch.device("cpu")))
    assert report.kid == {
        k: Interval(*map(pytest.approx, (10 * (i + 1), 10 * (i + 1) - 3.92, 10 * (i + 1) + 3.92)))
        for i, k in enumerate(outputs)
    }
    assert list(report.intervals)[-1] == "kid"


def test_outputs_that_do_not_fit_their_targets_are_an_error(pairs):
    with pytest.raises(ValueError, match=r"\(5, 3, 128, 128\) outputs can't be measured against \(6, 3, 128, 128\)"):
        evaluate({0: pairs.target[:5]}, pairs)


def test_grey_photos_are_measured(pairs, train_pairs, tmp_path):
    grey = Pairs(pairs.source, pairs.target[:, :1], pairs.names)
    report = evaluate(outputs_of(grey), grey, train_pairs, tmp_path)
    assert list(report.measured) == [*MEASURED, *LABEL_FIGURES]


CONFIG = TrainConfig(epochs=1, width=2, image_size=128)


@pytest.fixture(scope="module")
def folder(train_pairs, tmp_path_factory) -> Path:
    """Drawn facades in the splits train and test, and a sweep of two λ."""
    folder = tmp_path_factory.mktemp("facades")
    write_pairs(train_pairs, folder / "pairs" / "train")
    write_pairs(draw_facades(6, 128, seed=2), folder / "pairs" / "test")
    sweep(train_pairs[:2], (0, math.inf), CONFIG, folder / "runs", device="cpu")
    return folder


def printed(report: Report) -> str:
    """What is to be printed: the table, the differences of all metrics, the claims."""
    parts = [report.table(), *(report.difference_table(key) for key in report.measured)]
    return "\n\n".join([*filter(None, parts), *([markdown_table(report.claims())] if report.claims() else [])])


def test_the_command_line_prints_table_differences_and_claims(folder, capsys):
    main([str(folder / "pairs"), str(folder / "runs"), "--split", "test"])
    found = capsys.readouterr().out
    train_pairs = read_pairs(folder / "pairs", 143, split="train")
    pairs = read_pairs(folder / "pairs", 128, split="test")
    outputs = {k: translate(run.load_generator(), pairs.source) for k, run in read_sweep(folder / "runs").items()}
    assert found == printed(evaluate(outputs, pairs, train_pairs, folder / "runs", "cpu")) + "\n"
    head, *tables = found.split("\n\n")
    assert head.startswith("| 6 images | λ = 0 | L1 only | photos |\n")
    assert re.search(r"\| labels by class IoU ↑ \| 0\.\d{3} ± 0\.\d{3} \| 0\.\d{3} ± 0\.\d{3} \| 0\.\d{3} ±", head)
    assert sum("row − column" in table for table in tables) == len(MEASURED) + 3
    assert tables[-1].startswith("| the paper says |") and tables[-1].count("L1 only |") == 3


@pytest.mark.parametrize(("split", "count"), [("train", 10), ("test", 6)])
def test_the_command_line_says_why_it_reads_no_labels(folder, tmp_path, capsys, split, count):
    """Of the pairs that it learns from, or of a folder without any others."""
    source, words = (folder / "pairs", ["--split", split]) if split == "train" else (folder / "pairs" / "test", [])
    main([str(source), str(folder / "runs"), *words])
    found = capsys.readouterr().out
    assert f"| {count} images |" in found and NO_NET in found and "| labels" not in found


def test_a_test_split_needs_no_train_split(folder, tmp_path, capsys):
    write_pairs(draw_facades(2, 128), tmp_path / "test")
    main([str(tmp_path), str(folder / "runs"), "--split", "test"])
    found = capsys.readouterr().out
    assert "| 2 images |" in found and NO_NET in found


def test_training_pairs_of_no_label_maps_are_not_even_read(folder, tmp_path, capsys, monkeypatch):
    """They may be 138,567 of edges2handbags."""
    read, splits = module.pairs_of, []
    monkeypatch.setattr(module, "pairs_of", lambda options, *rest: splits.append(options.split) or read(options, *rest))
    images = noise(4, 3, 128, 128)
    for split in ("train", "test"):
        write_pairs(Pairs(images, images.flip(0), list("1234")), tmp_path / split)
    main([str(tmp_path), str(folder / "runs"), "--split", "test"])
    assert splits == ["test"]
    assert NO_LABELS in capsys.readouterr().out
    main([str(folder / "pairs"), str(folder / "runs"), "--split", "test"])
    assert splits == ["test", "test", "train"]


def test_the_command_line_measures_a_sweep_of_one_lambda_in_grey(tmp_path, capsys):
    images = noise(2, 2, 3, 128, 128)
    folder = write_pairs(Pairs(images[0], images[1], ["1", "2"]), tmp_path / "pairs", "AtoB")
    pairs = read_pairs(folder, 128, "AtoB", target_channels=1)
    config = TrainConfig(epochs=1, width=2, image_size=128, target_channels=1)
    (run,) = sweep(pairs, (10,), config, tmp_path / "runs", device="cpu").values()
    main([str(folder), str(tmp_path / "runs"), "--direction", "AtoB"])
    expected = evaluate({10: translate(run.load_generator(), pairs.source)}, pairs)
    assert capsys.readouterr().out == expected.table() + "\n", "and nothing is compared"


def test_the_command_line_needs_a_sweep(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no lambda_… folder"):
        main([str(tmp_path), str(tmp_path / "runs")])
