"""The seed equation: G* = arg min_G max_D L_cGAN(G, D) + λ · L_L1(G)  (equation 4 of Isola et al. 2017)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .lambdas import lambda_label


class GeneratorLoss(NamedTuple):
    """What the generator minimises (``total``) and its two terms, scalars. ``l1`` has no λ in it, so runs compare."""

    total: Tensor
    adversarial: Tensor
    l1: Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """½ (BCE(D(x, y), 1) + BCE(D(x, G(x)), 0)): equation 1 with its sign turned, halved as in section 3.3.

    Both logits are (N, 1, H, W), any real numbers. Returns a scalar; log 2 = 0.693 where D only guesses.
    """
    return (_bce(real_logits, 1.0) + _bce(fake_logits, 0.0)) / 2


def generator_loss(fake_logits: Tensor | None, output: Tensor, target: Tensor, lambda_l1: float) -> GeneratorLoss:
    """BCE(D(x, G(x)), 1) + λ · mean |y - G(x)|: equations 1, 3 and 4, in the non-saturating form of section 3.3.

    Args:
        fake_logits: (N, 1, H, W), D's logits for the output. None where λ is ∞, since D then has no say.
        output: (N, 3, S, S) in [-1, 1], the generated image.
        target: (N, 3, S, S) in [-1, 1], the real one.
        lambda_l1: λ in [0, ∞]. ``math.inf`` means L1 alone: the total is l1 itself, the adversarial term is 0.

    Raises:
        ValueError: if λ lies outside [0, ∞], or the logits are missing where λ is finite.
    """
    lambda_label(lambda_l1)
    l1 = F.l1_loss(output.float(), target.float())
    if lambda_l1 == math.inf:
        return GeneratorLoss(l1, torch.zeros_like(l1), l1)
    if fake_logits is None:
        raise ValueError(f"fake_logits is None, but at {lambda_label(lambda_l1)} the adversarial term needs them.")
    adversarial = _bce(fake_logits, 1.0)
    return GeneratorLoss(adversarial + lambda_l1 * l1, adversarial, l1)


def _bce(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of a sigmoid, in float32, against the same label for every patch."""
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, label, dtype=torch.float32))
