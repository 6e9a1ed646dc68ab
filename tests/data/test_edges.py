"""Another task from end to end: grey edges to colour photos, in two folders of a zip that is downloaded."""

import functools
import io
import os
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
import torch
from helpers.server import serving
from nbconvert.preprocessors import ExecutePreprocessor
from PIL import Image
from tools.tidy_notebooks import NOTEBOOKS
from torchvision.transforms.functional import to_pil_image

from pix2pix_colab.__main__ import main
from pix2pix_colab.data import open_dataset, read_pairs, synthetic_facades
from pix2pix_colab.evaluation import measure
from pix2pix_colab.inference import translate
from pix2pix_colab.training import TrainConfig, train

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos and their edges, as a user would have them: other endings, sizes and modes, and one that is broken."""
    folder = tmp_path_factory.mktemp("edges") / "my edges"
    for side in ("A", "B"):
        (folder / side).mkdir(parents=True)
    for i, photo in enumerate(synthetic_facades(COUNT, size=160).target):
        grey = photo.float().mean(dim=0)
        slope = torch.hypot(grey.diff(dim=0)[:, :-1], grey.diff(dim=1)[:-1])
        edges = (255 - 4 * slope).clamp(min=0).to(torch.uint8)
        to_pil_image(edges).resize((200, 200)).save(folder / "A" / f"façade {i}.png")
        to_pil_image(photo).save(folder / "B" / f"façade {i}.jpg", quality=95)
    (folder / "A" / "façade 7.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture(scope="module")
def address(folder) -> str:
    """Where the zip of it can be had."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder.parent))
    with serving(packed.getvalue()) as server:
        yield f"{server.base}/edges.zip"


@pytest.mark.slow
def test_edges_become_photos(address, tmp_path):
    found = open_dataset(address, tmp_path / "data")
    read = functools.partial(read_pairs, found, direction="AtoB", source_channels=1)
    with pytest.warns(UserWarning, match=r"1 were left out of .*, and 35 pairs read:\n  .*façade 7: A/façade 7.png"):
        train_pairs = read(143, split="train")
    test_pairs = read(128, split="test")
    assert len(test_pairs) == 4 and not set(test_pairs.names) & set(train_pairs.names)
    config = TrainConfig(width=8, epochs=8, image_size=128, source_channels=1, learning_rate=1e-3)
    run = train(train_pairs, config, tmp_path / "run", device="cpu")
    generator = run.load_generator()
    output = translate(generator, test_pairs.source)
    targets = test_pairs.target, test_pairs.target.roll(1, dims=0)
    own, others = (measure(output, photos)["ssim"].value for photos in targets)
    print(f"SSIM to its own photo {own:.3f}, to another one {others:.3f}")
    assert own > 1.5 * others, "an output must have the structure of its own photo"
    wide = Image.open(next(found.rglob("façade 0.png"))).resize((333, 90))
    assert translate(generator, wide).size == (333, 90) and translate(generator, wide).mode == "RGB"


def test_the_command_line_trains_and_evaluates_it(folder, tmp_path, capsys):
    words = [str(folder / "A"), str(tmp_path), "--targets", str(folder / "B")]
    size = ["--width", "2", "--epochs", "1", "--image-size", "128", "--source-channels", "1", "--lambdas", "100"]
    with pytest.warns(UserWarning, match="façade 7"):
        main(["sweep", *words, *size, "--split", "train"])
        main(["evaluate", *words, "--split", "test"])
    assert re.search(r"^\| 4 images \| λ = 100 \|(.*\n)+\| SSIM ↑ \| 0\.\d+ ± ", capsys.readouterr().out, re.MULTILINE)


SMALL = """
from dataclasses import replace
from pix2pix_colab.notebook.workspace import PRESETS
PRESETS["quick"] = replace(PRESETS["quick"], config=replace(PRESETS["quick"].config, width=8, epochs=2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", [NOTEBOOKS[0], NOTEBOOKS[2]], ids=lambda path: path.name)
def test_the_notebooks_take_it(path, address, tmp_path, monkeypatch):
    settings = {"PIX2PIX_PRESET": "quick", "PIX2PIX_ROOT": str(tmp_path), "PIX2PIX_DATASET": address}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source += SMALL
    ExecutePreprocessor(timeout=600).preprocess(notebook, {"metadata": {"path": tmp_path}})
    said = "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)
    assert "façade 7: A/façade 7.png" in said
    assert ("35 pairs to train on, 4 to test on" if path == NOTEBOOKS[0] else "any size: True") in said
    assert os.listdir(tmp_path / "data")
