"""Pairs larger than memory: the same bits as in memory, whatever is decoded ahead, and a sentence if a file changes."""

import gc
import os
import re
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_runs import bits, pull_the_plug
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pix2pix_colab.data import Pairs, StreamedPairs, pair_files, read_pairs, write_pairs
from pix2pix_colab.data.pair_decoder import PairDecoder, map_in_threads
from pix2pix_colab.training import TrainConfig, Training, load_checkpoint, train

COUNT, SIZE = 7, 136
CONFIG = TrainConfig(width=2, image_size=128, epochs=3, batch_size=2)


def save(file: Path, seed: int, width: int = 32) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(256, size=(16, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pairs")
    for i in range(COUNT):
        save(path / f"{i}.png", seed=i)
    return path


@pytest.fixture
def own(tmp_path, folder) -> Path:
    """A copy of the folder, of which a test may change the files."""
    return write_pairs(read_pairs(folder, 16), tmp_path / "own")


def stream(folder: Path, size: int = SIZE, **options) -> StreamedPairs:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_files, "LARGE", 0)
        return read_pairs(folder, size, **options)


@pytest.fixture(scope="module")
def held(folder) -> Pairs:
    return read_pairs(folder, SIZE)


@pytest.fixture(scope="module")
def streamed(folder) -> StreamedPairs:
    return stream(folder)


def assert_same(one: Pairs, other: Pairs) -> None:
    assert torch.equal(one.source, other.source) and torch.equal(one.target, other.target)
    assert (one.names, one.skipped, one.record().fingerprint) == (
        other.names,
        other.skipped,
        other.record().fingerprint,
    )


def test_only_what_is_large_is_streamed(folder, monkeypatch):
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(pair_files, "LARGE", COUNT * 6 * 20**2)
    assert isinstance(read_pairs(folder, 20), Pairs)
    monkeypatch.setattr(pair_files, "LARGE", COUNT * 6 * 20**2 - 1)
    assert isinstance(read_pairs(folder, 20), StreamedPairs)
    assert sorted(folder.rglob("*")) == before, "nothing is written"


def test_what_both_kinds_of_pairs_tell_is_the_same(held, streamed):
    for name in ("names", "size", "channels", "skipped", "device", "direction"):
        assert getattr(streamed, name) == getattr(held, name)
    assert len(streamed) == len(held) == COUNT and streamed.record().fingerprint == held.record().fingerprint
    assert streamed.channels == (3, 3)
    assert stream(Path(streamed.decoder.files[0].first).parent, source_channels=1).channels == (1, 3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, COUNT - 1), max_size=5), max_size=4),
    st.lists(st.lists(st.integers(0, COUNT - 1), max_size=4), max_size=4),
    st.one_of(st.none(), st.integers(0, 99)),
)
def test_batches_are_the_same_bits_whatever_is_prefetched(held, streamed, ahead, batches, seed):
    a, b = (None if seed is None else torch.Generator().manual_seed(seed) for _ in "ab")
    for i, indices in enumerate(batches):
        if i < len(ahead):
            streamed.prefetch(ahead[i])
            held.prefetch(ahead[i])
        assert all(map(torch.equal, held.batch(indices, 128, a), streamed.batch(indices, 128, b)))
        assert seed is None or torch.equal(a.get_state(), b.get_state())


@pytest.mark.parametrize("indices", [slice(None), slice(2, 5), slice(None, None, 3), [5, 0, 0], [-1], []], ids=str)
def test_a_part_is_in_memory(held, streamed, indices):
    part = streamed[indices]
    assert isinstance(part, Pairs)
    assert_same(part, held[indices])


@pytest.mark.parametrize("name", ["source", "target"])
def test_all_pixels_at_once_get_a_sentence(streamed, name):
    with pytest.raises(AttributeError, match=rf"All 7 pairs take 0\.0 GiB of memory: take some, .*\.{name}\b.* or"):
        getattr(streamed, name)


def test_they_stay_in_their_files_and_their_images_move(held, streamed, monkeypatch):
    monkeypatch.setattr("pix2pix_colab.data.pairs.scale_", lambda images: images)  # "meta" holds no values
    moved = streamed.to("meta")
    assert (moved.device.type, streamed.device.type, moved.record().fingerprint) == (
        "meta",
        "cpu",
        streamed.record().fingerprint,
    )
    assert {(image.device.type, image.dtype) for pair in moved.images([0, 2]) for image in pair} == {
        ("meta", torch.uint8)
    }
    assert held.to("meta").source.device.type == "meta"
    for device in (None, "cpu", "meta"):
        assert {images.device.type for images in streamed.batch([0, 2], 8, device=device)} == {device or "cpu"}


# --- ahead


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """Numbers of the pairs in the order in which they are decoded from now on."""
    numbers, decode = [], PairDecoder.decode
    monkeypatch.setattr(PairDecoder, "decode", lambda self, i: numbers.append(i) or decode(self, i))
    return numbers


def test_what_is_prefetched_is_decoded_once(folder, decoded):
    streamed = stream(folder)
    decoded.clear()
    streamed.prefetch([3, 1, 2])
    streamed.prefetch([1, 2, 3])
    streamed.batch([3, 1, 2, 1], 128)
    assert sorted(decoded) == [1, 2, 3]
    streamed.batch([1], 128)
    assert sorted(decoded) == [1, 1, 2, 3], "and not kept"


def test_what_is_no_longer_needed_is_forgotten(folder):
    streamed = stream(folder)
    for ahead in ([0, 1, 2, 3], [3, 4], [5]):
        streamed.prefetch(ahead)
        assert sorted(streamed._ahead) == ahead
    streamed.batch([5, 6], 128)
    assert not streamed._ahead


def test_a_training_decodes_ahead_and_each_pair_once_an_epoch(folder, decoded):
    training = Training(stream(folder), CONFIG)
    decoded.clear()
    for epoch in (1, 2):
        for _ in range(training.steps_per_epoch):
            training.next_batch()
            assert sorted(training.pairs._ahead) == sorted(training.order), "the rest of this small epoch"
        assert sorted(decoded) == sorted([*range(COUNT)] * epoch)


def test_the_threads_end_with_the_pairs(folder):
    before = threading.active_count()
    streamed = stream(folder)
    streamed.batch([0, 1], 128)
    threads, gone = list(streamed._threads._threads), weakref.ref(streamed)
    assert 1 <= len(threads) <= os.cpu_count()
    del streamed
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert gone() is None and threading.active_count() <= before


def test_a_map_in_threads_is_in_order_and_a_few_ahead():
    taken = []
    results = map_in_threads(lambda n: n * n, (taken.append(n) or n for n in range(1000)))
    assert next(results) == 0 and len(taken) <= 2 * os.cpu_count() + 1
    assert list(results) == [n * n for n in range(1, 1000)]


# --- training


@pytest.mark.parametrize("before", ["held", "streamed"])
@pytest.mark.parametrize("step", [1, 4, 5, 11])
def test_a_training_that_was_stopped_is_resumed_bit_identically(folder, held, tmp_path, monkeypatch, before, step):
    """In the middle of an epoch or at its end, and started with pairs in memory, too."""
    whole = train(held, CONFIG, tmp_path / "whole", device="cpu", log_every=1)
    monkeypatch.setattr("pix2pix_colab.training.loop.SAVE_SECONDS", 0)
    first = held if before == "held" else stream(folder)
    with pytest.raises(KeyboardInterrupt):
        train(first, CONFIG, tmp_path / "run", pull_the_plug(step), "cpu", log_every=1)
    steps = []
    run = train(stream(folder), CONFIG, tmp_path / "run", lambda p: steps.append(p.step), "cpu", log_every=1)
    assert 0 < steps[0] <= step
    assert run.history == whole.history
    assert bits(run.load_generator().state_dict()) == bits(whole.load_generator().state_dict())


# --- files that change


CHANGES = {  # what is done to a file, and what is said then
    "deleted": (lambda file: file.unlink(), r"can't be read \(.*No such file.*\)"),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:200]), r"can't be read \(.*\)"),
    "no image": (lambda file: file.write_text("<html>"), "is no image but text.*"),
    "another": (lambda file: save(file, 99), "has other pixels"),
    "another size": (lambda file: save(file, 0, width=33), "is 33 px wide, which can't be halved .*"),
}


@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("ahead", [True, False])
def test_a_file_that_changes_gets_a_sentence(own, change, why, ahead):
    streamed, file = stream(own), own / "3.png"
    change(file)
    if ahead:
        streamed.prefetch([2, 3])
    streamed.batch([2], 128)
    for use in (lambda: streamed.batch([4, 3], 128), lambda: streamed[2:5]):
        with pytest.raises(OSError, match=rf"^{file}: {why}, unlike when the pairs were read: put it back .* resume"):
            use()
    streamed.batch([4], 128)


def test_files_that_are_back_are_decoded_again(own):
    """A network drive that was gone for a moment."""
    streamed, away = stream(own), own.with_name("away")
    own.rename(away)
    streamed.prefetch([0, 1, 2])
    with pytest.raises(OSError, match="put it back as it was"):
        streamed.batch([0], 128)
    away.rename(own)
    for index in (0, 1, 2):
        streamed.batch([index], 128)


def test_of_two_folders_both_files_are_named(tmp_path):
    for seed, name in enumerate(("A/1.png", "A/2.png", "B/1.png", "B/2.png")):
        save(tmp_path / name, seed)
    streamed = stream(tmp_path)
    (tmp_path / "B/2.png").unlink()
    files = re.escape(f"{tmp_path}/A/2.png and {tmp_path}/B/2.png")
    with pytest.raises(OSError, match=rf"^{files}: B/2.png can't be read .*, unlike when the pairs were read"):
        streamed.batch([1], 128)


def test_a_file_deleted_in_a_training_stops_it_and_back_again_it_is_resumed(own, tmp_path, monkeypatch):
    monkeypatch.setattr("pix2pix_colab.training.loop.SAVE_SECONDS", 0)
    train(read_pairs(own, SIZE), CONFIG, tmp_path / "whole", device="cpu", log_every=1)
    file, content = own / "3.png", (own / "3.png").read_bytes()

    def delete(progress) -> None:
        if progress.step == 4:  # the last of the first epoch
            file.unlink()

    with pytest.raises(OSError, match=rf"^{file}: can't be read .*: put it back as it was and resume"):
        train(stream(own), CONFIG, tmp_path / "run", delete, "cpu", log_every=1)
    file.write_bytes(content)
    train(stream(own), CONFIG, tmp_path / "run", device="cpu", log_every=1)
    one, other = (load_checkpoint(tmp_path / run / "checkpoint.pt")["generator"] for run in ("whole", "run"))
    assert bits(one) == bits(other)
