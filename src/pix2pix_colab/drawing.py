"""The drawing board of ``widgets`` for notebooks saved before December 2026; kept until December 2027."""

from .widgets import DrawingBoard, board_of_pairs, empty_wall
