"""Synthetic facades: label maps and photos rendered by procedure, the data set that needs no download."""

from .facades import synthetic_facades
from .palette import LABEL_COLOURS

__all__ = ["LABEL_COLOURS", "synthetic_facades"]
