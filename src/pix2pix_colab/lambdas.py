"""λ, the one knob: which values a sweep takes and what each is called. Imports nothing."""

import math

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
