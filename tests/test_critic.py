"""What the discriminator makes of each patch, and the grid of two pixels."""

import math

import pytest
import torch
from helpers.noise import noise

from pix2pix_colab import PatchDiscriminator, critic_map, load_pretrained
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.evaluation import grid_peak
from pix2pix_colab.figures import critic_grid, spectrum_plot
from pix2pix_colab.utils import to_float


def make(**settings) -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator(4, **settings)


@pytest.mark.parametrize(("size", "patches"), [(128, 14), (256, 30), (512, 62)])
def test_a_verdict_for_each_patch(size, patches):
    verdicts = critic_map(make(), noise(2, 3, size, size), noise(2, 3, size, size))
    assert verdicts.shape == (2, patches, patches) and verdicts.dtype == torch.float32
    assert verdicts.min() > 0 and verdicts.max() < 1


def test_each_image_is_judged_alone_by_its_own_statistics_as_in_training():
    discriminator, source, image = make(), noise(3, 3, 128, 128), noise(3, 3, 128, 128).flip(0)
    together = critic_map(discriminator.eval(), source, image)
    with torch.no_grad():
        expected = torch.sigmoid(make().train()(to_float(source[1:2]), to_float(image[1:2])))[0, 0]
    assert torch.allclose(together[1], expected, atol=1e-6)
    assert torch.equal(critic_map(discriminator, source[1:2], image[1:2])[0], together[1])
    assert torch.equal(critic_map(discriminator, to_float(source), to_float(image)), together)
    assert not discriminator.training and not discriminator.layers[1][1].running_mean.any(), "nothing is changed"


def test_grey_images_and_wrong_ones():
    grey = make(source_channels=1, target_channels=1)
    assert critic_map(grey, noise(1, 1, 128, 128), noise(1, 1, 128, 128)).shape == (1, 14, 14)
    with pytest.raises(ValueError, match="this PatchGAN takes"):
        critic_map(make(), noise(1, 3, 128, 128), noise(1, 3, 256, 256))


def test_the_packaged_critic_calls_targets_real_and_l1_only_fake():
    path, pairs = load_pretrained(), synthetic_facades(2, 256, seed=4)
    outputs = path.translate(pairs.source, [100, math.inf])
    images = {"target": pairs.target, **outputs}
    shares = {
        k: (critic_map(path.discriminator, pairs.source, v) > 0.5).float().mean().item() for k, v in images.items()
    }
    assert shares["target"] > 0.9 and shares[100] < 0.5 and shares[math.inf] < 0.1


def test_the_grid_peak_finds_a_grid_of_two_pixels_and_nothing_else():
    smooth = torch.nn.functional.interpolate(noise(4, 3, 32, 32).float(), 128, mode="bicubic").clamp(0, 255)
    grid = smooth.clone()
    grid[..., ::2] += 8
    stripes = smooth.clone()
    stripes[..., torch.arange(128) % 8 < 4] += 8
    plain, found, other = (grid_peak(images.clamp(0, 255).to(torch.uint8)) for images in (smooth, grid, stripes))
    assert (found > 10 * plain).all() and (other < 3 * plain).all()
    turned = grid.transpose(2, 3).clamp(0, 255).to(torch.uint8)
    assert torch.allclose(grid_peak(turned), found, rtol=1e-3), "of rows as of columns"


def test_the_figures_say_what_they_show():
    images = {"one": noise(1, 3, 128, 128), "other": noise(1, 3, 128, 128)}
    figure = critic_grid(make(), noise(1, 3, 128, 128), images)
    titles = [axes.get_title() for axes in figure.axes]
    share = (critic_map(make(), noise(1, 3, 128, 128), images["one"]) > 0.5).float().mean()
    assert titles[:2] == ["one", "other"] and titles[2] == f"{share:.0%} called real"
    words = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert words == ["called fake", "in doubt", "called real"]
    plot = spectrum_plot({"targets": noise(2, 3, 128, 128)})
    assert [text.get_text() for text in plot.axes[0].get_legend().get_texts()] == ["targets"]
