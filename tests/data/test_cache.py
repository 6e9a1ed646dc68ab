"""The cache: built once, whole in the end whatever happens on the way, and never another's rows."""

import errno
import functools
import itertools
import multiprocessing
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout
from PIL import Image

from pix2pix_colab.data import cache
from pix2pix_colab.data.cache import DATA, JOURNAL, LOCK, SAFE_EVERY, map_rows, read_rows
from pix2pix_colab.data.pair_decoder import PairReader
from pix2pix_colab.data.pairs import read_pairs

ROW = 10_000  # bytes: more than what Python keeps back before it writes
COUNT = 300
BAD = {5: "is no image", 130: "is 41 px wide"}
FULL = Path("/dev/full")  # what is written there meets a full disk
processes = multiprocessing.get_context("fork")


def row(number: int, seed: int = 0) -> np.ndarray | str:
    return BAD.get(number) or np.random.default_rng([seed, number]).integers(256, size=ROW, dtype=np.uint8)


class Loads:
    """Loads rows, and remembers which: but for the bad ones, that are tried at every start."""

    def __init__(self, seed: int = 0):
        self.seed, self.numbers = seed, []

    def __call__(self, number: int) -> np.ndarray | str:
        if number not in BAD:
            self.numbers.append(number)
        return row(number, self.seed)


def safe_rows(folder: Path) -> int:
    journal = folder / JOURNAL
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


@functools.cache
def whole(seed: int = 0, count: int = COUNT) -> tuple[torch.Tensor, list[dict]]:
    return read_rows(functools.partial(row, seed=seed), count, ROW)


def assert_whole(built: tuple[torch.Tensor, list[dict]], seed: int = 0, count: int = COUNT) -> None:
    rows, journal = built
    assert torch.equal(rows, whole(seed, count)[0]) and journal == whole(seed, count)[1]


def run(work) -> int:
    """Do it in a process of its own. Returns its exit code."""
    process = processes.Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def build(folder: Path, load=row, stamp: str = "a", count: int = COUNT) -> tuple[torch.Tensor, list[dict]]:
    return map_rows(folder, stamp, load, count, ROW)


def interrupt(folder: Path, at: int) -> None:
    """Build up to a row, and die by kill -9."""
    assert run(lambda: build(folder, lambda number: die() if number == at else row(number))) == -signal.SIGKILL


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "new" / "cache"


def test_what_is_built_is_what_is_read_into_memory(folder):
    rows, journal = build(folder)
    assert_whole((rows, journal))
    assert rows.dtype == torch.uint8 and rows.shape == (COUNT - len(BAD), ROW) == whole()[0].shape
    assert [n for n, entry in enumerate(journal) if "skipped" in entry] == list(BAD)
    assert len({entry["digest"] for entry in journal if "digest" in entry}) == COUNT - len(BAD)


def test_it_is_built_once(folder):
    first, again = Loads(), Loads()
    assert_whole(build(folder, first))
    before = (folder / DATA).stat().st_ino
    assert_whole(build(folder, again))
    assert sorted(first.numbers) == [n for n in range(COUNT) if n not in BAD] and again.numbers == []
    assert (folder / DATA).stat().st_ino == before


def test_where_nothing_can_be_read_there_are_no_rows(folder):
    for _ in range(2):
        rows, journal = build(folder, lambda _: "is no image", count=3)
        assert rows.shape == (0, ROW) and journal == [{"skipped": "is no image"}] * 3


# --- kill -9


def test_a_building_killed_at_random_rows_goes_on_to_the_same_bits(folder):
    for at in sorted(random.Random(0).sample(sorted(set(range(COUNT)) - BAD.keys()), 12)):
        before = safe_rows(folder)
        interrupt(folder, at)
        assert safe_rows(folder) >= max(before, at - SAFE_EVERY - 2 * os.cpu_count() - 1)
    safe, rest = safe_rows(folder), Loads()
    assert safe >= SAFE_EVERY
    assert_whole(build(folder, rest))
    assert sorted(rest.numbers) == [n for n in range(safe, COUNT) if n not in BAD]


class Mortal:
    """Counts what is done to files, and dies halfway through one of these operations."""

    def __init__(self, last: int):
        self.left = last

    def step(self, half=lambda: None) -> None:
        self.left -= 1
        if self.left == 0:
            half()
            die()

    def open(self, *arguments):
        self.step()
        return MortalFile(open(*arguments), self)

    def before(self, operation):
        def wrapped(*arguments, **options):
            self.step()
            return operation(*arguments, **options)

        return wrapped

    def write_text(self, path: Path, text: str) -> None:
        with self.open(path, "w") as file:
            file.write(text)


class MortalFile:
    def __init__(self, file, mortal: Mortal):
        self.file, self.mortal = file, mortal

    def write(self, content) -> None:
        def half():
            self.file.write(content[: len(content) // 2])
            self.file.flush()

        self.mortal.step(half)
        self.file.write(content)

    def flush(self) -> None:
        self.mortal.step()
        self.file.flush()

    def fileno(self) -> int:
        return self.file.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mortal.step()
        self.file.close()


def build_mortally(folder: Path, last: int) -> None:
    """In a child: ten rows, each four of them made safe, up to the ``last`` operation on a file."""
    mortal = Mortal(last)
    cache.SAFE_EVERY, cache.open = 4, mortal.open
    for owner, name in ((os, "fsync"), (os, "truncate"), (Path, "touch"), (Path, "unlink")):
        setattr(owner, name, mortal.before(getattr(owner, name)))
    Path.write_text = lambda path, text: mortal.write_text(path, text)
    build(folder, count=10)


@pytest.mark.parametrize("start", ["nothing", "another stamp", "some rows"])
def test_a_building_killed_at_any_operation_goes_on_to_the_same_bits(tmp_path, start, monkeypatch):
    monkeypatch.setattr(cache, "SAFE_EVERY", 4)
    for last in itertools.count(1):
        folder = tmp_path / str(last)
        if start == "another stamp":
            build(folder, Loads(seed=1), "b", 10)
        elif start == "some rows":
            interrupt(folder, at=9)
        code = run(lambda folder=folder, last=last: build_mortally(folder, last))
        assert code in (0, -signal.SIGKILL)
        rest, safe = Loads(), safe_rows(folder)
        assert_whole(build(folder, rest, count=10), count=10)
        if start != "another stamp":
            assert len(rest.numbers) <= 10 - safe  # those of the journal aren't loaded again
        if code == 0:
            break
    assert last > 15 and rest.numbers == []


# --- damage


@pytest.mark.parametrize("end", [b'{"digest": "0a', b'{"digest": "0a"}', b"{", b"\0\0\0", b"\xff\xfe"])
def test_a_torn_last_line_is_dropped(folder, end):
    interrupt(folder, at=200)
    safe, rest = safe_rows(folder), Loads()
    with open(folder / JOURNAL, "ab") as journal:
        journal.write(end)
    assert_whole(build(folder, rest))
    assert min(rest.numbers) == safe >= SAFE_EVERY


def spoil_line(line: bytes):
    def spoil(folder: Path) -> None:
        lines = (folder / JOURNAL).read_bytes().split(b"\n")
        (folder / JOURNAL).write_bytes(b"\n".join([*lines[:7], line, *lines[8:]]))

    return spoil


def shorten(folder: Path) -> None:
    os.truncate(folder / DATA, (folder / DATA).stat().st_size - 1)


def lengthen(folder: Path) -> None:
    text = (folder / JOURNAL).read_text()
    (folder / JOURNAL).write_text(text + text.splitlines()[1] + "\n")
    os.truncate(folder / DATA, (folder / DATA).stat().st_size + ROW)


DAMAGE = {
    "no JSON": spoil_line(b"garbage"),
    "a number": spoil_line(b"5"),
    "a list": spoil_line(b"[]"),
    "an empty line": spoil_line(b""),
    "an empty entry": spoil_line(b"{}"),
    "no text": spoil_line(b"\xff\x00\xfe"),
    "an empty journal": lambda folder: (folder / JOURNAL).write_bytes(b""),
    "a journal of bytes": lambda folder: (folder / JOURNAL).write_bytes(bytes(range(256)) * 9),
    "no journal": lambda folder: (folder / JOURNAL).unlink(),
    "no data": lambda folder: (folder / DATA).unlink(),
    "too little data": shorten,
    "too many entries": lengthen,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_built_anew(folder, damage):
    build(folder, count=10)
    damage(folder)
    again = Loads()
    assert_whole(build(folder, again, count=10), count=10)
    assert len(again.numbers) == 9


def test_data_beyond_the_journal_is_thrown_away(folder):
    build(folder, count=10)
    with open(folder / DATA, "ab") as data:
        data.write(b"more")
    assert_whole(build(folder, count=10), count=10)
    assert (folder / DATA).stat().st_size == 9 * ROW


def test_what_could_not_be_read_is_tried_again(folder):
    """A disk that was away for a moment doesn't cost its files for good."""
    rows, journal = build(folder, lambda number: "the disk is away" if number > 2 else row(number), count=5)
    assert len(rows) == 3 and journal[4] == {"skipped": "the disk is away"}
    assert_whole(build(folder, count=5), count=5)


# --- others


def test_another_stamp_is_built_anew(folder):
    build(folder)
    assert_whole(build(folder, Loads(seed=1), "b"), seed=1)
    assert_whole(build(folder, Loads(seed=0), "a"))


def test_rows_in_use_stay_when_others_are_built(folder):
    rows, _ = build(folder)
    assert_whole(build(folder, Loads(seed=1), "b"), seed=1)
    assert torch.equal(rows, whole()[0])


def test_rows_are_mapped_before_others_can_be_built(folder, monkeypatch):
    def lock() -> None:
        with pytest.raises(Timeout):
            FileLock(folder / LOCK, timeout=0).acquire()

    def spy(*arguments):
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(lock).result()
        seen.append(arguments)
        return mapped(*arguments)

    seen, mapped = [], cache._map
    monkeypatch.setattr(cache, "_map", spy)
    assert_whole(build(folder, count=10), count=10)
    assert len(seen) == 1


def test_of_two_processes_one_builds(folder, tmp_path):
    def work(log: Path) -> None:
        loads = Loads()
        assert_whole(build(folder, loads))
        log.write_text(str(len(loads.numbers)))

    whole()
    logs = [tmp_path / "1", tmp_path / "2"]
    both = [processes.Process(target=work, args=(log,)) for log in logs]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(int(log.read_text()) for log in logs) == [0, COUNT - len(BAD)]


def test_of_two_threads_one_builds(folder):
    loads, together = Loads(), threading.Barrier(2)

    def work(_) -> None:
        together.wait()
        assert_whole(build(folder, loads))

    whole()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    assert len(loads.numbers) == COUNT - len(BAD)


# --- the disk


@pytest.mark.parametrize("file", [DATA, JOURNAL])
def test_a_disk_that_gets_full_gets_a_sentence_and_it_goes_on(folder, monkeypatch, file):
    interrupt(folder, at=200)
    safe, rest = safe_rows(folder), Loads()
    with monkeypatch.context() as full:
        full.setattr(cache, "open", lambda path, mode: (FULL if path.name == file else path).open(mode), raising=False)
        with pytest.raises(OSError, match=rf"The disk of {folder} is full: free some space, and it goes on") as error:
            build(folder)
    assert error.value.errno == errno.ENOSPC
    assert_whole(build(folder, rest))
    assert min(rest.numbers) == safe >= SAFE_EVERY


def test_too_small_a_disk_is_noticed_before_anything_is_loaded(folder, monkeypatch):
    load = Loads()
    with monkeypatch.context() as small:
        small.setattr(cache.shutil, "disk_usage", lambda _: cache.shutil._ntuple_diskusage(1, 1, COUNT * ROW - 1))
        with pytest.raises(OSError, match=rf"The disk of {folder} is full"):
            build(folder, load)
    assert load.numbers == []
    assert_whole(build(folder, load))


@pytest.mark.parametrize("name", ["file", "file/cache"])
def test_a_folder_that_cant_be_made_gets_a_sentence(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=rf"{tmp_path}/{name} can't be written \(.*\): choose another cache"):
        build(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cant_be_written_gets_a_sentence(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    with pytest.raises(OSError, match=rf"{folder} can't be written \(Permission denied\): choose another cache"):
        build(folder)


# --- what a stamp depends on


def save(file: Path, seed: int, width: int = 32) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(256, size=(16, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def images(tmp_path) -> Path:
    """Two folders of BMPs, all of one size."""
    for seed, name in enumerate(("A/1.bmp", "A/2.bmp", "B/1.bmp", "B/2.bmp")):
        save(tmp_path / "images" / name, seed)
    return tmp_path / "images"


def both_moved_to(folder: Path, name: str) -> None:
    for side in "AB":
        (folder / side / "2.bmp").rename(folder / side / name)


def later(folder: Path) -> None:
    save(folder / "A/2.bmp", 9)
    os.utime(folder / "A/2.bmp", (1e9, 1e9))


def add(folder: Path) -> None:
    for seed, side in enumerate("AB"):
        save(folder / side / "3.bmp", 20 + seed)


CHANGES = {
    "content": later,
    "size": lambda folder: save(folder / "B/1.bmp", 9, width=33),
    "added": add,
    "removed": lambda folder: (folder / "B/2.bmp").unlink(),
    "renamed": lambda folder: both_moved_to(folder, "0.bmp"),
    "spoiled": lambda folder: (folder / "A/2.bmp").write_text("<html>"),
    "linked to nowhere": lambda folder: [(folder / "A/2.bmp").unlink(), (folder / "A/2.bmp").symlink_to("gone")],
}
OPTIONS = [{"size": 17}, {"direction": "AtoB"}, {"source_channels": 1}, {"target_channels": 1}, {"limit": 1}]


def assert_rebuilt(images: Path, cache: Path, monkeypatch, **options) -> None:
    with pytest.warns() if options.pop("warns", False) else pytest.MonkeyPatch.context():
        expected, read = read_pairs(images, **options), read_pairs(images, cache=cache, **options)
        monkeypatch.setattr(PairReader, "load", lambda *_: "was loaded again")
        again = read_pairs(images, cache=cache, **options)
    for pairs in (read, again):
        assert torch.equal(pairs.source, expected.source) and torch.equal(pairs.target, expected.target)
        assert (pairs.names, pairs.fingerprint()) == (expected.names, expected.fingerprint())
    assert len(read) == len(expected) > 0


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_are_read_anew(images, folder, change, monkeypatch):
    read_pairs(images, 16, cache=folder)
    CHANGES[change](images)
    warns = change in ("size", "removed", "spoiled", "linked to nowhere")
    assert_rebuilt(images, folder, monkeypatch, size=16, warns=warns)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_other_options_are_read_anew(images, folder, options, monkeypatch):
    read_pairs(images, 16, cache=folder)
    assert_rebuilt(images, folder, monkeypatch, **{"size": 16} | options)


def test_another_split_of_the_same_names_sizes_and_times_is_read_anew(tmp_path, folder, monkeypatch):
    for seed, split in enumerate(("train", "test")):
        save(tmp_path / "images" / split / "1.bmp", seed)
        os.utime(tmp_path / "images" / split / "1.bmp", (1e9, 1e9))
    read_pairs(tmp_path / "images", 16, split="train", cache=folder)
    assert_rebuilt(tmp_path / "images", folder, monkeypatch, size=16, split="test")


def test_a_data_set_that_was_moved_is_not_read_again(images, folder, monkeypatch):
    before = read_pairs(images, 16, cache=folder).fingerprint()
    images.rename(images.with_name("moved"))
    monkeypatch.setattr(PairReader, "load", lambda *_: "was loaded again")
    assert read_pairs(images.with_name("moved"), 16, cache=folder).fingerprint() == before
