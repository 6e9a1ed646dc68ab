"""pix2pix on Colab: image-to-image translation with a conditional GAN, and a slider for its one knob, λ."""

from importlib.metadata import version

from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .loss import discriminator_loss, generator_loss

__all__ = ["PatchDiscriminator", "UNetGenerator", "discriminator_loss", "generator_loss"]
__version__ = version("pix2pix-colab")
