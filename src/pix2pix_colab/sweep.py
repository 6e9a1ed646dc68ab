"""A sweep: one run for each λ, all else equal."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from .lambdas import LAMBDAS, lambda_label
from .pairs import Pairs, read_pairs
from .train import Progress, Run, TrainConfig, read_run, train


def sweep(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
) -> dict[float, Run]:
    """Train one run for each λ, each in a folder of its own in ``root``; all settings but λ are those of ``config``.

    A run that is finished is not trained again, and one that was interrupted goes on. ``on_progress``, ``device`` and
    the errors are those of ``train``.
    """
    configs = [replace(config or TrainConfig(), lambda_l1=lambda_l1) for lambda_l1 in lambdas]  # refuses a bad λ first
    return {c.lambda_l1: train(pairs, c, Path(root) / _folder(c.lambda_l1), on_progress, device) for c in configs}


def read_sweep(root: str | Path) -> dict[float, Run]:
    """The runs that ``sweep`` left in ``root``, in the order of λ.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if a checkpoint is damaged.
    """
    runs = [read_run(folder) for folder in Path(root).glob(_folder("*"))]
    if not runs:
        raise FileNotFoundError(f"{root} holds no {_folder('…')} folder: train a sweep into it first.")
    return {run.config.lambda_l1: run for run in sorted(runs, key=lambda run: run.config.lambda_l1)}


class ProgressBar:
    """An ``on_progress`` that shows one bar for each run, with the time left and the loss."""

    def __init__(self):
        self.bar: tqdm | None = None

    def __call__(self, progress: Progress) -> None:
        if self.bar is None:
            label = lambda_label(progress.config.lambda_l1)
            self.bar = tqdm(total=progress.steps, initial=progress.step, desc=label, unit="step")
        self.bar.update(progress.step - self.bar.n)
        if progress.history:
            self.bar.set_postfix(l1=f"{progress.history[-1]['l1']:.3f}")
        if progress.step == progress.steps:
            self.bar.close()
            self.bar = None


def _folder(lambda_l1: float | str) -> str:
    return f"lambda_{lambda_l1}" if isinstance(lambda_l1, str) else f"lambda_{lambda_l1:g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m pix2pix_colab.sweep PAIRS RUNS``: a sweep over a folder of side-by-side pairs."""
    defaults = TrainConfig()
    parser = argparse.ArgumentParser(prog="python -m pix2pix_colab.sweep", description=main.__doc__)
    parser.add_argument("pairs", type=Path, help="a folder of side-by-side pairs")
    parser.add_argument("runs", type=Path, help="where the runs go, one folder for each λ")
    parser.add_argument("--direction", default="BtoA", choices=("AtoB", "BtoA"))
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS, help="inf is L1 alone")
    parser.add_argument("--width", type=int, default=defaults.width)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    options = parser.parse_args(arguments)
    pairs = read_pairs(options.pairs, direction=options.direction)
    config = TrainConfig(width=options.width, epochs=options.epochs)
    sweep(pairs, options.lambdas, config, options.runs, ProgressBar())


if __name__ == "__main__":
    main()
