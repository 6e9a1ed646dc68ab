"""The λ slider: as a widget for notebooks and as a page that needs nothing. Encoded images in, nothing computed."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets

from .lambdas import lambda_label, lambda_meaning

MIME = "image/jpeg"


class LambdaSlider(ipywidgets.VBox):
    """Compare what different λ make of the same test images.

    All frames are encoded beforehand, and a move only sets the bytes of one image of fixed size: it costs well under a
    millisecond, and it neither flickers nor grows the output (in ipywidgets 7 on Colab and 8 in JupyterLab).

    Args:
        frames: for each λ a list of encoded JPEGs, one a test image; ``evaluate.encode_frames`` makes them.
        notes: for each λ a line to show beside it, such as its metrics.
        value: the λ to start at; None takes 100, the paper's choice, if it is there.
        width: of the image in px.

    Raises:
        ValueError: if there is no frame, or the λ differ in their number of images.
    """

    def __init__(
        self,
        frames: Mapping[float, Sequence[bytes]],
        notes: Mapping[float, str] | None = None,
        value: float | None = None,
        width: int = 768,
    ):
        counts = {len(images) for images in frames.values()}
        if len(counts) != 1 or counts == {0}:
            raise ValueError("frames must hold for each λ the same number of images, and at least one.")
        self.frames, self.notes = dict(sorted(frames.items())), notes or {}
        start = value if value is not None else 100 if 100 in frames else next(iter(self.frames))
        self._check(start)
        wide = ipywidgets.Layout(width=f"{width}px", max_width="100%")
        self.words = ipywidgets.HTML()
        self.lambdas = ipywidgets.SelectionSlider(
            options=[(lambda_label(k).removeprefix("λ = "), k) for k in self.frames],
            value=start,
            description="λ",
            layout=wide,
        )
        self.picture = ipywidgets.Image(format="jpeg", width=width, layout=wide)
        self.images = ipywidgets.SelectionSlider(
            options=[(f"{i + 1} of {counts}", i) for counts in counts for i in range(counts)],
            description="test image",
            layout=wide,
        )
        super().__init__([self.words, self.lambdas, self.picture, self.images])
        self.lambdas.observe(self._show, "value")
        self.images.observe(self._show, "value")
        self._show()

    @property
    def value(self) -> float:
        """The λ shown. Setting it moves the slider; a λ without frames is a ValueError."""
        return self.lambdas.value

    @value.setter
    def value(self, lambda_l1: float) -> None:
        self._check(lambda_l1)
        self.lambdas.value = lambda_l1

    def _check(self, lambda_l1: float) -> None:
        if lambda_l1 not in self.frames:
            known = ", ".join(f"{k:g}" for k in self.frames)
            raise ValueError(f"There are no images for λ = {lambda_l1}: choose one of {known}.")

    def _show(self, change: object = None) -> None:
        self.picture.value = self.frames[self.value][self.images.value]
        self.words.value = _words(self.value, self.notes)

    def save_page(self, path: str | Path, title: str = "pix2pix: drag λ") -> Path:
        """Write the slider as one HTML file that needs no server, no network and no Python."""
        page = _PAGE.read_text(encoding="utf-8")
        data = {
            "stops": [lambda_label(k).removeprefix("λ = ") for k in self.frames],
            "words": [_words(k, self.notes) for k in self.frames],
            "frames": [[f"data:{MIME};base64,{base64.b64encode(i).decode()}" for i in f] for f in self.frames.values()],
            "start": list(self.frames).index(self.value),
        }
        page = page.replace("{{title}}", html.escape(title)).replace("{{data}}", json.dumps(data))
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
        return path


_PAGE = Path(__file__).with_name("slider.html")


def _words(lambda_l1: float, notes: Mapping[float, str]) -> str:
    """λ in words, as HTML."""
    words = f"<b>{lambda_label(lambda_l1)}</b>: {lambda_meaning(lambda_l1)}"
    return words + (f"<br>{html.escape(notes[lambda_l1])}" if lambda_l1 in notes else "")
