"""One step of training: the two networks, their optimisers, and how they are updated."""

import math

import torch
from torch import Tensor

from ..data import Pairs, StreamedPairs
from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..loss import GeneratorLoss, discriminator_loss, generator_loss
from ..utils.device import autocast_dtype
from .config import TrainConfig
from .cuda_graph import CapturedStep

LOSSES = ("discriminator", "adversarial", "l1")
AHEAD = 8  # steps, whose pairs are decoded ahead if they are not in memory: at batch 1, 4 MB


def check_pairs(pairs: Pairs | StreamedPairs, config: TrainConfig) -> None:
    """Raise ValueError if there are no pairs, or if they are smaller than the nets or of other channels."""
    if not len(pairs) or pairs.size < config.image_size:
        raise ValueError(f"{len(pairs)} pairs of {pairs.size} px can't train nets of {config.image_size} px.")
    source, target = pairs.channels
    if pairs.channels != (config.source_channels, config.target_channels):
        raise ValueError(
            f"The pairs have {source} source and {target} target channels, but the nets would have "
            f"{config.source_channels} and {config.target_channels}: train with "
            f"TrainConfig(source_channels={source}, target_channels={target}), or read the pairs with other channels."
        )


def make_generator(config: TrainConfig) -> UNetGenerator:
    """The generator that the settings describe, untrained."""
    channels = {"source_channels": config.source_channels, "target_channels": config.target_channels}
    layers = config.dropout_layers
    return UNetGenerator(config.width, config.image_size, config.dropout, **channels, dropout_layers=layers)


def make_discriminator(config: TrainConfig) -> PatchDiscriminator:
    """The discriminator that the settings describe, untrained."""
    return PatchDiscriminator(config.width, config.source_channels, config.target_channels)


def shift(images: Tensor, offset: Tensor) -> Tensor:
    """Shift images (N, C, H, W) up and to the left by an offset (2,) in px; what is missing there is reflected."""
    for axis, pixels in zip((2, 3), offset, strict=True):
        last = images.shape[axis] - 1
        index = torch.arange(last + 1, device=images.device) + pixels
        images = images.index_select(axis, torch.minimum(index, 2 * last - index))
    return images


class Training:
    """State of a training: the two networks, their optimisers and all else that a step changes, seeded.

    Two trainings that differ only in λ start from the same weights and see the same crops in the same order.
    """

    def __init__(self, pairs: Pairs | StreamedPairs, config: TrainConfig, device: torch.device | str = "cpu"):
        check_pairs(pairs, config)
        self.config, self.device, self.pairs = config, torch.device(device), pairs.to(device)
        on_gpu = self.device.type == "cuda"
        self.format = torch.channels_last if on_gpu else torch.contiguous_format  # as tensor cores take 16-bit images
        torch.manual_seed(config.seed)  # for the weights, then for the dropout
        self.generator = make_generator(config).to(device, memory_format=self.format)
        if config.late_layers:
            self.generator.freeze_early_layers(config.late_layers)
        self.discriminator = make_discriminator(config).to(device, memory_format=self.format)
        self.learning_rate = torch.tensor(config.learning_rate, device=device)  # where the optimisers read it
        self.optimizer_g, self.optimizer_d = self._adam(self.generator), self._adam(self.discriminator)
        self.dtype = autocast_dtype(self.device)
        fp16 = self.dtype == torch.float16  # each optimiser has a scaler: an overflow of one is none of the other
        self.scaler, self.scaler_d = (torch.amp.GradScaler(self.device.type, enabled=fp16) for _ in range(2))
        self.random = torch.Generator().manual_seed(config.seed)  # for order, crops, mirroring and shifts
        self.order: list[int] = []  # the pairs still to come in this epoch
        self.steps_per_epoch = math.ceil(len(pairs) / config.batch_size)
        self.steps, self.steps_done = config.epochs * self.steps_per_epoch, 0
        self.history: list[dict] = []
        self.pending: list[Tensor] = []  # the losses of the steps since the last row of the history
        self._captured = CapturedStep(self.device) if on_gpu else None

    @property
    def epoch(self) -> int:
        """The epoch, counted from 1, of the last step."""
        return math.ceil(self.steps_done / self.steps_per_epoch)

    def advance(self) -> None:
        """Take the next step, at the rate of its epoch, without waiting for a GPU to finish it."""
        self.steps_done += 1
        self.learning_rate.fill_(self.config.learning_rate_in(self.epoch))
        inputs = [*self.next_batch(), *self._next_shifts()]
        self.pending.append(self._captured(self.step, *inputs) if self._captured else self.step(*inputs))

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """Source and target of the next pairs, cropped and mirrored at random; each pair comes once an epoch."""
        if not self.order:
            self.order = torch.randperm(len(self.pairs), generator=self.random).tolist()
        size = self.config.batch_size
        self.pairs.prefetch(self.order[: (1 + AHEAD) * size])
        indices, self.order = self.order[:size], self.order[size:]
        batch = self.pairs.batch(indices, self.config.image_size, self.random, self.device, self.config.mirror)
        return tuple(images.contiguous(memory_format=self.format) for images in batch)

    def _next_shifts(self) -> list[Tensor]:
        """The shifts of D's three passes in the next step, (3, 2) px, up and to the left; none if there are none.

        They are drawn for L1 only, too, so that all λ see the same crops.
        """
        if not (most := self.config.discriminator_shift):
            return []
        return [torch.randint(most + 1, (3, 2), generator=self.random).to(self.device, non_blocking=True)]

    def step(self, source: Tensor, target: Tensor, shifts: Tensor | None = None) -> Tensor:
        """One update of D, then one of G (section 3.3), on a batch in [-1, 1].

        ``shifts`` (3, 2) are those of what D sees: of the output, the target, and the output again, as G learns.
        They are a tensor, since a CUDA graph would repeat the numbers of its first step.

        Returns the losses (3,): D's (NaN where λ is ∞: D is not evaluated), G's adversarial one, and L1 without λ.
        """
        with self._autocast():
            output = self.generator(source)  # once, for both updates
        d_loss = torch.full((), math.nan, device=self.device)
        if self.config.lambda_l1 != math.inf:
            d_loss = self.update_discriminator(source, target, output, shifts)
        g_loss = self.update_generator(source, target, output, shifts)
        return torch.stack([d_loss, g_loss.adversarial, g_loss.l1]).detach()

    def update_discriminator(
        self, source: Tensor, target: Tensor, output: Tensor, shifts: Tensor | None = None
    ) -> Tensor:
        """Update D to tell the target from the output. Each has a pass of its own: BatchNorm would mix one batch."""
        with self._autocast():
            fake_logits = self._discriminate(source, output.detach(), shifts, 0)
            loss = discriminator_loss(self._discriminate(source, target, shifts, 1), fake_logits)
        self._update(self.optimizer_d, self.scaler_d, loss)
        return loss

    def update_generator(
        self, source: Tensor, target: Tensor, output: Tensor, shifts: Tensor | None = None
    ) -> GeneratorLoss:
        """Update G to fool the updated D, which stays as it is, and to come close to the target."""
        self.discriminator.requires_grad_(False)
        try:
            with self._autocast():
                l1_only = self.config.lambda_l1 == math.inf
                fake_logits = None if l1_only else self._discriminate(source, output, shifts, 2)
                loss = generator_loss(fake_logits, output, target, self.config.lambda_l1)
            self._update(self.optimizer_g, self.scaler, loss.total)
        finally:
            self.discriminator.requires_grad_(True)
        self.generator.balance_phases(self.config.balanced_layers)
        return loss

    def log(self) -> None:
        """Append the mean of the pending losses to the history. Only here does the training wait for a GPU.

        In fp16 a step whose loss overflows is skipped by the scaler, and left out here. Raises FloatingPointError if a
        loss is no finite number any more; in fp16, if none is.
        """
        losses = torch.stack(self.pending)
        if self.scaler.is_enabled():
            counted = losses[:, 1:] if self.config.lambda_l1 == math.inf else losses  # D's is NaN there
            finite = counted.isfinite().all(dim=1)
            losses = losses[finite] if finite.any() else losses
        row = {"step": self.steps_done, "epoch": self.epoch, "learning_rate": self.config.learning_rate_in(self.epoch)}
        row |= dict(zip(LOSSES, losses.mean(dim=0).tolist(), strict=True))
        finite = LOSSES[1:] if self.config.lambda_l1 == math.inf else LOSSES
        self._refuse_nan([f"the loss {name}" for name in finite if not math.isfinite(row[name])])
        self.history.append(row)
        self.pending.clear()

    def check_weights(self) -> None:
        """Raise FloatingPointError if a weight is no finite number any more: such a state is not worth saving."""
        networks = {"the generator": self.generator, "the discriminator": self.discriminator}
        lost = [name for name, net in networks.items() if not all(p.isfinite().all() for p in net.parameters())]
        self._refuse_nan([f"a weight of {name}" for name in lost])

    def _refuse_nan(self, lost: list[str]) -> None:
        if lost:
            raise FloatingPointError(
                f"At step {self.steps_done:,} {' and '.join(lost)} is NaN or infinite, and this is not saved: train "
                f"with a learning_rate below {self.config.learning_rate:g}, in another folder."
            )

    def state_dict(self) -> dict:
        """State that the next step depends on, as tensors and plain data."""
        cuda = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return {
            **{name: getattr(self, name).state_dict() for name in self._parts},
            "random": [self.random.get_state(), torch.get_rng_state(), *cuda],
            "pending": self.pending,
            "steps": self.steps,
            **{name: getattr(self, name) for name in self._values},
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume where ``state_dict`` was taken, on any kind of device."""
        for name in self._parts:
            if state.get(name):  # empty: the scalers', where there was no fp16
                getattr(self, name).load_state_dict(state[name])
        for optimizer in (self.optimizer_g, self.optimizer_d):
            optimizer.param_groups[0] |= {"lr": self.learning_rate, "capturable": self.device.type == "cuda"}
            for weight, moments in optimizer.state.items():  # fused Adam goes through them in the weight's own order
                moments |= {key: torch.empty_like(weight).copy_(moments[key]) for key in ("exp_avg", "exp_avg_sq")}
        if self._captured:  # its graph has the tensors of the optimisers that were
            self._captured = CapturedStep(self.device)
        for name in self._values:
            setattr(self, name, state[name])
        self.pending = [losses.to(self.device) for losses in state["pending"]]
        data, cpu, *cuda = state["random"]
        self.random.set_state(data)
        torch.set_rng_state(cpu)
        if cuda and self.device.type == "cuda":
            torch.cuda.set_rng_state(cuda[0], self.device)

    _parts = ("generator", "discriminator", "optimizer_g", "optimizer_d", "scaler", "scaler_d")
    _values = ("order", "steps_done", "history")

    def _adam(self, net: torch.nn.Module) -> torch.optim.Adam:
        options = {"fused": True, "capturable": self.device.type == "cuda"}  # its step count stays on the device
        learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
        return torch.optim.Adam(learning, self.learning_rate, (self.config.beta1, 0.999), **options)

    def _discriminate(self, source: Tensor, image: Tensor, shifts: Tensor | None, number: int) -> Tensor:
        """D's logits in its pass ``number`` of a step."""
        if shifts is not None:
            source, image = shift(source, shifts[number]), shift(image, shifts[number])
        return self.discriminator(source, image)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _update(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, loss: Tensor) -> None:
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)  # in place: fused Adam would write the unscaled gradients once more
        try:
            scaler.step(optimizer)
        finally:
            scaler.update()
