"""Trainings of tiny networks that are interrupted, for tests that need many."""

import math
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import torch

from pix2pix_colab.data import Pairs
from pix2pix_colab.training import Progress, Run, TrainConfig, train

from .noise import noise_pairs

TINY = TrainConfig(width=1, epochs=8, image_size=128)
PAIRS = noise_pairs(4, 143)  # 32 steps


def train_until(step: float, folder: Path, config: TrainConfig = TINY, pairs: Pairs = PAIRS) -> Run | None:
    """Train to a step, before which Ctrl-C is pressed, or to the end."""

    def on_progress(progress) -> None:
        if step - 1 <= progress.step < progress.steps:
            signal.raise_signal(signal.SIGINT)

    try:
        return train(pairs, config, folder, on_progress, device="cpu", log_every=1)
    except KeyboardInterrupt:
        return None


def pull_the_plug(step: int) -> Callable[[Progress], None]:
    """A callback that ends a training at a step that is reported, with whatever is saved by then."""

    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return on_progress


def train_whole(folder: Path, config: TrainConfig = TINY, pairs: Pairs = PAIRS) -> Run:
    """Train to the end."""
    return train_until(math.inf, folder, config, pairs)


def bits(state):
    """A checkpoint's content as what compares equal only if every bit is equal; NaN equals NaN."""
    if isinstance(state, torch.Tensor):
        return state.dtype, state.shape, sha256(state.numpy().tobytes()).hexdigest()
    if isinstance(state, dict):
        return {key: bits(value) for key, value in state.items()}
    return [bits(value) for value in state] if isinstance(state, list | tuple) else repr(state)
