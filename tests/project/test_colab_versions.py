"""The weekly look at Colab's versions, against a server of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.server import Server, closed_address, serving
from tools import colab_versions
from tools.colab_versions import CONSTRAINTS, main, read_pins

PUBLISHED = (
    b"absl-py==1.4\njupyterlab-widgets @ file:///x\ntorch==2.12.0+cu130\nnumpy==2.1.3\nmatplotlib_inline==0.2.2\n"
)
COMMITTED = "# Colab's of some day\ntorch==2.11.0\nnumpy==2.1.3\nmatplotlib-inline==0.2.2\ngdown==5.2.2\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(PUBLISHED) as server:
        yield server


@pytest.fixture
def committed(tmp_path) -> Path:
    (tmp_path / "constraints.txt").write_text(COMMITTED)
    return tmp_path / "constraints.txt"


def test_what_differs_is_told(server, committed, capsys):
    assert main([f"--url={server.base}/list", f"--file={committed}"]) == 1
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows == ["| torch | 2.11.0 | 2.12.0 |", "| gdown | 5.2.2 | gone |"]
    assert committed.read_text() == COMMITTED


def test_colabs_versions_are_taken_over(server, committed):
    options = [f"--url={server.base}/list", f"--file={committed}"]
    assert main([*options, "--write"]) == 1
    assert committed.read_text() == COMMITTED.replace("torch==2.11.0", "torch==2.12.0")
    committed.write_text(committed.read_text().replace("gdown==5.2.2\n", ""))
    assert main(options) == 0


def test_what_is_committed_is_read_whole():
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(read_pins(CONSTRAINTS.read_text())) == len(lines) > 20


@pytest.mark.parametrize(
    ("body", "fault", "said"),
    [
        (PUBLISHED, {"status": 404}, "can't be fetched (404"),
        (b"<!DOCTYPE html><html>not found</html>", {}, "is no list of Colab's packages"),
        (b"", {}, "is no list of Colab's packages"),
    ],
)
def test_a_list_that_is_none_gets_a_sentence(server, committed, capsys, body, fault, said):
    server.body, server.always = body, fault
    assert main([f"--url={server.base}/list", f"--file={committed}"]) == 2
    told = capsys.readouterr()
    assert said in told.err and not told.out


def test_a_dead_server_gets_a_sentence(committed, capsys, monkeypatch):
    monkeypatch.setattr(colab_versions, "TIMEOUT", 1)
    assert main([f"--url={closed_address()}/list", f"--file={committed}"]) == 2
    assert "can't be fetched" in capsys.readouterr().err
