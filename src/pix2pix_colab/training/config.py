"""The settings of a training."""

from dataclasses import dataclass

from ..loss import lambda_label


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
    source_channels: int = 3  # 3: colour; 1: grey
    target_channels: int = 3

    def __post_init__(self):
        lambda_label(self.lambda_l1)
        for name in ("epochs", "width", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be greater than 0.")
        for name in ("source_channels", "target_channels"):
            if getattr(self, name) not in (1, 3):
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be 3 for colour or 1 for grey.")

    def learning_rate_in(self, epoch: int) -> float:
        """The rate in an epoch, counted from 1: full in the first half, then falling linearly, 0 after the last."""
        falling = self.epochs // 2
        return self.learning_rate * (1 - min(max(0, epoch - (self.epochs - falling)), falling + 1) / (falling + 1))

    def schedule(self, epoch: int = 1) -> str:
        """What the learning rate does from ``epoch`` on, in words."""
        rate, last = f"{self.learning_rate_in(epoch):.2g}", f"{self.learning_rate_in(self.epochs):.2g}"
        full = self.epochs - self.epochs // 2
        if epoch == self.epochs:
            return f"the learning rate is {rate} in epoch {epoch}"
        until = f"up to epoch {full}" if epoch <= full else f"in epoch {epoch}"
        return f"the learning rate is {rate} {until}, and falls to {last} in epoch {self.epochs}"
