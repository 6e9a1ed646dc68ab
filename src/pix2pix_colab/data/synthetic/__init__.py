"""Synthetic facades: label maps and photos of houses, rendered by procedure, with no download."""
