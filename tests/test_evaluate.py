"""The test-time rule of the paper, and metrics against cases made by hand and against scikit-image."""

import copy
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image, JpegImagePlugin
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from pix2pix_colab import evaluate as module
from pix2pix_colab.config import TrainConfig
from pix2pix_colab.evaluate import Scores, encode_frames, gradient_magnitude, main, score, score_table, translate
from pix2pix_colab.generator import UNetGenerator
from pix2pix_colab.pairs import Pairs, read_pairs, to_float, to_uint8, write_pairs
from pix2pix_colab.sweep import sweep


def noise(*shape: int, low: int = 0, high: int = 256, seed: int = 0) -> Tensor:
    return torch.randint(low, high, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def generator() -> UNetGenerator:
    torch.manual_seed(0)
    generator = UNetGenerator(width=4, image_size=128)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)  # far enough from the start that outputs differ
    return generator


@pytest.fixture
def source() -> Tensor:
    return noise(3, 3, 128, 128)


def test_translating_is_a_pass_in_train_mode_image_by_image(generator, source):
    expected = []
    for image in source:
        twin = copy.deepcopy(generator).train()
        torch.manual_seed(5)
        expected.append(to_uint8(twin(to_float(image[None])).detach()))
    outputs = translate(generator.eval(), source, seed=5)
    assert torch.equal(outputs, torch.cat(expected))
    assert outputs.dtype == torch.uint8 and outputs.shape == source.shape
    assert outputs.float().std() > 5


def test_an_output_does_not_depend_on_its_neighbours(generator, source):
    together = translate(generator, source)
    for i in range(3):
        assert torch.equal(translate(generator, source[i : i + 1])[0], together[i])
    assert torch.equal(translate(generator, source.flip(0)).flip(0), together)
    twins = translate(generator, source[[0, 0]])
    assert torch.equal(twins[0], twins[1])


@pytest.mark.parametrize("training", [True, False])
def test_translating_changes_nothing(generator, source, training):
    generator.train(training)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    kept, random = source.clone(), torch.get_rng_state()
    translate(generator, source)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert {module.training for module in generator.modules()} == {training}
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(source, kept)
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_a_failure_changes_nothing_either(generator, source, monkeypatch):
    random = torch.get_rng_state()
    monkeypatch.setattr(generator, "forward", lambda source: torch.rand(3).reshape(2))
    with pytest.raises(RuntimeError, match="shape"):
        translate(generator.eval(), source)
    assert not generator.training
    assert torch.equal(torch.get_rng_state(), random)


def test_the_noise_follows_the_seed(generator, source):
    assert torch.equal(translate(generator, source, seed=1), translate(generator, source, seed=1))
    assert not torch.equal(translate(generator, source, seed=1), translate(generator, source, seed=2))
    torch.manual_seed(0)
    quiet = UNetGenerator(width=4, image_size=128, dropout=0.0)
    assert torch.equal(translate(quiet, source, seed=1), translate(quiet, source, seed=2))


def test_running_statistics_have_no_say(source):
    torch.manual_seed(0)
    generator = UNetGenerator(width=4, image_size=128, dropout=0.0)  # so that only BatchNorm sets the modes apart
    output = translate(generator, source)
    with torch.no_grad():
        assert not torch.equal(to_uint8(generator.eval()(to_float(source))), output)
    for name, buffer in generator.named_buffers():
        if "running" in name:
            buffer.fill_(3)
    assert torch.equal(translate(generator, source), output)


def test_equal_images_score_best():
    image = noise(1, 3, 32, 32)
    scores = score(image, image)
    assert (scores.l1, scores.psnr, scores.sharpness) == (0, math.inf, 1)
    assert scores.ssim.item() == pytest.approx(1, abs=1e-6)
    several = noise(4, 3, 32, 32)
    assert score(several, several).sharpness.mean().item() == pytest.approx(1)
    assert all(values.shape == (4,) and values.dtype == torch.float32 for values in score(several, several))


def test_a_constant_offset_by_hand():
    target = noise(2, 3, 32, 32, high=200)
    output = target + torch.tensor([51, 5], dtype=torch.uint8)[:, None, None, None]
    scores = score(output, target)
    # 51 of 255 are 0.4 of [-1, 1]; PSNR = 10 log10(2² / 0.4²) = 10 log10(25); 5 are a tenth or so: 20 log10(255 / 5)
    torch.testing.assert_close(scores.l1, torch.tensor([0.4, 10 / 255]))
    torch.testing.assert_close(scores.psnr, torch.tensor([10 * math.log10(25), 20 * math.log10(51)]), rtol=1e-4, atol=0)
    torch.testing.assert_close(scores.sharpness, score(target, target).sharpness)  # edges are as they were


def test_gradient_magnitude_by_hand():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij")
    ramps = torch.stack([torch.zeros(5, 4), 2 * x, 3 * x - 4 * y])  # slopes 0, 2 and √(3² + 4²) = 5
    images = ramps[:, None].expand(-1, 3, -1, -1)
    torch.testing.assert_close(gradient_magnitude(images), torch.tensor([0.0, 2.0, 5.0]))


def test_sharpness_is_a_multiple_of_the_targets():
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    target = torch.stack([2 * x, 6 * y])[:, None].expand(-1, 3, -1, -1).to(torch.uint8)  # slopes 2 and 6, on average 4
    output = torch.stack([x, 8 - x // 4])[:, None].expand(-1, 3, -1, -1).to(torch.uint8)  # slopes 1 and, by steps, 1/4
    expected = torch.tensor([1 / 4, 7 / 31 / 4])  # 7 steps within 31 differences
    torch.testing.assert_close(score(output, target).sharpness, expected, rtol=1e-4, atol=1e-5)


def test_blur_costs_sharpness_and_noise_adds_it():
    target = noise(2, 3, 32, 32, low=60, high=200)
    blurred = torch.nn.functional.avg_pool2d(target.float(), 3, stride=1, padding=1, count_include_pad=False).byte()
    grainy = ((target.float() - 130) * 1.7 + 130).clamp(0, 255).byte()
    assert (score(blurred, target).sharpness < 0.6).all()
    assert (score(grainy, target).sharpness > 1.5).all()


def photo_like() -> tuple[Tensor, Tensor]:
    """Smooth images and noisy copies of them: dark, middle and bright."""
    smooth = torch.nn.functional.interpolate(noise(3, 3, 8, 8).float() / 3, size=64, mode="bicubic")
    target = (smooth + torch.tensor([10.0, 80.0, 160.0])[:, None, None, None]).clamp(0, 255)
    output = (target + torch.randn(target.shape, generator=torch.Generator().manual_seed(0)) * 15).clamp(0, 255)
    return output.round().byte(), target.round().byte()


def test_psnr_is_that_of_scikit_image():
    output, target = photo_like()
    expected = [peak_signal_noise_ratio(t.numpy(), o.numpy()) for o, t in zip(output, target, strict=True)]
    torch.testing.assert_close(score(output, target).psnr, torch.tensor(expected).float(), rtol=1e-4, atol=0)


def test_ssim_is_that_of_scikit_image():
    """Of the grey values 0 to 255: SSIM compares means, so it isn't the same on [-1, 1]."""
    output, target = photo_like()
    padding = ((0, 0), (5, 5), (5, 5))  # torchmetrics mirrors images at their borders, scikit-image leaves borders out
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    expected = [
        structural_similarity(*(np.pad(image.numpy(), padding, mode="reflect") for image in images), **settings)
        for images in zip(output, target, strict=True)
    ]
    torch.testing.assert_close(score(output, target).ssim, torch.tensor(expected).float(), rtol=0, atol=1e-3)


def test_grey_is_scored_as_colour_of_three_equal_channels():
    output, target = (images[:, :1] for images in photo_like())
    grey, colour = score(output, target), score(output.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1))
    for name, values in grey._asdict().items():
        torch.testing.assert_close(values, getattr(colour, name), rtol=1e-4, atol=1e-5)
    assert (grey.ssim < 0.9).all() and (grey.psnr < 30).all()
    with pytest.raises(ValueError, match=r"\(3, 1, 64, 64\) outputs can't be measured against \(3, 3, 64, 64\)"):
        score(output, target.expand(-1, 3, -1, -1))


def test_images_are_scored_one_by_one():
    output, target = photo_like()
    together = score(output, target)
    for i in range(3):
        alone = score(output[i : i + 1], target[i : i + 1])
        for name in ("l1", "psnr", "ssim"):
            torch.testing.assert_close(getattr(together, name)[i], getattr(alone, name)[0])


@pytest.mark.parametrize(("outputs", "targets"), [(2, 3), (0, 0)])
def test_numbers_of_images_that_cannot_be_measured_get_a_sentence(outputs, targets):
    with pytest.raises(ValueError, match=rf"\({outputs}, 3, 16, 16\) outputs can't be measured against \({targets}, "):
        score(noise(outputs, 3, 16, 16), noise(targets, 3, 16, 16))


def test_the_table_shows_mean_spread_and_number():
    pair = Scores(*(torch.tensor(values) for values in ([0.1, 0.3], [20.0, 22.0], [0.5, 0.5], [1.25, 1.75])))
    one = Scores(*(torch.tensor([value]) for value in (0.125, 20.0, 0.5, 2.0)))
    lines = score_table({100: pair, math.inf: one}).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "l1", "psnr", "ssim", "sharpness", "images"]
    # the standard deviation of 0.1 and 0.3 around 0.2 is 0.1
    values = ["0.200 ± 0.100", "21.000 ± 1.000", "0.500 ± 0.000", "1.500 ± 0.250"]
    assert cells[2] == ["λ = 100", *values, "2"]
    assert cells[3] == ["L1 only", "0.125 ± 0.000", "20.000 ± 0.000", "0.500 ± 0.000", "2.000 ± 0.000", "1"]
    assert len(lines) == 4


def flat(*colours: tuple[int, int, int]) -> Tensor:
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 32, 32)


def test_a_frame_shows_source_output_and_target_side_by_side():
    red, green, blue, white = (250, 5, 5), (5, 250, 5), (5, 5, 250), (250, 250, 250)
    outputs = {0: flat(green, white), math.inf: flat(white, green)}
    frames = encode_frames(flat(red, red), outputs, flat(blue, blue))
    assert list(frames) == [0, math.inf]
    for lambda_l1, middles in ((0, (green, white)), (math.inf, (white, green))):
        assert len(frames[lambda_l1]) == 2
        for frame, middle in zip(frames[lambda_l1], middles, strict=True):
            image = Image.open(io.BytesIO(frame))
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 32))
            for x, colour in zip((31, 33, 62, 65), (red, middle, middle, blue), strict=True):
                assert image.getpixel((x, 16)) == pytest.approx(colour, abs=6)


def test_grey_images_stand_in_frames_beside_colour():
    black, green, white = flat((5, 5, 5)), flat((5, 250, 5)), flat((250, 250, 250))
    (frame,) = encode_frames(white[:, :1], {0: green}, black[:, :1])[0]
    image = Image.open(io.BytesIO(frame))
    assert (image.mode, image.size) == ("RGB", (96, 32))
    for x, colour in zip((30, 48, 66), ((250,) * 3, (5, 250, 5), (5,) * 3), strict=True):
        assert image.getpixel((x, 16)) == pytest.approx(colour, abs=6)


def test_frames_keep_the_colours_of_fine_edges():
    (frame,) = encode_frames(noise(1, 3, 16, 16), {0: noise(1, 3, 16, 16)}, noise(1, 3, 16, 16))[0]
    assert JpegImagePlugin.get_sampling(Image.open(io.BytesIO(frame))) == 0  # 4:4:4


def test_the_command_line_measures_a_sweep(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))  # a GPU rounds in its own way
    images = noise(2, 2, 3, 128, 128)
    pairs = Pairs(images[0], images[1], ["1", "2"])
    runs = sweep(pairs, (0, math.inf), TrainConfig(epochs=1, width=2, image_size=128), tmp_path / "runs")
    folder = write_pairs(pairs, tmp_path / "pairs", "AtoB")
    main([str(folder), str(tmp_path / "runs"), "--direction", "AtoB"])
    expected = {k: score(translate(run.load_generator(), pairs.source), pairs.target) for k, run in runs.items()}
    assert capsys.readouterr().out.strip() == score_table(expected)


def test_the_command_line_measures_a_sweep_in_grey(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    images = noise(2, 2, 3, 128, 128)
    folder = write_pairs(Pairs(images[0], images[1], ["1", "2"]), tmp_path / "pairs", "AtoB")
    pairs = read_pairs(folder, 128, "AtoB", target_channels=1)
    config = TrainConfig(epochs=1, width=2, image_size=128, target_channels=1)
    (run,) = sweep(pairs, (10,), config, tmp_path / "runs").values()
    main([str(folder), str(tmp_path / "runs"), "--direction", "AtoB"])
    expected = {10: score(translate(run.load_generator(), pairs.source), pairs.target)}
    assert capsys.readouterr().out.strip() == score_table(expected)


def test_the_command_line_needs_a_sweep(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no lambda_… folder"):
        main([str(tmp_path), str(tmp_path / "runs")])
