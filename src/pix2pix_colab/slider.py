"""Names of ``widgets`` for notebooks saved before December 2026; kept until December 2027."""

from .widgets import (
    DrawingBoard,
    ImageUpload,
    LambdaSlider,
    board_of_pairs,
    describe_positions,
    empty_wall,
    encode,
    slider_of_image,
    slider_of_pairs,
    slider_of_path,
    slider_of_training,
)
