"""Evaluation of a λ sweep: metrics, their significance, the FCN score, LPIPS and KID (notebook 4)."""

from .fcn_score import read_labels
from .metrics import METRICS, Measurement, disagreement, measure
from .report import Report, evaluate
from .significance import Interval

__all__ = [
    "METRICS",
    "Interval",
    "Measurement",
    "Report",
    "disagreement",
    "evaluate",
    "measure",
    "read_labels",
]
