"""A sweep: one run for each λ, all else equal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed
from tqdm.auto import tqdm

from ..data import Pairs
from ..loss import LAMBDAS, lambda_label
from .config import TrainConfig
from .loop import Progress, Run, read_run, train


def sweep(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
) -> dict[float, Run]:
    """Train one run for each λ, each in a folder of its own in ``root``; all settings but λ are those of ``config``.

    A run that is finished is not trained again, and one that was interrupted goes on. Where torch.distributed is
    initialised (by torchrun), each process trains its share of the λ and then waits for the others. ``on_progress``,
    ``device`` and the errors are those of ``train``.
    """
    base, lambdas = config or TrainConfig(), list(dict.fromkeys(lambdas))  # each once: two can't share a folder
    configs = [replace(base, lambda_l1=lambda_l1) for lambda_l1 in lambdas]  # refuses a bad λ first
    shared = distributed.is_initialized()
    mine = configs[distributed.get_rank() :: distributed.get_world_size()] if shared else configs
    runs = {c.lambda_l1: train(pairs, c, folder_of(root, c.lambda_l1), on_progress, device) for c in mine}
    if shared:
        distributed.barrier()
        runs = {lambda_l1: read_run(folder_of(root, lambda_l1)) for lambda_l1 in lambdas}
    return runs


def folder_of(root: str | Path, lambda_l1: float) -> Path:
    """The folder of one run in a sweep's ``root``."""
    return Path(root) / f"lambda_{lambda_l1:g}"


def read_sweep(root: str | Path) -> dict[float, Run]:
    """The runs that ``sweep`` left in ``root``, in the order of λ.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if a checkpoint is damaged.
    """
    runs = [read_run(folder) for folder in Path(root).glob("lambda_*")]
    if not runs:
        raise FileNotFoundError(f"{root} holds no lambda_… folder: train a sweep into it first.")
    return {run.config.lambda_l1: run for run in sorted(runs, key=lambda run: run.config.lambda_l1)}


class ProgressBar:
    """An ``on_progress`` that shows one bar for each run, with the time left and the loss."""

    def __init__(self, position: int = 0):
        self.bar: tqdm | None = None
        self.position = position  # the line of the screen, where several processes show one each

    def __call__(self, progress: Progress) -> None:
        if self.bar is None:
            label = lambda_label(progress.config.lambda_l1)
            total, line = progress.steps, self.position
            self.bar = tqdm(total=total, initial=progress.step, desc=label, unit="step", position=line)
        self.bar.update(progress.step - self.bar.n)
        if progress.history:
            self.bar.set_postfix(l1=f"{progress.history[-1]['l1']:.3f}")
        if progress.step == progress.steps:
            self.bar.close()
            self.bar = None
