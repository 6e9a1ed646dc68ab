"""The pix2pix objective by hand, and λ from 0 to ∞."""

import math

import pytest
import torch

from pix2pix_colab.loss import LAMBDAS, discriminator_loss, generator_loss, lambda_label, lambda_meaning

LOG3 = math.log(3)  # the logit of a probability of 3/4
FAKE = torch.tensor([0.0, LOG3]).reshape(1, 1, 1, 2)  # probabilities 1/2 and 3/4
OUTPUT = torch.tensor([0.5, -0.5, 1.0, 0.0]).reshape(1, 1, 2, 2)
TARGET = torch.tensor([0.0, 0.0, -1.0, 0.0]).reshape(1, 1, 2, 2)

# BCE(FAKE, 1): (-log 1/2 - log 3/4) / 2 = (log 2 + log 4/3) / 2 = log(8/3) / 2 = 0.490
ADVERSARIAL = math.log(8 / 3) / 2
# mean |y - G(x)|: (0.5 + 0.5 + 2 + 0) / 4 = 0.75
L1 = 0.75


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32)


def test_the_discriminators_loss_by_hand():
    real = torch.tensor([LOG3, 0.0]).reshape(1, 1, 1, 2)  # D takes the real patches for 3/4 and 1/2 real
    fake = torch.tensor([LOG3, -LOG3]).reshape(1, 1, 1, 2)  # and the fake ones for 3/4 and 1/4 real
    # BCE(real, 1) = (-log 3/4 - log 1/2) / 2         = log(4/3 · 2) / 2 = log(8/3) / 2
    # BCE(fake, 0) = (-log(1 - 3/4) - log(1 - 1/4)) / 2 = log(4 · 4/3) / 2 = log(16/3) / 2
    # half their sum: (log(8/3) + log(16/3)) / 4 = log(128/9) / 4 = 0.664
    expected = number(math.log(128 / 9) / 4)
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


def test_the_discriminator_learns_to_say_real_of_the_real_alone():
    real, fake = (torch.zeros(1, 1, 2, 2, requires_grad=True) for _ in range(2))
    discriminator_loss(real, fake).backward()
    # d/dl BCE(l, 1) = σ(l) - 1 = -1/2 and d/dl BCE(l, 0) = σ(l) = 1/2; halved, and shared by four patches
    torch.testing.assert_close(real.grad, torch.full((1, 1, 2, 2), -1 / 16))
    torch.testing.assert_close(fake.grad, torch.full((1, 1, 2, 2), 1 / 16))


@pytest.mark.parametrize("lambda_l1", [0, 1, 10.0, 100, 1000])
def test_the_generators_loss_by_hand(lambda_l1):
    loss = generator_loss(FAKE, OUTPUT, TARGET, lambda_l1)
    torch.testing.assert_close(loss.adversarial, number(ADVERSARIAL))
    torch.testing.assert_close(loss.l1, number(L1))  # without λ
    torch.testing.assert_close(loss.total, number(ADVERSARIAL + lambda_l1 * L1))
    assert loss.total == loss.adversarial + lambda_l1 * loss.l1
    assert all(term.shape == () for term in loss)


@pytest.mark.parametrize("logits", [None, FAKE, torch.full((1, 1, 1, 2), math.nan)])
def test_at_infinity_l1_is_all(logits):
    total, adversarial, l1 = generator_loss(logits, OUTPUT, TARGET, math.inf)
    assert total == l1 == L1
    assert adversarial == 0


def test_logits_can_be_left_out_at_infinity_alone():
    for lambda_l1 in (0, 100, 1e300):
        with pytest.raises(ValueError, match=r"fake_logits is None, but at λ = \S+ the adversarial term needs them"):
            generator_loss(None, OUTPUT, TARGET, lambda_l1)


@pytest.mark.parametrize("logit", [-1000.0, 1000.0])
def test_large_logits_are_stable(logit):
    real, fake = (torch.full((1, 1, 2, 2), logit, requires_grad=True) for _ in range(2))
    # for logits this large, BCE(l, 1) is 0 where l > 0 and |l| where l < 0; BCE(l, 0) the other way round
    assert discriminator_loss(real, fake) == 500
    discriminator_loss(real, fake).backward()
    assert real.grad.isfinite().all() and fake.grad.isfinite().all()
    assert generator_loss(fake, OUTPUT, TARGET, 0).adversarial == max(0.0, -logit)


def test_the_generator_is_pushed_to_fool_the_discriminator_even_when_it_is_sure():
    logits = torch.full((1, 1, 2, 2), -1000.0, requires_grad=True)
    generator_loss(logits, OUTPUT, TARGET, 0).total.backward()
    torch.testing.assert_close(logits.grad, torch.full((1, 1, 2, 2), -1 / 4))  # the saturating form would give 0


@pytest.mark.parametrize(("lambda_l1", "weight"), [(0, 0), (1, 1), (100, 100), (math.inf, 1)])
def test_l1_pulls_with_the_weight_of_lambda(lambda_l1, weight):
    output = OUTPUT.clone().requires_grad_()
    generator_loss(FAKE, output, TARGET, lambda_l1).total.backward()
    expected = torch.tensor([1.0, -1.0, 1.0, 0.0]).reshape(1, 1, 2, 2) * weight / 4  # the sign of output - target
    torch.testing.assert_close(output.grad, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_in_and_float32_comes_out(dtype):
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(1, 1, 30, 30, generator=generator).to(dtype) for _ in range(2))
    output, target = (torch.rand(1, 3, 64, 64, generator=generator).to(dtype) for _ in range(2))
    rounded = [each.float() for each in (fake, output, target)]
    for ours, exact in zip(
        [discriminator_loss(real, fake), *generator_loss(fake, output, target, 100)],
        [discriminator_loss(real.float(), fake.float()), *generator_loss(*rounded, 100)],
        strict=True,
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact)


@pytest.mark.parametrize("lambda_l1", [-1, -0.001, -math.inf, math.nan, "100", None, 1j])
def test_a_lambda_out_of_range_gets_a_sentence(lambda_l1):
    for function in (lambda_label, lambda value: generator_loss(FAKE, OUTPUT, TARGET, value)):
        with pytest.raises(ValueError, match=r"λ is .*, but it must be a number from 0 to math\.inf"):
            function(lambda_l1)


def test_lambda_is_named_in_words():
    labels = ["λ = 0", "λ = 1", "λ = 10", "λ = 100", "λ = 1000", "L1 only"]
    assert [lambda_label(lambda_l1) for lambda_l1 in LAMBDAS] == labels
    assert lambda_label(100.0) == "λ = 100"
    assert lambda_label(0.5) == "λ = 0.5"


def test_lambda_is_explained_in_words():
    assert lambda_meaning(100) == lambda_meaning(100.0) == "the paper's choice: a balance"
    assert "artefacts" in lambda_meaning(0)
    assert "blurred" in lambda_meaning(math.inf)
    assert lambda_meaning(1) == lambda_meaning(99) == "more adversarial than the paper"
    assert lambda_meaning(101) == lambda_meaning(1000) == "closer to L1 than the paper"
