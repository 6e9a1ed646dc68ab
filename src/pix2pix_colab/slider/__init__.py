"""The λ slider, as a notebook widget and as an HTML page."""

from .build import encode, slider_of_image, slider_of_pairs, slider_of_path
from .widget import CONTROL_CSS, ImageUpload, LambdaSlider, describe_positions
