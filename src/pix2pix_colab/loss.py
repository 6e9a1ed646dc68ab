"""The pix2pix objective, G* = arg min_G max_D L_cGAN(G, D) + λ · L_L1(G) (Isola et al. 2017, eq. 4)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LAMBDAS = (0, 1, 10, 100, 1000, math.inf)
"""The sweep: from the adversarial loss alone (0) to L1 alone (∞)."""

_MEANINGS = {
    0: "the adversarial loss alone: sharp, with artefacts",
    100: "the paper's choice: a balance",
    math.inf: "no adversarial loss: blurred",
}


def lambda_label(lambda_l1: float) -> str:
    """``lambda_l1`` in words, "λ = 100" or "L1 only".

    Raises ValueError if it is negative, NaN or no number: λ weighs a loss, so it lies in [0, ∞].
    """
    if not isinstance(lambda_l1, int | float) or not lambda_l1 >= 0:
        raise ValueError(f"λ is {lambda_l1!r}, but it must be a number from 0 to math.inf (L1 alone).")
    return "L1 only" if lambda_l1 == math.inf else f"λ = {lambda_l1:g}"


def lambda_meaning(lambda_l1: float) -> str:
    """What ``lambda_l1`` asks of the generator, in a few words."""
    if lambda_l1 in _MEANINGS:
        return _MEANINGS[lambda_l1]
    return "more adversarial than the paper" if lambda_l1 < 100 else "closer to L1 than the paper"


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
