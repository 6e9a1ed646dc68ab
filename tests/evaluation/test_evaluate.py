"""Evaluation from end to end: which metrics are measured, of which images, and why others are missing."""

import math
import re

import pytest
import torch
from helpers.noise import noise
from helpers.offline import go_offline
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pix2pix_colab.data import Pairs, decode_label_maps, synthetic_facades
from pix2pix_colab.evaluation import METRICS, Interval, measure
from pix2pix_colab.evaluation import report as module
from pix2pix_colab.evaluation.fcn_score import confusion_matrices, train_segmenter
from pix2pix_colab.evaluation.report import FCN_SCORES, evaluate

NO_TRAINING_PAIRS = "needs training pairs to train its segmentation network"
NO_LABELS = "The sources are no label maps"
MEASURED = ["l1", "psnr", "ssim", "sharpness", "gradient_distance", "grid", "colour_l", "colour_a", "colour_b"]


def outputs_of(pairs: Pairs) -> dict[float, Tensor]:
    """Stand-ins for generated images: λ = 0 has another target, λ = 100 the target with noise, ∞ the target blurred."""
    target = pairs.target.float()
    grain = 20 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    blur = avg_pool2d(target, 9, 1, 4, count_include_pad=False)
    images = {0: pairs.target.roll(1, dims=0).float(), 100: target + grain, math.inf: blur}
    return {k: each.round().clamp(0, 255).byte() for k, each in images.items()}


@pytest.fixture(scope="module")
def train_pairs() -> Pairs:
    return synthetic_facades(10, 143, seed=1)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return synthetic_facades(6, 128, seed=2)


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    go_offline(monkeypatch, tmp_path, module)


def test_the_fcn_scores_of_outputs_and_targets_are_measured(pairs, train_pairs, tmp_path):
    outputs = outputs_of(pairs)
    report = evaluate(outputs, pairs, train_pairs, tmp_path / "runs", "cpu")
    assert list(report.measured) == [*MEASURED, *FCN_SCORES] == [k for k in METRICS if k not in ("lpips", "kid")]
    assert (report.images, list(report.targets)) == (6, list(FCN_SCORES))
    assert all(list(row) == [0, 100, math.inf] for row in report.measured.values())
    assert (tmp_path / "runs" / "segmenter.pt").exists(), "so that it is trained once"
    segmenter = train_segmenter(train_pairs, tmp_path / "runs" / "segmenter.pt")
    truth = decode_label_maps(pairs.source)
    for key, statistic in FCN_SCORES.items():
        for images, measurement in ((pairs.target, report.targets[key]), (outputs[100], report.measured[key][100])):
            counts = confusion_matrices(segmenter, images, truth)
            assert torch.equal(measurement.per_image, counts.float()) and measurement.statistic is statistic
            assert measurement.value == pytest.approx(statistic(counts.double().mean(dim=0)).item())
    for k, output in outputs.items():
        for key, measurement in measure(output, pairs.target).items():
            assert torch.equal(report.measured[key][k].per_image, measurement.per_image)


def test_without_a_network_the_report_says_so(pairs, monkeypatch):
    monkeypatch.setattr(module, "KID_IMAGES", len(pairs))
    report = evaluate(outputs_of(pairs), pairs)
    assert set(report.missing) == {"lpips", "kid", *FCN_SCORES} and not report.kid
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
    [
        ("label maps", False, NO_TRAINING_PAIRS),
        ("noise", True, NO_LABELS),
        ("noise", False, NO_LABELS),
        ("grey", True, NO_LABELS),
    ],
)
def test_the_reason_for_a_missing_fcn_score_is_given(pairs, train_pairs, tmp_path, source, taught, why):
    sources = {"label maps": pairs.source, "noise": noise(6, 3, 128, 128), "grey": pairs.source[:, :1]}
    these = Pairs(sources[source], pairs.target, pairs.names)
    report = evaluate(outputs_of(pairs), these, train_pairs if taught else None, tmp_path)
    assert list(report.measured) == MEASURED and not report.targets
    assert all(why in report.missing[key] for key in FCN_SCORES)
    names = "per-pixel accuracy, per-class accuracy, class IoU"
    assert f"\n\n{names}: not measured. {report.missing['class_iou']}" in report.table()
    assert not list(tmp_path.glob("*.pt")), "no segmentation network is trained in vain"


def test_training_pairs_without_label_maps_are_a_reason(pairs, tmp_path):
    others = Pairs(noise(2, 3, 143, 143), noise(2, 3, 143, 143), ["1", "2"])
    report = evaluate(outputs_of(pairs), pairs, others, tmp_path)
    assert all(NO_LABELS in report.missing[key] for key in FCN_SCORES)


def test_with_weights_lpips_and_kid_are_measured(pairs, monkeypatch):
    target = pairs.target

    def far(output: Tensor, targets: Tensor, device: torch.device) -> Tensor:
        assert torch.equal(targets, target) and device == torch.device("cpu")
        return (output.float() - targets).abs().mean(dim=(1, 2, 3)) / 255

    def apart(outputs: dict, targets: Tensor, device: torch.device) -> dict:
        assert torch.equal(targets, target) and device == torch.device("cpu")
        return {k: (0.01 * (i + 1), 0.002) for i, k in enumerate(outputs)}

    monkeypatch.setattr(module, "lpips", far)
    monkeypatch.setattr(module, "kid", apart)
    monkeypatch.setattr(module, "KID_IMAGES", len(pairs))
    outputs = outputs_of(pairs)
    report = evaluate(outputs, pairs)
    assert list(report.measured) == [*MEASURED, "lpips"] and set(report.missing) == set(FCN_SCORES)
    for k, output in outputs.items():
        assert torch.equal(report.measured["lpips"][k].per_image, far(output, target, torch.device("cpu")))
    assert report.kid == {
        k: Interval(*map(pytest.approx, (10 * (i + 1), 10 * (i + 1) - 3.92, 10 * (i + 1) + 3.92)))
        for i, k in enumerate(outputs)
    }
    assert list(report.intervals)[-1] == "kid"


def test_grey_targets_are_measured(pairs, train_pairs, tmp_path):
    grey = Pairs(pairs.source, pairs.target[:, :1], pairs.names)
    report = evaluate(outputs_of(grey), grey, train_pairs, tmp_path)
    assert list(report.measured) == [*MEASURED, *FCN_SCORES]
