"""Checkpoints: whole or not at all, and never code."""

import pickle
from pathlib import Path

import pytest
import torch

from pix2pix_colab.training.checkpoint import load_checkpoint, save_checkpoint


def state() -> dict:
    return {
        "weights": {"layer.weight": torch.arange(1000.0).reshape(10, 100), "half": torch.ones(3, dtype=torch.bfloat16)},
        "random": [torch.get_rng_state()],
        "config": {"lambda_l1": float("inf"), "epochs": 3, "name": "facades"},
        "history": [{"step": 1, "l1": 0.5}],
    }


def assert_same(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    assert a["config"] == b["config"] and a["history"] == b["history"]
    tensors = ([*each["weights"].values(), *each["random"]] for each in (a, b))
    for ours, theirs in zip(*tensors, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "run" / "checkpoint.pt"
    save_checkpoint(path, state())
    return path


def test_what_is_saved_is_loaded(file):
    assert_same(load_checkpoint(file), state())
    assert_same(load_checkpoint(str(file)), state())
    assert [each.name for each in file.parent.iterdir()] == ["checkpoint.pt"]


def test_a_save_that_fails_leaves_the_old_file(file, monkeypatch):
    def fail(_, opened):
        opened.write(b"half a checkpoint")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(file, {"config": "new"})
    assert_same(load_checkpoint(file), state())
    assert [each.name for each in file.parent.iterdir()] == ["checkpoint.pt"], "half a file would fill the disk"
    save_checkpoint(file, {"config": "new"})
    assert load_checkpoint(file) == {"config": "new"}
    assert [each.name for each in file.parent.iterdir()] == ["checkpoint.pt"]


def test_a_missing_file_gets_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"There is no checkpoint {tmp_path}/checkpoint.pt: train first"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def assert_refused(file: Path) -> None:
    with pytest.raises(ValueError, match=rf"{file} is no checkpoint, or is damaged: delete it and train again"):
        load_checkpoint(file)


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 0.5, 0.9, -30, -1])
def test_a_truncated_file_gets_a_sentence(file, kept):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    assert_refused(file)


def test_a_flipped_bit_anywhere_is_noticed_or_does_no_harm(file):
    whole = file.read_bytes()
    for place in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            loaded = load_checkpoint(file)
        except ValueError:
            continue
        assert_same(loaded, state())


@pytest.mark.parametrize("content", [b"<html>not found</html>", bytes(5000), b"PK\x03\x04" + bytes(5000)])
def test_another_file_gets_a_sentence(file, content):
    file.write_bytes(content)
    assert_refused(file)


class Code:
    """An object whose pickle writes a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "code was run"))


@pytest.mark.parametrize(
    "write",
    [
        lambda code, file: torch.save({"config": code}, file),
        lambda code, file: torch.save({"config": code}, file, _use_new_zipfile_serialization=False),
        lambda code, file: file.write_bytes(pickle.dumps({"config": code})),
    ],
    ids=["torch", "torch's old format", "pickle"],
)
def test_code_in_a_file_is_not_run(tmp_path, write):
    trace, file = tmp_path / "trace", tmp_path / "checkpoint.pt"
    write(Code(trace), file)
    assert_refused(file)
    assert not trace.exists()
