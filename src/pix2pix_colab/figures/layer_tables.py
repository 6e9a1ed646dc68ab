"""The two networks as they really are: tables whose every number is read from the modules."""

from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call

from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator

Shape = tuple[int, ...]


class LayerRow(NamedTuple):
    """One layer: the modules before, at and after its convolution; shapes are (channels, height, width)."""

    name: str  # "decoder 7"
    before: str  # "ReLU"
    layer: str  # "ConvTranspose 4×4 ×2"
    after: str  # "BatchNorm, Dropout 0.5"
    input: Shape
    output: Shape
    skip_partner: str = ""  # "encoder 1", of the same output size
    joined_channels: str = ""  # "64 + 64 = 128", of [skip, up]: what the next layer takes in


class FieldRow(NamedTuple):
    """What logit i sees of a layer's input: ``field`` pixels from ``step`` · i + ``start`` on (below 0 is padding)."""

    layer: str
    kernel: int
    stride: int
    padding: int
    field: int
    step: int
    start: int


def generator_table(generator: UNetGenerator) -> list[LayerRow]:
    """The U-Net layer by layer, for a source of ``generator.image_size``. The generator is left as it was."""
    sides = {"encoder": generator.encoder, "decoder": generator.decoder}
    layers = {f"{side} {i}": layer for side, part in sides.items() for i, layer in enumerate(part, start=1)}
    rows = read_layers(generator, layers, (generator.source_channels, generator.image_size, generator.image_size))
    for i in range(len(generator.encoder), len(rows) - 1):
        up, following = rows[i], rows[i + 1]
        skip = following.input[0] - up.output[0]  # the channels that came by another way
        if skip:
            j = [row.output for row in rows].index((skip, *up.output[1:]))
            joined = f"{skip} + {up.output[0]} = {following.input[0]}"
            rows[i] = up._replace(skip_partner=rows[j].name, joined_channels=joined)
            rows[j] = rows[j]._replace(skip_partner=up.name)
    return rows


def discriminator_table(discriminator: PatchDiscriminator, image_size: int = 256) -> list[LayerRow]:
    """The PatchGAN layer by layer, for images of one size. The discriminator is left as it was."""
    layers = {f"layer {i}": layer for i, layer in enumerate(discriminator.layers, start=1)}
    channels = discriminator.source_channels, discriminator.target_channels
    return read_layers(discriminator, layers, *((each, image_size, image_size) for each in channels))


def receptive_fields(discriminator: PatchDiscriminator) -> list[FieldRow]:
    """How one logit comes to see 70×70 pixels, from the last layer back to the image."""
    convolutions = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    rows, field, step, start = [], 1, 1, 0
    for i, convolution in reversed(list(enumerate(convolutions, start=1))):
        kernel, stride, padding = convolution.kernel_size[0], convolution.stride[0], convolution.padding[0]
        field, step, start = (field - 1) * stride + kernel, step * stride, start * stride - padding
        rows.append(FieldRow(f"layer {i}", kernel, stride, padding, field, step, start))
    return rows


def logit_patch(discriminator: PatchDiscriminator, row: int, column: int) -> tuple[int, int, int]:
    """Top, left and side in pixels of the square that one logit judges; at the border it reaches into the padding."""
    image = receptive_fields(discriminator)[-1]
    return image.step * row + image.start, image.step * column + image.start, image.field


def read_layers(network: nn.Module, layers: dict[str, nn.Module], *inputs: Shape) -> list[LayerRow]:
    """Describe the named layers, by one forward pass on the meta device: no arithmetic, and no state is touched."""
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
    return [LayerRow(name, *_words(layer), *io) for (name, layer), io in zip(layers.items(), shapes, strict=True)]


def _words(layer: nn.Module) -> tuple[str, str, str]:
    """The modules before the convolution, the convolution and those after it, in words."""
    modules = [module for module in layer.modules() if not list(module.children())]
    at = next(i for i, module in enumerate(modules) if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))
    words = [_word(module) for module in modules]
    after = words[at + 1 :] if "BatchNorm" in words else ["no BatchNorm", *words[at + 1 :]]
    return ", ".join(words[:at]), words[at], ", ".join(after)


def _word(module: nn.Module) -> str:
    name = type(module).__name__.removesuffix("2d")
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        (kernel, _), (stride, _) = module.kernel_size, module.stride
        return f"{name} {kernel}×{kernel} {'×' if module.transposed else '/'}{stride}"
    number = getattr(module, "negative_slope", getattr(module, "p", None))
    return name if number is None else f"{name} {number:g}"
