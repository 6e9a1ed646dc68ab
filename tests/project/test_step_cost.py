"""The traffic of a step, by which times on other GPUs are estimated, against counts by hand."""

import re
from dataclasses import replace

import torch
from benchmarks.step_cost import GPUS, count, estimate, estimate_trainings
from helpers.noise import noise_pairs

from pix2pix_colab.training import TrainConfig, Training


def test_adam_the_scaler_and_the_casts_are_counted_as_they_are():
    training = Training(noise_pairs(), TrainConfig(width=8, image_size=128))
    training.step(*training.next_batch())  # it makes the state of Adam
    large = sum(w.numel() for net in (training.generator, training.discriminator) for w in net.parameters())
    for dtype, scaler in ((torch.float16, 2), (torch.bfloat16, 0)):
        flops, moved = count(training, dtype)
        assert (
            abs(moved["_fused_adam_"] / (7 * 4 * large) - 1) < 0.01
        )  # weight, gradient, two moments; all but one written
        assert abs(moved["_amp_foreach_non_finite_check_and_unscale_"] - scaler * 4 * large) < 1000
        assert moved["_to_copy"] > 2 * (4 + 2) * 0.9 * large  # weights to 16 bits, gradients back
        assert moved["convolution"] > 2 * 0.9 * large and not {"view", "empty", "detach"} & moved.keys()
    assert flops > 1e8 and training.dtype != torch.float16 and not training.scaler.is_enabled()
    assert all("ms a step." in estimate(training, gpu) for gpu in GPUS)


def test_whole_trainings_are_added_up_from_their_own_kinds_of_steps():
    """Five with D and one without; a trunk, four legs of 0.22 of it, and twice as many steps to L1 only."""
    config = TrainConfig(width=8, image_size=128)
    found = estimate_trainings(lambda **settings: Training(noise_pairs(), replace(config, **settings)), "T4")
    ms = [float(low) for low in re.findall(r"([\d.]+) to [\d.e+-]+ ms", found)]
    minutes = [float(low) for low in re.findall(r"([\d.]+) to [\d.]+ minutes", found)]
    step, l1_only, leg, leg_to_l1 = ms
    assert step > l1_only > leg_to_l1 and step > leg > leg_to_l1
    assert abs(minutes[0] - (5 * step + l1_only) / 6) < 0.06
    assert abs(minutes[1] - (step + 0.88 * leg + 0.44 * leg_to_l1) / 6) < 0.06
