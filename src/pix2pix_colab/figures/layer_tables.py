"""Layers of the two networks: tables, read from the modules, and a plot of how much they differ between networks."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.func import functional_call

from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator

Shape = tuple[int, ...]


class LayerRow(NamedTuple):
    """A layer: the modules before, at and after its convolution; shapes are (channels, height, width)."""

    name: str  # "decoder 7"
    before: str  # "ReLU"
    layer: str  # "ConvTranspose 4×4 ×2"
    after: str  # "BatchNorm, Dropout 0.5"
    input: Shape
    output: Shape
    skip_partner: str = ""  # "encoder 1", of the same output size
    joined_channels: str = ""  # "64 + 64 = 128", of [skip, up]: the input of the next layer


class FieldRow(NamedTuple):
    """Receptive field of logit i in a layer's input: ``field`` pixels from ``jump`` · i + ``start`` on."""

    layer: str
    kernel: int
    stride: int
    padding: int
    field: int
    jump: int
    start: int  # negative: in the padding


def generator_table(generator: UNetGenerator) -> list[LayerRow]:
    """Layers of the U-Net, for a source of ``generator.image_size``. The generator is not changed."""
    sides = {"encoder": generator.encoder, "decoder": generator.decoder}
    layers = {f"{side} {i}": layer for side, part in sides.items() for i, layer in enumerate(part, start=1)}
    rows = read_layers(generator, layers, (generator.source_channels, generator.image_size, generator.image_size))
    for i in range(len(generator.encoder), len(rows) - 1):
        up, following = rows[i], rows[i + 1]
        skip = following.input[0] - up.output[0]  # the channels of the skip connection
        if skip:
            j = [row.output for row in rows].index((skip, *up.output[1:]))
            joined = f"{skip} + {up.output[0]} = {following.input[0]}"
            rows[i] = up._replace(skip_partner=rows[j].name, joined_channels=joined)
            rows[j] = rows[j]._replace(skip_partner=up.name)
    return rows


def receptive_fields(discriminator: PatchDiscriminator) -> list[FieldRow]:
    """Receptive field of one logit, from the last layer back to the image: 70×70 pixels."""
    convolutions = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    rows, field, jump, start = [], 1, 1, 0
    for i, convolution in reversed(list(enumerate(convolutions, start=1))):
        kernel, stride, padding = convolution.kernel_size[0], convolution.stride[0], convolution.padding[0]
        field, jump, start = (field - 1) * stride + kernel, jump * stride, start * stride - padding
        rows.append(FieldRow(f"layer {i}", kernel, stride, padding, field, jump, start))
    return rows


def read_layers(network: nn.Module, layers: dict[str, nn.Module], *inputs: Shape) -> list[LayerRow]:
    """Describe the named layers by one forward pass on the meta device, which computes nothing and changes no state."""
    shapes = []
    hooks = [
        layer.register_forward_hook(lambda _, x, y: shapes.append((tuple(x[0].shape[1:]), tuple(y.shape[1:]))))
        for layer in layers.values()
    ]
    state = {name: tensor.to("meta") for name, tensor in network.state_dict().items()}
    try:
        functional_call(network, state, tuple(torch.empty(1, *shape, device="meta") for shape in inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return [LayerRow(name, *_describe(layer), *io) for (name, layer), io in zip(layers.items(), shapes, strict=True)]


def _describe(layer: nn.Module) -> tuple[str, str, str]:
    """Describe the modules before the convolution, the convolution, and the modules after it."""
    modules = [module for module in layer.modules() if not list(module.children())]
    at = next(i for i, module in enumerate(modules) if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))
    names = [_name(module) for module in modules]
    after = names[at + 1 :] if "BatchNorm" in names else ["no BatchNorm", *names[at + 1 :]]
    return ", ".join(names[:at]), names[at], ", ".join(after)


def _name(module: nn.Module) -> str:
    name = type(module).__name__.removesuffix("2d")
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        (kernel, _), (stride, _) = module.kernel_size, module.stride
        return f"{name} {kernel}×{kernel} {'×' if module.transposed else '/'}{stride}"
    number = getattr(module, "negative_slope", getattr(module, "p", None))
    return name if number is None else f"{name} {number:g}"


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
