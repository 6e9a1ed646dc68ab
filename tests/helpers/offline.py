"""Evaluation in a place without a network, in seconds."""

from unittest import mock

import torch

from pix2pix_colab.evaluation import fcn_score, lpips_kid


def go_offline(monkeypatch, tmp_path, module) -> None:
    """No network; ``module`` on the CPU, since a GPU rounds differently; a segmentation network of one second."""
    monkeypatch.setattr(lpips_kid, "fetch", mock.Mock(side_effect=ConnectionError("no network")))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for load in (lpips_kid._alexnet, lpips_kid._inception):
        load.cache_clear()
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    for name, value in {"WIDTH": 4, "MIN_STEPS": 12, "MAX_STEPS": 12}.items():
        monkeypatch.setattr(fcn_score, name, value)
