"""Where the notebooks work, by which preset, and what they do without a network."""

import os
import platform
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pix2pix_colab import workspace as module
from pix2pix_colab.config import TrainConfig
from pix2pix_colab.datasets import DATASETS, Dataset
from pix2pix_colab.pairs import Pairs, write_pairs
from pix2pix_colab.workspace import PRESETS, Workspace, open_workspace

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    """A machine without a GPU and without settings."""
    monkeypatch.setattr(module, "default_device", lambda: CPU)
    for name in ("PIX2PIX_PRESET", "PIX2PIX_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")


def test_the_quick_preset_is_for_a_cpu():
    assert open_workspace().preset == PRESETS["quick"]
    assert PRESETS["quick"].config == TrainConfig(width=16, epochs=9)


def test_the_paper_preset_is_for_a_gpu(gpu):
    workspace = open_workspace()
    assert workspace.preset == PRESETS["paper"]
    assert workspace.device.type == "cuda"
    assert workspace.preset.config == TrainConfig() and workspace.preset.dataset == "facades"


def test_the_environment_goes_before_the_machine(monkeypatch, gpu):
    monkeypatch.setenv("PIX2PIX_PRESET", "quick")
    assert open_workspace().preset.name == "quick"
    monkeypatch.setenv("PIX2PIX_PRESET", "")
    assert open_workspace().preset.name == "paper"


def test_an_argument_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("PIX2PIX_PRESET", "quick")
    assert open_workspace("paper").preset.name == "paper"
    assert open_workspace("auto").preset.name == "quick"


def test_an_unknown_preset_gets_a_sentence(monkeypatch):
    expected = "There is no preset 'fast': choose one of auto, quick, paper"
    with pytest.raises(ValueError, match=expected):
        open_workspace("fast")
    monkeypatch.setenv("PIX2PIX_PRESET", "fast")
    with pytest.raises(ValueError, match=expected):
        open_workspace()
    assert open_workspace("quick").preset.name == "quick"


def test_the_root_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIX2PIX_ROOT", "here/below")
    workspace = open_workspace()
    assert workspace.root == tmp_path / "here" / "below"
    assert workspace.data == workspace.root / "data"
    assert workspace.runs == workspace.root / "runs" / "quick"
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    assert open_workspace("paper").runs == tmp_path / "runs" / "paper"


def test_the_root_is_the_folder_around_the_notebooks(monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        assert open_workspace().root == tmp_path


def test_the_root_on_colab_is_its_disk(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    assert open_workspace().root == Path("/content/pix2pix")


def test_opening_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / "new"))
    open_workspace()
    assert not list(tmp_path.iterdir())


def test_quick_pairs_are_drawn_with_room_for_crops(tmp_path, capsys):
    train, test = Workspace(tmp_path, PRESETS["quick"], CPU).load_pairs()
    assert (len(train), train.size) == (64, 286)
    assert (len(test), test.size) == (24, 256)
    assert capsys.readouterr().out == ""
    small = [torch.nn.functional.interpolate(each.target.float(), 32, mode="area").flatten(1) for each in (train, test)]
    assert torch.cdist(*small).min() > 1000  # no test building is one of those to train on: that would be below 400


def few_drawn(root: Path) -> Workspace:
    """The paper's preset, but where it can't be had, with 2 and 1 drawn pairs."""
    return Workspace(root, replace(PRESETS["paper"], drawn=(2, 1)), CPU)


@pytest.mark.parametrize(
    "error",
    [ConnectionError("http://… can't be fetched: check the network."), ValueError("http://… gave 3 bytes, not 4.")],
)
def test_without_a_network_drawn_facades_stand_in_and_that_is_said(tmp_path, monkeypatch, capsys, error):
    def fail(name, root):
        assert (name, root) == ("facades", tmp_path / "data")
        raise error

    monkeypatch.setattr(module, "download", fail)
    train, test = few_drawn(tmp_path).load_pairs()
    assert [(len(pairs), pairs.size) for pairs in (train, test)] == [(2, 286), (1, 256)]
    assert train.names[0].startswith("drawn")
    out = capsys.readouterr().out
    assert str(error) in out
    assert "Going on with the drawn facades instead of facades." in out


def test_real_folders_are_read(tmp_path, monkeypatch, capsys):
    pixels = torch.randint(256, (2, 2, 3, 32, 32), dtype=torch.uint8)
    for split, count in (("train", 2), ("test", 1)):
        pairs = Pairs(pixels[0, :count], pixels[1, :count], ["1", "2"][:count])
        write_pairs(pairs, tmp_path / "data" / "tiny" / split, "AtoB")
    monkeypatch.setitem(DATASETS, "tiny", Dataset("http://127.0.0.1:9/", 0, {"train": 2, "test": 1}, "AtoB"))
    preset = replace(PRESETS["paper"], dataset="tiny", config=TrainConfig(image_size=128))
    train, test = Workspace(tmp_path, preset, CPU).load_pairs()
    assert train.names == ["1.png", "2.png"] and test.names == ["1.png"]
    assert (train.size, test.size) == (286, 128)
    for pairs in (train, test):  # in the right direction
        shrunk = torch.nn.functional.interpolate(pairs.source.float(), 32, mode="area")
        wrong_way = (shrunk - pixels[1, : len(pairs)]).abs().mean()
        assert (shrunk - pixels[0, : len(pairs)]).abs().mean() < wrong_way / 2
    assert capsys.readouterr().out == ""


def test_a_workspace_tells_what_it_is(tmp_path):
    lines = str(Workspace(tmp_path, PRESETS["quick"], CPU)).splitlines()
    assert lines[0] == "preset  quick: drawn facades, width 16, 9 epochs"
    assert lines[1] == f"device  cpu: {os.cpu_count()} CPU cores"
    assert lines[2] == f"folder  {tmp_path}"
    packages = r"with    pix2pix-colab \d\S*, torch \d\S*, torchvision \d\S*, ipywidgets \d\S*, Python "
    assert re.fullmatch(packages + re.escape(platform.python_version()), lines[3])


def test_a_gpu_is_told_by_its_name(gpu, tmp_path):
    lines = str(open_workspace()).splitlines()
    assert lines[0].startswith("preset  paper: ") and lines[0].endswith(", width 64, 200 epochs")
    assert lines[0].count("facades") == 1
    assert lines[1] == "device  cuda: Tesla T4"
