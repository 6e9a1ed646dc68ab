"""λ sweep: one run for each λ, all other settings equal."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed
from tqdm.auto import tqdm

from ..data import Pairs
from ..loss import LAMBDAS, lambda_label
from .config import TrainConfig
from .loop import Progress, train
from .runs import Run, list_runs, read_run


def sweep(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
) -> dict[float, Run]:
    """Train one run for each λ, each in a subfolder of ``root``; all settings but λ are those of ``config``.

    A finished run is not trained again, and an interrupted one is resumed. If torch.distributed is initialised (by
    torchrun), each process trains its share of the λ and then waits for the others. ``on_progress``, ``device`` and
    the errors are those of ``train``.
    """
    base, lambdas = config or TrainConfig(), list(dict.fromkeys(lambdas))  # each once: two can't share a folder
    configs = [replace(base, lambda_l1=lambda_l1) for lambda_l1 in lambdas]  # an invalid λ raises here, before training
    check_folder_names(lambdas)
    shared = distributed.is_initialized()
    mine = configs[distributed.get_rank() :: distributed.get_world_size()] if shared else configs
    runs = {c.lambda_l1: train(pairs, c, folder_of(root, c.lambda_l1), on_progress, device) for c in mine}
    if shared:
        distributed.barrier()
        runs = {lambda_l1: read_run(folder_of(root, lambda_l1)) for lambda_l1 in lambdas}
    return runs


def folder_of(root: str | Path, lambda_l1: float) -> Path:
    """Folder of one run in the ``root`` of a sweep."""
    return Path(root) / f"lambda_{lambda_l1:g}"


def check_folder_names(lambdas: Sequence[float]) -> None:
    """Raise ValueError if two λ, such as 10 and 10.0000001, would share a folder."""
    names: dict[str, float] = {}
    for lambda_l1 in lambdas:
        other = names.setdefault(folder_of("", lambda_l1).name, lambda_l1)
        if other != lambda_l1:
            raise ValueError(f"λ = {other} and λ = {lambda_l1} are too close: both runs would be in one folder.")


def read_sweep(root: str | Path) -> dict[float, Run]:
    """Read the runs of a sweep in the order of λ. FileNotFoundError if there are none, ValueError if one is damaged."""
    runs = []
    for folder in sorted(Path(root).glob("lambda_*")):
        if list_runs(folder):
            runs.append(read_run(folder))
        else:
            warnings.warn(f"{folder} holds no checkpoint yet: it is left out.", stacklevel=2)
    if not runs:
        raise FileNotFoundError(f"{root} holds no lambda_… folder: train a sweep into it first.")
    return {run.config.lambda_l1: run for run in sorted(runs, key=lambda run: run.config.lambda_l1)}


class ProgressBar:
    """Progress callback with one bar for each run, showing the time left and the L1 loss."""

    def __init__(self, position: int = 0):
        self.bar: tqdm | None = None
        self.position = position  # line on the screen: each process has its own

    def __call__(self, progress: Progress) -> None:
        if self.bar is None:
            label = lambda_label(progress.config.lambda_l1)
            start, total = progress.step, progress.steps
            self.bar = tqdm(desc=label, initial=start, total=total, unit="step", position=self.position)
        self.bar.update(progress.step - self.bar.n)
        if progress.history:
            self.bar.set_postfix(l1=f"{progress.history[-1]['l1']:.3f}")
        if progress.step == progress.steps:
            self.close()

    def close(self) -> None:
        """Close the bar of a run that ended early."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
