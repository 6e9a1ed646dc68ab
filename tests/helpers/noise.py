"""Pairs of noise, for tests in which only the shapes and the bits count."""

import torch

from pix2pix_colab.data import Pairs


def noise_pairs(count: int = 3, size: int = 130, seed: int = 1) -> Pairs:
    """Pairs of random pixels, the same for the same arguments."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (2, count, 3, size, size), dtype=torch.uint8, generator=random)
    return Pairs(images[0], images[1], [str(i) for i in range(count)])
