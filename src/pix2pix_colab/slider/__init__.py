"""The λ slider, as a notebook widget and as an HTML page; and the drawing board."""

from .build import encode, slider_of_image, slider_of_pairs, slider_of_path
from .drawing import DrawingBoard, board_of_pairs, empty_wall
from .upload import ImageUpload
from .widget import CONTROL_CSS, LambdaSlider, describe_positions
