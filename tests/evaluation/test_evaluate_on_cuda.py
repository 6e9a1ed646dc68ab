"""The evaluation as a GPU would run it, on a GPU that computes nothing."""

import pytest
from helpers.fake_cuda import ON_CUDA_BUILDS, FakeGpu

from pix2pix_colab.data import synthetic_facades

pytest.importorskip("torchmetrics", reason="This environment has no torchmetrics.")
from pix2pix_colab.evaluation import evaluate, fcn_score, lpips_kid


def refuse(*_) -> None:
    raise OSError("no network")


@ON_CUDA_BUILDS
@pytest.mark.parametrize("capability", [(7, 5), (9, 0)], ids=["T4", "H200"])
def test_an_evaluation_runs_on_the_gpu(capability, tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_kid, "_fetch_once", refuse)
    for name, value in {"MIN_STEPS": 2, "EPOCHS": 1}.items():
        monkeypatch.setattr(fcn_score, name, value)
    train, test = synthetic_facades(4, size=143), synthetic_facades(2, size=128, seed=3)
    with FakeGpu(capability) as gpu:
        report = evaluate({100: test.target}, test, train, tmp_path)
    assert gpu.copies["to cuda torch.uint8"] > 2 and gpu.copies["to cpu torch.float32"]  # of SSIM, for one
    assert {"l1", "ssim", "colour_b", "pixel_accuracy"} <= report.measured.keys()
    assert all(each.per_image.device.type == "cpu" for row in report.measured.values() for each in row.values())
    assert report.missing.keys() == {"lpips", "kid"}
