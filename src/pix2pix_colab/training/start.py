"""Start of a training: the weights that it takes from trained networks, in place of random ones."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..interpolation import LambdaPath
from ..loss import lambda_label
from .config import TrainConfig
from .run_folder import digest_weights, load_newest, name_weights
from .step import make_discriminator, make_generator

if TYPE_CHECKING:
    from .loop import Run

Weights = Mapping[str, Mapping[str, Tensor]]  # of "generator" and "discriminator", by name
SHOWN = 4  # layers in an error message


def load_start(
    start: "Run | LambdaPath | None", config: TrainConfig, layers: Iterable[str] | None = None
) -> tuple[Weights | None, str | None]:
    """Load the weights to start from, and their name in checkpoints and error messages. None for random weights.

    Args:
        start, layers: as ``train`` takes them.

    Raises:
        ValueError: if the networks differ from those of ``config``, if there is no such layer, or if a layer that does
            not learn would stay random.
        TypeError: if the start is neither a run nor a path.
    """
    if start is None:
        _check_without_start(config, layers)
        return None, None
    if isinstance(start, LambdaPath):
        weights, name = _of_path(start, config.lambda_l1)
    elif hasattr(start, "load_generator"):
        state = load_newest(start.folder)[0]
        weights, name = {network: state[network] for network in ("generator", "discriminator")}, name_weights(state)
        if layers is None:
            _check_settings(start, config)
    else:
        raise TypeError(f"start is {start!r}, but it must be a finished run (read_run, train) or a λ path.")
    if layers is not None:
        chosen = _choose(weights, [layers] if isinstance(layers, str) else list(layers))
        weights, name = _only(weights, chosen), f"{name}, of it {', '.join(sorted(chosen))}"
    _check_fit(weights, config)
    return weights, name


def _check_without_start(config: TrainConfig, layers: Iterable[str] | None) -> None:
    if layers is not None:
        raise ValueError("layers says which layers begin with the weights of a start, but there is none: give one.")
    if config.late_layers:
        raise ValueError(
            f"late_layers is {config.late_layers}, but without a start the other layers would stay random: give "
            "train(start=…) a finished run, or set late_layers to None."
        )


def _of_path(path: LambdaPath, lambda_l1: float) -> tuple[Weights, str]:
    """The weights of a path at a λ. The name has the digest of its anchors: between them, CPUs round differently."""
    networks = {"generator": path.generator(lambda_l1), "discriminator": path.discriminator}
    weights = {
        name: {key: each.cpu() for key, each in network.state_dict().items()} if network else {}
        for name, network in networks.items()
    }
    first, *others = path.anchors
    parts = [first, *(anchor.decoder[-path.late_layers :] for anchor in others)]
    digest = digest_weights([*(part.state_dict() for part in parts), weights["discriminator"]])
    return weights, f"{lambda_label(lambda_l1)} of a λ path (weights {digest})"


def _check_settings(run: "Run", config: TrainConfig) -> None:
    """Raise ValueError if the networks of a run have other settings."""
    names = ("width", "image_size", "source_channels", "target_channels", "dropout", "dropout_layers")
    values = {name: getattr(run.config, name) for name in names}
    differ = [f"{name} = {value}" for name, value in values.items() if value != getattr(config, name)]
    if differ:
        raise ValueError(f"The networks of the start in {run.folder} have {', '.join(differ)}: train with the same.")


def layer_of(network: str, name: str) -> str:
    """The layer of a weight: "encoder.0", …, "decoder.7" or "discriminator"."""
    return network if network == "discriminator" else ".".join(name.split(".")[:2])


def _choose(weights: Weights, layers: list[str]) -> set[str]:
    """The layers of these names; "encoder" and "decoder" are all of theirs."""
    there = {layer_of(network, name) for network, found in weights.items() for name in found}
    named = {each: {each, each.partition(".")[0]} for each in there}
    unknown = [str(layer) for layer in layers if not any(layer in names for names in named.values())]
    if unknown or not layers:
        what = f"There are no layers {', '.join(unknown)} in the start" if unknown else "layers is empty"
        raise ValueError(f"{what}: choose of encoder, decoder, {', '.join(sorted(there))}.")
    return {each for each, names in named.items() if names.intersection(layers)}


def _only(weights: Weights, chosen: set[str]) -> Weights:
    return {
        network: {name: each for name, each in found.items() if layer_of(network, name) in chosen}
        for network, found in weights.items()
    }


def _check_fit(weights: Weights, config: TrainConfig) -> None:
    """Raise ValueError for a layer of another shape, or one that neither learns nor is in the start."""
    with torch.device("meta"):
        networks = {"generator": make_generator(config), "discriminator": make_discriminator(config)}
    wanted = {name: network.state_dict() for name, network in networks.items()}
    misfits = [
        f"{layer_of(network, name)} {tuple(each.shape)}"
        for network, found in weights.items()
        for name, each in found.items()
        if name not in wanted[network] or wanted[network][name].shape != each.shape
    ]
    if misfits:
        shown = ", ".join(misfits[:SHOWN]) + (", …" if len(misfits) > SHOWN else "")
        raise ValueError(
            f"Weights of the start don't fit networks of width {config.width}, {config.image_size} px, "
            f"{config.source_channels} source and {config.target_channels} target channels: {shown}. Train with the "
            "width, image_size and channels of the start, or leave these layers out of layers."
        )
    if config.late_layers:
        networks["generator"].freeze_early_layers(config.late_layers)
        frozen = {name for name, each in networks["generator"].named_parameters() if not each.requires_grad}
        if missing := {layer_of("generator", name) for name in frozen - weights["generator"].keys()}:
            raise ValueError(
                f"With late_layers = {config.late_layers}, {', '.join(sorted(missing))} would stay random: name them "
                "in layers, too."
            )
