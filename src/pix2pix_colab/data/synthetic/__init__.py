"""Synthetic facades: label maps and photos of houses, rendered by procedure, with no download."""

from .facades import synthetic_facades
from .palette import LABEL_COLOURS
