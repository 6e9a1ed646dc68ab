"""What an evaluation has found: tables of all λ, of their differences, and of the paper's claims."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from .intervals import Interval, bootstrap, holm, permutation_p
from .lambdas import lambda_label
from .metrics import METRICS, Measurement
from .tables import markdown_table

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
