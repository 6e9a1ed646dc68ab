"""Two trainings of one folder, in turn: neither takes steps back."""

import pytest
from helpers.tiny_runs import train_until, train_whole

from pix2pix_colab.training.run_folder import RunFolder, copy_run
from pix2pix_colab.training.runs import load_newest


@pytest.fixture
def another_first(monkeypatch):
    """Something that another process does just before this one locks a folder."""

    def before_the_lock(folder, do) -> None:
        enter = RunFolder.__enter__

        def first(self):
            if self.path == folder:
                monkeypatch.setattr(RunFolder, "__enter__", enter)
                do()
            return enter(self)

        monkeypatch.setattr(RunFolder, "__enter__", first)

    return before_the_lock


@pytest.mark.parametrize("other", [24, 32])
def test_what_another_training_did_before_the_lock_counts(tmp_path, another_first, other):
    train_until(8, tmp_path)
    another_first(tmp_path, lambda: train_until(other, tmp_path))
    train_until(12, tmp_path)
    assert load_newest(tmp_path).state["steps_done"] >= other


def test_a_start_is_not_copied_over_another_run(tmp_path, another_first):
    train_whole(tmp_path / "start")
    another_first(tmp_path / "path", lambda: train_until(8, tmp_path / "path"))
    with pytest.raises(ValueError, match=r"path holds another run .* at step 8"):
        copy_run(tmp_path / "start", tmp_path / "path")
    assert load_newest(tmp_path / "path").state["steps_done"] == 8
