"""λ path: one run from random weights, and short ones from neighbour to neighbour along λ that train few layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed

from ..data import Pairs
from ..loss import LAMBDAS
from .config import TrainConfig
from .lambda_sweep import folder_of
from .loop import Progress, Run, read_run, train
from .run_folder import copy_run

LATE_LAYERS = 3  # of the decoder, that learn in a leg
LEG = 0.22  # of the epochs of the trunk, for each leg: all six λ then take 1.75 trainings at width 32


def lambda_path(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
    start: float | Run = 100,
    late_layers: int = LATE_LAYERS,
    leg: float = LEG,
) -> dict[float, Run]:
    """Train a run for each λ, each in a subfolder of ``root``, in a fraction of the time of a ``sweep``.

    The trunk is one run from random weights, at λ = 100. From there a leg goes from each λ to its neighbour, up to the
    greatest and down to the least: it starts from the neighbour's G and D, and of G only the last layers learn. All
    runs share the other layers.

    A finished run is not trained again, and an interrupted one is resumed. If torch.distributed is initialised (by
    torchrun), one process trains the trunk, and then the two directions go side by side. ``on_progress``, ``device``
    and the errors are those of ``train``.

    Args:
        lambdas: any set of λ; that of the trunk is added to it.
        config: the settings of the trunk. The legs have the same, but for λ, ``late_layers`` and the epochs.
        start: the λ of the trunk, or a finished run, which is copied into ``root`` and not trained again.
        late_layers: how many layers at the end of the decoder learn in a leg.
        leg: the epochs of a leg, as a fraction of the trunk's. A leg to L1 only takes twice as many: its steps, without
            a D, cost less than half, and in as many as the others it stays a little sharper than a training of its own.
    """
    base, root = config or TrainConfig(), Path(root)
    if isinstance(start, Run):
        copy_run(start.folder, folder_of(root, start.config.lambda_l1))
        start = start.config.lambda_l1
    trunk, *directions = path_configs(lambdas, base, start, late_layers, leg)
    shared = distributed.is_initialized()
    rank, processes = (distributed.get_rank(), distributed.get_world_size()) if shared else (0, 1)
    runs: dict[float, Run] = {}
    if rank == 0:
        runs[start] = train(pairs, trunk, folder_of(root, start), on_progress, device)
    if shared:
        distributed.barrier()
    for legs in directions[rank::processes]:
        before = runs.get(start) or read_run(folder_of(root, start))
        for config in legs:
            where = folder_of(root, config.lambda_l1)
            before = runs[config.lambda_l1] = train(pairs, config, where, on_progress, device, start=before)
    if shared:
        distributed.barrier()
    return {k: runs.get(k) or read_run(folder_of(root, k)) for k in sorted({start, *lambdas})}


def path_configs(
    lambdas: Sequence[float], config: TrainConfig, start: float = 100, late_layers: int = LATE_LAYERS, leg: float = LEG
) -> tuple[TrainConfig, list[TrainConfig], list[TrainConfig]]:
    """Settings of the trunk, of the legs down from it, and of the legs up, each in the order of training."""
    trunk = replace(config, lambda_l1=start)  # an invalid λ raises here, before training
    epochs = max(1, round(config.epochs * leg))
    legs = [
        replace(config, lambda_l1=k, late_layers=late_layers, epochs=2 * epochs if k == math.inf else epochs)
        for k in sorted({*lambdas})
    ]
    return trunk, [c for c in reversed(legs) if c.lambda_l1 < start], [c for c in legs if c.lambda_l1 > start]
