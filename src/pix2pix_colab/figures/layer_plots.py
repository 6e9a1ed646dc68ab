"""Plot of how much each layer of the generator differs between two networks."""

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure

from ..generator import UNetGenerator


def weight_change(first: UNetGenerator, second: UNetGenerator) -> dict[str, float]:
    """Relative change of each layer's weights, ‖second − first‖ / ‖first‖, by the layer's name; 0 is bit-equal."""
    changes = {}
    for side in ("encoder", "decoder"):
        for number, layers in enumerate(zip(getattr(first, side), getattr(second, side), strict=True), start=1):
            one, other = (torch.cat([weight.detach().flatten() for weight in layer.parameters()]) for layer in layers)
            changes[f"{side} {number}"] = ((other - one).norm() / one.norm()).item()
    return changes


def change_plot(changes: Mapping[str, Mapping[str, float]]) -> Figure:
    """Bars of the relative change of each layer: what ``weight_change`` returned, by the name of the comparison."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axes, width = figure.subplots(), 0.8 / len(changes)
    for i, (name, change) in enumerate(changes.items()):
        places = [place + i * width for place in range(len(change))]
        axes.bar(places, change.values(), width, label=name)
    layers = next(iter(changes.values()))
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(layers))], layers, rotation=45, ha="right")
    axes.set(ylabel="relative change of the weights")
    axes.legend(fontsize="small")
    return figure
