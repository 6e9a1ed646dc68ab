"""Training loop."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import NamedTuple

import torch

from ..data import Pairs
from ..generator import UNetGenerator
from ..lambda_path import LambdaPath
from ..utils.device import default_device, explain_out_of_memory, fast_cudnn, fork_rng
from .config import TrainConfig
from .interrupt import catch_interrupt
from .run_folder import RunFolder
from .runs import Identity, Run
from .start import Weights, load_start
from .step import Training

SAVE_SECONDS = 30  # between checkpoints: the most that a power cut can cost


class Progress(NamedTuple):
    """State of a training, as passed to ``on_progress``."""

    config: TrainConfig
    step: int
    steps: int
    history: list[dict]
    generator: UNetGenerator


def train(
    pairs: Pairs,
    config: TrainConfig,
    run_dir: str | Path,
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
    log_every: int = 20,
    start: Run | LambdaPath | None = None,
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
    weights, started_from = load_start(start, config)
    identity = Identity(config, pairs.record(), started_from)
    cause = f"Out of memory on {device} at width {config.width}, {config.image_size} px, batch_size {config.batch_size}"
    advice = "Close other programs that use it, or take a smaller batch_size or width, in another folder."
    with fork_rng(device), explain_out_of_memory(lambda: f"{cause}: {folder.saved}. {advice}"):
        return _train(pairs, identity, weights, folder, on_progress, device, log_every)


def _train(
    pairs: Pairs,
    identity: Identity,
    weights: Weights | None,
    folder: RunFolder,
    on_progress: Callable[[Progress], None] | None,
    device: torch.device,
    log_every: int,
) -> Run:
    """Train, or resume. Of all that this frame holds nothing is left after an error of memory."""
    config, training = identity.config, Training(pairs, identity.config, device)

    def load() -> bool:
        if checkpoint := folder.load():
            checkpoint.check(identity, folder.path)
            training.load_state_dict(checkpoint.state)
        elif weights:  # what is missing stays random
            training.generator.load_state_dict(weights["generator"], strict=False)
            training.discriminator.load_state_dict(weights["discriminator"], strict=False)
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
    return Run(folder.path, identity, training.history)


def _run_loop(
    training: Training, folder: RunFolder, identity: Identity, report: Callable, stop: Event, log_every: int
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
            folder.save(identity.state() | training.state_dict(), wait=stopping or finished)
            saved_at = time.monotonic()
        if logging:
            report()
        if stopping:
            where = f"Interrupted at step {training.steps_done:,} of {training.steps:,}, which is saved"
            raise KeyboardInterrupt(f"{where}: run the cell again (or the command) and training resumes from there.")
