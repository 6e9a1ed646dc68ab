"""Training settings."""

import math
from dataclasses import dataclass

from ..generator import check_image_size
from ..loss import check_lambda


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a run except its data. The defaults are those of Isola et al. 2017, appendix 6.2, for facades."""

    lambda_l1: float = 100  # section 4.2
    epochs: int = 200  # the second half with a decaying learning rate, as in the PyTorch code
    width: int = 64  # filters of the first layer of G and of D (ngf, ndf)
    image_size: int = 256  # px
    batch_size: int = 1  # BatchNorm of one image is instance normalisation
    learning_rate: float = 2e-4
    beta1: float = 0.5  # of Adam; beta2 is the default 0.999
    dropout: float = 0.5  # the noise z
    seed: int = 0
    source_channels: int = 3  # 3: colour; 1: grey
    target_channels: int = 3
    dropout_layers: tuple[int, ...] = (1, 2, 3)  # of the decoder, as in the Torch code
    late_layers: int | None = None  # the last layers of the decoder, if only they learn, from a start; None: all of G
    balanced_layers: int = 0  # the last layers of the decoder whose filters are balanced: no grid of two pixels
    mirror: bool = True  # half of the crops, at random; False where left is not right: text, anatomy, traffic
    discriminator_shift: int = 0  # px, up to which what D sees is shifted at random: no gradients of a fixed grid

    def __post_init__(self):
        if hasattr(self.lambda_l1, "item"):  # NumPy's and torch's numbers can't be loaded without pickle
            object.__setattr__(self, "lambda_l1", self.lambda_l1.item())
        check_lambda(self.lambda_l1)
        check_image_size(self.image_size)
        for name in ("epochs", "width", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be greater than 0.")
        layers = int(math.log2(self.image_size))
        if self.late_layers is not None and self.late_layers not in range(1, layers + 1):
            raise ValueError(f"late_layers is {self.late_layers}, but the decoder has {layers}: choose 1 to {layers}.")
        if type(self.balanced_layers) is not int or self.balanced_layers not in range(layers + 1):
            raise ValueError(
                f"balanced_layers is {self.balanced_layers}, but the decoder has {layers}: choose 0 to {layers}."
            )
        if type(self.mirror) is not bool:
            raise ValueError(f"mirror is {self.mirror!r}, but it must be True or False.")
        if type(self.discriminator_shift) is not int or self.discriminator_shift not in range(self.image_size):
            raise ValueError(
                f"discriminator_shift is {self.discriminator_shift}, but it must be a whole number of px, from 0 to "
                f"{self.image_size - 1}."
            )
        for name in ("source_channels", "target_channels"):
            if getattr(self, name) not in (1, 3):
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be 3 for colour or 1 for grey.")

    def learning_rate_in(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 1: constant in the first half, then linear decay towards 0."""
        decay = self.epochs // 2
        return self.learning_rate * (1 - min(max(0, epoch - (self.epochs - decay)), decay + 1) / (decay + 1))

    def schedule(self, epoch: int = 1) -> str:
        """Describe the learning rate schedule from ``epoch`` on."""
        rate, last = f"{self.learning_rate_in(epoch):.2g}", f"{self.learning_rate_in(self.epochs):.2g}"
        full = self.epochs - self.epochs // 2
        if epoch == self.epochs:
            return f"the learning rate is {rate} in epoch {epoch}"
        until = f"up to epoch {full}" if epoch <= full else f"in epoch {epoch}"
        return f"the learning rate is {rate} {until}, and falls to {last} in epoch {self.epochs}"
