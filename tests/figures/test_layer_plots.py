"""How much each layer differs between two networks."""

import copy

import pytest
import torch

from pix2pix_colab import UNetGenerator
from pix2pix_colab.figures import change_plot, weight_change


@pytest.fixture(scope="module")
def changes() -> dict[str, float]:
    """Of a network whose sixth decoder layer is 1.5 times another's, and whose last one has another bias."""
    torch.manual_seed(0)
    one = UNetGenerator(2, 128)
    other = copy.deepcopy(one)
    with torch.no_grad():
        for weight in other.decoder[5].parameters():
            weight.mul_(1.5)
        other.decoder[6][1].bias.add_(1)
    return weight_change(one, other)


def test_only_what_differs_differs(changes):
    assert list(changes) == [f"{side} {i}" for side in ("encoder", "decoder") for i in range(1, 8)]
    assert changes["decoder 6"] == pytest.approx(0.5) and changes["decoder 7"] > 0
    assert [name for name, change in changes.items() if change] == ["decoder 6", "decoder 7"]


def test_each_comparison_has_its_bars(changes):
    figure = change_plot({"path": changes, "apart": dict.fromkeys(changes, 0.25)})
    (axes,) = figure.axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [list(changes.values()), [0.25] * 14]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(changes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["path", "apart"]
