"""pix2pix on Colab: image-to-image translation with a conditional GAN, and a slider for its weight λ."""

from .discriminator import PatchDiscriminator
from .generator import UNetGenerator
from .inference import critic_map, translate
from .lambda_path import LambdaPath, load_pretrained, save_pretrained
from .loss import LAMBDAS, discriminator_loss, generator_loss, lambda_label
