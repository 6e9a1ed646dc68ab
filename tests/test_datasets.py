"""Downloads from a server of the test's own, as it should be and in every way that it shouldn't."""

import io
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pix2pix_colab.datasets import DATASETS, Dataset, download
from pix2pix_colab.pairs import Pairs, read_pairs, write_pairs

SPLITS = {"train": 2, "test": 1}


def member(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(content)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, bytes]:
    """The files of a tiny data set, by their names in the archive."""
    folder, files = tmp_path_factory.mktemp("tiny"), {}
    for split, count in SPLITS.items():
        pixels = torch.randint(256, (2, count, 3, 8, 8), dtype=torch.uint8)
        write_pairs(Pairs(pixels[0], pixels[1], [str(i + 1) for i in range(count)]), folder / split)
        files |= {f"tiny/{split}/{file.name}": file.read_bytes() for file in (folder / split).iterdir()}
    return files


def pack(files: dict[str, bytes], *more: tuple[tarfile.TarInfo, io.BytesIO]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, content in [*(member(*item) for item in files.items()), *more]:
            tar.addfile(info, content)
    return packed.getvalue()


@pytest.fixture
def server(monkeypatch):
    """Answers every request with ``status``, ``body`` and ``headers``, and counts them."""
    answer = SimpleNamespace(status=200, body=b"", headers={}, requests=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer.requests += 1
            self.send_response(answer.status)
            headers = {"Content-Type": "application/gzip", "Content-Length": str(len(answer.body))} | answer.headers
            for header in headers.items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_):
            pass

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        answer.url = f"http://127.0.0.1:{httpd.server_port}/tiny.tar.gz"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answer
        httpd.shutdown()
        thread.join()


@pytest.fixture
def serve(server, monkeypatch, tmp_path) -> Callable:
    """Let the server give this archive as the data set "tiny"."""

    def serve(body: bytes, size: int | None = None, **answer) -> SimpleNamespace:
        vars(server).update(body=body, **answer)
        dataset = Dataset(server.url, len(body) if size is None else size, SPLITS, "AtoB")
        monkeypatch.setitem(DATASETS, "tiny", dataset)
        return server

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return serve


def assert_fails(root: Path, error: type | tuple, match: str) -> None:
    """The download fails with a sentence and leaves nothing behind."""
    with pytest.raises(error, match=match):
        download("tiny", root)
    assert not root.exists() or not list(root.iterdir())
    assert not list(Path.cwd().iterdir())


def test_the_facades_are_those_of_the_paper():
    facades = DATASETS["facades"]
    assert facades.url.endswith("/facades.tar.gz")
    assert facades.size == 30_168_306
    assert facades.splits == {"train": 400, "val": 100, "test": 106}
    assert facades.direction == "BtoA"


def test_a_good_archive_is_unpacked(serve, images, tmp_path):
    serve(pack(images))
    root = tmp_path / "new" / "data"
    folder = download("tiny", root)
    assert folder == root / "tiny"
    assert [path.name for path in root.iterdir()] == ["tiny"]
    unpacked = {path.relative_to(root).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
    assert unpacked == images
    assert len(read_pairs(folder / "train", 8, DATASETS["tiny"].direction)) == 2
    assert not list(Path.cwd().iterdir())


def test_a_data_set_that_is_there_is_not_fetched_again(serve, images, tmp_path):
    server = serve(pack(images))
    first = download("tiny", str(tmp_path / "data"))
    assert server.requests == 1
    assert download("tiny", tmp_path / "data") == first
    assert server.requests == 1


def test_a_failed_download_can_be_repeated(serve, images, tmp_path):
    whole = pack(images)
    server = serve(b"<html>try later</html>", size=len(whole), status=503)
    assert_fails(tmp_path / "data", (ConnectionError, ValueError), "tiny.tar.gz")
    server.status, server.body = 200, whole
    assert download("tiny", tmp_path / "data").is_dir()


def test_an_unknown_name_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="There is no data set 'facade': choose one of facades"):
        download("facade", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_page_gets_a_sentence(serve, images, tmp_path, status):
    """gdown 5 saves such a page as if it were the file, gdown 6 raises."""
    page = b"<html>try later</html>"
    server = serve(page, size=len(pack(images)), status=status, headers={"Content-Type": "text/html"})
    expected = rf"^{server.url} (can't be fetched|gave 22 bytes).* later"
    assert_fails(tmp_path / "data", (ConnectionError, ValueError), expected)


def test_an_error_page_of_the_right_size_gets_a_sentence(serve, tmp_path):
    server = serve(b"<html>try later</html>", status=404)
    assert_fails(tmp_path / "data", (ConnectionError, ValueError), rf"{server.url} (can't be fetched|is no sound)")


def test_a_refused_connection_gets_a_sentence(serve, monkeypatch, tmp_path):
    serve(b"")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/tiny.tar.gz"
    monkeypatch.setitem(DATASETS, "tiny", Dataset(url, 100, SPLITS, "AtoB"))
    assert_fails(tmp_path / "data", ConnectionError, rf"^{url} can't be fetched \(.*\): check the network")


def test_a_body_that_breaks_off_gets_a_sentence(serve, images, tmp_path):
    whole = pack(images)
    server = serve(whole[:-50], size=len(whole), headers={"Content-Length": str(len(whole))})
    assert_fails(tmp_path / "data", (ConnectionError, ValueError), rf"{server.url} (can't be fetched|gave)")


def test_another_size_gets_a_sentence(serve, images, tmp_path):
    whole = pack(images)
    server = serve(whole, size=len(whole) + 1_000_000)
    expected = rf"^{server.url} gave {len(whole):,} bytes instead of {len(whole) + 1_000_000:,}: .* Try again later\.$"
    assert_fails(tmp_path / "data", ValueError, expected)


def test_a_page_of_the_right_size_is_no_archive(serve, tmp_path):
    server = serve(b"<html>no quota left</html>", headers={"Content-Type": "text/html"})
    assert_fails(tmp_path / "data", ValueError, rf"^{server.url} is no sound archive \(.*\): try again later")


@pytest.mark.parametrize(
    "spoil",
    [lambda whole: whole[:-40], lambda whole: whole[:60] + bytes(8) + whole[68:], lambda whole: whole[:-8] + bytes(8)],
    ids=["cut off", "damaged", "another checksum"],
)
def test_a_damaged_archive_of_the_right_size_gets_a_sentence(serve, images, tmp_path, spoil):
    server = serve(spoil(pack(images)))
    assert_fails(tmp_path / "data", ValueError, rf"^{server.url} is no sound archive")


@pytest.mark.parametrize(
    "escape",
    [
        lambda outside: [member("../../escaped.txt", b"!")],
        lambda outside: [member("tiny/train/../../../../escaped.txt", b"!")],
        lambda outside: [member("tiny/link", type=tarfile.SYMTYPE, linkname=str(outside))],
        lambda outside: [member("tiny/link", type=tarfile.SYMTYPE, linkname="../../.."), member("tiny/link/x", b"!")],
        lambda outside: [member("tiny/link", type=tarfile.LNKTYPE, linkname="../../elsewhere")],
        lambda outside: [member("tiny/device", type=tarfile.CHRTYPE)],
    ],
    ids=["..", "nested ..", "absolute link", "through a link", "hard link", "device"],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(serve, images, tmp_path, escape):
    server = serve(pack(images, *escape(tmp_path / "outside")))
    assert_fails(tmp_path / "data", ValueError, rf"^{server.url} is no sound archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "elsewhere"]


def test_an_absolute_path_is_not_followed(serve, images, tmp_path):
    outside = tmp_path / "escaped.txt"
    serve(pack(images, member(str(outside), b"!")))
    folder = download("tiny", tmp_path / "data")  # Python takes the path for a relative one
    assert not outside.exists()
    assert len(list(folder.rglob("*.*"))) == 3


@pytest.mark.parametrize("change", ["missing", "more", "another folder"])
def test_another_number_of_images_gets_a_sentence(serve, images, tmp_path, change):
    files = dict(images)
    if change == "missing":
        del files["tiny/train/1.png"]
    elif change == "more":
        files["tiny/train/3.png"] = files["tiny/train/1.png"]
    else:
        files = {name.replace("tiny/", "other/"): content for name, content in files.items()}
    server = serve(pack(files))
    found = {"missing": 1, "more": 3, "another folder": 0}[change]
    expected = rf"^{server.url} holds other images than expected.*split train has {found} images, not 2"
    assert_fails(tmp_path / "data", ValueError, expected)


def test_files_that_are_no_images_do_not_count(serve, images, tmp_path):
    notes = {"tiny/train/notes.txt": b"", "tiny/train/.DS_Store": b"", "tiny/train/._1.png": b""}
    serve(pack(images | notes))
    assert download("tiny", tmp_path / "data").is_dir()


def test_a_folder_that_is_incomplete_gets_a_sentence(serve, images, tmp_path):
    server = serve(pack(images))
    folder = download("tiny", tmp_path / "data")
    (folder / "test" / "1.png").unlink()
    with pytest.raises(ValueError, match=rf"^{folder} is incomplete: delete it.*split test has 0 images, not 1"):
        download("tiny", tmp_path / "data")
    assert server.requests == 1
    assert len(list(folder.rglob("*.png"))) == 2  # nothing of the user's is deleted
