"""λ path: one run from random weights, and short ones from neighbour to neighbour along λ that train few layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import distributed

from ..data import Pairs
from ..interpolation import LambdaPath
from ..loss import LAMBDAS, lambda_label
from .config import TrainConfig
from .lambda_sweep import check_folder_names, folder_of
from .loop import Progress, Run, read_run, saved_config, train
from .run_folder import RunFolder, copy_run

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

    A finished run is not trained again, and an interrupted one is resumed. Once there are legs in ``root``, other
    settings or neighbours are refused before anything is trained. If torch.distributed is initialised (by
    torchrun), one process trains the trunk, and then the two directions go side by side. ``on_progress``, ``device``
    and the errors are those of ``train``.

    Args:
        lambdas: any set of λ; that of the trunk is added to it.
        config: the settings of the trunk; None takes those of a ``start`` that is a run, or else the defaults. The legs
            have the same, but for λ, ``late_layers`` and the epochs.
        start: the λ of the trunk, or a finished run, which is copied into ``root`` and not trained again.
        late_layers: how many layers at the end of the decoder learn in a leg.
        leg: the epochs of a leg, as a fraction of the trunk's. A leg to L1 only takes twice as many: its steps, without
            a D, cost less than half, and in as many as the others it stays a little sharper than a training of its own.
    """
    if isinstance(start, LambdaPath):
        raise ValueError("A λ path can't be the trunk: first run = train(…, start=path), then start=run.")
    root, lambdas, adopted = Path(root), [float(lambda_l1) for lambda_l1 in lambdas], None
    if isinstance(start, Run):
        _check_start(start, config, pairs)
        adopted, config, start = start.folder, start.config, start.config.lambda_l1
    trunk, *directions = path_configs(lambdas, config or TrainConfig(), start, late_layers, leg)
    _check_folders(root, trunk, directions)
    if adopted:
        copy_run(adopted, folder_of(root, start))
    shared = distributed.is_initialized()
    rank, processes = (distributed.get_rank(), distributed.get_world_size()) if shared else (0, 1)
    runs: dict[float, Run] = {}
    if rank == 0:
        where = folder_of(root, start)
        runs[start] = read_run(where) if adopted else train(pairs, trunk, where, on_progress, device)
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


def _check_start(start: Run, config: TrainConfig | None, pairs: Pairs) -> None:
    """Raise ValueError, before anything is written, if a run can't be the trunk for these settings and pairs."""
    if replace(config or start.config, lambda_l1=start.config.lambda_l1, late_layers=None) != start.config:
        raise ValueError(
            f"{start.folder} can't be the trunk: it was made with other settings than those given, or is itself a leg. "
            "Leave config out, or give the λ of a trunk as start."
        )
    if start.pairs != pairs.fingerprint():
        raise ValueError(
            f"{start.folder} can't be the trunk: it was trained on other pairs ({start.pairs}) than those given "
            f"({pairs.fingerprint()}). Give those, or the λ of a trunk as start."
        )


def _check_folders(root: Path, trunk: TrainConfig, directions: list[list[TrainConfig]]) -> None:
    """Refuse, before anything is trained, what would leave the legs in ``root`` without the run they started from."""
    folders = [folder for folder in root.glob("lambda_*") if folder.is_dir()]
    states = {folder: _load_settings(folder) for folder in folders}
    for legs in directions:
        before = trunk
        for config in legs:
            if state := states.get(folder := folder_of(root, config.lambda_l1)):
                _check_leg(folder, state, config, before)
            before = config
    legs_there = any(state and state["config"].get("late_layers") for state in states.values())
    state = states.get(folder_of(root, trunk.lambda_l1)) if legs_there else None
    if state and saved_config(state) != asdict(trunk):
        raise ValueError(
            f"{root} holds a path whose trunk has other settings (its epochs are {state['config']['epochs']}), and its "
            "legs would be lost. Use the same settings, or another folder."
        )


def _load_settings(folder: Path) -> dict | None:
    """Load the settings and the start of a run, without its weights: six of the paper's size hold 4 GB."""
    state = RunFolder(folder).load()
    return state and {"config": state["config"], "start": state.get("start")}


def _check_leg(folder: Path, state: dict, config: TrainConfig, before: TrainConfig) -> None:
    neighbour, found = lambda_label(before.lambda_l1), str(state.get("start")).partition(" at step")[0]
    differ = [] if found == neighbour else [f"it started from {'random weights' if found == 'None' else found}"]
    for name in ("epochs", "late_layers"):
        if state["config"].get(name) != getattr(config, name):
            differ.append(f"{name} = {state['config'].get(name)}")
    if differ:
        raise ValueError(
            f"{folder} is no leg of this path, from {neighbour} in {config.epochs} epochs: {', '.join(differ)} there. "
            "Nothing was trained. Use the same λ and settings, or another folder; or delete that one to train it again."
        )


def path_configs(
    lambdas: Sequence[float], config: TrainConfig, start: float = 100, late_layers: int = LATE_LAYERS, leg: float = LEG
) -> tuple[TrainConfig, list[TrainConfig], list[TrainConfig]]:
    """Settings of the trunk, of the legs down from it, and of the legs up, each in the order of training."""
    if late_layers is None:
        raise ValueError("late_layers is None, but a leg trains only the last layers: give their number, or use sweep.")
    check_folder_names([*lambdas, start])
    if not 0 < leg < math.inf:
        raise ValueError(f"leg is {leg}, but it must be a fraction of the trunk's epochs, greater than 0.")
    trunk = replace(config, lambda_l1=start)  # an invalid λ raises here, before training
    epochs = max(1, round(config.epochs * leg))
    legs = [
        replace(config, lambda_l1=k, late_layers=late_layers, epochs=2 * epochs if k == math.inf else epochs)
        for k in sorted({*lambdas})
    ]
    return trunk, [c for c in reversed(legs) if c.lambda_l1 < start], [c for c in legs if c.lambda_l1 > start]
