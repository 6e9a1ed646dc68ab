"""The pretrained λ path: what it makes of label maps, and its file."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tools.save_pretrained import RECORDED, strips
from torchvision.transforms.functional import pil_to_tensor

from pix2pix_colab import LAMBDAS, PatchDiscriminator, UNetGenerator, lambda_path, translate
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.lambda_path import PRETRAINED, LambdaPath, load_pretrained, save_pretrained, with_late_layers

FILE = PRETRAINED["facades"]

LABEL_MAPS = sorted(RECORDED.glob("label_map_*.webp"))


@pytest.fixture(scope="module")
def path() -> LambdaPath:
    return load_pretrained()


def read(file: Path) -> torch.Tensor:
    return pil_to_tensor(Image.open(file).convert("RGB"))


def difference(path: LambdaPath, label_map: Path, seed: int = 0) -> torch.Tensor:
    """Mean difference to what is recorded, for each of four λ, in levels of 255."""
    recorded = read(label_map.with_name(label_map.name.replace("label_map", "outputs")))
    off = (strips(path, read(label_map)[None], seed)[0].float() - recorded.float()).abs()
    return torch.stack([each.mean() for each in off.chunk(4, dim=2)])


# --- what it does


def test_there_are_recorded_outputs() -> None:
    assert len(LABEL_MAPS) == 2


@pytest.mark.parametrize("label_map", LABEL_MAPS, ids=lambda file: file.stem)
def test_it_makes_what_is_recorded(path: LambdaPath, label_map: Path) -> None:
    """Other versions and CPUs round differently, which is a tenth of a level at most."""
    assert difference(path, label_map).max() < 0.1


def test_a_bent_weight_would_be_noticed(path: LambdaPath) -> None:
    bent = load_pretrained()
    with torch.no_grad():
        bent.anchors[0].decoder[3][2].weight *= 1.02  # of a norm that all λ share
    assert difference(bent, LABEL_MAPS[0]).min() > 0.1
    assert difference(path, LABEL_MAPS[0], seed=1).min() > 0.1, "nor may the dropout masks change"


def test_lambda_does_what_the_readme_says(path: LambdaPath) -> None:
    """Sharpness, as the mean gradient magnitude, falls from λ = 0 to L1 only, for label maps that it has never seen."""
    outputs = path.translate(synthetic_facades(4, 256, seed=3).source, LAMBDAS)
    gradients = {k: np.abs(np.diff(output.float().numpy())).mean() for k, output in outputs.items()}
    assert gradients[0] > gradients[100] > gradients[math.inf]


def test_all_lambda_share_all_but_the_last_three_layers(path: LambdaPath) -> None:
    assert path.lambdas == list(LAMBDAS) and path.late_layers == 3
    whole = sum(weight.numel() for weight in path.anchors[0].parameters())
    there = {weight.data_ptr(): weight.numel() for each in path.anchors for weight in each.parameters()}
    assert sum(there.values()) < 1.2 * whole, "they share their memory"


# --- its file


def test_it_is_small_and_in_the_package() -> None:
    assert FILE.stat().st_size < 15_000_000
    assert FILE.parent.name == "pix2pix_colab"


def test_convolutions_are_int8() -> None:
    weights = [each for name, each in load_file(FILE).items() if each.ndim == 4 and not name.endswith(".scale")]
    assert {each.dtype for each in weights} == {torch.int8}


def small_path(width: int = 4) -> LambdaPath:
    torch.manual_seed(0)
    first = UNetGenerator(width, 128)
    anchors = {}
    for i, k in enumerate((0, 100, math.inf)):
        weights = {name: each + 0.01 * i for name, each in first.decoder[-2:].state_dict().items()}
        anchors[k] = with_late_layers(first, 2, weights)
    return LambdaPath(anchors, PatchDiscriminator(width))


def test_a_path_is_saved_and_loaded(tmp_path: Path) -> None:
    path, source = small_path(), synthetic_facades(2, 128).source
    loaded = load_pretrained(save_pretrained(path, tmp_path / "mine.safetensors"))
    assert (loaded.lambdas, loaded.late_layers) == ([0, 100, math.inf], 2)
    for k, output in loaded.translate(source, path.lambdas).items():
        assert (output.float() - translate(path.generator(k), source).float()).abs().mean() < 2
    before, after = (each.discriminator.state_dict() for each in (path, loaded))
    for name, weights in before.items():
        assert torch.allclose(after[name], weights, atol=float(weights.abs().max()) / 250), name
    again = save_pretrained(loaded, tmp_path / "again.safetensors")
    assert again.read_bytes() == (tmp_path / "mine.safetensors").read_bytes(), "int8 again: nothing more is lost"


def test_what_no_training_reaches_is_not_stored(tmp_path: Path) -> None:
    """Around the middle of the innermost kernels, where 2×2 px meet only padding: a tenth of the weights."""
    path, source = small_path(), synthetic_facades(1, 128).source
    file = save_pretrained(path, tmp_path / "mine.safetensors")
    shapes = {name: each.shape[2:] for name, each in load_file(file).items() if each.ndim == 4 and "scale" not in name}
    assert {name for name, shape in shapes.items() if shape == (2, 2)} == {"encoder.6.1.weight", "decoder.0.1.weight"}
    with torch.no_grad():
        for kernel in (path.anchors[0].encoder[6][1].weight, path.anchors[0].decoder[0][1].weight):
            kernel *= torch.nn.functional.pad(torch.ones(2, 2), [1] * 4)
    loaded = load_pretrained(file).anchors[0].state_dict()
    for name in ("encoder.6.1.weight", "decoder.0.1.weight"):
        assert torch.allclose(loaded[name], path.anchors[0].state_dict()[name], atol=1e-3), name
    assert torch.equal(translate(path.anchors[0], source), translate(small_path().anchors[0], source)), "is not seen"


def test_balanced_filters_stay_balanced(tmp_path: Path) -> None:
    """Nine weights of sixteen are stored, for rounding all of them would bring back some of the grid."""
    path = small_path()
    for anchor in path.anchors:
        anchor.balance_phases(2)
    file = save_pretrained(path, tmp_path / "mine.safetensors")
    stored = load_file(file)
    for k, before, after in zip(path.lambdas, path.anchors, load_pretrained(file).anchors, strict=True):
        for i in (0, 1):
            assert stored[f"{float(k)}.{i}.1.weight"].shape[2:] == (3, 3)
            weight, was = (each.decoder[i - 2][1].weight for each in (after, before))
            rows, columns = (each[:, :, 0::2].sum(2) - each[:, :, 1::2].sum(2) for each in (weight, weight.mT))
            assert max(rows.abs().max(), columns.abs().max()) < 1e-6
            assert (weight - was).abs().max() < was.abs().max() / 25, "nine roundings, at most"
    assert stored["decoder.4.1.weight"].shape[2:] == (4, 4), "no other layer"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_are_saved(dtype: torch.dtype, tmp_path: Path) -> None:
    path = LambdaPath({100: UNetGenerator(2, 128).to(dtype)})
    weight = load_pretrained(save_pretrained(path, tmp_path / "mine.safetensors")).anchors[0].encoder[3][1].weight
    assert torch.allclose(weight, path.anchors[0].encoder[3][1].weight.float(), atol=1e-3)


@pytest.mark.parametrize("change", [{"dropout": 0.0}, {"source_channels": 1}, {"skips": False}, {}])
def test_a_path_of_any_settings_comes_back(change: dict, tmp_path: Path) -> None:
    generator = UNetGenerator(4, 128, **change)
    loaded = load_pretrained(save_pretrained(LambdaPath({100: generator}), tmp_path / "mine.safetensors"))
    assert loaded.anchors[0].settings == generator.settings and loaded.discriminator is None


def test_what_can_not_be_written_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save_pretrained(small_path(), tmp_path / "mine.safetensors")
    before = file.read_bytes()
    monkeypatch.setattr(lambda_path, "checksum", lambda arrays: len(arrays) / 0)
    with pytest.raises(ZeroDivisionError):
        save_pretrained(small_path(), file)
    assert file.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_device_that_is_not_there_is_not_taken_for_damage() -> None:
    with pytest.raises(RuntimeError, match="device"):
        load_pretrained(device="nothing")


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "another", "pickle"])
def test_a_damaged_file_is_a_sentence(damage: str, tmp_path: Path) -> None:
    file = save_pretrained(small_path(), tmp_path / "mine.safetensors")
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 99]) + whole[middle + 99 :]
    damaged = {"cut": whole[:middle], "noise": flipped, "empty": b"", "pickle": pickle.dumps(print)}
    if damage == "another":
        save_file({"something": torch.zeros(3)}, file)
    else:
        file.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=r"mine\.safetensors is damaged, or holds no λ path: save it again"):
        load_pretrained(file)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights at .*none.* \(known by name: facades\): save it again"):
        load_pretrained(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no weights at cuda \(known by name: facades\)"):
        load_pretrained("cuda")
