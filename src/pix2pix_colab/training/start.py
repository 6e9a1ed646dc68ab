"""Start of a training: the weights that it takes from trained networks, in place of random ones."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..lambda_path import LambdaPath
from ..loss import lambda_label
from .config import TrainConfig
from .runs import Run, Start, digest_weights, load_newest
from .step import make_generator

Weights = Mapping[str, Mapping[str, Tensor]]  # of "generator" and "discriminator", by name


def load_start(start: Run | LambdaPath | None, config: TrainConfig) -> tuple[Weights | None, Start | None]:
    """Load the weights to start from, and their name. None for random weights.

    Raises ValueError if the networks differ from those of ``config``, or if what doesn't learn would stay random, and
    TypeError if the start is neither a run nor a path.
    """
    if start is None:
        if config.late_layers:
            raise ValueError(
                f"late_layers is {config.late_layers}, but without a start the other layers would stay random: give "
                "train(start=…) a finished run, or set late_layers to None."
            )
        return None, None
    if isinstance(start, LambdaPath):
        _check_settings("the λ path", start.anchors[0].settings, config)
        return _of_path(start, config.lambda_l1)
    if not isinstance(start, Run):
        raise TypeError(f"start is {start!r}, but it must be a finished run (read_run, train) or a λ path.")
    _check_settings(str(start.folder), _settings(start.config), config)
    checkpoint = load_newest(start.folder)
    return {name: checkpoint.state[name] for name in ("generator", "discriminator")}, checkpoint.name_weights()


def _of_path(path: LambdaPath, lambda_l1: float) -> tuple[Weights, Start]:
    """The weights of a path at a λ. The name has the digest of its anchors: between them, CPUs round differently."""
    critic = path.discriminator.state_dict() if path.discriminator else {}
    first, *others = path.anchors
    parts = [first, *(anchor.decoder[-path.late_layers :] for anchor in others)]
    digest = digest_weights([*(part.state_dict() for part in parts), critic])
    weights = {"generator": path.generator(lambda_l1).state_dict(), "discriminator": critic}
    return weights, Start(lambda_l1, f"{lambda_label(lambda_l1)} of a λ path (weights {digest})")


def _check_settings(name: str, found: Mapping, config: TrainConfig) -> None:
    """Raise ValueError if the networks of a start have other settings."""
    wanted = _settings(config)
    if differ := [f"{key} = {found[key]}" for key in found if found[key] != wanted[key]]:
        raise ValueError(f"The networks of the start, {name}, have {', '.join(differ)}: train with the same.")


def _settings(config: TrainConfig) -> dict:
    with torch.device("meta"):
        return make_generator(config).settings
