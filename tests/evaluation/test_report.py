"""The tables of a report, on measurements made so that what they must say is known."""

import math

import pytest
import torch

from pix2pix_colab.evaluation.metrics import METRICS, Measurement
from pix2pix_colab.evaluation.report import CLAIMS, SIGNIFICANCE_LEVEL, Report
from pix2pix_colab.evaluation.significance import Interval, bootstrap, holm_bonferroni, permutation_p_value
from pix2pix_colab.loss import LAMBDAS

COUNT = 20
IMAGES = torch.randn(COUNT, generator=torch.Generator().manual_seed(0))  # some images are harder for every λ


def around(value: float, seed: int = 0) -> Measurement:
    """Images whose mean is the value, and of which each differs a little from that."""
    own = 0.02 * torch.randn(COUNT, generator=torch.Generator().manual_seed(seed))
    return Measurement(value + IMAGES - IMAGES.mean() + own - own.mean())


def parse(table: str) -> list[dict[str, str]]:
    """The rows of a Markdown table."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert set(lines[1]) == {"---"} and {len(line) for line in lines} == {len(lines[0])}
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


L1 = {0: around(0.5), 100: around(0.3, 1), math.inf: around(0.297, 2)}  # the last two do not differ significantly


@pytest.fixture
def report() -> Report:
    return Report(
        COUNT,
        {"l1": L1, "pixel_accuracy": {k: around(0.1 + m.value, 3) for k, m in L1.items()}},
        {"pixel_accuracy": around(0.875, 4)},
        {0: Interval(40, 38, 43), 100: Interval(9.5, 9.0, 10.0), math.inf: Interval(112.125, 110, 114)},
        {"lpips": "No network.", "class_iou": "Too few images.", "class_accuracy": "Too few images."},
    )


def test_the_table_has_a_row_for_each_metric_and_a_column_for_each_lambda(report):
    table, *notes = report.table().split("\n\n")
    l1, pixels, kid = parse(table)
    assert list(l1) == ["20 images", "λ = 0", "λ = 100", "L1 only", "targets"]
    assert [row["20 images"] for row in (l1, pixels, kid)] == ["L1 ↓", "per-pixel accuracy ↑", "KID × 1000 ↓"]
    for label, k in (("λ = 0", 0), ("λ = 100", 100), ("L1 only", math.inf)):
        assert l1[label] == str(bootstrap(L1[k]))
        assert pixels[label] == str(bootstrap(report.measured["pixel_accuracy"][k]))
    assert l1["λ = 0"].startswith("0.500 ± 0.") and pixels["λ = 100"].startswith("0.400 ± 0.")
    assert (l1["targets"], pixels["targets"], kid["targets"]) == ("", str(bootstrap(around(0.875, 4))), "")
    assert [kid[label] for label in list(kid)[1:4]] == ["40.00 ± 2.50", "9.500 ± 0.500", "112.12 ± 2.00"]
    assert notes == ["LPIPS: not measured. No network.", "class IoU, per-class accuracy: not measured. Too few images."]


def test_with_nothing_missing_and_no_scores_of_the_targets_there_is_only_the_table():
    table = Report(COUNT, {"l1": L1}).table()
    assert list(parse(table)[0]) == ["20 images", "λ = 0", "λ = 100", "L1 only"]


def test_an_interval_is_the_bootstraps_and_kid_has_its_own(report):
    assert list(report.intervals) == ["l1", "pixel_accuracy", "kid"]
    assert report.intervals["l1"] == {k: bootstrap(m) for k, m in L1.items()}
    assert report.intervals["kid"] == report.kid
    assert report.intervals is report.intervals, "computed once"
    assert list(Report(COUNT, {"l1": L1}).intervals) == ["l1"]


def test_the_slider_gets_each_metric_by_its_name(report):
    assert list(report.named) == ["L1 ↓", "per-pixel accuracy ↑", "KID × 1000 ↓"]
    assert report.named["L1 ↓"] == {k: m.value for k, m in L1.items()}
    assert report.named["KID × 1000 ↓"] == {0: 40, 100: 9.5, math.inf: 112.125}


def test_every_two_lambdas_are_compared(report):
    found = report.compare("l1")
    assert list(found) == [(0, 100), (0, math.inf), (100, math.inf)]
    assert [difference for difference, _ in found.values()] == pytest.approx([0.2, 0.203, 0.003], abs=1e-6)
    plain = [permutation_p_value(L1[a], L1[b]) for a, b in found]
    assert [p for _, p in found.values()] == holm_bonferroni(plain)
    assert plain[:2] == pytest.approx([1e-4, 1e-4])
    assert holm_bonferroni(plain)[0] == pytest.approx(3e-4), "adjusted for three comparisons"
    assert plain[2] > SIGNIFICANCE_LEVEL


def test_differences_have_signs_and_are_in_brackets_if_not_significant(report):
    first, second = parse(report.difference_table("l1"))
    head = "L1: row − column"
    assert first == {head: "λ = 0", "λ = 100": "+0.200", "L1 only": "+0.203"}
    assert second == {head: "λ = 100", "λ = 100": "", "L1 only": "(+0.003)"}
    turned = Report(COUNT, {"l1": dict(reversed(L1.items()))})
    first, second = parse(turned.difference_table("l1"))
    assert first == {head: "L1 only", "λ = 100": "(-0.003)", "λ = 0": "-0.203"}
    assert second == {head: "λ = 100", "λ = 100": "", "λ = 0": "-0.200"}


def test_one_lambda_has_a_table_and_no_differences():
    report = Report(COUNT, {"l1": {10: around(0.5)}})
    (row,) = parse(report.table())
    assert list(row) == ["20 images", "λ = 10"]
    assert report.compare("l1") == {}
    assert report.difference_table("l1") == ""
    assert report.claims() == []


def test_a_claim_holds_or_not_or_is_undecided():
    sharpness = {0: around(1.3), 100: around(0.9, 1), math.inf: around(0.4, 2)}
    colour = {0: around(0.8), 100: around(0.5, 1), math.inf: around(0.8, 2)}
    labels = {100: around(0.603), math.inf: around(0.6, 2)}
    found = Report(COUNT, {"sharpness": sharpness, "colour_a": colour, "class_iou": labels}).claims()
    assert [row["result"] for row in found] == ["holds", "holds", "the opposite holds", "undecided", "undecided"]
    compared = [(sharpness, 0), (sharpness, 100), (colour, 100), (colour, 0), (labels, 100)]
    p = [permutation_p_value(row[higher], row[math.inf]) for row, higher in compared]
    assert [row["adjusted p"] for row in found] == [f"{each:.4f}" for each in holm_bonferroni(p)]
    assert found[0] == {
        "the paper says": "λ = 0 is sharper than L1 only",
        "metric": "sharpness",
        "paper": "section 4.2",
        "here": "1.300, 0.400",
        "adjusted p": "0.0005",
        "result": "holds",
    }
    assert found[2]["the paper says"] == "λ = 100 is closer to the targets' colours than L1 only"
    assert (found[2]["paper"], found[2]["here"]) == (".84 > .69", "0.500, 0.800")
    assert found[3]["the paper says"] == "λ = 0 is closer to the targets' colours than L1 only"
    assert (found[3]["paper"], found[3]["here"]) == (".74 > .69", "0.800, 0.800")
    assert found[4]["the paper says"] == "λ = 100 has a higher FCN score than L1 only"
    assert (found[4]["metric"], found[4]["here"]) == ("class IoU", "0.603, 0.600")


def test_all_fourteen_claims_are_adjusted_for_fourteen():
    """Of equal p-values each is fourteen times as large."""
    order = {0: 1, 100: 2, math.inf: 0}
    keys = [key for key in METRICS if key != "kid"]
    rows = Report(COUNT, {key: {k: around(0.5 + 0.1 * i) for k, i in order.items()} for key in keys}).claims()
    assert [(row["adjusted p"], row["result"]) for row in rows] == [("0.0014", "holds")] * 14
    colours = [row["metric"] for row in rows if row["the paper says"].startswith("λ = 0 is closer to the targets' col")]
    assert colours == ["colour L", "colour a", "colour b"]


def test_one_image_has_no_interval_in_any_table():
    """Nor is anything decided by it. That of two equal ones is 0."""
    images = {0: torch.tensor([0.9]), 100: torch.tensor([0.5]), math.inf: torch.tensor([0.125])}
    row = {k: Measurement(image) for k, image in images.items()}
    report = Report(1, {"sharpness": row, "pixel_accuracy": row}, {"pixel_accuracy": row[0]})
    sharpness, accuracy = parse(report.table())
    assert list(sharpness.values()) == ["sharpness → 1", "0.900 ± –", "0.500 ± –", "0.125 ± –", ""]
    assert accuracy["targets"] == "0.900 ± –"
    assert report.named["sharpness → 1"] == pytest.approx({0: 0.9, 100: 0.5, math.inf: 0.125})
    assert "(+0.400)" in report.difference_table("sharpness") and "0.000" not in report.table()
    assert {row["result"] for row in report.claims()} == {"undecided"}
    assert str(bootstrap(Measurement(images[0].repeat(2)))) == "0.900 ± 0.000"


@pytest.mark.parametrize(
    ("lambdas", "count"), [(LAMBDAS, 14), ((0, 100), 2), ((100, math.inf), 6), ((0, math.inf), 6), ((1, 10, 1000), 0)]
)
def test_claims_of_lambdas_that_are_not_there_are_left_out(lambdas, count):
    keys = [key for key in METRICS if key != "kid"]
    measured = {key: {k: around(0.5, i) for i, k in enumerate(lambdas)} for key in keys}
    report = Report(COUNT, measured)
    assert len(report.claims()) == count
    assert len(CLAIMS) == 14
    assert len(parse(report.table())) == len(keys) and len(parse(report.difference_table("l1"))) == len(lambdas) - 1


def test_claims_of_metrics_that_are_not_there_are_left_out(report):
    assert {row["metric"] for row in report.claims()} == {"per-pixel accuracy"}
    assert Report(COUNT, {"l1": L1}).claims() == []


def test_claims_are_those_of_the_paper():
    """They are about its three λ only, and agree with its values."""
    for claim in CLAIMS:
        assert {claim.higher, claim.lower} <= {0, 100, math.inf}
        if ">" in claim.paper:
            higher, lower = map(float, claim.paper.split(" > "))
            assert 1 > higher > lower > 0
