"""Evaluation of a sweep: tables of all metrics, of their differences, and of the paper's claims."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import Pairs, decode_label_maps
from ..loss import lambda_label
from ..utils.device import default_device
from ..utils.markdown import markdown_table
from .fcn_score import class_accuracy, class_iou, confusion_matrices, pixel_accuracy, train_segmenter
from .lpips_kid import kid, lpips
from .metrics import METRICS, Measurement, measure
from .significance import Interval, bootstrap, holm_bonferroni, permutation_p_value

KID_IMAGES = 50  # with fewer, its standard error is as large as the differences between λ
FCN_SCORES = {"pixel_accuracy": pixel_accuracy, "class_accuracy": class_accuracy, "class_iou": class_iou}
SIGNIFICANCE_LEVEL = 0.05  # the accepted probability of one or more false positives in a table


class Claim(NamedTuple):
    """A claim of the paper: a metric is higher for one λ than for another."""

    text: str
    key: str
    higher: float
    lower: float
    paper: str  # its own values (Cityscapes, table 1 and figure 7), or the section


_SHARP, _COLOUR, _FCN = "is sharper", "is closer to the targets' colours", "has a higher FCN score"
CLAIMS = (
    Claim(_SHARP, "sharpness", 0, math.inf, "section 4.2"),
    Claim(_SHARP, "sharpness", 100, math.inf, "section 4.2"),
    Claim(_COLOUR, "colour_l", 100, math.inf, ".86 > .81"),
    Claim(_COLOUR, "colour_a", 100, math.inf, ".84 > .69"),
    Claim(_COLOUR, "colour_b", 100, math.inf, ".82 > .70"),
    Claim(_COLOUR, "colour_l", 0, math.inf, ".87 > .81"),
    Claim(_COLOUR, "colour_a", 0, math.inf, ".74 > .69"),
    Claim(_COLOUR, "colour_b", 0, math.inf, ".84 > .70"),
    Claim(_FCN, "pixel_accuracy", 100, math.inf, ".66 > .42"),
    Claim(_FCN, "pixel_accuracy", 100, 0, ".66 > .57"),
    Claim(_FCN, "pixel_accuracy", 0, math.inf, ".57 > .42"),
    Claim(_FCN, "class_iou", 100, math.inf, ".17 > .11"),
    Claim(_FCN, "class_iou", 100, 0, ".17 > .16"),
    Claim(_FCN, "class_iou", 0, math.inf, ".16 > .11"),
)
"""The claims about λ that can be measured here. The paper's cGAN is λ = 0, its L1+cGAN is λ = 100."""


@dataclass(frozen=True)
class Report:
    """The metrics of a sweep.

    Args:
        images: the number of test images.
        measured: for each key of ``METRICS``, the measurement of each λ.
        targets: the FCN scores of the targets, as a reference.
        kid: the kernel inception distance of each λ, which is no mean over images.
        missing: for each metric that was not measured, the reason.
    """

    images: int
    measured: Mapping[str, Mapping[float, Measurement]]
    targets: Mapping[str, Measurement] = field(default_factory=dict)
    kid: Mapping[float, Interval] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def intervals(self) -> dict[str, dict[float, Interval]]:
        """Value and 95 % confidence interval of each metric and λ."""
        intervals = {k: {lam: bootstrap(m) for lam, m in row.items()} for k, row in self.measured.items()}
        return intervals | ({"kid": dict(self.kid)} if self.kid else {})

    @property
    def named(self) -> dict[str, dict[float, float]]:
        """Values of each λ by the name of the metric, as the slider shows them."""
        return {
            f"{METRICS[key].name} {METRICS[key].better}": {k: interval.value for k, interval in row.items()}
            for key, row in self.intervals.items()
        }

    def table(self) -> str:
        """All metrics of all λ as Markdown, each ± half its 95 % interval, and the reasons for missing ones."""
        rows = []
        for key, row in self.intervals.items():
            name = {f"{self.images} images": f"{METRICS[key].name} {METRICS[key].better}"}
            rows.append(name | {lambda_label(k): str(interval) for k, interval in row.items()})
            if self.targets:
                rows[-1]["targets"] = str(bootstrap(self.targets[key])) if key in self.targets else ""
        reasons: dict[str, list[str]] = {}
        for key, why in self.missing.items():
            reasons.setdefault(why, []).append(METRICS[key].name)
        notes = [f"\n\n{', '.join(names)}: not measured. {why}" for why, names in reasons.items()]
        return markdown_table(rows) + "".join(notes)

    def compare(self, key: str) -> dict[tuple[float, float], tuple[float, float]]:
        """Difference (first − second) and Holm–Bonferroni adjusted p-value of every two λ, on the same images."""
        row = self.measured[key]
        pairs = list(combinations(row, 2))
        adjusted = holm_bonferroni([permutation_p_value(row[a], row[b]) for a, b in pairs])
        return {(a, b): (row[a].value - row[b].value, p) for (a, b), p in zip(pairs, adjusted, strict=True)}

    def difference_table(self, key: str) -> str:
        """``compare`` as Markdown: row minus column, in brackets if not significant. It is empty for a single λ."""
        found, lambdas = self.compare(key), list(self.measured[key])

        def cell(a: float, b: float) -> str:
            if (a, b) not in found:
                return ""
            difference, p = found[a, b]
            return f"{difference:+.3f}" if p < SIGNIFICANCE_LEVEL else f"({difference:+.3f})"

        head = f"{METRICS[key].name}: row − column"
        rows = [{head: lambda_label(a)} | {lambda_label(b): cell(a, b) for b in lambdas[1:]} for a in lambdas[:-1]]
        return markdown_table(rows) if rows else ""

    def claims(self) -> list[dict[str, str]]:
        """The paper's claims and whether they hold here: one row per claim that could be measured."""
        known = [c for c in CLAIMS if {c.higher, c.lower} <= self.measured.get(c.key, {}).keys()]
        both = [(self.measured[c.key][c.higher], self.measured[c.key][c.lower]) for c in known]
        adjusted = holm_bonferroni([permutation_p_value(high, low) for high, low in both])
        rows = []
        for claim, (high, low), p in zip(known, both, adjusted, strict=True):
            decided = "holds" if high.value > low.value else "the opposite holds"
            rows.append(
                {
                    "the paper says": f"{lambda_label(claim.higher)} {claim.text} than {lambda_label(claim.lower)}",
                    "metric": METRICS[claim.key].name,
                    "paper": claim.paper,
                    "here": f"{high.value:.3f}, {low.value:.3f}",
                    "adjusted p": f"{p:.4f}",
                    "result": decided if p < SIGNIFICANCE_LEVEL else "undecided",
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
    """Measure the outputs of each λ against the targets of test pairs.

    A metric that can't be measured, such as the FCN score without label maps, is left out, and the report says why.
    Raises ValueError if the shapes of outputs and targets differ.

    Args:
        outputs: uint8 (N, C, S, S) by λ.
        pairs: the N test pairs.
        train_pairs: the pairs to train the segmentation network of the FCN score on.
        folder: where that network is saved, so that it is trained once.
        device: where the metrics are computed; None takes the GPU if there is one.
    """
    device = torch.device(device or default_device())
    found = {k: measure(output.to(device), pairs.target.to(device)) for k, output in outputs.items()}
    targets, kids, missing = {}, {}, {}
    try:
        score = _fcn_scorer(pairs.source, train_pairs, Path(folder), device)
        targets = score(pairs.target)
        found = {k: values | score(outputs[k]) for k, values in found.items()}
    except ValueError as error:
        missing |= dict.fromkeys(FCN_SCORES, str(error))
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
    return Report(len(pairs), measured, targets, kids, missing)


def _fcn_scorer(source: Tensor, train_pairs: Pairs | None, folder: Path, device: torch.device):
    """Make a function that measures the FCN scores of images (N, C, S, S) against the label maps ``source``."""
    labels = decode_label_maps(source)
    if train_pairs is None:
        raise ValueError("The FCN score needs training pairs to train its segmentation network on.")
    segmenter = train_segmenter(train_pairs, folder / "segmenter.pt", device)

    def score(images: Tensor) -> dict[str, Measurement]:
        confusion = confusion_matrices(segmenter, images, labels).float()
        return {key: Measurement(confusion, statistic) for key, statistic in FCN_SCORES.items()}

    return score
