"""One file from servers that misbehave in every way: it comes whole and right, or a sentence says why it doesn't."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.server import closed_address, serving

from pix2pix_colab.data.downloads import fetch as module
from pix2pix_colab.data.downloads.fetch import PIECE, Patience, fetch

BODY = random.Random(0).randbytes(3_000_000)
PAGE = {"body": b"<html>no quota left</html>"}
ONCE = Patience(rounds=1, timeout=1)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)


@pytest.fixture
def server():
    with serving(BODY) as server:
        server.url = f"{server.base}/file.bin"
        yield server


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "new" / "file.bin"


def assert_whole(file: Path) -> None:
    assert file.read_bytes() == BODY
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def folder_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.download")


def put_part(file: Path, content: bytes) -> Path:
    folder_of(file).mkdir(parents=True)
    part = folder_of(file) / "file12345678.part"
    part.write_bytes(content)
    return part


def resumed(server) -> list[str]:
    """The ranges that were asked for; before each, gdown asks for the file as a whole, and doesn't read it."""
    return [wanted for wanted in server.ranges if wanted]


@pytest.mark.parametrize(("size", "tolerance"), [(len(BODY), 0), (None, 0), (3_100_000, 0.05)])
def test_a_file_comes_with_a_progress_bar(server, file, capfd, size, tolerance):
    fetch([server.url], file, size, tolerance)
    assert_whole(file)
    assert server.ranges == [None]
    assert "file.bin: 100%" in (said := capfd.readouterr().err) and "3.00M/3.00M" in said


def test_a_length_that_is_not_told_is_no_hindrance(server, file, capfd):
    server.always = {"headers": {"Content-Length": None}}
    fetch([server.url], file, len(BODY), progress=False)
    assert_whole(file)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "fault", [{"status": 404}, {"status": 503}, {"status": 403}, {"silent": True}, {"until": 9}, PAGE, {"body": b""}]
)
def test_the_next_mirror_takes_over(server, file, fault):
    with serving(BODY, always=fault) as bad:
        fetch([f"{closed_address()}/x", f"{bad.base}/x", server.url], file, len(BODY), patience=Patience(timeout=1))
        assert len(bad.asked) == len(server.asked) == 1
    assert_whole(file)


def test_another_round_may_do(server, file):
    server.faults = [{"status": 503}, {"status": 503}]
    fetch([server.url], file)
    assert_whole(file)
    assert len(server.asked) == 3


REASONS = {
    "status": ({"status": 503}, "it answers 503 Service Unavailable"),
    "silent": ({"silent": True}, r"no answer within 1 seconds"),
    "falls silent": ({"drip": 600, "piece": PIECE}, r"no answer within 1 seconds"),
    "drips": ({"drip": 0.02}, "it gives less than 1,000,000 bytes per second"),
    "page": (PAGE, "it gave a web page"),
    "breaks off": ({"until": 600_000}, "it broke off after 524,288 bytes"),
    "other size": ({"body": BODY * 2}, "it offers 6,000,000 bytes instead of 3,000,000"),
    "less": ({"body": BODY[:100]}, "it gave 100 bytes instead of 3,000,000"),
    "untold size": ({"body": BODY * 2, "headers": {"Content-Length": None}}, "it gave 6,000,000 bytes instead of"),
    "nothing": ({"body": b""}, "it gave 0 bytes instead of"),
}


@pytest.mark.parametrize(("fault", "reason"), REASONS.values(), ids=REASONS)
def test_each_reason_is_told(server, file, fault, reason, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 1e9)  # nobody waits after the last round
    server.always, patience = fault, Patience(1, 1, *([10**6, 0.5] if "less than" in reason else []))
    with pytest.raises(ConnectionError, match=rf"{server.url}: {reason}"):
        fetch([server.url], file, len(BODY), patience=patience)
    assert not file.exists() and len(server.asked) == 1
    assert folder_of(file).exists() == ("piece" in fault or "until" in fault)


def test_when_all_fail_each_address_is_told(server, file):
    server.always, dead = {"status": 503, "body": b"later"}, closed_address()
    with pytest.raises(ConnectionError) as caught:
        fetch([server.url, dead], file, len(BODY))
    told = rf"Nothing could be fetched \({server.url}: it answers 503 .*; {dead}: no connection, NewConnectionError\)"
    assert caught.match(rf"^{told}: check the network, or try again later\.$")
    assert len(server.asked) == 3
    assert str(caught.value.__cause__) == "no connection, NewConnectionError", "the last reason alone"
    assert not list(file.parent.iterdir())


def test_what_has_come_is_kept_for_the_next_call_and_the_next_mirror(server, file):
    server.faults = [{"until": 1_000_000}]
    with pytest.raises(ConnectionError, match=r"it broke off after 524,288 .*\(The 524,288 bytes .* are kept\.\)$"):
        fetch([server.url], file, len(BODY), patience=ONCE)
    assert not file.exists()
    with serving(BODY) as mirror:
        fetch([f"{mirror.base}/x"], file, len(BODY))
        assert resumed(mirror) == [f"bytes={PIECE}-"]
    assert_whole(file)


def test_many_breaks_are_no_failure_while_it_grows(server, file, monkeypatch):
    monkeypatch.setattr(module, "PIECE", PIECE - 1)
    server.always = {"until": 600_000}
    fetch([server.url], file, len(BODY))
    assert_whole(file)
    assert len(resumed(server)) == 5


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (BODY[:1000], {"ranges": False}),
        *(
            (BODY[:1000], {"partial": {"Content-Range": told}})
            for told in ("bytes 9-2999999/3000000", "pages 1-2/3", None)
        ),
        (BODY, {}),
        (BODY + b"?", {}),
    ],
    ids=["no ranges", "another range", "no range", "none told", "complete", "too long"],
)
def test_a_part_that_is_not_continued_starts_anew(server, file, part, fault):
    put_part(file, part)
    server.always = fault
    fetch([server.url], file, len(BODY))
    assert_whole(file)
    assert server.ranges == [None, f"bytes={len(part)}-", None]


@pytest.mark.parametrize("fault", [{"body": BODY * 2}, {"ranges": False}, PAGE | {"ranges": False}, {"status": 503}])
def test_a_bad_mirror_is_no_reason_to_give_up_what_has_come(server, file, fault):
    put_part(file, BODY[:1000])
    with serving(BODY, always=fault) as bad:
        fetch([f"{bad.base}/x", server.url], file, len(BODY))
    assert_whole(file)
    assert resumed(server) == ["bytes=1000-"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_at_once(server, file):
    put_part(file, b"").unlink()
    (folder_of(file) / "file12345678.part").symlink_to("/dev/full")
    with pytest.raises(
        OSError, match=r"file\.bin can't be written into .*new \(No space left.*free some space"
    ) as caught:
        fetch([server.url], file, len(BODY))
    assert caught.value.errno == errno.ENOSPC
    assert len(server.asked) == 1 and not file.exists()


def test_a_folder_that_refuses_is_not_called_full(server, file, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"denied\): look at its permissions and its disk and call again"):
        fetch([server.url], file, len(BODY))
    assert not file.exists()


def test_the_disk_that_unpacking_takes_is_said_and_checked_at_the_first_piece(server, file, monkeypatch, capfd):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=6_000_000))
    sizes = (
        r"\(0\.01 GB are needed, 0\.01 GB are free\): free some space and call again, it resumes with the 524,288 bytes"
    )
    with pytest.raises(OSError, match=sizes):
        fetch([server.url], file, room=2.2)
    fetch([server.url], file, room=1.9)
    assert_whole(file)
    assert resumed(server) == ["bytes=524288-"]
    said = f"file.bin: 2.5 MB to download, and up to 5.2 MB of disk to unpack in {file.parent}"
    assert capfd.readouterr().err.count(said) == 1


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_is_resumed(server, file, stop):
    server.faults = [{"drip": 0.05, "piece": 100_000}]
    code = f"from pix2pix_colab.data.downloads.fetch import fetch; fetch([{server.url!r}], {str(file)!r}, {len(BODY)})"
    process, deadline = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL), time.monotonic() + 60
    while not any(part.stat().st_size for part in folder_of(file).glob("*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, stop)
    process.wait()
    [part] = folder_of(file).iterdir()
    came = part.stat().st_size
    assert PIECE <= came < len(BODY) and not file.exists()
    fetch([server.url], file, len(BODY))
    assert_whole(file)
    assert resumed(server) == [f"bytes={came}-"]


def refuse_unsound(path: Path) -> None:
    if path.read_bytes() != BODY:
        raise ValueError("unsound")


def test_pieces_that_do_not_fit_are_fetched_as_one(server, file):
    """Such as those of two versions of a file."""
    put_part(file, b"?" * 1000)
    fetch([server.url], file, len(BODY), check=refuse_unsound)
    assert_whole(file)
    assert server.ranges == [None, "bytes=1000-", None]


@pytest.mark.parametrize("part", [b"", b"?" * 1000])
def test_an_unsound_file_is_fetched_once_more_if_it_came_in_pieces_and_not_for_ever(server, file, part):
    put_part(file, part)
    server.body = BODY[::-1]
    with pytest.raises(ValueError, match="unsound"):
        fetch([server.url], file, len(BODY), check=refuse_unsound)
    assert server.ranges == ([None, "bytes=1000-", None] if part else [None])
    assert not list(file.parent.iterdir())


def test_a_file_that_could_not_be_checked_is_not_fetched_again(server, file):
    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, "no space to unpack")

    with pytest.raises(OSError, match="no space to unpack"):
        fetch([server.url], file, check=fail)
    fetch([closed_address()], file, check=refuse_unsound)
    assert_whole(file)
