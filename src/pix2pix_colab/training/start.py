"""Start of a training: the weights that it takes from trained networks, in place of random ones."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..interpolation import LambdaPath
from .config import TrainConfig
from .run_folder import load_newest, name_weights
from .step import make_discriminator, make_generator

if TYPE_CHECKING:
    from .loop import Run

NETWORK = ("width", "image_size", "source_channels", "target_channels", "dropout", "dropout_layers")  # settings of it
Weights = Mapping[str, Mapping[str, Tensor]]  # of "generator" and "discriminator", by name


def load_start(
    start: "Run | LambdaPath | None", config: TrainConfig, layers: Sequence[str] | None = None
) -> tuple[Weights | None, str | None]:
    """Load the weights to start from, and their name in checkpoints and error messages. None for random weights.

    Args:
        start, layers: as ``train`` takes them.

    Raises:
        ValueError: if the networks differ from those of ``config``, if there is no such layer, or if a layer that does
            not learn would stay random.
    """
    if start is None:
        if layers is not None:
            raise ValueError("layers says which layers begin with the weights of a start, but there is none: give one.")
        if config.late_layers:
            raise ValueError(
                f"late_layers is {config.late_layers}, but without a start the other layers would stay random: give "
                "train(start=…) a finished run, or set late_layers to None."
            )
        return None, None
    state = _state_of_path(start, config) if isinstance(start, LambdaPath) else _state_of_run(start, config, layers)
    weights, name = {network: state[network] for network in ("generator", "discriminator")}, name_weights(state)
    if layers is not None:
        weights, name = _select(weights, layers), f"{name}, of it {', '.join(layers)}"
    _check_fit(weights, config)
    return weights, name


def _state_of_path(path: LambdaPath, config: TrainConfig) -> dict:
    """The networks of a path at a λ, as a checkpoint has them."""
    discriminator = path.discriminator.state_dict() if path.discriminator else {}
    networks = {"generator": path.generator(config.lambda_l1).state_dict(), "discriminator": discriminator}
    on_cpu = {network: {name: each.cpu() for name, each in found.items()} for network, found in networks.items()}
    return on_cpu | {"config": {"lambda_l1": config.lambda_l1}, "steps_done": 0}


def _state_of_run(run: "Run", config: TrainConfig, layers: Sequence[str] | None) -> dict:
    differ = [f"{name} = {getattr(run.config, name)}" for name in NETWORK if not _same(name, run.config, config)]
    if differ and layers is None:
        raise ValueError(f"The networks of the start in {run.folder} have {', '.join(differ)}: train with the same.")
    return load_newest(run.folder)[0]


def _same(name: str, one: TrainConfig, other: TrainConfig) -> bool:
    return getattr(one, name) == getattr(other, name)


def layer_of(network: str, name: str) -> str:
    """The layer of a weight: "encoder.0", …, "decoder.7" or "discriminator"."""
    return network if network == "discriminator" else ".".join(name.split(".")[:2])


def _select(weights: Weights, layers: Sequence[str]) -> Weights:
    """The weights of some layers; "encoder" and "decoder" are all of theirs."""
    there = {layer_of(network, name) for network, found in weights.items() for name in found}
    chosen = {each for each in there if each in layers or each.partition(".")[0] in layers}
    if unknown := [layer for layer in layers if not any(layer in (each, each.partition(".")[0]) for each in there)]:
        raise ValueError(f"There are no layers {', '.join(unknown)} in the start: it has {', '.join(sorted(there))}.")
    return {
        network: {name: each for name, each in found.items() if layer_of(network, name) in chosen}
        for network, found in weights.items()
    }


def _check_fit(weights: Weights, config: TrainConfig) -> None:
    """Raise ValueError for a layer of another shape, or one that neither learns nor is in the start."""
    with torch.device("meta"):
        networks = {"generator": make_generator(config), "discriminator": make_discriminator(config)}
    wanted = {network: each.state_dict() for network, each in networks.items()}
    misfits = {
        layer_of(network, name)
        for network, found in weights.items()
        for name, each in found.items()
        if name not in wanted[network] or wanted[network][name].shape != each.shape
    }
    if misfits:
        raise ValueError(
            f"Layers of the start have other shapes than those of width {config.width}, {config.image_size} px, "
            f"{config.source_channels} source and {config.target_channels} target channels: "
            f"{', '.join(sorted(misfits))}. Train with the settings of the start, or leave them out of layers."
        )
    if config.late_layers:
        networks["generator"].freeze_early_layers(config.late_layers)
        frozen = {n for n, each in networks["generator"].named_parameters() if not each.requires_grad}
        if missing := {layer_of("generator", name) for name in frozen - weights["generator"].keys()}:
            raise ValueError(
                f"With late_layers = {config.late_layers}, {', '.join(sorted(missing))} would stay random: "
                "name them in layers, too."
            )
