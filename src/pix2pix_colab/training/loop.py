"""Training loop and finished runs."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import NamedTuple

import torch

from ..data import Pairs
from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..interpolation import LambdaPath
from ..utils.device import default_device, explain_out_of_memory, fast_cudnn, fork_rng
from .checkpoint import check_same
from .config import TrainConfig
from .interrupt import catch_interrupt
from .run_folder import RunFolder, load_newest
from .start import load_start
from .step import Training, make_discriminator, make_generator

DIGEST = 16  # characters of a pair's digest in a checkpoint
SAVE_SECONDS = 30  # between checkpoints: the most that a power cut can cost


class Progress(NamedTuple):
    """State of a training, as passed to ``on_progress``."""

    config: TrainConfig
    step: int
    steps: int
    history: list[dict]
    generator: UNetGenerator


@dataclass(frozen=True)
class Run:
    """A finished training. ``history``, also in ``history.csv`` in the folder, has a row every ``log_every`` steps.

    A row has ``step``, ``epoch``, ``learning_rate``, and the mean losses since the previous row: ``discriminator`` (NaN
    if λ is ∞, which needs no D), ``adversarial`` and ``l1`` (in [0, 2], not multiplied by λ). ``direction`` is that of
    the pairs, AtoB or BtoA, if it is known; ``pairs`` is their fingerprint, and ``digests`` is what each pair's begins
    with."""

    folder: Path
    config: TrainConfig
    history: list[dict]
    direction: str | None = None
    pairs: str = ""
    digests: Sequence[str] = ()

    def load_generator(self, device: torch.device | str = "cpu") -> UNetGenerator:
        """Load the trained generator from the checkpoint."""
        generator = make_generator(self.config)
        generator.load_state_dict(load_newest(self.folder)[0]["generator"])
        return generator.to(device)

    def load_discriminator(self, device: torch.device | str = "cpu") -> PatchDiscriminator:
        """Load the trained discriminator from the checkpoint."""
        discriminator = make_discriminator(self.config)
        discriminator.load_state_dict(load_newest(self.folder)[0]["discriminator"])
        return discriminator.to(device)


def read_run(folder: str | Path) -> Run:
    """Read the finished run in a folder. Raises FileNotFoundError or ValueError as ``load_newest`` does."""
    state, path = load_newest(folder)
    try:
        config = TrainConfig(**saved_config(state))
    except TypeError as error:
        raise ValueError(f"{path} is from another version: train again, into another folder.") from error
    if not _is_finished(state):
        raise ValueError(f"{path} is of a run that was interrupted: train it to its end first.")
    return _make_run(path.parent, config, state)


def find_run(folder: str | Path, pairs: Pairs, config: TrainConfig) -> Run | None:
    """Find the finished run of these settings and pairs, from random weights, in a folder. None if it isn't there."""
    try:
        state, path = load_newest(folder)
    except (FileNotFoundError, ValueError):
        return None
    wanted = asdict(config) | {"pairs": pairs.fingerprint(), "start": None}
    found = saved_config(state) | {"pairs": state["pairs"], "start": state.get("start")}
    return _make_run(path.parent, config, state) if found == wanted and _is_finished(state) else None


def _make_run(folder: Path, config: TrainConfig, state: dict) -> Run:
    """The run of a checkpoint, or of what a checkpoint holds. Older ones lack direction and digests."""
    return Run(folder, config, state["history"], state.get("direction"), state["pairs"], state.get("digests", ()))


def train(
    pairs: Pairs,
    config: TrainConfig,
    run_dir: str | Path,
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
    log_every: int = 20,
    start: Run | LambdaPath | None = None,
    layers: Iterable[str] | None = None,
) -> Run:
    """Train G and D on ``pairs`` for ``config.epochs``, and save checkpoints and history in ``run_dir``.

    If ``run_dir`` holds a checkpoint of the same settings and pairs, the training resumes from it, and the result is
    bit-identical to that of an uninterrupted training. A finished run is returned at once. A run that was finished with
    fewer epochs is extended: the learning rate then follows the schedule of the new number of epochs, so it rises again
    (see ``TrainConfig.schedule``). The caller's random state is kept.

    Args:
        pairs: of ``config.image_size`` px or larger; the excess is for random crops.
        config: the settings, including λ.
        run_dir: the folder of this run only.
        on_progress: called before the first step, every ``log_every`` steps and after the last.
        device: None takes the GPU if there is one.
        log_every: the number of steps per row of the history.
        start: the run whose G and D this one begins with; or a λ path, such as ``load_pretrained()``, of which it is
            the G of λ, and D if the path has one. None begins with random weights. Of G only the last
            ``config.late_layers`` learn, if that is set.
        layers: which layers begin with the weights of the start, by name: "encoder", "decoder" or one of theirs, such
            as "encoder.0", and "discriminator". The others are random, and may have other channels. None: all.

    Raises:
        ValueError: for zero pairs, pairs smaller than ``image_size`` or of other channels, a ``run_dir`` that holds
            another run or one of another start, or a start that doesn't fit.
        FolderInUseError: if another training is running in ``run_dir``.
        OSError: if the disk is full, or ``run_dir`` can't be written.
        MemoryError: if the memory of the GPU or the machine doesn't suffice.
        FloatingPointError: if a loss or a weight becomes NaN or infinite.
        KeyboardInterrupt: after Ctrl-C, when the step is finished and saved.
    """
    device, folder = torch.device(device or default_device()), RunFolder(run_dir)
    weights, started_from = load_start(start, config, layers)
    digests = pairs.digests
    identity = {
        "config": asdict(config),
        "pairs": pairs.fingerprint(digests),
        "start": started_from,
        "direction": pairs.direction,
        "digests": [digest[:DIGEST] for digest in digests],
    }
    cause = f"Out of memory on {device} at width {config.width}, {config.image_size} px, batch_size {config.batch_size}"
    advice = "Close other programs that use it, or take a smaller batch_size or width, in another folder."
    with fork_rng(device), explain_out_of_memory(lambda: f"{cause}: {folder.saved}. {advice}"):
        training = Training(pairs, config, device)

        def load() -> bool:
            if state := folder.load():
                _check_identity(folder.path, state, identity)
                training.load_state_dict(state)
            elif weights:
                training.start_from(weights)
            return training.steps_done == training.steps

        def report() -> None:
            if on_progress:
                on_progress(Progress(config, training.steps_done, training.steps, training.history, training.generator))

        if load():  # a finished run may lie where nothing can be written
            report()
        else:
            with folder, catch_interrupt() as stop, fast_cudnn():
                load()  # again: before it was locked, another training may have gone on
                report()
                _run_loop(training, folder, identity, report, stop, log_every)
    return _make_run(folder.path, config, identity | {"history": training.history})


def _run_loop(
    training: Training, folder: RunFolder, identity: dict, report: Callable, stop: Event, log_every: int
) -> None:
    """Run the training loop: step, log, save, report."""
    saved_at = time.monotonic()
    while training.steps_done < training.steps:
        training.advance()
        stopping, finished = stop.is_set(), training.steps_done == training.steps
        logging = finished or training.steps_done % log_every == 0
        if logging:
            training.log()
        if stopping or finished or time.monotonic() - saved_at > SAVE_SECONDS:
            training.check_weights()
            folder.save(identity | training.state_dict(), wait=stopping or finished)
            saved_at = time.monotonic()
        if logging:
            report()
        if stopping:
            where = f"Interrupted at step {training.steps_done:,} of {training.steps:,}, which is saved"
            raise KeyboardInterrupt(f"{where}: run the cell again (or the command) and training resumes from there.")


def saved_config(state: dict) -> dict:
    """Settings of a checkpoint. Older ones lack the newer settings, and have dropout from decoder layer 2 on."""
    layers = int(math.log2(state["config"].get("image_size", 256)))
    older = {"dropout_layers": tuple(range(2, layers - 3))}
    return asdict(TrainConfig()) | older | state["config"]


def _is_finished(state: dict) -> bool:
    return state["steps_done"] == state["steps"]


def _check_identity(path: Path, state: dict, identity: dict) -> None:
    """Raise ValueError for a checkpoint of other settings, pairs or start. A finished training may get more epochs."""
    saved = saved_config(state) | {"pairs": state["pairs"], "start": state.get("start")}
    wanted = identity["config"] | {"pairs": identity["pairs"], "start": identity["start"]}
    if _is_finished(state) and saved["epochs"] < wanted["epochs"]:
        saved["epochs"] = wanted["epochs"]
    check_same(path, saved, wanted)
