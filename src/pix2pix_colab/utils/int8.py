"""int8 weights: symmetric, with a scale for each output channel."""

from collections.abc import Sequence

import torch
from torch import Tensor


def quantize(values: Tensor, channels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Weights as int8 in [-127, 127], and their scales: ``int8 * scale`` is within half a scale of the weights.

    Args:
        channels: the axes with a scale for each index. The other axes of the scales have length 1.
    """
    others = [axis for axis in range(values.ndim) if axis not in channels]
    scale = values.detach().abs().amax(others, keepdim=True).clamp(min=1e-30) / 127
    return (values.detach() / scale).round().to(torch.int8), scale
