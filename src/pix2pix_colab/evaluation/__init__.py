"""Evaluation of a λ sweep: metrics, their significance, the FCN score, LPIPS and KID (notebook 4)."""

from ..data import decode_label_maps  # that of the FCN score
from .metrics import METRICS, Measurement, find_disagreement, grid_peak, measure
from .report import Report, evaluate
from .run_outputs import check_comparable, count_trained_on, translate_by_runs
from .significance import Interval
