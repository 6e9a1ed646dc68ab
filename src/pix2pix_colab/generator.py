"""The U-Net generator."""

import math

import torch
from torch import Tensor, nn

from .utils.images import UNSEEN

IMAGE_SIZES = (128, 256, 512)


class UNetGenerator(nn.Module):
    """U-Net generator (Isola et al. 2017, section 3.2.1 and appendix 6.1), with the layers of their Torch code.

    The encoder halves the image until one pixel is left, and the decoder doubles it back. Both have n layers, 8 at
    256 px. Skip connections concatenate encoder layer i and decoder layer n - i. Dropout is the noise z of the paper.

    Args:
        width: filters of the first layer (the paper's ngf). 64 gives 54,413,955 parameters at 256 px.
        image_size: 128, 256 or 512 px. It sets the number of layers, n = log2(image_size).
        dropout: probability, the noise z.
        skips: False removes the skip connections: the "encoder-decoder" of the paper's section 4.3.
        source_channels: 3 for colour (as in the paper), 1 for grey.
        target_channels: 3 or 1, the channels of the output.
        dropout_layers: the decoder layers with dropout, counted from 1. The first three, with outputs of 2, 4 and 8 px,
            are those of the Torch code; the PyTorch code has (2, 3, 4) at 256 px.

    Shape:
        source (N, source_channels, H, W) in [-1, 1] -> output (N, target_channels, H, W) in [-1, 1]; H and W are
        multiples of ``image_size``. ValueError for any other shape, and for any other ``image_size``.
    """

    def __init__(
        self,
        width: int = 64,
        image_size: int = 256,
        dropout: float = 0.5,
        skips: bool = True,
        source_channels: int = 3,
        target_channels: int = 3,
        dropout_layers: tuple[int, ...] = (1, 2, 3),
    ):
        super().__init__()
        check_image_size(image_size)
        self.settings = {  # with which UNetGenerator(**settings) makes another one
            "width": width,
            "image_size": image_size,
            "dropout": dropout,
            "skips": skips,
            "source_channels": source_channels,
            "target_channels": target_channels,
            "dropout_layers": tuple(dropout_layers),
        }
        self.image_size, self.skips = image_size, skips
        self.seen = UNSEEN  # how training saw the files of its sources: set by a run, repeated by ``translate``
        self.source_channels, self.target_channels = source_channels, target_channels
        layers = int(math.log2(image_size))  # 256 px: 8
        filters = [width * min(2**i, 8) for i in range(layers)]  # 64 128 256 512 512 512 512 512

        self.encoder = nn.ModuleList()
        for i, (inputs, outputs) in enumerate(zip([source_channels, *filters], filters, strict=False)):
            self.encoder.append(_down(inputs, outputs, activation=i > 0, norm=0 < i < layers - 1))

        self.decoder = nn.ModuleList()
        inputs = filters[-1]
        for i, outputs in enumerate(reversed(filters[:-1])):  # 512 512 512 512 256 128 64
            self.decoder.append(_up(inputs, outputs, dropout if i + 1 in dropout_layers else None))
            inputs = outputs * 2 if skips else outputs
        last = nn.ConvTranspose2d(inputs, target_channels, kernel_size=4, stride=2, padding=1)
        self.decoder.append(nn.Sequential(nn.ReLU(), last, nn.Tanh()))
        self.apply(init_weights)

    def forward(self, source: Tensor) -> Tensor:
        return self.late_layers(*self.early_layers(source))

    def early_layers(self, source: Tensor, late: int = 1) -> tuple[Tensor, list[Tensor]]:
        """Run the encoder, and the decoder but for its last ``late`` layers.

        Returns the input of the next decoder layer, and the skip connections of the layers after it, the last first.
        """
        self._check(source)
        x, skips = source, []
        for down in self.encoder:
            x = down(x)  # (N, filters, S/2, S/2), ..., (N, 8 × width, 1, 1)
            skips.append(x)
        skips.pop()  # the bottleneck has no skip connection
        for up in self.decoder[: len(self.decoder) - late]:
            x = self._join(up(x), skips.pop())  # (N, filters, 2, 2), ..., (N, width, S/2, S/2)
        return x, skips

    def late_layers(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Run the rest of the decoder on what ``early_layers`` returned."""
        *layers, last = self.decoder[-1 - len(skips) :]
        for up, skip in zip(layers, reversed(skips), strict=True):
            x = self._join(up(x), skip)
        return last(x)  # (N, target_channels, S, S)

    def freeze_early_layers(self, late: int) -> None:
        """Let only the last ``late`` layers of the decoder learn. The others keep every bit, BatchNorm's averages too.

        No gradient is computed for a frozen layer, so a training step is cheaper.
        """
        for module in nn.ModuleList([*self.encoder, *self.decoder[: len(self.decoder) - late]]).modules():
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = False  # in training it then leaves its averages as they are

    @torch.no_grad()
    def balance_phases(self, late: int) -> None:
        """Keep a grid of two pixels out of the last ``late`` decoder layers, of those that learn.

        A row of the output of a transposed convolution 4×4, stride 2, comes from two of the four rows of a filter: from
        the even ones or from the odd ones. Where those sums differ, in any column, an input that is equal from row to
        row becomes stripes of one pixel. Half of the difference goes to the other sum, two taps each; columns likewise.
        Filters are then those of a nearest-neighbour upsampling and a 3×3 convolution, which leaves no grid (Odena,
        Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts").
        """
        for layer in self.decoder[len(self.decoder) - late :]:
            weight = layer[1].weight  # (in, out, 4, 4)
            if weight.requires_grad:
                for filters in (weight, weight.mT):  # rows first, columns first
                    even, odd = filters[:, :, 0::2], filters[:, :, 1::2]
                    apart = (even - odd).sum(dim=2, keepdim=True) / 4
                    even -= apart
                    odd += apart

    def _join(self, x: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([skip, x], dim=1) if self.skips else x

    def _check(self, source: Tensor) -> None:
        """Raise ValueError if the source has other channels, or a size that the layers can't halve."""
        channels, size = self.source_channels, self.image_size
        if source.ndim != 4 or source.shape[1] != channels or any(not s or s % size for s in source.shape[2:]):
            raise ValueError(
                f"The source is {tuple(source.shape)}, but this U-Net takes (N, {channels}, H, W) with H and W "
                f"multiples of {size}: resize or pad the images, or choose another image_size or source_channels."
            )


def check_image_size(image_size: int) -> None:
    """Raise ValueError unless the U-Net is made for this image size."""
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size is {image_size}, but the U-Net is made for {IMAGE_SIZES} px: choose one.")


def init_weights(module: nn.Module) -> None:
    """Initialise a layer's weights (appendix 6.2): convolutions N(0, 0.02), BatchNorm N(1, 0.02), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


def _down(inputs: int, outputs: int, activation: bool, norm: bool) -> nn.Sequential:
    """Encoder layer: halves the image. The bottleneck has no norm: over one pixel it would give 0 (paper, erratum)."""
    layers = [nn.LeakyReLU(0.2)] if activation else []
    layers.append(nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=False))
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outputs)] if norm else []))


def _up(inputs: int, outputs: int, dropout: float | None) -> nn.Sequential:
    """Decoder layer: doubles the image."""
    convolution = nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=False)
    layers = [nn.ReLU(), convolution, nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([] if dropout is None else [nn.Dropout(dropout)]))
