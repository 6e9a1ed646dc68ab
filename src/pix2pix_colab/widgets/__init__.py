"""Widgets: the λ slider, in a notebook and as an HTML page; the drawing board; the upload (notebooks 4 and 5)."""

from .board import DrawingBoard, board_of_pairs, empty_wall
from .build import slider_of_image, slider_of_pairs, slider_of_path, slider_of_training
from .encoding import encode
from .upload import ImageUpload
from .widget import LambdaSlider, describe_positions
