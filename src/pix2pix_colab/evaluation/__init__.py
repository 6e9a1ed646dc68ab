"""Evaluation of a λ sweep: metrics, their significance, the FCN score, LPIPS and KID (notebook 4)."""

from .metrics import METRICS, Measurement, find_disagreement, measure
from .report import Report, evaluate
from .significance import Interval
