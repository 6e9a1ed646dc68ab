"""The pix2pix objective, G* = arg min_G max_D L_cGAN(G, D) + λ · L_L1(G) (Isola et al. 2017, eq. 4)."""

import math
from numbers import Real
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LAMBDAS = (0, 1, 10, 100, 1000, math.inf)
"""The λ of a sweep: from only the adversarial loss (0) to only L1 (∞). Section 4.2 of the paper names 100."""

_MEANINGS = {
    0: "only the adversarial loss: sharp, with artefacts",
    100: "the paper's choice: a balance",
    math.inf: "no adversarial loss: blurred",
}


def check_lambda(lambda_l1: float) -> None:
    """Raise ValueError unless λ is a number in [0, ∞]."""
    if not isinstance(lambda_l1, Real) or not lambda_l1 >= 0:
        raise ValueError(f"λ is {lambda_l1!r}, but it must be a number from 0 to math.inf (L1 only).")


def lambda_label(lambda_l1: float) -> str:
    """Name of λ: "λ = 100" or "L1 only". Raises ValueError unless λ is a number in [0, ∞]."""
    check_lambda(lambda_l1)
    return "L1 only" if lambda_l1 == math.inf else f"λ = {lambda_l1:g}"


def lambda_meaning(lambda_l1: float) -> str:
    """Effect of λ in a few words."""
    if lambda_l1 in _MEANINGS:
        return _MEANINGS[lambda_l1]
    return "more adversarial than the paper" if lambda_l1 < 100 else "closer to L1 than the paper"


class GeneratorLoss(NamedTuple):
    """Generator loss (``total``) and its two terms, scalars. ``l1`` is without λ, so that runs can be compared."""

    total: Tensor
    adversarial: Tensor
    l1: Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator loss: ½ (BCE(D(x, y), 1) + BCE(D(x, G(x)), 0)), eq. 1 negated, and halved as in section 3.3.

    Both logits are (N, 1, H, W). Returns a scalar: log 2 = 0.693 for a D that guesses.
    """
    return (_bce(real_logits, 1.0) + _bce(fake_logits, 0.0)) / 2


def generator_loss(fake_logits: Tensor | None, output: Tensor, target: Tensor, lambda_l1: float) -> GeneratorLoss:
    """Generator loss: BCE(D(x, G(x)), 1) + λ · mean |y - G(x)|, eq. 1, 3 and 4 in section 3.3's non-saturating form.

    Args:
        fake_logits: (N, 1, H, W), D's logits for the output. None if λ is ∞: the loss is then L1 only.
        output: (N, 3, S, S) in [-1, 1], the generated image.
        target: (N, 3, S, S) in [-1, 1], the real image.
        lambda_l1: λ in [0, ∞]. With ``math.inf`` the total is l1, and the adversarial term is 0.

    Raises ValueError if λ lies outside [0, ∞], or λ is finite and the logits are missing.
    """
    check_lambda(lambda_l1)
    l1 = F.l1_loss(output.float(), target.float())
    if lambda_l1 == math.inf:
        return GeneratorLoss(l1, torch.zeros_like(l1), l1)
    if fake_logits is None:
        raise ValueError(f"fake_logits is None, but at {lambda_label(lambda_l1)} the adversarial term needs them.")
    adversarial = _bce(fake_logits, 1.0)
    return GeneratorLoss(adversarial + lambda_l1 * l1, adversarial, l1)


def _bce(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of the logits in float32, with one label for all patches."""
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, label, dtype=torch.float32))
