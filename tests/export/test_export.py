"""Export as ONNX: onnxruntime translates as ``translate`` does."""

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.image_files import encoded, png_of_16_bits, tiff, wide_gamut
from PIL import Image
from torch import Tensor

from pix2pix_colab import LAMBDAS, LambdaPath, PatchDiscriminator, UNetGenerator, load_pretrained, save_pretrained
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.export import OnnxMissingError, export_onnx, export_parts
from pix2pix_colab.inference import critic_map, translate
from pix2pix_colab.utils.images import Seen

REASON = 'There is no onnx or onnxruntime here: pip install onnx onnxruntime, or ".[onnx]".'
onnx = pytest.importorskip("onnx", reason=REASON)
onnxruntime = pytest.importorskip("onnxruntime", reason=REASON)

POSITIONS = {0: 0.0, 0.3: 0.3, 10: 2.0, 50: 2.69897, 5000: 4.8, LAMBDAS[-1]: 5.0}


def make_generator(width: int = 4, image_size: int = 128, late: int = 0, **settings) -> UNetGenerator:
    """A generator whose random outputs are neither flat nor saturated; the seed of the last layers is ``late``."""
    torch.manual_seed(0)
    generator = UNetGenerator(width, image_size, **settings)
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    torch.manual_seed(late)
    for layer in generator.decoder[-3:]:
        torch.nn.init.normal_(layer[1].weight, std=0.05)
    torch.nn.init.normal_(generator.decoder[-1][1].weight, std=0.5 / width**0.5 / 4)
    torch.nn.init.normal_(generator.decoder[-1][1].bias, std=0.2)
    return generator


def make_path(lambdas=LAMBDAS, late: int = 3, **settings) -> LambdaPath:
    """A path that differs in its last ``late`` layers, in the norm's scale and shift too."""
    generators = {k: make_generator(**settings) for k in lambdas}
    for i, generator in enumerate(generators.values()):
        torch.manual_seed(i)
        for parameter in generator.decoder[-late:].parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
    return LambdaPath(generators)


def noise(size: tuple[int, int] = (128, 128), channels: int = 3) -> Tensor:
    """Large blocks and fine noise."""
    random = torch.Generator().manual_seed(1)
    blocks = torch.randint(256, (1, channels, size[0] // 16, size[1] // 16), generator=random)
    blocks = blocks.repeat_interleave(16, 2).repeat_interleave(16, 3)
    fine = torch.randint(-40, 40, (1, channels, *size), generator=random)
    return (blocks + fine).clamp(0, 255).to(torch.uint8)


def load(file: Path) -> "onnxruntime.InferenceSession":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(file: Path, source: Tensor, position: float | None = None) -> Tensor:
    given = {"source": source.numpy()}
    if position is not None:
        given["position"] = np.array([position], np.float32)
    (output,) = load(file).run(None, given)
    return torch.from_numpy(output)


def run_parts(early: Path, late: Path, source: Tensor, positions: list[float]) -> list[Tensor]:
    """The outputs at all positions, from one run of the early layers."""
    first, second = load(early), load(late)
    names = [output.name for output in first.get_outputs()]
    features = dict(zip(names, first.run(names, {"source": source.numpy()}), strict=True))
    assert {given.name for given in second.get_inputs()} == {*names, "position"}
    positions = [np.array([position], np.float32) for position in positions]
    return [torch.from_numpy(second.run(None, features | {"position": each})[0]) for each in positions]


def difference(output: Tensor, expected: Tensor) -> Tensor:
    """Difference in levels of 255, of an expected output that would show it."""
    assert output.shape == expected.shape and output.dtype == torch.uint8
    assert expected.float().std() > 15 and ((expected == 0) | (expected == 255)).float().mean() < 0.2
    return (output.int() - expected.int()).abs()


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({}, None),
        ({"image_size": 256}, (256, 256)),
        ({"image_size": 512, "width": 2}, None),
        ({}, (128, 256)),
        ({"skips": False}, None),
        ({"source_channels": 1}, None),
        ({"target_channels": 1}, None),
        ({"source_channels": 1, "target_channels": 1, "dropout_layers": (2, 7), "dropout": 0.2}, None),
        ({"dropout_layers": ()}, None),
    ],
    ids=str,
)
def test_a_generator_translates_as_translate_does(settings, size, tmp_path):
    generator = make_generator(**settings)
    source = noise(size or (generator.image_size,) * 2, generator.source_channels)
    file = export_onnx(generator, tmp_path / "new" / "model.onnx", size, weights="float32")
    onnx.checker.check_model(file, full_check=True)
    assert difference(run(file, source), translate(generator, source)).max() <= 1
    assert [each.name for each in file.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("settings", "late"),
    [
        ({}, 3),
        ({"image_size": 256}, 3),
        ({}, 1),
        ({}, 6),
        ({}, 7),
        ({"dropout_layers": (1, 4, 6)}, 5),
        ({"skips": False, "target_channels": 1}, 2),
    ],
    ids=str,
)
def test_a_path_translates_as_translate_does(settings, late, tmp_path):
    path = make_path(late=late, **settings)
    assert path.late_layers == late
    source = noise((path.anchors[0].image_size,) * 2)
    file = export_onnx(path, tmp_path / "path.onnx", weights="float32")
    parts = export_parts(path, tmp_path / "parts", weights="float32")
    for each in (file, *parts):
        onnx.checker.check_model(each, full_check=True)
    expected = path.translate(source, POSITIONS)
    outputs = run_parts(*parts, source, list(POSITIONS.values()))
    for (k, position), output in zip(POSITIONS.items(), outputs, strict=True):
        assert difference(run(file, source, position), expected[k]).max() <= 1
        assert difference(output, expected[k]).max() <= 1
    assert difference(expected[0], expected[10]).max() > 5


def test_a_path_of_one_or_two_anchors_and_positions_beyond_it(tmp_path):
    source = noise()
    path = make_path((1, 100), late=2)
    file = export_onnx(path, tmp_path / "two.onnx", weights="float32")
    expected = path.translate(source, (1, 10, 100))
    for position, k in ((-3, 1), (0.5, 10), (1, 100), (9, 100)):
        assert difference(run(file, source, position), expected[k]).max() <= 1
    alone = LambdaPath({100: path.anchors[1]})
    file = export_onnx(alone, tmp_path / "one.onnx", weights="float32")
    for position in (0, 1):
        assert difference(run(file, source, position), expected[100]).max() <= 1


def test_the_seed_gives_the_masks(tmp_path):
    generator, source = make_generator(), noise()
    state = torch.get_rng_state()
    outputs = [
        run(export_onnx(generator, tmp_path / "model.onnx", seed=seed, weights="float32"), source) for seed in (0, 7)
    ]
    assert torch.equal(state, torch.get_rng_state())
    assert difference(outputs[1], translate(generator, source, seed=7)).max() <= 1
    assert difference(outputs[0], outputs[1]).max() > 5


@pytest.fixture(scope="module")
def path() -> LambdaPath:
    return make_path(width=8)


def test_smaller_weights_cost_little(path, tmp_path):
    """The bounds are about twice what was measured: at most 1, 1 and 5 levels, in the mean 0.00002, 0.012 and 0.43."""
    source = noise()
    expected = torch.cat(list(path.translate(source, POSITIONS).values()))
    whole = 4 * sum(value.numel() for value in path.anchors[0].parameters())
    for weights, largest, mean, size in (("float32", 1, 1e-4, 4), ("float16", 2, 0.025, 2), ("int8", 10, 0.8, 1)):
        file = export_onnx(path, tmp_path / f"{weights}.onnx", weights=weights)
        parts = export_parts(path, tmp_path, weights=weights)
        assert size / 4 < file.stat().st_size / whole < size / 4 * 1.2
        assert sum(part.stat().st_size for part in parts) == pytest.approx(file.stat().st_size, rel=0.02)
        outputs = torch.cat(run_parts(*parts, source, list(POSITIONS.values())))
        found = difference(outputs, expected).float()
        assert found.max() <= largest and found.mean() < mean, weights
        assert torch.equal(run(file, source, 4.8), outputs[4:5])


def test_what_was_rounded_to_int8_is_exported_as_it_is(tmp_path):
    """So the page has the pretrained weights exactly, and filters that are balanced."""
    path = make_path(width=8)
    for anchor in path.anchors:
        anchor.balance_phases(3)
    path = load_pretrained(save_pretrained(path, tmp_path / "mine.safetensors"))
    parts = export_parts(path, tmp_path)
    shapes = {each.name: each.dims[-2:] for each in onnx.load(parts[1]).graph.initializer}
    assert [shapes[f"decoder.{i}.1.weight"] for i in (4, 5, 6)] == [[3, 3]] * 3
    expected = torch.cat(list(path.translate(noise(), POSITIONS).values()))
    found = difference(torch.cat(run_parts(*parts, noise(), list(POSITIONS.values()))), expected).float()
    assert found.max() <= 1 and found.mean() < 1e-4


def test_a_path_of_width_32_has_less_than_16_MB(tmp_path):
    path = LambdaPath(dict.fromkeys(LAMBDAS, make_generator(32, 256)))
    path.late_layers = 3
    assert 15e6 < export_onnx(path, tmp_path / "path.onnx").stat().st_size < 16e6


def test_a_file_says_what_it_is(tmp_path):
    path = make_path((0, 0.5, math.inf))
    files = [*export_parts(path, tmp_path, (128, 256), seed=3), export_onnx(path.anchors[0], tmp_path / "model.onnx")]
    early, late, model = ({each.key: each.value for each in onnx.load(file).metadata_props} for file in files)
    kind = "late layers of a λ path"
    assert late == {"kind": kind, "lambdas": "0,0.5,Infinity", "size": "128,256", "seed": "3", "weights": "int8"}
    assert early == late | {"kind": "early layers of a λ path"}
    assert model == {"kind": "generator", "size": "128,128", "seed": "0", "weights": "int8"}


@pytest.mark.parametrize("settings", [{}, {"source_channels": 1, "target_channels": 1}], ids=["colour", "grey"])
def test_the_critic_of_a_path_is_a_third_part(settings, tmp_path):
    torch.manual_seed(0)
    path = make_path(**settings)
    path.discriminator = PatchDiscriminator(4, **settings)
    for parameter in path.discriminator.parameters():
        parameter.data *= 8  # or all would be in doubt
    *parts, critic = export_parts(path, tmp_path, (128, 256), weights="float32")
    assert [each.name for each in (*parts, critic)] == ["early.onnx", "late.onnx", "critic.onnx"]
    onnx.checker.check_model(critic, full_check=True)
    channels = settings.get("source_channels", 3)
    source, image = noise((128, 256), channels), noise((128, 256), channels).flip(3)
    (real,) = load(critic).run(["real"], {"source": source.numpy(), "image": image.numpy()})
    expected = critic_map(path.discriminator, source, image)
    assert expected.shape == (1, 14, 30) and expected.std() > 0.1
    assert torch.allclose(torch.from_numpy(real)[:, 0], expected, atol=1e-3)


def example() -> str:
    """The Python program of docs/export.md."""
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return code


ROUGH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8))
PHOTO = np.asarray(ROUGH.resize((256, 320), Image.Resampling.BICUBIC))
WIDE, GREY, GREEN = PHOTO.astype(np.uint16) * 257, PHOTO[..., 0], PHOTO[..., 1]
TURNED = Image.Exif()
TURNED[0x112] = 6


def photo(pixels: np.ndarray = PHOTO, opacity: np.ndarray | None = None, **options) -> bytes:
    image = Image.fromarray(pixels)
    if opacity is not None:
        image.putalpha(Image.fromarray(opacity))
    return encoded(image, **options)


FILES = {
    "plain": photo(),
    "transparent": photo(opacity=GREEN),
    "turned": photo(exif=TURNED),
    "turned, as stored": photo(exif=TURNED),
    "16 bits": photo(GREY.astype(np.uint16) * 257),
    "12 bits": photo((GREY.astype(np.uint32) * 4095 // 255).astype(np.uint16)),
    "wide": encoded(Image.fromarray(PHOTO).resize((700, 300))),
    "label map": encoded(Image.fromarray(PHOTO).quantize(12)),
    "ids": photo(GREY // 22),
    "ids of three bands": photo(PHOTO // 22),
    "profile": photo(opacity=np.full_like(GREY, 255), icc_profile=wide_gamut()),
    "transparent with a profile": photo(opacity=GREEN, icc_profile=wide_gamut()),
    "damaged profile": photo(icc_profile=b"x" * 200),
    "opacity of 0 and 1": photo(opacity=(GREEN > 99).astype(np.uint8)),
    "white is zero": tiff(GREY, t262=0),
    "white is zero of 16": tiff(WIDE[..., 0], t262=0),
    "no value": photo(np.where(GREEN < 30, np.uint16(65535), GREY.astype(np.uint16) * 16)),
    "grey": photo(),
    "colour of 16": png_of_16_bits(WIDE),
    "colour of 12": png_of_16_bits(PHOTO.astype(np.uint16) * 16),
    "colour of 16 and opacity": png_of_16_bits(np.dstack([WIDE, WIDE[..., :1]])),
    "colour of 16, TIFF": tiff(WIDE),
}
SEEN = {"turned, as stored": Seen(exif=False), "16 bits": Seen(range=(0, 65535)), "12 bits": Seen(range=(0, 4095))}
SEEN |= dict.fromkeys(("ids", "ids of three bands"), Seen(range=(0, 11)))  # as the pairs were seen


@pytest.mark.parametrize("kind", FILES)
def test_the_example_of_the_docs_prepares_any_file_as_translate_does(tmp_path, monkeypatch, kind):
    """Of a single generator, whose pairs may have been of 12 bits."""
    code, channels = example(), 1 if kind == "grey" else 3
    generator = UNetGenerator(4, source_channels=channels, target_channels=channels)
    generator.seen = SEEN.get(kind, generator.seen)
    if kind in ("label map", "ids"):
        code = code.replace(", False  # True", ", True  # True")
    export_onnx(generator, tmp_path / "path.onnx", weights="float32")
    (tmp_path / "source.png").write_bytes(FILES[kind])
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    with Image.open("source.png") as opened:
        expected = translate(generator, opened)
    output = Image.open("output.png")
    assert output.size == expected.size
    assert np.abs(np.asarray(output, int) - np.asarray(expected, int)).mean() < 0.1


@pytest.mark.parametrize("values", [np.float32, np.int32], ids=["floats", "signed"])
def test_the_example_of_the_docs_needs_a_range_where_translate_does(tmp_path, monkeypatch, values):
    export_onnx(UNetGenerator(4), tmp_path / "path.onnx", weights="float32")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.arange(64, dtype=values).reshape(8, 8) - 5).save("source.png", format="TIFF")
    with pytest.raises(ValueError, match="need a range"):
        exec(example(), {})


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    path, image = make_path(image_size=256), synthetic_facades(1, 256).source[0].permute(1, 2, 0).numpy()
    export_onnx(path, tmp_path / "path.onnx", weights="float32")
    Image.fromarray(image).save(tmp_path / "source.png")
    monkeypatch.chdir(tmp_path)
    exec(example(), {})
    k = path.lambda_at(2.5)
    output = np.asarray(Image.open("output.png"), int)
    assert np.abs(output - path.translate(image, [k])[k]).max() <= 1


@pytest.mark.parametrize("size", [100, 128 * 5000, (100, 128), (0, 128), (128,), (128, -128), (128, 128.5)])
def test_another_size_gets_a_sentence(size, path, tmp_path):
    for network in (path, path.anchors[0]):
        with pytest.raises(ValueError, match=r"size is \(.*, both multiples of this U-Net's 128 px"):
            export_onnx(network, tmp_path / "model.onnx", size)
    with pytest.raises(ValueError, match="size is"):
        export_parts(path, tmp_path, size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [".", "folder.onnx", "model", "model.txt"])
def test_a_name_of_no_onnx_file_gets_a_sentence(name, path, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ValueError, match=r"is no name for an ONNX file: choose one that ends in \.onnx"):
        export_onnx(path, tmp_path / name)
    with pytest.raises(ValueError, match="one generator: export it as one file"):
        export_parts(path.anchors[0], tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file, but the two parts go into a folder"):
        export_parts(path, tmp_path / "file")


def test_one_number_is_the_size_of_both_sides(path, tmp_path):
    files = [export_onnx(path, tmp_path / f"{i}.onnx", size) for i, size in enumerate((128, (128, 128)))]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_other_weights_get_a_sentence(path, tmp_path):
    with pytest.raises(ValueError, match="weights is 'int4', but they can be stored as float32, float16, int8"):
        export_onnx(path, tmp_path / "model.onnx", weights="int4")


def test_without_onnx_a_sentence_says_what_to_install(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OnnxMissingError, match="needs the package onnx, which is not installed: pip install onnx"):
        export_onnx(path, tmp_path / "model.onnx")


def test_an_export_leaves_the_network_as_it_is_and_says_nothing(path, tmp_path, capfd):
    before = {name: value.clone() for name, value in path.anchors[0].state_dict().items()}
    path.anchors[0].eval()
    export_onnx(path, tmp_path / "model.onnx")
    load(tmp_path / "model.onnx")
    assert not path.anchors[0].training and tuple(capfd.readouterr()) == ("", "")
    assert all(torch.equal(value, before[name]) for name, value in path.anchors[0].state_dict().items())
