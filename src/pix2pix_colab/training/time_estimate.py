"""Time estimate of a sweep on this machine, from a short measurement."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
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
        milliseconds = self.seconds / self.steps * 1000
        each = f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"
        return f"{self.steps:,} steps to go, {each} ms each: {_in_words(self.seconds)}."


def estimate_time(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    device: torch.device | str | None = None,
    seconds: float = 2,
    path: bool = False,
    start: float | Run = 100,
) -> TimeEstimate:
    """Estimate the remaining steps and time of ``sweep`` with the same arguments, or of ``lambda_path``.

    The step is timed for ``seconds`` on untrained networks, separately for ∞, which trains no D, and for the legs of a
    path, in which few layers learn. Nothing is written, and the caller's random state is kept.

    Args:
        path: whether to estimate ``lambda_path``, with legs of the default length, and ``start`` as there.

    Raises:
        ValueError: for a λ or pairs that ``sweep`` would refuse. The settings of the runs in ``root`` are not checked.
    """
    device, total, rates = torch.device(device or default_device()), TimeEstimate(0, 0.0), {}
    base = config or (start.config if path and isinstance(start, Run) else TrainConfig())
    if path:
        trained = isinstance(start, Run)  # so that only the legs are to come
        trunk, down, up = path_configs(lambdas, base, start.config.lambda_l1 if trained else start)
        configs = [*([] if trained else [trunk]), *down, *up]
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
    return statistics.median(times)


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60} min"
