"""The λ slider, as a widget for notebooks and as an HTML page. It shows encoded images and computes nothing."""

import base64
import html
import json
import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

import anywidget
import traitlets

from ..lambda_path import position_of
from ..loss import lambda_label, lambda_meaning
from .assets import script, style
from .saved_form import SavedForm


class LambdaSlider(SavedForm, anywidget.AnyWidget):
    """A widget to compare the outputs of different λ for the same test images.

    All images are sent and decoded once. A move is painted by the browser only, so it asks nothing of the kernel and
    neither flickers nor grows the output (in ipywidgets 7 on Colab and 8 in JupyterLab). A saved notebook shows the
    page of ``save_page`` in its place. ``index`` and ``image`` are the numbers of the λ and of the test image shown;
    setting one that is not there raises traitlets.TraitError.

    Args:
        outputs: for each λ a list of encoded images, one for each test image; ``encode`` makes them.
        sources: their sources, encoded.
        targets: their targets, encoded; None leaves out what compares with the target.
        metrics: by name, each a value for each λ, shown beside the images; None if it wasn't measured.
        caption: of the metrics, such as the images they were measured on.
        names: of the test images, for screen readers.
        value: the λ to start at; None takes 100, the paper's choice, if it is there.
        stops: the λ that were trained, where the outputs between them are interpolated; None: all.
        verdicts: of the discriminator on the outputs, by λ and test image; ``encode_verdicts`` makes them. With
            targets, ``target_verdicts`` are needed, too.
        positions: in place of ``describe_positions``, where the numbers are no λ but those of another ``axis``.

    Raises ValueError if there is no output; if the λ, sources, targets or names differ in their number of images; or if
    the stops are not λ of the outputs, or lack the least or the greatest.
    """

    _esm = script("widget.js")
    _css = style("widget.css")
    data = traitlets.Dict().tag(sync=True)
    index = traitlets.Int().tag(sync=True)  # of the λ shown
    image = traitlets.Int().tag(sync=True)  # of the test image shown

    def __init__(
        self,
        outputs: Mapping[float, Sequence[bytes]],
        sources: Sequence[bytes],
        targets: Sequence[bytes] | None = None,
        metrics: Mapping[str, Mapping[float, float | None]] | None = None,
        caption: str = "",
        names: Sequence[str] | None = None,
        value: float | None = None,
        stops: Sequence[float] | None = None,
        verdicts: Mapping[float, Sequence[bytes]] | None = None,
        target_verdicts: Sequence[bytes] | None = None,
        positions: Sequence[dict] | None = None,
        axis: str = "λ",
    ):
        outputs, targets = dict(sorted(outputs.items())), None if targets is None else list(targets)
        names = [f"test image {i}" for i in range(1, len(sources) + 1)] if names is None else list(names)
        self.lambdas, self.axis = list(outputs), axis
        self.stops = self.lambdas if stops is None else sorted(stops)
        counts = {len(each) for each in (*outputs.values(), sources, targets, names) if each is not None}
        if not outputs or len(counts) != 1 or counts == {0}:
            raise ValueError("There must be as many sources, targets and names as outputs of each λ, and at least one.")
        start = value if value is not None else 100 if 100 in outputs else self.lambdas[0]
        data = {  # described as Data in slider.js
            "mime": "image/webp",
            "axis": axis,
            "positions": positions or describe_positions(self.lambdas, self.stops),
            "outputs": [list(images) for images in outputs.values()],
            "sources": list(sources),
            "targets": targets or [],
            "verdicts": [list(verdicts[k]) for k in outputs] if verdicts else [],
            "targetVerdicts": target_verdicts or [],
            "names": names,
            "metrics": [
                {"name": name, "values": [_finite(values.get(k)) for k in outputs]}
                for name, values in (metrics or {}).items()
            ],
            "caption": caption,
        }
        super().__init__(data=data, index=self._index(start))

    @traitlets.validate("index", "image")
    def _check_number(self, proposal) -> int:
        name, number = proposal.trait.name, proposal.value
        count = len(self.lambdas if name == "index" else self.data["sources"])
        if not 0 <= number < count:
            what = "λ" if name == "index" else "test image"
            raise traitlets.TraitError(f"There is no {what} with {name} {number}: choose 0 to {count - 1}.")
        return number

    def set_state(self, sync_data: dict) -> None:
        """Take what the browser says; what is refused is put back there, too."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError:
            self.send_state(("index", "image"))
            raise

    @property
    def value(self) -> float:
        """The λ shown. Setting it moves the slider; between the stops of a λ path to the nearest position.

        Any other λ without outputs is a ValueError.
        """
        return self.lambdas[self.index]

    @value.setter
    def value(self, lambda_l1: float) -> None:
        self.index = self._index(lambda_l1)

    def _index(self, lambda_l1: float) -> int:
        if getattr(lambda_l1, "ndim", None) == 0:  # a number of NumPy's or torch's
            lambda_l1 = lambda_l1.item()
        is_number, is_path = isinstance(lambda_l1, Real), self.stops != self.lambdas
        if is_number and lambda_l1 in self.lambdas:
            return self.lambdas.index(lambda_l1)
        if is_number and is_path and self.lambdas[0] < lambda_l1 < self.lambdas[-1]:
            return math.floor(position_of(lambda_l1, self.lambdas) + 0.5)  # the nearest
        known = ", ".join(f"{k:g}" for k in self.stops)
        choice = f"{known}, or any {self.axis} between these" if is_path else f"one of {known}"
        raise ValueError(f"There are no images for {self.axis} = {lambda_l1!r}: choose {choice}.")

    def save_page(self, path: str | Path, title: str = "") -> Path:
        """Write the slider as one HTML file that needs no server, no network and no Python."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._page(title), encoding="utf-8")
        return path

    def saved_html(self) -> str:
        """The page, in a frame that can do nothing to the notebook."""
        page, name = html.escape(self._page()), f"The {self.axis} slider"
        height = 720 if self.data["targets"] else 920  # px; without targets it begins with all λ, in two rows
        return (
            f'<iframe title="{name}" sandbox="allow-scripts" style="width: 100%; height: {height}px; border: 0" '
            f'srcdoc="{page}">{name}: trust this notebook or run it, and it is shown here.</iframe>'
        )

    def _page(self, title: str = "") -> str:
        state = {"data": self.data, "index": self.index, "image": self.image}
        parts = {
            "title": html.escape(title or f"pix2pix: drag {self.axis}"),
            "css": self._css,
            "js": self._esm,
            "data": json.dumps(state, default=lambda image: base64.b64encode(image).decode()).replace("<", "\\u003c"),
        }
        page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], page)  # in one go: what is put in may hold braces


def _finite(value: float | None) -> float | None:
    """The value, or None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None


def describe_positions(lambdas: Sequence[float], stops: Sequence[float]) -> list[dict[str, str | bool]]:
    """Describe each λ in words. One between two stops is rounded to two digits, unless these are past a stop.

    Both are ascending. The stops are the λ that were trained; those between them are interpolated.

    Returns for each λ its label ("λ = 100"), short ("100"), meaning and whether it is a stop: a ``Position`` of
    lambda_control.js, which makes the λ control of them. Raises ValueError if the stops are not among the λ, or lack
    the least or the greatest.
    """
    if not {lambdas[0], lambdas[-1]} <= set(stops) <= set(lambdas):
        raise ValueError("The stops must be λ of the outputs, and the least and the greatest be among them.")
    return [_position(lambda_l1, stops) for lambda_l1 in lambdas]


def _position(lambda_l1: float, stops: Sequence[float]) -> dict[str, str | bool]:
    short = lambda_l1
    if stop := lambda_l1 in stops:
        meaning = lambda_meaning(lambda_l1)
    else:
        i = bisect_left(stops, lambda_l1)
        rounded = float(f"{lambda_l1:.2g}")
        short = rounded if stops[i - 1] < rounded < stops[i] else lambda_l1
        meaning = f"interpolated between {lambda_label(stops[i - 1])} and {lambda_label(stops[i])}"
    label = lambda_label(short)
    return {"label": label, "short": label.removeprefix("λ = "), "meaning": meaning, "stop": stop}
