"""One file from servers that misbehave in every way: it comes whole and right, or a sentence says why it doesn't."""

import errno
import hashlib
import inspect
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import gdown
import pytest
from helpers.server import closed_address, serving

from pix2pix_colab.data.downloads import drive
from pix2pix_colab.data.downloads import fetch as module
from pix2pix_colab.data.downloads.drive import drive_id, fetch_drive
from pix2pix_colab.data.downloads.fetch import PATIENCE, Patience, fetch, part_of

BODY = random.Random(0).randbytes(300_000)
ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(drive, "ADDRESS", f"{closed_address()}/{{}}")  # in place of Google's


@pytest.fixture
def server():
    with serving(BODY) as server:
        server.url = f"{server.base}/file.bin"
        yield server


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "new" / "file.bin"


def assert_whole(digest: str, file: Path) -> None:
    assert file.read_bytes() == BODY
    assert digest == hashlib.sha256(BODY).hexdigest()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def put_part(file: Path, content: bytes) -> Path:
    file.parent.mkdir(exist_ok=True)
    part_of(file).write_bytes(content)
    return part_of(file)


def test_a_file_comes_with_its_checksum(server, file, capfd):
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == [None]
    assert "300k/300k" in capfd.readouterr().err  # the progress bar


def test_a_length_that_is_not_told_is_no_hindrance(server, file):
    server.always = {"headers": {"Content-Length": None}}
    assert_whole(fetch([server.url], file), file)


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 503}, {"status": 403}, {"silent": True}, {"until": 9}])
def test_the_next_mirror_takes_over(server, file, fault):
    with serving(BODY, always=fault) as bad:
        assert_whole(fetch([f"{bad.base}/x", server.url], file, len(BODY), patience=Patience(timeout=1)), file)
        assert len(bad.asked) == 1


def test_a_refused_connection_is_passed_over(server, file):
    assert_whole(fetch([f"{closed_address()}/x", server.url], file), file)


def test_a_page_instead_of_the_file_is_passed_over(server, file):
    page = {"body": b"<html>no quota left</html>", "headers": {"Content-Type": "text/html; charset=utf-8"}}
    with serving(always=page) as bad:
        assert_whole(fetch([f"{bad.base}/x", server.url], file), file)


def test_another_round_may_do(server, file):
    server.faults = [{"status": 503}, {"status": 503}]
    assert_whole(fetch([server.url], file), file)
    assert len(server.asked) == 3


def test_when_all_fail_each_reason_is_told(server, file):
    server.always = {"status": 503, "body": b"later"}
    dead = closed_address()
    with pytest.raises(ConnectionError) as caught:
        fetch([server.url, dead], file, len(BODY))
    told = rf"Nothing could be fetched \({server.url}: it answers 503 .*; {dead}: no connection, NewConnectionError\)"
    assert caught.match(rf"^{told}: check the network, or try again later\.$")
    assert len(server.asked) == PATIENCE.rounds
    assert str(caught.value.__cause__) == "no connection, NewConnectionError", "the last reason alone"
    assert not list(file.parent.iterdir())


def test_one_round_is_enough_where_nobody_waits(server, file, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 1e9)
    server.always = {"status": 503}
    with pytest.raises(ConnectionError, match="it answers 503"):
        fetch([server.url], file, patience=Patience(rounds=1))
    assert len(server.asked) == 1


def test_the_progress_bar_can_be_left_out(server, file, capfd):
    assert_whole(fetch([server.url], file, progress=False), file)
    assert capfd.readouterr() == ("", "")


def test_a_broken_off_body_is_gone_on_with(server, file):
    server.faults = [{"until": 100_000}]
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == [None, "bytes=100000-"]


def test_what_has_come_is_kept_for_the_next_call(server, file):
    server.faults = [{"until": 1000}, *[{"until": 100}] * (PATIENCE.rounds - 1)]
    came = 1000 + 100 * (PATIENCE.rounds - 1)
    with pytest.raises(ConnectionError, match=rf"it broke off after {came:,} .*\(The {came:,} bytes .* are kept\.\)"):
        fetch([server.url], file, len(BODY))
    assert not file.exists() and part_of(file).read_bytes() == BODY[:came]
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges[-1] == f"bytes={came}-"


@pytest.mark.parametrize(
    "versions",
    [({"ETag": '"1"'}, {"ETag": '"2"'}), ({"ETag": 'W/"1"', "Last-Modified": "Mon"}, {"Last-Modified": "Tue"})],
    ids=["ETag", "date"],
)
def test_a_file_that_has_changed_meanwhile_is_not_mixed_from_two_versions(server, file, versions):
    server.headers, server.faults = versions[0], [{"until": 100_000}, {"until": 1000}]
    with pytest.raises(ConnectionError, match="it broke off after 101,000"):
        fetch([server.url], file, len(BODY), patience=Patience(rounds=2))
    server.headers, server.body = versions[1], BODY[::-1]
    fetch([server.url], file, len(BODY))
    assert file.read_bytes() == BODY[::-1] and list(file.parent.iterdir()) == [file]
    assert server.ranges == [None, "bytes=100000-", "bytes=101000-"]


def test_a_server_that_ignores_if_range_mixes_nothing_either(server, file):
    """It answers 206 for the new version; its ETag tells."""
    server.headers, server.faults = {"ETag": '"one"'}, [{"until": 1000}, {"headers": {"ETag": '"two"'}}]
    with pytest.raises(ConnectionError, match="it broke off after 1,000"):
        fetch([server.url], file, len(BODY), patience=Patience(rounds=1))
    server.body = BODY[::-1]
    fetch([server.url], file, len(BODY))
    assert file.read_bytes() == BODY[::-1]
    assert server.ranges == [None, "bytes=1000-", None]


def test_a_mirror_is_not_asked_for_the_version_of_another(server, file):
    server.headers = {"ETag": '"one"'}
    with serving(BODY, headers={"ETag": '"two"'}, faults=[{"until": 1000}]) as mirror:
        assert_whole(fetch([f"{mirror.base}/x", server.url], file, len(BODY)), file)
    assert server.ranges == ["bytes=1000-"]


def test_many_breaks_are_no_failure_while_it_grows(server, file, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10_000)
    server.always = {"until": 30_000}
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert len(server.asked) == 10 > PATIENCE.rounds


def test_a_server_that_ignores_ranges_starts_anew(server, file):
    server.faults = [{"until": 100_000}]
    server.always = {"ranges": False}
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    "told", ["bytes 90000-299999/300000", "bytes 100000-299999/300001", "pages 1-2/3", None], ids=str
)
def test_a_wrong_range_starts_anew(server, file, told):
    put_part(file, b"?" * 100_000)
    server.always = {"partial": {"Content-Range": told}}
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == ["bytes=100000-", None]


def test_a_part_that_is_complete_is_taken(server, file):
    put_part(file, BODY)
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == ["bytes=300000-"]


def test_a_part_that_is_too_long_starts_anew(server, file):
    put_part(file, BODY + b"?")
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == ["bytes=300001-", None]


def test_another_size_is_left_at_once(server, file):
    part = put_part(file, BODY[:1000])
    with serving(bytes(50_000_000)) as bad:
        bad.always = {"drip": 1, "piece": 4096}  # to read it would take hours
        began = time.monotonic()
        assert_whole(fetch([f"{bad.base}/x", server.url], file, len(BODY)), file)
        assert time.monotonic() - began < 60
        assert bad.ranges == ["bytes=1000-", None]
    assert server.ranges == ["bytes=1000-"]  # what had come was not given up for it
    assert not part.exists()


def test_another_size_is_told(server, file):
    with pytest.raises(ConnectionError, match=rf"{server.url}: it offers 300,000 bytes instead of 310,000"):
        fetch([server.url], file, 310_000, tolerance=0.03)
    assert not list(file.parent.iterdir())


def test_a_rounded_size_will_do(server, file):
    assert_whole(fetch([server.url], file, 310_000, tolerance=0.05), file)


def test_a_finished_file_of_another_size_is_deleted(server, file):
    server.always = {"headers": {"Content-Length": None}}
    with pytest.raises(ConnectionError, match=r"it gave 300,000 bytes instead of 300,001"):
        fetch([server.url], file, 300_001)
    assert not list(file.parent.iterdir())


def test_a_server_that_never_answers_is_told(server, file):
    server.always = {"silent": True}
    with pytest.raises(ConnectionError, match=r"no answer within 0\.2 seconds"):
        fetch([server.url], file, patience=Patience(timeout=0.2))


def test_a_server_that_falls_silent_is_gone_on_from(server, file):
    server.faults = [{"drip": 600, "piece": 100_000}]
    assert_whole(fetch([server.url], file, len(BODY), patience=Patience(timeout=1)), file)
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_drips_is_left_with_what_came(server, file):
    with serving(BODY, always={"drip": 0.02}) as slow:  # 100 minutes for all of it
        began, patience = time.monotonic(), Patience(grace=0.3)
        assert_whole(fetch([f"{slow.base}/x", server.url], file, len(BODY), patience=patience), file)
        assert time.monotonic() - began < 60
    assert 0 < int(server.ranges[0].removeprefix("bytes=").removesuffix("-")) < 3000


def test_a_drip_is_told(server, file):
    server.always = {"drip": 0.02}
    with pytest.raises(ConnectionError, match="it gives less than 5,000 bytes per second"):
        fetch([server.url], file, len(BODY), patience=Patience(slowest=5000, grace=0.1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_at_once(server, file):
    file.parent.mkdir()
    part_of(file).symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"\.file\.bin\.part can't be written \(No space left.*free some space") as caught:
        fetch([server.url], file, len(BODY))
    assert caught.value.errno == errno.ENOSPC
    assert len(server.asked) == 1
    assert part_of(file).is_symlink() and not file.exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_read(server, file, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    put_part(file, BODY[:100])
    with pytest.raises(OSError, match=r"0\.00 GB are free\): free some space and call again, .* the 100 bytes"):
        fetch([server.url], file)
    assert part_of(file).read_bytes() == BODY[:100]


def test_the_disk_that_unpacking_takes_is_said_and_checked_before_anything_is_read(server, file, monkeypatch, capfd):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=600_000))
    with pytest.raises(OSError, match=r"0\.00 GB are needed"):
        fetch([server.url], file, room=2.2)
    assert not part_of(file).exists()
    server.faults = [{"until": 100_000}]
    fetch([server.url], file, room=1.9)
    said = f"file.bin: 0.3 MB to download, and up to 0.6 MB of disk to unpack in {file.parent}"
    assert capfd.readouterr().err.count(said) == 1


def test_a_killed_download_is_gone_on_with(server, file):
    server.faults = [{"drip": 0.01, "piece": 1000}]
    code = f"from pix2pix_colab.data.downloads.fetch import fetch; fetch([{server.url!r}], {str(file)!r}, {len(BODY)})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (part_of(file).exists() and part_of(file).stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    came = part_of(file).stat().st_size
    assert 5000 < came < len(BODY) and not file.exists()
    assert_whole(fetch([server.url], file, len(BODY)), file)
    assert server.ranges == [None, f"bytes={came}-"]


def refuse_unsound(path: Path, digest: str) -> None:
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    if path.read_bytes() != BODY:
        raise ValueError("unsound")


def test_pieces_that_do_not_fit_are_fetched_as_one(server, file):
    put_part(file, b"?" * 1000)
    assert_whole(fetch([server.url], file, len(BODY), check=refuse_unsound), file)
    assert server.ranges == ["bytes=1000-", None]


def test_an_unsound_file_in_one_piece_is_not_fetched_again(server, file):
    server.body = bytes(300_000)
    with pytest.raises(ValueError, match="unsound"):
        fetch([server.url], file, len(BODY), check=refuse_unsound)
    assert server.ranges == [None]
    assert not list(file.parent.iterdir())


def test_an_unsound_file_is_fetched_once_more_and_not_for_ever(server, file):
    put_part(file, b"?" * 1000)
    server.body = bytes(300_000)
    server.faults = [{}, {"until": 1000}]
    with pytest.raises(ValueError, match="unsound"):
        fetch([server.url], file, len(BODY), check=refuse_unsound)
    assert server.ranges == ["bytes=1000-", None, "bytes=1000-"]
    assert not list(file.parent.iterdir())


@pytest.mark.parametrize(
    "link",
    [
        ID,
        f"https://drive.google.com/file/d/{ID}/view?usp=sharing",
        f"https://drive.google.com/file/d/{ID}",
        f"https://drive.google.com/open?id={ID}",
        f"https://drive.google.com/uc?export=download&id={ID}&confirm=t",
    ],
)
def test_a_drive_link_is_understood(link, file, monkeypatch):
    asked = []

    def download(id, output):
        asked.append(id)
        Path(output).write_bytes(BODY)

    monkeypatch.setattr("gdown.download", download)
    file.parent.mkdir()
    assert_whole(fetch_drive(link, file), file)
    assert asked == [ID]


@pytest.mark.parametrize(
    "link", [f"https://drive.google.com/drive/folders/{ID}", "https://drive.google.com/", "short", f"{ID}é"]
)
def test_a_link_to_no_file_gets_a_sentence(link, file):
    assert drive_id(link) is None
    with pytest.raises(ValueError, match="is no link to a file on Google Drive: share one archive"):
        fetch_drive(link, file)
    assert not file.parent.exists()


def give(content: bytes):
    return lambda id, output: Path(output).write_bytes(content)


def give_half_and_fail(id, output):
    Path(output + "ab12.part").write_bytes(b"half")
    raise RuntimeError("Cannot retrieve\n\tthe public link")


@pytest.mark.parametrize(
    ("download", "reason"),
    [
        (give_half_and_fail, "Cannot retrieve the public link"),
        (give(b"\n<!DOCTYPE html>quota"), "it gave a web page"),
        (lambda id, output: None, "No such file"),
    ],
    ids=["gdown's error", "a page", "nothing"],
)
def test_what_drive_refuses_gets_a_sentence(download, reason, file, monkeypatch):
    monkeypatch.setattr("gdown.download", download)
    advice = "share it as 'Anyone with the link', or, if its quota is used up, wait up to 24 hours or use a copy"
    with pytest.raises(
        ConnectionError, match=rf"^Google Drive doesn't give the file {ID} \(.*{reason}.*\): {advice}\.$"
    ):
        fetch_drive(ID, file)
    assert not list(file.parent.iterdir())


@pytest.fixture
def on_drive(server, monkeypatch):
    """Drive, that tells what a file has before gdown fetches it: the server."""
    monkeypatch.setattr(drive, "ADDRESS", f"{server.base}/download?id={{}}")
    return server


def test_a_drive_file_that_does_not_fit_is_told_before_it_comes(on_drive, file, monkeypatch, capfd):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=600_000))
    monkeypatch.setattr("gdown.download", lambda **_: pytest.fail("it was fetched"))
    with pytest.raises(
        OSError, match=r"file\.bin can't be written \(0\.00 GB are needed, 0\.00 GB are free\): free some space"
    ) as caught:
        fetch_drive(ID, file, room=2.2)
    assert caught.value.errno == errno.ENOSPC and not list(file.parent.iterdir())
    assert on_drive.asked == [(f"/download?id={ID}", None)]
    monkeypatch.setattr("gdown.download", give(BODY))
    assert_whole(fetch_drive(ID, file, room=1.9), file)
    said = f"file.bin: 0.3 MB to download, and up to 0.6 MB of disk to unpack in {file.parent}"
    assert capfd.readouterr().err.count(said) == 1


@pytest.mark.parametrize("came", [BODY[:-1], BODY + b"more"])
def test_a_drive_file_of_another_size_than_announced_is_refused(on_drive, file, monkeypatch, came):
    monkeypatch.setattr("gdown.download", give(came))
    words = rf"the file {ID} \(it gave {len(came):,} bytes instead of 300,000\): try again later\.$"
    with pytest.raises(ConnectionError, match=words):
        fetch_drive(ID, file)
    assert not list(file.parent.iterdir())


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<!DOCTYPE html>", "headers": {"Content-Type": "text/html; charset=utf-8"}},
        {"status": 404},
        {"headers": {"Content-Length": None}},
        {"silent": True},
    ],
    ids=["a page", "nothing", "no size", "no answer"],
)
def test_a_drive_file_whose_size_is_not_told_is_fetched_all_the_same(on_drive, file, monkeypatch, answer):
    on_drive.always = answer
    monkeypatch.setattr(drive, "PATIENCE", Patience(timeout=1))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr("gdown.download", give(BODY))
    assert_whole(fetch_drive(ID, file, room=2.2), file)


def test_gdown_takes_what_it_is_given():
    inspect.signature(gdown.download).bind(id=ID, output="file")


def test_a_full_disk_is_not_blamed_on_drive(file, monkeypatch):
    def fail(id, output):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gdown.download", fail)
    with pytest.raises(
        OSError, match=r"file\.bin can't be written \(No space left on device\): free some space"
    ) as caught:
        fetch_drive(ID, file)
    assert caught.value.errno == errno.ENOSPC
