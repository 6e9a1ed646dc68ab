"""Runs: what makes two of them the same, and how one is read from its folder."""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import torch
from torch import nn

from ..data import Pairs, PairsRecord
from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..loss import lambda_label
from .checkpoint import load_checkpoint
from .config import TrainConfig
from .run_copies import RunCopies
from .step import make_discriminator, make_generator

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class Start(NamedTuple):
    """Trained weights that a run begins with: their λ (None: not recorded), and a name with a digest of them."""

    lambda_l1: float | None
    name: str


@dataclass(frozen=True)
class Identity:
    """Identity of a run: its settings, its pairs, and what it starts from, if not from random weights."""

    config: TrainConfig
    pairs: PairsRecord
    start: Start | None = None

    @classmethod
    def of(cls, state: dict) -> "Identity":
        """The identity of a checkpoint. Raises KeyError or TypeError if another version wrote it."""
        start = Start(state.get("start_lambda"), state["start"]) if state["start"] else None
        return cls(TrainConfig(**state["config"]), PairsRecord.of(state), start)

    def state(self) -> dict:
        """The identity as plain data, for a checkpoint."""
        lambda_l1, name = self.start or (None, None)
        return {"config": asdict(self.config), **self.pairs.state(), "start": name, "start_lambda": lambda_l1}

    def differences(self, wanted: "Identity") -> list[str]:
        """What makes ``wanted`` another run, one sentence for each; empty if it is the same."""
        here, there = (
            asdict(each.config) | {"pairs": each.pairs.fingerprint, "start": each.start and each.start.name}
            for each in (wanted, self)
        )
        return [f"{name} = {there[name]} there, {here[name]} here" for name in here if there[name] != here[name]]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits, the same for equal identities."""
        config = asdict(self.config) | {"lambda_l1": float(self.config.lambda_l1)}  # 100 and 100.0 are the same
        told = [sorted(config.items()), self.pairs.fingerprint, self.start and self.start.name]
        return f"{crc32(json.dumps(told).encode()):08x}"


class Checkpoint(NamedTuple):
    """Checkpoint of a run: the state of its training, the file that holds it, and whose it is."""

    state: dict
    file: Path
    identity: Identity

    @property
    def is_finished(self) -> bool:
        """Whether the training has come to its end."""
        return self.state["steps_done"] == self.state["steps"]

    def check(self, wanted: Identity, folder: Path) -> None:
        """Raise ValueError, with each difference, if this is another run. A finished one may get more epochs."""
        here = self.identity
        if self.is_finished and here.config.epochs < wanted.config.epochs:
            here = replace(here, config=replace(here.config, epochs=wanted.config.epochs))
        if differ := here.differences(wanted):
            copies = RunCopies.of(folder)
            also = f", and {copies.place}," if copies and copies.place.exists() else ""
            raise ValueError(
                f"{folder} was made with other settings ({'; '.join(differ)}): use the same settings or another "
                f"folder (with start=read_run(that one) to train on from its weights), or delete that one{also} to "
                "train anew."
            )

    def name_weights(self) -> Start:
        """Name the weights, for a run that starts from them and for error messages."""
        digest = digest_weights([self.state["generator"], self.state["discriminator"]])
        lambda_l1 = self.identity.config.lambda_l1
        name = f"{lambda_label(lambda_l1)} at step {self.state['steps_done']:,} (weights {digest})"
        return Start(lambda_l1, name)


def load_newest(folder: str | Path) -> Checkpoint:
    """Load the newest sound checkpoint of a run, from its folder or a copy that is further. A damaged one is a warning.

    Raises FileNotFoundError if there is none, ValueError if none of them is sound.
    """
    copies = RunCopies.of(Path(folder))
    try:
        here = _load_here(folder)
    except (FileNotFoundError, ValueError):
        if copies and (there := _load_further(copies)):
            return there
        raise
    there = _load_further(copies, here.identity.digest, here.state["steps_done"]) if copies else None
    return there or here


def _load_further(copies: RunCopies, identity: str | None = None, step: int = -1) -> Checkpoint | None:
    try:
        found = copies.further(identity, step)
    except OSError as error:  # a Drive that fails doesn't stop a training
        warnings.warn(f"{copies.place} can't be read: {error}.", stacklevel=4)
        return None
    for copy in found:
        try:
            return _load(copy.file)
        except FileNotFoundError:  # another machine has deleted it meanwhile
            continue
        except (ValueError, OSError) as error:
            warnings.warn(f"{copy.file} is left out: {error}", stacklevel=4)
            if isinstance(error.__cause__, zipfile.BadZipFile):  # so that it doesn't count as progress
                with suppress(OSError):
                    copy.file.rename(copy.file.with_name(copy.file.name + ".damaged"))
    return None


def _load_here(folder: str | Path) -> Checkpoint:
    newest, previous = Path(folder) / NEWEST, Path(folder) / PREVIOUS
    if not newest.exists() and previous.exists():  # interrupted between the two renames of a save
        return _load(previous)
    try:
        return _load(newest)
    except ValueError:
        if not previous.exists():
            raise
        checkpoint = _load(previous)
        warnings.warn(f"{newest} is damaged: the one before it, {previous.name}, is used.", stacklevel=3)
        return checkpoint


def _load(file: Path) -> Checkpoint:
    state = load_checkpoint(file)
    try:
        _ = state["steps"], state["steps_done"], state["history"]
        return Checkpoint(state, file, Identity.of(state))
    except (KeyError, TypeError, AttributeError) as error:
        sentence = "is not a run's checkpoint, or another version wrote it: train into another folder."
        raise ValueError(f"{file} {sentence}") from error


def list_runs(folder: str | Path) -> list[Path]:
    """List the folders in a folder that hold a checkpoint; it may be one itself."""
    return sorted({file.parent for name in (NEWEST, PREVIOUS) for file in Path(folder).rglob(name)})


@dataclass(frozen=True)
class Run:
    """A finished training. ``history``, also in ``history.csv`` in the folder, has a row every ``log_every`` steps.

    A row has ``step``, ``epoch``, ``learning_rate``, and the mean losses since the previous row: ``discriminator`` (NaN
    if λ is ∞, which needs no D), ``adversarial`` and ``l1`` (in [0, 2], not multiplied by λ).
    """

    folder: Path
    identity: Identity
    history: list[dict]

    @property
    def config(self) -> TrainConfig:
        """The settings of the training."""
        return self.identity.config

    def load_generator(self, device: torch.device | str = "cpu") -> UNetGenerator:
        """Load the trained generator from the checkpoint."""
        generator = self._load("generator", make_generator(self.config), device)
        generator.seen = self.identity.pairs.seen
        return generator

    def load_discriminator(self, device: torch.device | str = "cpu") -> PatchDiscriminator:
        """Load the trained discriminator from the checkpoint."""
        return self._load("discriminator", make_discriminator(self.config), device)

    def _load(self, name: str, network: nn.Module, device: torch.device | str) -> nn.Module:
        network.load_state_dict(load_newest(self.folder).state[name])
        return network.to(device)


def read_run(folder: str | Path) -> Run:
    """Read the finished run in a folder. Raises FileNotFoundError or ValueError as ``load_newest`` does."""
    checkpoint = load_newest(folder)
    if not checkpoint.is_finished:
        raise ValueError(f"{checkpoint.file} is of a run that was interrupted: train it to its end first.")
    return Run(Path(folder), checkpoint.identity, checkpoint.state["history"])


def find_run(folder: str | Path, pairs: Pairs, config: TrainConfig) -> Run | None:
    """Find the finished run of these settings and pairs, from random weights, in a folder. None if it isn't there."""
    try:
        run = read_run(folder)
    except (FileNotFoundError, ValueError):
        return None
    return None if run.identity.differences(Identity(config, pairs.record())) else run


def digest_weights(networks: Iterable[Mapping[str, torch.Tensor]]) -> str:
    """Digest of the weights of networks, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for network in networks:
        for weights in network.values():
            digest.update(weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
