"""The layers of the U-Net and of the discriminator as ONNX nodes, by the paper's test-time rule."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..utils.device import fork_rng
from ..utils.images import SCALE
from .onnx_graph import OnnxGraph

Masks = Mapping[int, Tensor]  # of dropout, by the index of the decoder layer


def sample_masks(generator: UNetGenerator, size: tuple[int, int], seed: int) -> Masks:
    """Sample the dropout masks that ``translate`` samples for each image of this size, as uint8."""
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed is {seed}, but PyTorch takes 64 bits: choose a smaller number.")
    masks, device = {}, next(generator.parameters()).device
    with fork_rng(device):
        torch.manual_seed(seed)
        for i, layer in enumerate(generator.decoder):
            height, width = (pixels * 2 ** (i + 1) // generator.image_size for pixels in size)
            for module in layer:
                if isinstance(module, nn.Dropout):
                    ones = torch.ones(1, layer[1].out_channels, height, width, device=device)
                    masks[i] = (F.dropout(ones, module.p) > 0).to(torch.uint8)
    return masks


def add_normalised(graph: OnnxGraph, source: str) -> str:
    """uint8 in [0, 255] -> float32 in [-1, 1], as ``to_float``."""
    scaled = graph.node("Mul", graph.cast(source, "FLOAT"), graph.constant(SCALE))
    return graph.node("Sub", scaled, graph.constant(1.0))


def add_denormalised(graph: OnnxGraph, x: str) -> str:
    """Float in [-1, 1] -> uint8 in [0, 255], as ``to_uint8``."""
    x = graph.node("Mul", graph.node("Add", x, graph.constant(1.0)), graph.constant(127.5))
    x = graph.node("Clip", graph.node("Round", x), graph.constant(0.0), graph.constant(255.0))
    return graph.cast(x, "UINT8")


def add_shares(graph: OnnxGraph, position: str, anchors: int) -> str:
    """Share of each anchor in the weights at a position, max(0, 1 - their distance): (1,) -> (1, anchors)."""
    inside = graph.node("Clip", position, graph.constant(0.0), graph.constant(float(anchors - 1)))
    distance = graph.node("Abs", graph.node("Sub", inside, graph.constant(torch.arange(float(anchors))[None])))
    return graph.node("Relu", graph.node("Sub", graph.constant(1.0), distance))


def add_early_layers(
    graph: OnnxGraph, generator: UNetGenerator, x: str, late: int, masks: Masks
) -> tuple[str, list[str]]:
    """``UNetGenerator.early_layers`` as nodes: the input of the next layer, and the skip connections after it."""
    skips = []
    for i, down in enumerate(generator.encoder):
        x = _add_layer(graph, f"encoder.{i}", x, [down])
        skips.append(x)
    skips.pop()
    for i, up in enumerate(generator.decoder[: len(generator.decoder) - late]):
        x = _join(graph, generator, _add_layer(graph, f"decoder.{i}", x, [up], masks.get(i)), skips.pop())
    return x, skips if generator.skips else []


def add_late_layers(
    graph: OnnxGraph,
    anchors: Sequence[UNetGenerator],
    x: str,
    skips: Sequence[str],
    late: int,
    masks: Masks,
    shares: str | None,
) -> str:
    """``UNetGenerator.late_layers`` as nodes; with ``shares``, of weights that are interpolated between the anchors."""
    skips, first = list(skips), len(anchors[0].decoder) - late
    for i in range(first, first + late):
        x = _add_layer(graph, f"decoder.{i}", x, [anchor.decoder[i] for anchor in anchors], masks.get(i), shares)
        x = _join(graph, anchors[0], x, skips.pop()) if skips else x
    return x


def add_discriminator(graph: OnnxGraph, discriminator: PatchDiscriminator, source: str, image: str) -> str:
    """``critic_map`` as nodes: the probability that each patch is real, (1, 1, H/8 - 2, W/8 - 2)."""
    x = graph.node("Concat", source, image, axis=1)
    for i, layer in enumerate(discriminator.layers):
        x = _add_layer(graph, f"layers.{i}", x, [layer if isinstance(layer, nn.Sequential) else [layer]])
    return graph.node("Sigmoid", x)


def _join(graph: OnnxGraph, generator: UNetGenerator, x: str, skip: str) -> str:
    return graph.node("Concat", skip, x, axis=1) if generator.skips else x


def _add_layer(
    graph: OnnxGraph,
    name: str,
    x: str,
    layers: Sequence[nn.Sequential | list[nn.Module]],
    mask: Tensor | None = None,
    shares: str | None = None,
) -> str:
    """Add a layer of the encoder or decoder, given for each anchor."""
    for i, modules in enumerate(zip(*layers, strict=True)):
        x = _add_module(graph, f"{name}.{i}", x, modules, mask, shares)
    return x


def _add_module(
    graph: OnnxGraph, name: str, x: str, modules: Sequence[nn.Module], mask: Tensor | None, shares: str | None
) -> str:
    """Add a module, given for each anchor. BatchNorm by the statistics of the one image is InstanceNormalization."""

    def parameter(which: str, channel: int | None = None) -> str:
        values = [getattr(module, which) for module in modules]
        return _add_parameter(graph, f"{name}.{which}", values, channel, shares)

    module = modules[0]
    match module:
        case nn.LeakyReLU():
            return graph.node("LeakyRelu", x, alpha=module.negative_slope)
        case nn.ReLU():
            return graph.node("Relu", x)
        case nn.Tanh():
            return graph.node("Tanh", x)
        case nn.Dropout():
            scale = graph.constant(1 / (1 - module.p) if module.p < 1 else 1.0)
            kept = graph.cast(graph.constant(mask, f"{name}.mask"), "FLOAT")
            return graph.node("Mul", x, graph.node("Mul", kept, scale))
        case nn.BatchNorm2d():
            norm = parameter("weight"), parameter("bias")
            return graph.node("InstanceNormalization", x, *norm, epsilon=module.eps)
        case nn.Conv2d() | nn.ConvTranspose2d():
            transposed = isinstance(module, nn.ConvTranspose2d)
            parameters = [parameter("weight", channel=int(transposed))]
            parameters += [parameter("bias")] if module.bias is not None else []
            shape = {"kernel_shape": module.kernel_size, "strides": module.stride, "pads": module.padding * 2}
            return graph.node("ConvTranspose" if transposed else "Conv", x, *parameters, **shape)
    raise NotImplementedError(f"{name} is a {type(module).__name__}, which has no ONNX node here.")


def _add_parameter(
    graph: OnnxGraph, name: str, values: Sequence[Tensor], channel: int | None, shares: str | None
) -> str:
    """Add a parameter, given for each anchor; with ``shares``, its interpolation between the anchors.

    ``channel`` is the axis of the output channels of a convolution's weights; None for all else, which stays float32.
    """
    shape = values[0].shape
    if shares is None:
        return graph.constant(values[0], name) if channel is None else graph.weight(values[0], name, [channel])
    stack = torch.stack(list(values))  # (anchors, *shape)
    found = graph.constant(stack, name) if channel is None else graph.weight(stack, name, [0, channel + 1])
    rows = graph.node("Reshape", found, graph.constant([len(values), -1]))
    return graph.node("Reshape", graph.node("MatMul", shares, rows), graph.constant(list(shape)))
