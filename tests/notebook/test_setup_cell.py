"""What the first cell says and does, on Colab and elsewhere, and how a run is taken home."""

import json
import os
import platform
import re
import subprocess
from importlib.metadata import distribution
from types import SimpleNamespace

import psutil
import pytest
import torch
from helpers.tiny_runs import train_until

from pix2pix_colab.notebook import Workspace, download_run, open_workspace, set_up
from pix2pix_colab.notebook import setup_cell as session
from pix2pix_colab.training import describe_copies, load_newest
from pix2pix_colab.utils.device import describe_device


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """A machine without a GPU and without settings, a notebook in a folder of its own, a package from a folder."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("PIX2PIX_PRESET", "PIX2PIX_KEEP"):
        monkeypatch.setenv(name, "")  # which set_up may set: so that it is undone
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path / "content" / "pix2pix"))
    (tmp_path / "content").mkdir()
    monkeypatch.chdir(tmp_path / "content")


def installed_from(monkeypatch, revision: str) -> None:
    told = {"url": "https://…", "vcs_info": {"vcs": "git", "requested_revision": revision, "commit_id": "0123456789"}}
    installed = SimpleNamespace(version="0.1.0", read_text=lambda _: json.dumps(told))
    monkeypatch.setattr(session, "distribution", lambda _: installed)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """With a run in it."""
    workspace = open_workspace("quick")
    train_until(4, workspace.runs / "lambda_100")
    return workspace


def test_versions_device_memory_preset_and_folder_are_told(tmp_path, capsys):
    set_up()
    lines = capsys.readouterr().out.splitlines()
    packages = r"package  pix2pix-colab \d\S*, torch \d\S*, torchvision \d\S*, ipywidgets \d\S*, Python "
    assert re.fullmatch(packages + re.escape(platform.python_version()), lines[0])
    memory = f"{psutil.virtual_memory().total / 1e9:.1f} GB of memory"
    assert re.fullmatch(rf"device   CPU, (bfloat16|float32); {os.cpu_count()} CPU cores, {re.escape(memory)}", lines[1])
    assert lines[2:] == ["preset   quick", f"folder   {tmp_path / 'content' / 'pix2pix'}"]


def test_a_t4_is_told_by_name_memory_and_arithmetic(monkeypatch):
    t4 = SimpleNamespace(name="Tesla T4", total_memory=15_828_320_256)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: t4)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert describe_device(torch.device("cuda")) == "Tesla T4, 15.8 GB, float16"


def test_colab_without_a_gpu_is_told_how_to_get_one(colab_page, capsys):
    set_up()
    said = capsys.readouterr().out
    assert "Runtime → Change runtime type → T4 GPU" in said and "preset   quick" in said
    assert "deleted with the machine: set DRIVE to keep it" in said


def test_on_colab_widgets_of_other_people_are_shown_whatever_cell_comes_first(colab_page):
    set_up()
    from google.colab import output

    assert output.enabled == [True]


@pytest.fixture
def removed(monkeypatch) -> list:
    """What pip would have uninstalled of a package that came from the branch main."""
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command[-4:]))
    installed_from(monkeypatch, "main")
    return commands


def test_elsewhere_the_package_of_another_ref_stays_and_a_sentence_says_what_to_do(removed):
    advice = r"set REF to 'main', or install 'v2': run `\S+ -m pip uninstall --quiet --yes pix2pix-colab`, restart, and"
    with pytest.raises(RuntimeError, match=f"REF was 'main' and is 'v2' now: {advice} run all again"):
        set_up("v2")
    assert removed == []


def test_on_colab_the_package_of_another_ref_is_removed_and_that_is_said(removed, colab_page):
    set_up("main")
    assert not removed
    with pytest.raises(RuntimeError, match=r"REF was 'main' and is 'v2' now: choose Runtime → Restart session"):
        set_up("v2")
    assert removed == [["uninstall", "--quiet", "--yes", "pix2pix-colab"]]


def test_ref_and_commit_are_told(monkeypatch, capsys):
    installed_from(monkeypatch, "main")
    set_up("main")
    assert re.match(r"package  pix2pix-colab \S+ of main \(0123456\), torch", capsys.readouterr().out)


def test_a_package_from_a_folder_is_left_as_it_is():
    assert "vcs_info" not in json.loads(distribution("pix2pix-colab").read_text("direct_url.json"))
    set_up("any branch")


def test_drive_is_mounted_and_kept_on(colab_page, tmp_path, capsys):
    set_up(drive=True)
    kept = tmp_path / "content" / "drive" / "MyDrive" / "pix2pix"
    assert f"folder   {tmp_path / 'content' / 'pix2pix'}, backed up in {kept}\n" in capsys.readouterr().out
    assert open_workspace("quick").backup == (colab_page.drive / "pix2pix")
    set_up(drive=True)


def test_drive_refused_gets_a_sentence(colab_page, monkeypatch):
    monkeypatch.delenv("STAND_IN_DRIVE")
    with pytest.raises(RuntimeError, match=r"not mounted \(mount failed\): run the cell again and allow it, or"):
        set_up(drive=True)


def test_drive_elsewhere_gets_a_sentence():
    with pytest.raises(RuntimeError, match="DRIVE works only on Colab: set it to False"):
        set_up(drive=True)


def test_a_run_is_downloaded_and_taken_in_tomorrow(colab_page, workspace, tmp_path, monkeypatch, capsys):
    download_run(workspace, workspace.runs / "lambda_100")
    packed = colab_page.browser / "pix2pix-quick-lambda_100.zip"
    assert packed.exists() and "pix2pix-quick-lambda_100.zip, 0.2 MB" in capsys.readouterr().out
    tomorrow = tmp_path / "tomorrow"
    tomorrow.mkdir()
    monkeypatch.setenv("PIX2PIX_ROOT", str(tomorrow / "pix2pix"))
    monkeypatch.chdir(tomorrow)
    packed.rename(tomorrow / packed.name)
    run = tomorrow / "pix2pix" / "runs" / "quick" / "lambda_100"
    set_up()
    assert f"restored {run}, at step 4\n" in capsys.readouterr().out
    set_up()
    assert f"{packed.name} holds nothing that is further than what is here\n" in capsys.readouterr().out
    assert load_newest(run).state["steps_done"] == 4 and (run / "history.csv").exists()


def test_a_page_is_downloaded_as_it_is(colab_page, workspace):
    (workspace.runs / "lambda.html").write_text("a page")
    download_run(workspace, workspace.runs / "lambda.html")
    assert [path.name for path in colab_page.browser.iterdir()] == ["lambda.html"]


def test_with_drive_it_is_copied_there_and_not_downloaded(colab_page, workspace, capsys):
    set_up(drive=True)
    kept, place = open_workspace("quick"), colab_page.drive / "pix2pix" / "runs" / "quick" / "lambda_100"
    kept.load_pairs()
    capsys.readouterr()
    download_run(kept, kept.runs / "lambda_100")
    run = kept.runs / "lambda_100"
    assert capsys.readouterr().out == (
        f"{run} is in {kept.backup / 'runs' / 'quick' / 'lambda_100'}, at step 4.\n"
        "Drive uploads what is new in the background: leave this machine on for some minutes.\n"
    )
    assert [file.name.partition("step-")[2] for file in place.iterdir()] == ["00000004.pt"]
    assert not list(colab_page.browser.iterdir())


def test_with_drive_a_page_is_copied_there_and_a_full_drive_is_said(colab_page, workspace, capsys, monkeypatch):
    set_up(drive=True)
    kept, page = open_workspace("quick"), workspace.runs / "lambda.html"
    page.write_text("a page")
    place = kept.backup / "runs" / "quick" / "lambda.html"
    capsys.readouterr()
    download_run(kept, page)
    assert capsys.readouterr().out.startswith(f"{page} is in {place}.\n") and place.read_text() == "a page"

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session, "copy_whole", fail)
    download_run(kept, page)
    said = f"{page} is not in {place} (No space left on device): make room, and run this cell again.\n"
    assert capsys.readouterr().out.startswith(said)


def test_drive_can_be_set_off_again(colab_page, workspace):
    set_up(drive=True)
    open_workspace("quick").load_pairs()
    set_up(drive=False)
    run = workspace.runs / "lambda_100"
    assert open_workspace("quick").backup is None and describe_copies(run) == []
    set_up(drive=True)  # without opening the workspace again
    assert describe_copies(run)[0].endswith("lambda_100, at step 4.")


def test_a_place_of_ones_own_is_not_set_off(monkeypatch, tmp_path):
    monkeypatch.setenv("PIX2PIX_KEEP", str(tmp_path / "school"))
    set_up(drive=False)
    assert open_workspace("quick").backup == tmp_path / "school"


def test_on_ones_own_disk_nothing_is_packed(workspace, capsys):
    download_run(workspace, workspace.runs)
    assert capsys.readouterr().out == f"{workspace.runs} is on your own disk.\n"
    assert not list(workspace.root.glob("*.zip"))
