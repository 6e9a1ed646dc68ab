"""Synthetic facades: label maps and photos of houses, rendered by procedure, with no download."""

from .facades import example_label_maps, synthetic_facades
