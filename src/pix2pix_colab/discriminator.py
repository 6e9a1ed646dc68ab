"""The PatchGAN discriminator."""

import torch
from torch import Tensor, nn

from .generator import init_weights


class PatchDiscriminator(nn.Module):
    """70×70 PatchGAN discriminator (Isola et al. 2017, section 3.2.2 and appendix 6.1.2).

    Its input is the source, concatenated with a real or a generated image. It classifies each 70×70 patch of the image
    as real or fake.

    Args:
        width: filters of the first layer (the paper's ndf). 64 gives 2,768,705 parameters.
        source_channels: 3 for colour (as in the paper), 1 for grey.
        target_channels: 3 or 1, the channels of the image.

    Shape:
        source (N, source_channels, S, S) and image (N, target_channels, S, S), both in [-1, 1] -> logits
        (N, 1, S/8 - 2, S/8 - 2): 30×30 at 256 px. A logit above 0 means "real". ValueError for any other shapes.
    """

    def __init__(self, width: int = 64, source_channels: int = 3, target_channels: int = 3):
        super().__init__()
        self.source_channels, self.target_channels = source_channels, target_channels
        self.layers = nn.Sequential(
            _layer(source_channels + target_channels, width, stride=2, norm=False),
            _layer(width, width * 2, stride=2),
            _layer(width * 2, width * 4, stride=2),
            _layer(width * 4, width * 8, stride=1),
            nn.Conv2d(width * 8, 1, kernel_size=4, stride=1, padding=1),
        )
        self.apply(init_weights)

    def forward(self, source: Tensor, image: Tensor) -> Tensor:
        self._check(source, image)
        return self.layers(torch.cat([source, image], dim=1))  # (N, 1, 30, 30) at 256 px

    def _check(self, source: Tensor, image: Tensor) -> None:
        """Raise ValueError if source and image differ in N, H or W, or have other channels than the first layer."""
        batch, channels = source.shape[:1] + source.shape[2:], (self.source_channels, self.target_channels)
        equal = source.ndim == image.ndim == 4 and image.shape[:1] + image.shape[2:] == batch
        if not equal or (source.shape[1], image.shape[1]) != channels:
            raise ValueError(
                f"The source is {tuple(source.shape)} and the image {tuple(image.shape)}, but this PatchGAN takes "
                f"(N, {self.source_channels}, H, W) and (N, {self.target_channels}, H, W), with N, H and W equal."
            )

    def receptive_field(self) -> int:
        """Side of one logit's receptive field in px: 70, by r = (r - 1) · stride + kernel from the last layer back."""
        size = 1
        for module in reversed(list(self.modules())):
            if isinstance(module, nn.Conv2d):
                size = (size - 1) * module.stride[0] + module.kernel_size[0]
        return size


def _layer(inputs: int, outputs: int, stride: int, norm: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=4, stride=stride, padding=1, bias=not norm)
    return nn.Sequential(convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.LeakyReLU(0.2))
