"""Weights of networks as int8: convolutions with a scale for each output channel, all else float32."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from zlib import crc32

import torch
from torch import Tensor, nn

SCALE = ".scale"  # ends the name of a weight's scales
KEPT = [0, 1, 3]  # rows and columns of a balanced filter; the third is the second + the last - the first
FROM_KEPT = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 1, 1], [0, 0, 1]])


def to_int8(network: nn.Module, innermost: str | tuple[str, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """The weights of a network by name, those of convolutions as int8 and their scales.

    Of layers whose names begin as ``innermost``, which lead from 2×2 px to one or back, a kernel of 4×4 has only its
    middle: what lies around it meets nothing but padding in a training, and stays as random as it was. Balanced ones
    have nine weights of sixteen.
    """
    modules = dict(network.named_modules())
    for name, values in network.state_dict().items():
        module = modules[name.rpartition(".")[0]]
        values = values.float() if values.is_floating_point() else values
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and name.endswith(".weight"):
            values = values[..., 1:3, 1:3] if name.startswith(innermost) else without_third(values)
            values, scale = quantize(values, [int(isinstance(module, nn.ConvTranspose2d))])
            yield name + SCALE, scale.cpu()
        yield name, values.cpu().contiguous()


def without_third(filters: Tensor) -> Tensor:
    """Balanced filters (…, 4, 4) without their third row and column, (…, 3, 3); others as they are.

    Rounded, all sixteen would no longer be balanced, and some of the grid come back (``balance_phases``).
    """
    kept, rounding = filters[..., KEPT, :][..., KEPT], 1e-5 * filters.abs().max().item()
    return kept if torch.allclose(with_third(kept), filters, rtol=0, atol=rounding) else filters


def with_third(kept: Tensor) -> Tensor:
    """The balanced filters (…, 4, 4) of which ``without_third`` has kept (…, 3, 3)."""
    rule = FROM_KEPT.to(kept)
    return rule @ kept @ rule.mT


def quantize(values: Tensor, channels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Weights as int8 in [-127, 127], and their scales, one for each index of the axes ``channels``: weight / scale."""
    others = [axis for axis in range(values.ndim) if axis not in channels]
    scale = values.detach().abs().amax(others, keepdim=True).clamp(min=1e-30) / 127
    return (values.detach() / scale).round().to(torch.int8), scale


def from_int8(arrays: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """The weights of a network: the inverse of ``to_int8``, with 0 around the middle of a kernel."""
    found = {name.removeprefix(f"{network}."): arrays[name] for name in arrays if name.startswith(f"{network}.")}
    scales = {name.removesuffix(SCALE): found.pop(name) for name in list(found) if name.endswith(SCALE)}
    for name, scale in scales.items():
        found[name] = found[name] * scale
        if found[name].shape[2:] == (2, 2):
            found[name] = nn.functional.pad(found[name], [1] * 4)
        elif found[name].shape[2:] == (3, 3):
            found[name] = with_third(found[name])
    return found


def checksum(arrays: Mapping[str, Tensor]) -> int:
    """CRC-32 of all weights: safetensors has none."""
    return reduce(lambda checksum, name: crc32(arrays[name].numpy(), checksum), sorted(arrays), 0)
