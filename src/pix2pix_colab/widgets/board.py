"""The drawing board as a notebook widget: one draws a label map, and the kernel translates it by any λ."""

import base64
from collections.abc import Mapping

import anywidget
import ipywidgets
import torch
import traitlets
from torch import Tensor

from ..data import LABEL_COLOURS, Colour, Pairs, example_label_maps, label_classes
from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..inference import critic_map, translate
from ..lambda_path import LambdaPath
from .assets import script, style
from .encoding import encode, encode_jpeg, encode_verdicts
from .saved_form import SavedForm, attempt
from .widget import describe_positions

BETWEEN = 9  # positions between two anchors of a path


class DrawingBoard(SavedForm, anywidget.AnyWidget):
    """A widget on which one draws a label map, and sees the output of a network for it at any λ.

    After each stroke and each move of λ the browser asks the kernel, which sends back a JPEG of less than 50 kB; and
    as much again, if it is displayed, for a saved notebook: that shows the last drawing and its picture.

    Args:
        networks: the generator of each λ, or a λ path.
        examples: label maps to start from, uint8 (N, 3, S, S) with the generators' image size S; there may be none.
        classes: the colour of each class by its name; None takes those of the examples (``label_classes``).
        discriminator: whose verdicts can be shown; None takes that of the path, if it has one.

    Its ``source`` is the label map that was translated last, uint8 (3, S, S); at first that to start from. Raises
    ValueError if there is no generator, or if the examples have another size, or are no label maps.
    """

    _esm = script("drawing/widget.js")
    _css = style("drawing/board.css")
    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        networks: Mapping[float, UNetGenerator] | LambdaPath,
        examples: Tensor,
        classes: Mapping[str, Colour] | None = None,
        discriminator: PatchDiscriminator | None = None,
    ):
        path = networks if isinstance(networks, LambdaPath) else None
        self.size = _image_size(networks)
        self.networks = path or dict(sorted(networks.items()))
        self.lambdas = path.grid(BETWEEN) if path else list(self.networks)
        critic = discriminator or (path and path.discriminator)
        self.critic = critic if critic and critic.source_channels == 3 else None  # the label maps have colours
        if examples.shape[2:] != (self.size, self.size):
            raise ValueError(f"The examples are {tuple(examples.shape)}, but the board has {self.size} px.")
        classes = label_classes(examples) if classes is None else classes
        self.palette = torch.tensor(list(classes.values()), dtype=torch.uint8)
        self.source = examples[0].cpu().expand(3, -1, -1) if len(examples) else self._decode(bytes(self.size**2))
        data = {  # described as BoardData in board.js
            "size": self.size,
            "classes": [{"name": name, "colour": list(colour)} for name, colour in classes.items()],
            "fill": 0,
            "critic": self.critic is not None,
            "empty": empty_wall(self.size) if classes == LABEL_COLOURS else [],
            "positions": describe_positions(self.lambdas, path.lambdas if path else self.lambdas),
            "index": self.lambdas.index(100) if 100 in self.lambdas else 0,
            "examples": [
                {"name": f"label map {i}", "image": image} for i, image in enumerate(encode(examples.cpu()), start=1)
            ],
        }
        self._picture: tuple[int, bytes] | None = None  # of the label map: the position of its λ, and the JPEG
        self._output: Tensor | None = None  # the same, as the discriminator sees it
        super().__init__(data=data)
        self.on_msg(lambda _, request, buffers: self._respond(**request, labels=bytes(buffers[0])))

    def _respond(self, id: str, index: int, labels: bytes, critic: bool = False, sketch: bool = False) -> None:
        """Answer a request of a view with its id, and with a JPEG or with the sentence of an error.

        With ``critic``, the answer is what the discriminator makes of that picture: a byte for each patch, 255 is real.
        A ``sketch`` is asked for while the pen is down, and is not kept for a saved notebook.

        Requests and answers are messages, not traits: of a trait that changes twice while the kernel is busy, the
        browser sends the last value only, so the request of one view would take the place of another's. And each has
        its labels (65 kB at 256 px), as the views have drawings of their own.
        """
        interrupted = "The kernel was interrupted. Draw on, or move λ, and it computes again."
        answer = self._judge if critic else self._answer
        image, error = attempt(lambda: answer(index, labels), interrupted)
        self.send({"id": id, "error": error}, [image] if image else [])
        if image and not critic and not sketch:
            self.update_saved()

    def _answer(self, index: int, labels: bytes) -> bytes:
        if not 0 <= index < len(self.lambdas):
            raise ValueError(f"There is no position {index} of λ.")
        self.source = self._decode(labels)
        self._output = self.translate(self.lambdas[index])
        self._picture = index, encode_jpeg(self._output)
        return self._picture[1]

    def _judge(self, index: int, labels: bytes) -> bytes:
        known = self._picture and self._picture[0] == index and torch.equal(self.source, self._decode(labels))
        if not known:  # another view has drawn meanwhile
            self._answer(index, labels)
        return encode_verdicts(critic_map(self.critic, self.source[None], self._output[None]))[0]

    def saved_html(self) -> str:
        """The last drawing and its picture; at first those of the label map to start from."""
        start = self.data["index"]
        index, output = self._picture or (start, encode_jpeg(self.translate(self.lambdas[start])))
        label = self.data["positions"][index]["label"]
        images = {"webp": encode(self.source[None])[0], "jpeg": output}
        sources = [f"data:image/{kind};base64,{base64.b64encode(image).decode()}" for kind, image in images.items()]
        figures = " ".join(f'<img width="256" alt="" src="{source}">' for source in sources)
        return (
            "<p>The drawing board needs a kernel: run this notebook to draw. The last drawing, and its picture at "
            f"{label}:</p>{figures}"
        )

    def _decode(self, labels: bytes) -> Tensor:
        """Class indices, S × S bytes -> the label map, uint8 (3, S, S)."""
        if len(labels) != self.size**2 or max(labels) >= len(self.palette):
            raise ValueError(f"This is no label map of {self.size} px with {len(self.palette)} classes.")
        indices = torch.frombuffer(bytearray(labels), dtype=torch.uint8).long()
        return self.palette[indices].T.reshape(3, self.size, self.size).contiguous()

    def translate(self, lambda_l1: float) -> Tensor:
        """Translate the label map by a λ: uint8 (3 or 1, S, S)."""
        if isinstance(self.networks, LambdaPath):
            return self.networks.translate(self.source, [lambda_l1])[lambda_l1]
        return translate(self.networks[lambda_l1], self.source)


def board_of_pairs(
    networks: Mapping[float, UNetGenerator] | LambdaPath, pairs: Pairs | None = None
) -> DrawingBoard | ipywidgets.HTML:
    """The drawing board with the sources of some pairs; or a sentence, if these are no label maps.

    Without pairs it has ``example_label_maps`` of facades, for networks that were trained on such.
    """
    try:
        return DrawingBoard(networks, pairs.source if pairs is not None else example_label_maps(_image_size(networks)))
    except ValueError as error:
        return ipywidgets.HTML(f"{error} So there is nothing to draw with.")


def empty_wall(size: int) -> list[dict]:
    """A wall between sky and street, of which both are background: the shapes to start a facade with."""
    top, bottom = round(0.07 * size), round(0.04 * size)
    box = {"x": 0, "y": top, "width": size, "height": size - top - bottom}
    return [{"kind": "rectangle", "label": list(LABEL_COLOURS).index("facade")} | box]  # a Rectangle of shapes.js


def _image_size(networks: Mapping[float, UNetGenerator] | LambdaPath) -> int:
    generators = networks.anchors if isinstance(networks, LambdaPath) else list(networks.values())
    if not generators:
        raise ValueError("A drawing board needs the generator of at least one λ.")
    return generators[0].image_size
