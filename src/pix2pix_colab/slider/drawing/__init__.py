"""The drawing board: draw a label map, see the output, drag λ."""

from .board import DrawingBoard, board_of_pairs, empty_wall
