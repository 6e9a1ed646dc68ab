"""λ path: one run from random weights, and short ones from neighbour to neighbour along λ that train few layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed

from ..data import Pairs
from ..lambda_path import LambdaPath
from ..loss import LAMBDAS, lambda_label
from .config import TrainConfig
from .lambda_sweep import check_folder_names, folder_of, read_sweep
from .loop import Progress, train
from .run_folder import RunFolder, copy_run
from .runs import Identity, Run, read_run

LATE_LAYERS = 3  # of the decoder, that learn in a leg
LEG = 0.22  # of the epochs of the trunk, for each leg: all six λ then take 1.75 trainings at width 32


def train_lambda_path(
    pairs: Pairs,
    lambdas: Sequence[float] = LAMBDAS,
    config: TrainConfig | None = None,
    root: str | Path = "runs",
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
    start: Run | None = None,
    trunk: float = 100,
    late_layers: int = LATE_LAYERS,
    leg: float = LEG,
) -> dict[float, Run]:
    """Train a run for each λ, each in a subfolder of ``root``, in a fraction of the time of a ``sweep``.

    The trunk is one run from random weights, at λ = 100. From there a leg goes from each λ to its neighbour, up to the
    greatest and down to the least: it starts from the neighbour's G and D, and of G only the last layers learn. All
    runs share the other layers.

    A finished run is not trained again, and an interrupted one is resumed. Once there are legs in ``root``, other
    settings or neighbours are refused before anything is trained. If torch.distributed is initialised (by
    torchrun), one process trains the trunk, and then the two directions go side by side. ``on_progress``, ``device``
    and the errors are those of ``train``.

    Args:
        lambdas: any set of λ; that of the trunk is added to it.
        config: the settings of the trunk; None takes those of ``start``, or else the defaults. The legs have the same,
            but for λ, ``late_layers`` and the epochs.
        start: a finished run that is the trunk: it is copied into ``root`` and not trained again. None trains one.
        trunk: the λ of the trunk, if there is no ``start``.
        late_layers: how many layers at the end of the decoder learn in a leg.
        leg: the epochs of a leg, as a fraction of the trunk's. A leg to L1 only takes twice as many: its steps, without
            a D, cost less than half, and in as many as the others it stays a little sharper than a training of its own.
    """
    root, lambdas = Path(root), [float(lambda_l1) for lambda_l1 in lambdas]
    if start:
        config, trunk = _settings_of(start, config, pairs), start.config.lambda_l1
    first, *directions = path_configs(lambdas, config or TrainConfig(), trunk, late_layers, leg)
    _check_folders(root, first, directions)
    shared = distributed.is_initialized()
    rank, processes = (distributed.get_rank(), distributed.get_world_size()) if shared else (0, 1)
    runs: dict[float, Run] = {}
    if rank == 0:
        where = folder_of(root, trunk)
        if start:
            copy_run(start.folder, where)  # by one process only: the folder is locked meanwhile
        runs[trunk] = read_run(where) if start else train(pairs, first, where, on_progress, device)
    if shared:
        distributed.barrier()
    for legs in directions[rank::processes]:
        before = runs.get(trunk) or read_run(folder_of(root, trunk))
        for config in legs:
            where = folder_of(root, config.lambda_l1)
            before = runs[config.lambda_l1] = train(pairs, config, where, on_progress, device, start=before)
    if shared:
        distributed.barrier()
    return {k: runs.get(k) or read_run(folder_of(root, k)) for k in sorted({trunk, *lambdas})}


def read_lambda_path(root: str | Path, device: torch.device | str = "cpu") -> LambdaPath:
    """Read the runs in ``root`` as a λ path, with the discriminator of its trunk.

    Raises FileNotFoundError or ValueError as ``read_sweep``, and ValueError for runs that are no path.
    """
    runs = read_sweep(root)
    trunk = next((run for run in runs.values() if not run.config.late_layers), None)
    generators = {k: run.load_generator(device) for k, run in runs.items()}
    return LambdaPath(generators, trunk and trunk.load_discriminator(device))


def _settings_of(start: Run, config: TrainConfig | None, pairs: Pairs) -> TrainConfig:
    """The settings of a run that is to be the trunk. Raises ValueError if others are wanted, or it is a leg itself."""
    if not isinstance(start, Run):
        raise ValueError(
            "start must be a finished run, which is then the trunk. Of a λ path: first run = train(…, start=path)."
        )
    settings = replace(config or start.config, lambda_l1=start.config.lambda_l1, late_layers=None)
    if differ := start.identity.differences(Identity(settings, pairs.record(), start.identity.start)):
        raise ValueError(
            f"{start.folder} can't be the trunk ({'; '.join(differ)}): give its own pairs and leave config out, or "
            "leave start out to train a trunk."
        )
    return start.config


def _check_folders(root: Path, trunk: TrainConfig, directions: list[list[TrainConfig]]) -> None:
    """Refuse, before anything is trained, what would leave the legs in ``root`` without the run they started from."""
    folders = [folder for folder in root.glob("lambda_*") if folder.is_dir()]
    found = {folder: there.identity for folder in folders if (there := RunFolder(folder).load())}  # not their weights
    first = found.get(folder_of(root, trunk.lambda_l1))
    differ = first.differences(replace(first, config=trunk)) if first else []
    if differ and any(identity.config.late_layers for identity in found.values()):
        raise ValueError(
            f"{root} holds a path whose trunk has other settings ({'; '.join(differ)}), and its legs would be lost. "
            "Use the same settings, or another folder."
        )
    for legs in directions:
        for before, config in zip([trunk, *legs], legs, strict=False):
            if identity := found.get(folder := folder_of(root, config.lambda_l1)):
                _check_leg(folder, identity, config, before.lambda_l1)


def _check_leg(folder: Path, found: Identity, config: TrainConfig, neighbour: float) -> None:
    differ = found.differences(replace(found, config=config))
    if not found.start:
        differ.insert(0, "it started from random weights")
    elif found.start.lambda_l1 not in (neighbour, None):
        differ.insert(0, f"it started from {lambda_label(found.start.lambda_l1)}")
    if differ:
        raise ValueError(
            f"{folder} is no leg of this path, from {lambda_label(neighbour)} in {config.epochs} epochs: "
            f"{'; '.join(differ)}. Nothing was trained. Use the same λ and settings, or another folder; or delete that "
            "one to train it again."
        )


def path_configs(
    lambdas: Sequence[float], config: TrainConfig, trunk: float = 100, late_layers: int = LATE_LAYERS, leg: float = LEG
) -> tuple[TrainConfig, list[TrainConfig], list[TrainConfig]]:
    """Settings of the trunk, of the legs down from it, and of the legs up, each in the order of training."""
    if late_layers is None:
        raise ValueError("late_layers is None, but a leg trains only the last layers: give their number, or use sweep.")
    check_folder_names([*lambdas, trunk])
    if not 0 < leg < math.inf:
        raise ValueError(f"leg is {leg}, but it must be a fraction of the trunk's epochs, greater than 0.")
    first = replace(config, lambda_l1=trunk)  # an invalid λ raises here, before training
    epochs = max(1, round(config.epochs * leg))
    legs = [
        replace(config, lambda_l1=k, late_layers=late_layers, epochs=2 * epochs if k == math.inf else epochs)
        for k in sorted({*lambdas})
    ]
    return first, [c for c in reversed(legs) if c.lambda_l1 < trunk], [c for c in legs if c.lambda_l1 > trunk]
