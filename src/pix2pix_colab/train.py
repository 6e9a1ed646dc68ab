"""Training: the step of the paper, the loop around it, and the run that it leaves behind."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .checkpoint import check_same, load_checkpoint, save_checkpoint
from .device import autocast_dtype, default_device
from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .lambdas import lambda_label
from .loss import GeneratorLoss, discriminator_loss, generator_loss
from .pairs import Pairs

CHECKPOINT = "checkpoint.pt"
SAVE_SECONDS = 60  # between checkpoints: what an interruption may cost


@dataclass(frozen=True)
class TrainConfig:
    """Everything that makes a run what it is, the data aside. Defaults: Isola et al. 2017, appendix 6.2, facades."""

    lambda_l1: float = 100  # section 3.3
    epochs: int = 200  # the second half at a falling learning rate, as in the PyTorch code
    width: int = 64  # filters of the first layer of G and of D (ngf, ndf)
    image_size: int = 256  # px
    batch_size: int = 1  # with one image BatchNorm is instance normalisation
    learning_rate: float = 2e-4
    beta1: float = 0.5  # Adam's first momentum; the second is the usual 0.999
    dropout: float = 0.5  # the noise z
    seed: int = 0

    def __post_init__(self):
        lambda_label(self.lambda_l1)
        for name in ("epochs", "width", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be greater than 0.")

    def learning_rate_in(self, epoch: int) -> float:
        """The rate in an epoch, counted from 1: full in the first half, then falling linearly, 0 after the last."""
        falling = self.epochs // 2
        return self.learning_rate * (1 - min(max(0, epoch - (self.epochs - falling)), falling + 1) / (falling + 1))


class Progress(NamedTuple):
    """What ``on_progress`` is given: how far the training is, its history so far, and the generator to look at."""

    config: TrainConfig
    step: int
    steps: int
    history: list[dict]
    generator: UNetGenerator


@dataclass(frozen=True)
class Run:
    """A finished training; ``history`` has a row each few steps.

    A row: ``step``, ``epoch``, and the means since the row before of ``discriminator`` (NaN where λ is ∞: there is
    none), ``adversarial`` and ``l1`` (in [0, 2], without λ)."""

    folder: Path
    config: TrainConfig
    history: list[dict]

    def load_generator(self, device: torch.device | str = "cpu") -> UNetGenerator:
        """The trained generator, read from the run's checkpoint."""
        generator = UNetGenerator(self.config.width, self.config.image_size, self.config.dropout)
        generator.load_state_dict(load_checkpoint(self.folder / CHECKPOINT)["generator"])
        return generator.to(device)


def read_run(folder: str | Path) -> Run:
    """The run that ``train`` left in a folder. Raises FileNotFoundError or ValueError as ``load_checkpoint`` does."""
    path = Path(folder) / CHECKPOINT
    state = load_checkpoint(path)
    try:
        run = Run(path.parent, TrainConfig(**state["config"]), state["history"])
        finished = not state["order"] and run.history[-1]["epoch"] == run.config.epochs
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no run's, or another version's: train again, into another folder.") from error
    if not finished:
        raise ValueError(f"{path} is of a run that was interrupted: train it to its end first.")
    return run


class Training:
    """The two networks, their optimisers and all else that a step changes, seeded by ``config.seed``.

    Two trainings that differ in λ alone start from the same weights and see the same crops in the same order.
    """

    def __init__(self, pairs: Pairs, config: TrainConfig, device: torch.device | str = "cpu"):
        if not len(pairs) or pairs.size < config.image_size:
            raise ValueError(f"{len(pairs)} pairs of {pairs.size} px can't train nets of {config.image_size} px.")
        self.config, self.device, self.pairs = config, torch.device(device), pairs.to(device)
        torch.manual_seed(config.seed)  # for the weights, then for the dropout
        self.generator = UNetGenerator(config.width, config.image_size, config.dropout).to(device)
        self.discriminator = PatchDiscriminator(config.width).to(device)
        self.optimizer_g, self.optimizer_d = self._adam(self.generator), self._adam(self.discriminator)
        self.dtype = autocast_dtype(self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.random = torch.Generator().manual_seed(config.seed)  # for the order, the crops and the mirroring
        self.order: list[int] = []  # the pairs still to come in this epoch
        self.steps_an_epoch = math.ceil(len(pairs) / config.batch_size)
        self.steps, self.steps_done = config.epochs * self.steps_an_epoch, 0
        self.history: list[dict] = []

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """Source and target of the next pairs, cropped and mirrored at random; each pair comes once an epoch."""
        if not self.order:
            self.order = torch.randperm(len(self.pairs), generator=self.random).tolist()
        rows, self.order = self.order[: self.config.batch_size], self.order[self.config.batch_size :]
        return self.pairs.batch(rows, self.config.image_size, self.random)

    def step(self, source: Tensor, target: Tensor) -> Tensor:
        """One update of D, then one of G (section 3.3), on a batch in [-1, 1].

        Returns the losses (3,): D's (NaN where λ is ∞: D is not evaluated), G's adversarial one, and L1 without λ.
        """
        with self._autocast():
            output = self.generator(source)  # once, for both updates
        d_loss = output.new_tensor(math.nan, dtype=torch.float32)
        if self.config.lambda_l1 != math.inf:
            d_loss = self.update_discriminator(source, target, output)
        g_loss = self.update_generator(source, target, output)
        self.scaler.update()
        self.steps_done += 1
        return torch.stack([d_loss, g_loss.adversarial, g_loss.l1]).detach()

    def update_discriminator(self, source: Tensor, target: Tensor, output: Tensor) -> Tensor:
        """Teach D to tell the target from the output. Each has a pass of its own: BatchNorm would mix one batch."""
        with self._autocast():
            fake_logits = self.discriminator(source, output.detach())
            loss = discriminator_loss(self.discriminator(source, target), fake_logits)
        self._update(self.optimizer_d, loss)
        return loss

    def update_generator(self, source: Tensor, target: Tensor, output: Tensor) -> GeneratorLoss:
        """Teach G to fool the D just updated, which stays as it is, and to come near the target."""
        self.discriminator.requires_grad_(False)
        with self._autocast():
            fake_logits = None if self.config.lambda_l1 == math.inf else self.discriminator(source, output)
            loss = generator_loss(fake_logits, output, target, self.config.lambda_l1)
        self._update(self.optimizer_g, loss.total)
        self.discriminator.requires_grad_(True)
        return loss

    def state_dict(self) -> dict:
        """All that the next step depends on, as tensors and plain data."""
        cuda = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return {
            **{name: getattr(self, name).state_dict() for name in self._parts},
            "random": [self.random.get_state(), torch.get_rng_state(), *cuda],
            **{name: getattr(self, name) for name in self._values},
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on where ``state_dict`` was taken."""
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])
        for name in self._values:
            setattr(self, name, state[name])
        data, cpu, *cuda = (random.cpu() for random in state["random"])
        self.random.set_state(data)
        torch.set_rng_state(cpu)
        if cuda and self.device.type == "cuda":
            torch.cuda.set_rng_state(cuda[0], self.device)

    _parts = ("generator", "discriminator", "optimizer_g", "optimizer_d", "scaler")
    _values = ("order", "steps_done", "history")

    def _adam(self, net: torch.nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(net.parameters(), self.config.learning_rate, (self.config.beta1, 0.999), fused=True)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One step of Adam, at the rate of this epoch."""
        optimizer.param_groups[0]["lr"] = self.config.learning_rate_in(self.steps_done // self.steps_an_epoch + 1)
        optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(optimizer)


def train(
    pairs: Pairs,
    config: TrainConfig,
    run_dir: str | Path,
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | str | None = None,
    log_every: int = 20,
) -> Run:
    """Train G and D on ``pairs`` for ``config.epochs``, and leave a checkpoint in ``run_dir``.

    If ``run_dir`` holds a checkpoint of the same settings and pairs, the training goes on from there; a finished one
    is returned at once. The caller's random state stays as it is.

    Args:
        pairs: of ``config.image_size`` px or larger; the excess is the room for random crops.
        config: the settings, λ among them.
        run_dir: a folder of this run's own.
        on_progress: called before the first step, every ``log_every`` steps and after the last.
        device: None takes the GPU if there is one.
        log_every: the steps that one row of the history sums up.

    Raises:
        ValueError: for zero pairs, pairs smaller than ``image_size``, or a ``run_dir`` with another run in it.
    """
    run_dir, device = Path(run_dir), torch.device(device or default_device())
    with torch.random.fork_rng():
        training = Training(pairs, config, device)
        identity = {"config": asdict(config), "pairs": pairs.fingerprint()}
        _resume(training, run_dir / CHECKPOINT, identity)
        losses, saved_at = [], time.monotonic()
        while True:
            if on_progress and not losses:
                on_progress(Progress(config, training.steps_done, training.steps, training.history, training.generator))
            if training.steps_done == training.steps:
                return Run(run_dir, config, training.history)
            losses.append(training.step(*training.next_batch()))
            finished = training.steps_done == training.steps
            if finished or training.steps_done % log_every == 0:
                training.history.append(_history_row(training, losses))
                losses.clear()
                if finished or time.monotonic() - saved_at > SAVE_SECONDS:
                    save_checkpoint(run_dir / CHECKPOINT, identity | training.state_dict())
                    saved_at = time.monotonic()


def _resume(training: Training, path: Path, identity: dict) -> None:
    """Take up the checkpoint at ``path``, if there is one, and if it is of the same settings and pairs."""
    if path.exists():
        state = load_checkpoint(path, training.device)
        check_same(path, state["config"] | {"pairs": state["pairs"]}, identity["config"] | {"pairs": identity["pairs"]})
        training.load_state_dict(state)


def _history_row(training: Training, losses: list[Tensor]) -> dict:
    """Where the training is, and the mean of the losses since the last row. Here alone the loop waits for a GPU."""
    row = {"step": training.steps_done, "epoch": math.ceil(training.steps_done / training.steps_an_epoch)}
    means = torch.stack(losses).mean(dim=0).tolist()
    return row | dict(zip(("discriminator", "adversarial", "l1"), means, strict=True))
