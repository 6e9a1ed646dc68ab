"""Drawing boards with tiny networks, and what their browser sends, played by a test."""

import os

import torch

from pix2pix_colab import UNetGenerator
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.widgets import DrawingBoard

SIZE = 128
SOURCE = synthetic_facades(3, SIZE).source


def make_generator(seed: int = 0, **settings) -> UNetGenerator:
    torch.manual_seed(seed)
    generator = UNetGenerator(2, SIZE, **settings)
    for parameter in generator.parameters():  # larger than at the start of a training, or all is grey
        parameter.data *= 3
    return generator


def make_board() -> DrawingBoard:
    return DrawingBoard({0: make_generator(), 100: make_generator(1)}, SOURCE)


def ask(board: DrawingBoard, index: int, labels: bytes, id: str = "1", **more: object) -> dict:
    """The answer of the kernel to a view: id, error, and image or b""."""
    sent = []
    board.send = lambda content, buffers: sent.append(content | {"image": b"".join(buffers)})
    board._handle_custom_msg({"id": id, "index": index} | more, [memoryview(labels)])
    (answer,) = sent
    return answer


def save(board: DrawingBoard, path: str = "board.pt") -> None:
    """What the kernel has, for the test outside it: the label map that was translated last, and its outputs."""
    torch.save([board.source, *(board.translate(each) for each in board.lambdas)], f"{path}.new")
    os.replace(f"{path}.new", path)
