"""Time estimate of a sweep or a λ path on this machine, from a short measurement."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from ..data import Pairs
from ..loss import LAMBDAS
from ..utils.device import default_device, fast_cudnn, fork_rng
from .config import TrainConfig
from .cuda_graph import WARM_UP
from .lambda_path import path_configs
from .lambda_sweep import folder_of
from .run_folder import read_steps_done
from .runs import Run
from .step import Training, check_pairs


class TimeEstimate(NamedTuple):
    """The remaining steps of a sweep, and the seconds that they take on this machine."""

    steps: int
    seconds: float

    def __str__(self) -> str:
        if not self.steps:
            return "Everything is trained already."
        milliseconds, minutes = self.seconds / self.steps * 1000, round(self.seconds / 60)
        each = f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"
        words = f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
        return f"{self.steps:,} steps to go, {each} ms each: about {words if minutes > 1 else f'{self.seconds:.0f} s'}."


def estimate_time(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    device: torch.device | str | None = None,
    seconds: float = 2,
    path: bool = False,
    start: Run | None = None,
) -> TimeEstimate:
    """Estimate the remaining steps and time of ``sweep`` or, with ``path``, ``train_lambda_path``, of equal arguments.

    The step is timed for ``seconds`` on untrained networks, separately for ∞, which trains no D, and for the legs of a
    path, in which few layers learn. Nothing is written, and the caller's random state is kept. A λ or pairs that
    ``sweep`` would refuse are a ValueError. The settings of the runs in ``root`` are not checked.
    """
    device, total, rates = torch.device(device or default_device()), TimeEstimate(0, 0.0), {}
    base = config or (start.config if start else TrainConfig())
    if path:
        trunk, down, up = path_configs(lambdas, base, start.config.lambda_l1 if start else 100)
        configs = [*([] if start else [trunk]), *down, *up]
    else:
        configs = [replace(base, lambda_l1=lambda_l1) for lambda_l1 in dict.fromkeys(lambdas)]
    for each in configs:
        check_pairs(pairs, each)
        steps = each.epochs * math.ceil(len(pairs) / each.batch_size) - read_steps_done(folder_of(root, each.lambda_l1))
        if steps > 0:
            kind = each.lambda_l1 == math.inf, each.late_layers
            if kind not in rates:
                rates[kind] = seconds_per_step(pairs, each, device, seconds)
            total = TimeEstimate(total.steps + steps, total.seconds + steps * rates[kind])
    return total


def seconds_per_step(pairs: Pairs, config: TrainConfig, device: torch.device, seconds: float) -> float:
    """Median time of a step, measured for ``seconds``."""
    with fork_rng(device), fast_cudnn():
        training, times = Training(pairs, config, device), []
        for _ in range(WARM_UP + 1):
            training.advance()
        training.log()  # waits for a GPU
        until = time.perf_counter() + seconds
        while not times or time.perf_counter() < until:
            begin = time.perf_counter()
            for _ in range(5):
                training.advance()
            training.log()
            times.append((time.perf_counter() - begin) / 5)
    return median(times)
