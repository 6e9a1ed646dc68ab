"""What an evaluation has found: tables of all λ, of their differences, and of the paper's claims."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import Pairs
from ..loss import lambda_label
from ..utils.device import default_device
from ..utils.markdown import markdown_table
from .fcn_score import class_accuracy, class_iou, confusion, pixel_accuracy, read_labels, train_segmenter
from .lpips_kid import kid, lpips
from .metrics import METRICS, Measurement, measure
from .significance import Interval, bootstrap, holm, permutation_p

KID_IMAGES = 50  # of fewer, its error is as large as the differences between λ
LABEL_FIGURES = {"pixel_accuracy": pixel_accuracy, "class_accuracy": class_accuracy, "class_iou": class_iou}
SURE = 0.05  # the chance of one or more false alarms that is put up with in a table


class Claim(NamedTuple):
    """What the paper says of two λ: the metric is higher for the first."""

    text: str
    key: str
    higher: float
    lower: float
    paper: str  # its own figures (of Cityscapes, table 1 and figure 7), or where it says so


_SHARP, _COLOUR, _LABELS = "more sharpness", "colours nearer to the photos'", "labels easier to read off"
CLAIMS = (
    Claim(_SHARP, "sharpness", 0, math.inf, "section 4.2"),
    Claim(_SHARP, "sharpness", 100, math.inf, "section 4.2"),
    Claim(_COLOUR, "colour_l", 100, math.inf, ".86 > .81"),
    Claim(_COLOUR, "colour_a", 100, math.inf, ".84 > .69"),
    Claim(_COLOUR, "colour_b", 100, math.inf, ".82 > .70"),
    Claim(_LABELS, "pixel_accuracy", 100, math.inf, ".66 > .42"),
    Claim(_LABELS, "pixel_accuracy", 100, 0, ".66 > .57"),
    Claim(_LABELS, "pixel_accuracy", 0, math.inf, ".57 > .42"),
    Claim(_LABELS, "class_iou", 100, math.inf, ".17 > .11"),
    Claim(_LABELS, "class_iou", 100, 0, ".17 > .16"),
    Claim(_LABELS, "class_iou", 0, math.inf, ".16 > .11"),
)
"""What the paper claims of λ and can be measured here; cGAN is its λ = 0, L1+cGAN its λ = 100."""


@dataclass(frozen=True)
class Report:
    """The metrics of a sweep.

    Args:
        images: the number of test images.
        measured: for each key of ``METRICS`` and each λ what was measured.
        photos: the same for the photos themselves, where that isn't trivial: the best that can be had.
        kid: for each λ the kernel inception distance, which isn't a mean over images.
        missing: for each key that isn't in ``measured`` why.
    """

    images: int
    measured: Mapping[str, Mapping[float, Measurement]]
    photos: Mapping[str, Measurement] = field(default_factory=dict)
    kid: Mapping[float, Interval] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def intervals(self) -> dict[str, dict[float, Interval]]:
        """For each metric and λ its value and 95 % bootstrap interval."""
        intervals = {k: {lam: bootstrap(m) for lam, m in row.items()} for k, row in self.measured.items()}
        return intervals | ({"kid": dict(self.kid)} if self.kid else {})

    @property
    def named(self) -> dict[str, dict[float, float]]:
        """For each metric, by its name, the value of each λ: what the slider shows."""
        return {
            f"{METRICS[key].name} {METRICS[key].better}": {k: interval.value for k, interval in row.items()}
            for key, row in self.intervals.items()
        }

    def table(self) -> str:
        """All metrics of all λ as Markdown, each with half its 95 % interval, and why some are missing."""
        rows = []
        for key, row in self.intervals.items():
            name = {f"{self.images} images": f"{METRICS[key].name} {METRICS[key].better}"}
            rows.append(name | {lambda_label(k): str(interval) for k, interval in row.items()})
            if self.photos:
                rows[-1]["photos"] = str(bootstrap(self.photos[key])) if key in self.photos else ""
        reasons: dict[str, list[str]] = {}
        for key, why in self.missing.items():
            reasons.setdefault(why, []).append(METRICS[key].name)
        notes = [f"\n\n{', '.join(names)}: not measured. {why}" for why, names in reasons.items()]
        return markdown_table(rows) + "".join(notes)

    def compare(self, key: str) -> dict[tuple[float, float], tuple[float, float]]:
        """Every two λ on the same images: how much higher the first is, and the p-value after Holm's correction."""
        row = self.measured[key]
        pairs = list(combinations(row, 2))
        adjusted = holm([permutation_p(row[a], row[b]) for a, b in pairs])
        return {(a, b): (row[a].value - row[b].value, p) for (a, b), p in zip(pairs, adjusted, strict=True)}

    def difference_table(self, key: str) -> str:
        """``compare`` as Markdown: the λ of the row minus that of the column; what chance may do is in brackets.

        One λ alone gives "".
        """
        found, lambdas = self.compare(key), list(self.measured[key])

        def cell(a: float, b: float) -> str:
            if (a, b) not in found:
                return ""
            difference, p = found[a, b]
            return f"{difference:+.3f}" if p < SURE else f"({difference:+.3f})"

        head = f"{METRICS[key].name}: row − column"
        rows = [{head: lambda_label(a)} | {lambda_label(b): cell(a, b) for b in lambdas[1:]} for a in lambdas[:-1]]
        return markdown_table(rows) if rows else ""

    def claims(self) -> list[dict[str, str]]:
        """What the paper says of λ, and whether it holds here; one row a claim that could be measured."""
        known = [c for c in CLAIMS if {c.higher, c.lower} <= self.measured.get(c.key, {}).keys()]
        both = [(self.measured[c.key][c.higher], self.measured[c.key][c.lower]) for c in known]
        adjusted = holm([permutation_p(high, low) for high, low in both])
        rows = []
        for claim, (high, low), p in zip(known, both, adjusted, strict=True):
            verdict = "undecided" if p >= SURE else "holds" if high.value > low.value else "the opposite holds"
            rows.append(
                {
                    "the paper says": f"{lambda_label(claim.higher)} has {claim.text} than {lambda_label(claim.lower)}",
                    "by": METRICS[claim.key].name,
                    "there": claim.paper,
                    "here": f"{high.value:.3f}, {low.value:.3f}",
                    "p": f"{p:.4f}",
                    "and here it": verdict,
                }
            )
        return rows


def evaluate(
    outputs: Mapping[float, Tensor],
    pairs: Pairs,
    train_pairs: Pairs | None = None,
    folder: str | Path = "runs",
    device: torch.device | str | None = None,
) -> Report:
    """Measure what each λ made of the sources of some pairs.

    A metric that can't be had (of sources that are no label maps; without a network for the weights of LPIPS and KID)
    is left out, and the report says why.

    Args:
        outputs: for each λ uint8 (N, C, S, S).
        pairs: the N pairs.
        train_pairs: what the net learns from that reads labels off photos.
        folder: where that net is kept, so that it is trained once.
        device: where the nets of the metrics run; the GPU if there is one.

    Raises:
        ValueError: if outputs and targets differ in shape.
    """
    device = torch.device(device or default_device())
    found = {k: measure(output, pairs.target) for k, output in outputs.items()}
    photos, kids, missing = {}, {}, {}
    try:
        read = _label_reader(pairs.source, train_pairs, Path(folder), device)
        photos = read(pairs.target)
        found = {k: values | read(outputs[k]) for k, values in found.items()}
    except ValueError as error:
        missing |= dict.fromkeys(LABEL_FIGURES, str(error))
    try:
        distances = {k: Measurement(lpips(output, pairs.target, device)) for k, output in outputs.items()}
        found = {k: values | {"lpips": distances[k]} for k, values in found.items()}
    except (ConnectionError, ValueError) as error:
        missing["lpips"] = str(error)
    try:
        if len(pairs) < KID_IMAGES:
            raise ValueError(f"KID compares sets of images, and {len(pairs)} are too few: take {KID_IMAGES} or more.")
        for k, (mean, spread) in kid(outputs, pairs.target, device).items():
            kids[k] = Interval(1000 * mean, 1000 * (mean - 1.96 * spread), 1000 * (mean + 1.96 * spread))
    except (ConnectionError, ValueError) as error:
        missing["kid"] = str(error)
    measured = {key: {k: values[key] for k, values in found.items()} for key in next(iter(found.values()))}
    return Report(len(pairs), measured, photos, kids, missing)


def _label_reader(source: Tensor, train_pairs: Pairs | None, folder: Path, device: torch.device):
    """A function that measures how well the labels of ``source`` can be read off images, (N, 3, S, S)."""
    labels = read_labels(source)
    if train_pairs is None:
        raise ValueError("There are no training pairs, from which a net could learn to read labels off photos.")
    segmenter = train_segmenter(train_pairs, folder / "segmenter.pt", device)

    def read(images: Tensor) -> dict[str, Measurement]:
        seen = confusion(segmenter, images, labels)
        return {key: Measurement(seen.float(), figure) for key, figure in LABEL_FIGURES.items()}

    return read
