"""Where the notebooks work, by which preset, and what they do without a network."""

import re
import time
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.image_files import encoded
from helpers.tiny_runs import train_until

from pix2pix_colab.data import DATASETS, Dataset, Pairs, write_pairs
from pix2pix_colab.notebook import workspace as module
from pix2pix_colab.notebook.workspace import PRESETS, Workspace, open_workspace, real_facades
from pix2pix_colab.training import TrainConfig

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    """A machine without a GPU and without settings."""
    monkeypatch.setattr(module, "default_device", lambda: CPU)
    for name in ("PIX2PIX_PRESET", "PIX2PIX_ROOT", "PIX2PIX_DATASET", "PIX2PIX_KEEP"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cuda"))


def test_the_quick_preset_is_for_a_cpu():
    assert open_workspace().preset == PRESETS["quick"]
    assert PRESETS["quick"].config == TrainConfig(width=16, epochs=9)


def test_the_standard_preset_is_for_a_gpu(gpu):
    """All six λ in 60,000 steps: 20 minutes, if a step takes 20 ms. The paper's settings, in hours, are a choice."""
    workspace = open_workspace()
    assert workspace.preset == PRESETS["standard"]
    assert workspace.device.type == "cuda"
    assert workspace.preset.config == TrainConfig(epochs=25) and workspace.preset.dataset == "facades"
    assert open_workspace("paper").preset.config == TrainConfig()


def test_settings_of_a_preset_can_be_changed_for_one_run(tmp_path):
    pairs = Pairs(*torch.zeros(2, 64, 3, 286, 286, dtype=torch.uint8), [str(i) for i in range(64)])
    assert open_workspace("quick").config(pairs) == TrainConfig(width=16, epochs=9)
    changed = open_workspace("quick").config(pairs, epochs=2, late_layers=3)
    assert changed == TrainConfig(width=16, epochs=2, late_layers=3)


def test_an_argument_goes_before_the_environment_and_that_before_the_machine(monkeypatch, gpu):
    monkeypatch.setenv("PIX2PIX_PRESET", "quick")
    assert open_workspace("paper").preset.name == "paper"
    assert open_workspace().preset.name == open_workspace("auto").preset.name == "quick"
    monkeypatch.setenv("PIX2PIX_PRESET", "")
    assert open_workspace().preset.name == "standard"


def test_an_unknown_preset_gets_a_sentence(monkeypatch):
    expected = "There is no preset 'fast': choose one of auto, quick, standard, paper"
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


def test_the_root_on_colab_is_its_disk(colab_page):
    assert open_workspace().root == Path("/content/pix2pix")


def test_opening_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / "new"))
    open_workspace()
    assert not list(tmp_path.iterdir())


def test_quick_pairs_are_synthetic_with_room_for_crops(tmp_path, capsys):
    train, test = Workspace(tmp_path, PRESETS["quick"], CPU).load_pairs()
    assert (len(train), train.size) == (64, 286)
    assert (len(test), test.size) == (24, 256)
    assert capsys.readouterr().out == ""
    small = [torch.nn.functional.interpolate(each.target.float(), 32, mode="area").flatten(1) for each in (train, test)]
    assert torch.cdist(*small).min() > 1000  # no test building is one of those to train on: that would be below 400


@pytest.mark.parametrize(
    "error",
    [ConnectionError("http://… can't be fetched: check the network."), ValueError("http://… gave 3 bytes, not 4.")],
)
def test_without_a_network_synthetic_facades_are_used_and_that_is_said(tmp_path, monkeypatch, capsys, error):
    def fail(where, root, cache):
        assert (where, root, cache) == ("facades", tmp_path / "data", None)
        raise error

    monkeypatch.setattr(module, "open_dataset", fail)
    workspace = Workspace(tmp_path, replace(PRESETS["paper"], counts=(2, 1)), CPU)
    assert workspace.runs.name == "paper"
    train, test = workspace.load_pairs()
    assert workspace.runs.name == "paper-synthetic", "they don't get into the folder of the real ones"
    assert [(len(pairs), pairs.size) for pairs in (train, test)] == [(2, 286), (1, 256)]
    assert train.names[0].startswith("synthetic")
    out = capsys.readouterr().out
    assert str(error) in out
    assert "Using synthetic facades instead of facades." in out


def write_splits(folder: Path, direction: str = "AtoB", **counts: int) -> torch.Tensor:
    """A data set of small noise with these splits; returns its pixels, sources and targets."""
    pixels = torch.randint(256, (2, max(counts.values()), 3, 32, 32), dtype=torch.uint8)
    for split, count in counts.items():
        names = [str(i + 1) for i in range(count)]
        write_pairs(Pairs(pixels[0, :count], pixels[1, :count], names), folder / split, direction)
    return pixels


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> torch.Tensor:
    """A data set "tiny" of the registry, downloaded already."""
    settings = {"size": 0, "splits": {"train": 2, "test": 1}, "direction": "AtoB", "epochs": 15, "batch_size": 4}
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", **settings))
    return write_splits(tmp_path / "data" / "tiny", train=2, test=1)


def assert_direction(pairs: Pairs, source: torch.Tensor, target: torch.Tensor) -> None:
    shrunk = torch.nn.functional.interpolate(pairs.source.float(), 32, mode="area")
    wrong_way = (shrunk - target[: len(pairs)]).abs().mean()
    assert (shrunk - source[: len(pairs)]).abs().mean() < wrong_way / 2


def test_a_presets_data_set_is_read(tmp_path, tiny, capsys):
    preset = replace(PRESETS["paper"], dataset="tiny")
    train, test = Workspace(tmp_path, preset, CPU, image_size=128).load_pairs()
    assert train.names == ["1.png", "2.png"] and test.names == ["1.png"]
    assert (train.size, test.size) == (143, 128)
    for pairs in (train, test):
        assert_direction(pairs, *tiny)
    assert capsys.readouterr().out == ""


def test_a_chosen_data_set_is_read_in_the_direction_that_is_asked(tmp_path, tiny):
    for direction, pixels in (("auto", tiny), ("AtoB", tiny), ("BtoA", tiny.flip(0))):
        workspace = replace(open_workspace("paper", "tiny", direction), root=tmp_path)
        assert_direction(workspace.load_pairs()[0], *pixels)


def test_the_paper_trains_each_data_set_its_own_way(tmp_path, tiny):
    workspace = replace(open_workspace("paper", "tiny"), root=tmp_path)
    config = workspace.config(workspace.load_pairs()[0])
    assert config == TrainConfig(epochs=15, batch_size=4)
    assert replace(workspace, preset=PRESETS["quick"]).config(workspace.load_pairs()[0]).batch_size == 1


def test_quick_takes_minutes_for_any_number_of_pairs(tmp_path):
    write_splits(tmp_path / "mine", train=70, test=30)
    workspace = open_workspace("quick", str(tmp_path / "mine"), "BtoA")
    train, test = workspace.load_pairs()
    assert (len(train), len(test)) == (64, 24)
    assert workspace.config(train) == PRESETS["quick"].config
    assert workspace.config(train[:10]).epochs == 58  # 580 steps, as the 576 of 64 pairs in 9 epochs


def test_grey_pairs_get_nets_of_one_channel():
    grey = Pairs(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ["1"])
    config = open_workspace("quick").config(grey)
    assert (config.source_channels, config.target_channels) == (1, 3)


def test_own_pairs_are_never_replaced_by_synthetic_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PIX_DATASET", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="gone"):
        replace(open_workspace("paper"), root=tmp_path).load_pairs()


def test_other_choices_have_other_runs():
    maps = {"dataset": "maps"}
    choices = [{}, maps, maps | {"direction": "BtoA"}, maps | {"image_size": 128}]
    names = [open_workspace("quick", **choice).runs.name for choice in choices]
    assert names == ["quick", "quick-maps", "quick-maps-BtoA", "quick-maps-128"]


def test_other_pairs_have_other_runs(tmp_path):
    """Two more images, or a second upload, must not end in the folder of another run."""
    names = []
    for count in (20, 22):
        write_splits(tmp_path / "my pairs?", train=count, test=1)
        workspace = replace(open_workspace("quick", str(tmp_path / "my pairs?")), root=tmp_path)
        with pytest.raises(ValueError, match="depends on the pairs: call load_pairs first"):
            workspace.runs.mkdir()
        assert f"runs     {tmp_path / 'runs'}" in str(workspace)
        workspace.load_pairs()
        names.append(workspace.runs.name)
    again = replace(workspace)
    again.load_pairs()
    assert names[0] != names[1] == again.runs.name
    assert all(re.fullmatch(r"quick-my-pairs--[0-9a-f]{8}", name) for name in names)


@pytest.mark.parametrize("choice", [("paper",), ("quick", "facades")])
def test_a_folder_goes_before_a_data_set_of_its_name_and_has_runs_of_its_own(tmp_path, monkeypatch, choice):
    monkeypatch.chdir(tmp_path)
    pixels = write_splits(tmp_path / "facades", train=2, test=1)
    workspace = replace(open_workspace(*choice), root=tmp_path)
    with pytest.warns(UserWarning, match="facades is read, as pairs of your own"):
        train, _ = workspace.load_pairs()
    assert_direction(train, *pixels)  # AtoB; those of the paper are BtoA
    assert re.fullmatch(rf"{choice[0]}-facades-[0-9a-f]{{8}}", workspace.runs.name)


@pytest.mark.parametrize("where", ["", "runs", "data/backup"])
def test_a_backup_in_what_it_backs_up_gets_a_sentence(tmp_path, monkeypatch, where):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    monkeypatch.setenv("PIX2PIX_KEEP", str(tmp_path / where))
    with pytest.raises(ValueError, match="which is itself to be backed up: choose another folder"):
        open_workspace("quick")


def test_an_image_size_that_the_unet_is_not_made_for_gets_a_sentence():
    with pytest.raises(ValueError, match=r"image_size is 300, .*\(128, 256, 512\)"):
        open_workspace("quick", image_size=300)


def choose(folder: Path, shades: Iterable[int]) -> None:
    """Put images, each of one shade, in the place of those that were in the user's browser."""
    for file in folder.iterdir():
        file.unlink()
    for i in shades:
        (folder / f"{i}.png").write_bytes(encoded(torch.full((3, 32, 64), i, dtype=torch.uint8)))


def test_images_can_be_uploaded_on_colab(tmp_path, colab_page):
    workspace = replace(open_workspace("quick", "upload"), root=tmp_path)
    choose(colab_page.browser, range(20))
    first = workspace.load_pairs()
    assert [len(pairs) for pairs in first] == [18, 2]
    choose(colab_page.browser, ())  # cancelled: what was chosen before is still there
    assert workspace.load_pairs()[0].record().fingerprint == first[0].record().fingerprint


def test_an_archive_can_be_uploaded_on_colab(tmp_path, colab_page):
    with zipfile.ZipFile(colab_page.browser / "my pairs.zip", "w") as archive:
        for i in range(10):
            archive.writestr(f"A/ć {i}.png", encoded(torch.full((1, 32, 32), i, dtype=torch.uint8)))
            archive.writestr(f"B/ć {i}.png", encoded(torch.full((3, 32, 32), 100 + i, dtype=torch.uint8)))
    train, test = replace(open_workspace("quick", "upload"), root=tmp_path).load_pairs()
    assert (len(train), len(test)) == (9, 1)
    assert train.source.max() < 100 <= train.target.min()


def test_elsewhere_uploading_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="Uploading works only on Colab: give the path"):
        replace(open_workspace("quick", "upload"), root=tmp_path).load_pairs()


def test_a_workspace_tells_what_it_is(tmp_path):
    workspace = Workspace(tmp_path, PRESETS["quick"], CPU)
    runs = tmp_path / "runs" / "quick"
    assert str(workspace) == f"preset   quick: synthetic facades, 256 px, width 16\nruns     {runs}"
    assert str(replace(workspace, backup=Path("/drive"))).endswith(f"{runs}, backed up in /drive")


def test_what_was_kept_comes_back_and_what_is_new_is_kept(tmp_path, monkeypatch, capsys):
    """Three days, three machines, one Drive."""
    monkeypatch.setenv("PIX2PIX_KEEP", str(tmp_path / "drive"))
    for day, step in (("monday", 4), ("tuesday", 8), ("wednesday", 12)):
        monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / day))
        workspace = open_workspace("quick")
        workspace.load_pairs()
        run = workspace.runs / "lambda_100"
        said = "" if day == "monday" else f"restored {run}, at step {step - 4}\n"
        assert capsys.readouterr().out == said and workspace.backup == tmp_path / "drive"
        train_until(step, run)


def test_tomorrow_an_upload_is_still_there_and_a_new_one_replaces_it(tmp_path, monkeypatch, colab_page):
    """Old and new uploads are never mixed into one data set."""
    monkeypatch.setenv("PIX2PIX_KEEP", str(tmp_path / "drive"))
    kept, fingerprints = tmp_path / "drive" / "data" / "uploaded", []
    for day, shades in (("monday", range(20)), ("tuesday", range(100, 112)), ("wednesday", ())):
        monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / day))
        choose(colab_page.browser, shades)
        train, test = open_workspace("quick", "upload").load_pairs()
        assert len(train) + len(test) == {"monday": 20, "tuesday": 12, "wednesday": 12}[day]
        fingerprints.append(train.record().fingerprint)
    assert fingerprints[0] != fingerprints[1] == fingerprints[2]
    assert [file.name for file in kept.iterdir()] == ["upload-0002-images.zip"]


def test_a_wrong_upload_leaves_the_one_before(tmp_path, colab_page):
    workspace = replace(open_workspace("quick", "upload"), root=tmp_path)
    choose(colab_page.browser, range(20))
    first = workspace.load_pairs()[0].record().fingerprint
    choose(colab_page.browser, ())
    for name in ("notes.txt", "damaged.zip", "photo.heic"):
        (colab_page.browser / name).write_text("no images")
        with pytest.raises((ValueError, FileNotFoundError), match=r"sound archive|left of|holds no image"):
            workspace.load_pairs()
        (colab_page.browser / name).unlink()
        assert workspace.load_pairs()[0].record().fingerprint == first


def test_nothing_uploaded_gets_a_sentence(tmp_path, colab_page):
    with pytest.raises(FileNotFoundError, match="Nothing was uploaded: run the cell again, and choose an archive"):
        replace(open_workspace("quick", "upload"), root=tmp_path).load_pairs()


def test_real_facades_are_six_of_the_test_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    monkeypatch.setitem(DATASETS, "facades", replace(DATASETS["facades"], splits={"train": 1, "test": 20}))
    pixels = write_splits(tmp_path / "data" / "facades", "BtoA", train=1, test=20)
    shown = real_facades()
    assert shown.names == [f"{i}.png" for i in (1, 4, 7, 10, 13, 16)]
    assert_direction(shown, pixels[0, ::3], pixels[1, ::3])


@pytest.mark.parametrize("count", [0, 4])
def test_few_or_no_sound_facades_stop_nothing(tmp_path, monkeypatch, capsys, count):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    monkeypatch.setitem(DATASETS, "facades", replace(DATASETS["facades"], splits={"test": 4}))
    write_splits(tmp_path / "data" / "facades", "BtoA", test=4)
    for i in range(count, 4):
        (tmp_path / "data" / "facades" / "test" / f"{i + 1}.png").write_bytes(b"damaged")
    shown = real_facades()
    assert len(shown) == count if count else shown is None
    assert count or "No real facades are shown now" in capsys.readouterr().out


def test_a_folder_of_ones_own_is_not_shown_as_the_real_facades(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    write_splits(tmp_path / "facades", "BtoA", test=10)
    monkeypatch.chdir(tmp_path)
    assert real_facades() is None


def test_without_a_network_no_real_facades_are_shown_and_all_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there
    began = time.monotonic()
    assert real_facades() is None
    assert time.monotonic() - began < 20
    said = capsys.readouterr().out
    assert "facades.tar.gz: no connection" in said
    assert said.endswith("No real facades are shown now. All else goes on without them.\n")


def test_ones_own_pairs_are_read_with_the_options_that_are_given(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    for i in range(12):
        for side in "AB":
            (tmp_path / "mine" / side).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "mine" / side / f"{i}.npy", np.full((8, 8), float(i)))
    ranges = {"source_range": (0, 11), "target_range": (0, 22)}
    workspace = open_workspace("quick", str(tmp_path / "mine"), mirror=False, **ranges)
    train, test = workspace.load_pairs()
    assert train.source.max() == 255 and train.target.max() in (116, 127, 128) and len(test) == 1
    assert workspace.config(train).mirror is False and "unmirrored" in workspace.runs.name
    with pytest.raises(ValueError, match=r"There is no option tragets: choose from targets, source_range"):
        open_workspace("quick", tragets="x")
