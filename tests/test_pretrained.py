"""The pretrained λ path: what it makes of label maps, and its file."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tools.save_pretrained import RECORDED, strips
from torchvision.transforms.functional import pil_to_tensor

from pix2pix_colab import LAMBDAS, LambdaPath, PatchDiscriminator, UNetGenerator, load_pretrained, translate
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.interpolation import with_late_layers
from pix2pix_colab.pretrained import FILE, load_path, save_path

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
    assert FILE.stat().st_size < 20_000_000
    assert FILE.parent.name == "pix2pix_colab"


def test_it_holds_no_pickle() -> None:
    with np.load(FILE, allow_pickle=False) as arrays:
        kinds = {arrays[name].dtype.kind for name in arrays.files}
        weights = [arrays[name] for name in arrays.files if arrays[name].ndim == 4 and not name.endswith(".scale")]
    assert kinds == {"f", "i", "U"}
    assert {each.dtype for each in weights} == {np.dtype(np.int8)}


@pytest.mark.slow
def test_a_wheel_has_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, root]
    if subprocess.run([sys.executable, "-c", "import setuptools"]).returncode:
        command.remove("--no-build-isolation")
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True).stdout
    assert "pix2pix_colab/pretrained.npz" in listed


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
    loaded = load_path(save_path(path, tmp_path / "path.npz"))
    assert (loaded.lambdas, loaded.late_layers) == ([0, 100, math.inf], 2)
    for k, output in loaded.translate(source, path.lambdas).items():
        assert (output.float() - translate(path.generator(k), source).float()).abs().mean() < 2
    before, after = (each.discriminator.state_dict() for each in (path, loaded))
    for name, weights in before.items():
        assert torch.allclose(after[name], weights, atol=float(weights.abs().max()) / 250), name
    again = save_path(loaded, tmp_path / "again.npz")
    assert again.read_bytes() == (tmp_path / "path.npz").read_bytes(), "int8 again: nothing more is lost"


@pytest.mark.parametrize("change", ["dropout", "grey", "no discriminator"])
def test_what_would_come_back_otherwise_is_not_saved(change: str, tmp_path: Path) -> None:
    settings = {"dropout": {"dropout": 0.0}, "grey": {"source_channels": 1}}.get(change, {})
    discriminator = None if change == "no discriminator" else PatchDiscriminator(4, settings.get("source_channels", 3))
    (tmp_path / "path.npz").write_text("the old one")
    with pytest.raises(ValueError, match="Only a path in colour, with the default dropout and a discriminator"):
        save_path(LambdaPath({100: UNetGenerator(4, 128, **settings)}, discriminator), tmp_path / "path.npz")
    assert (tmp_path / "path.npz").read_text() == "the old one"


def test_a_device_that_is_not_there_is_not_taken_for_damage() -> None:
    with pytest.raises(RuntimeError, match="device"):
        load_pretrained("nothing")


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "another", "no scale"])
def test_a_damaged_file_is_a_sentence(damage: str, tmp_path: Path) -> None:
    file = save_path(small_path(), tmp_path / "path.npz")
    whole = file.read_bytes()
    middle = len(whole) // 2
    if damage == "another":
        np.savez(file, something=np.zeros(3))
    elif damage == "no scale":
        with np.load(file) as arrays:
            np.savez(file, **{name: arrays[name] for name in arrays.files if name != "encoder.0.0.weight.scale"})
    else:
        flipped = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 99]) + whole[middle + 99 :]
        file.write_bytes({"cut": whole[:middle], "noise": flipped, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"path\.npz is damaged, or holds no λ path: install the package again"):
        load_path(file)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There are no weights at .*none\.npz: install the package again"):
        load_path(tmp_path / "none.npz")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", settings=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="is damaged, or holds no λ path"):
        load_path(tmp_path / "evil.npz")
