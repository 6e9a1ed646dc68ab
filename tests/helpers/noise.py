"""Noise, for tests in which only the shapes and the bits count."""

import torch
from torch import Tensor

from pix2pix_colab.data import Pairs


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Random levels, uint8, the same for the same arguments."""
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def noise_pairs(count: int = 3, size: int = 140, seed: int = 1) -> Pairs:
    """Pairs of random pixels, the same for the same arguments."""
    source, target = noise(2, count, 3, size, size, seed=seed)
    return Pairs(source, target, [str(i) for i in range(count)])
