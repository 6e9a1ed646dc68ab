"""Outputs of trained runs, for their evaluation: of a sweep, of a λ path, or of the pretrained one."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..data import Pairs, jitter_size
from ..inference import translate
from ..lambda_path import LambdaPath, load_pretrained
from ..training import Run


def check_comparable(runs: Mapping[float, Run], name: str) -> None:
    """Raise ValueError, with the name of their folder, if runs differ in more than λ.

    Those of a path may differ in epochs and in what learns.
    """
    configs = [run.config for run in runs.values()]
    whole = [config for config in configs if not config.late_layers]
    path = {"late_layers": None, "epochs": 1} if len(whole) < min(2, len(configs)) else {}
    directions = {run.identity.pairs.direction for run in runs.values()} - {None}
    if len(directions) > 1 or len({replace(config, lambda_l1=0, **path) for config in configs}) > 1:
        raise ValueError(f"The runs in {name} differ in more than λ: move those of other settings elsewhere.")


def count_trained_on(runs: Mapping[float, Run], read: Callable[[int], Pairs]) -> int:
    """Count the pairs on which one of the runs was trained; ``read`` reads them at a size in px."""
    trained = {digest for run in runs.values() for digest in run.identity.pairs.digests}
    sizes = {run.identity.pairs.size or jitter_size(run.config.image_size) for run in runs.values()}
    return max(len(trained.intersection(read(size).record().digests)) for size in sizes)


def translate_by_runs(
    runs: Mapping[float, Run], source: Tensor, device: torch.device | str = "cpu"
) -> dict[float, Tensor]:
    """Translate sources by each λ. Without runs it is the pretrained path. What a path shares is computed once.

    Raises ValueError for legs of different trunks.
    """
    generators = {k: run.load_generator(device) for k, run in runs.items()}
    if runs and not any(run.config.late_layers for run in runs.values()):
        return {k: translate(generator, source) for k, generator in generators.items()}
    path = LambdaPath(generators) if runs else load_pretrained(device=device)
    return path.translate(source, path.lambdas)
