"""Data sets from a server of the test's own, as it should be and in every way that it shouldn't."""

import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from helpers.noise import noise_pairs
from helpers.server import closed_address, serving

from pix2pix_colab.data import DATASETS, Dataset, download, known_dataset, open_dataset, read_pairs, write_pairs
from pix2pix_colab.data.downloads import datasets, fetch, registry

SPLITS = {"train": 2, "test": 1}
ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"


@pytest.fixture(autouse=True)
def hasty(monkeypatch, tmp_path):
    monkeypatch.delenv("PIX2PIX_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, bytes]:
    """The files of a tiny data set, by their names in the archive."""
    folder, files = tmp_path_factory.mktemp("tiny"), {}
    for split, count in SPLITS.items():
        write_pairs(replace(noise_pairs(count, 64), names=[str(i + 1) for i in range(count)]), folder / split)
        files |= {f"tiny/{split}/{file.name}": file.read_bytes() for file in (folder / split).iterdir()}
    return files


def pack(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def pack_zip(file: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def serve(server, monkeypatch) -> Callable:
    """Let the server give this archive as the data set "tiny"."""

    def serve(archive: bytes, size: int | None = None, **faults) -> SimpleNamespace:
        server.body, server.always = archive, faults
        monkeypatch.setattr(registry, "MIRRORS", (server.base,))
        monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", size or len(archive), SPLITS, "AtoB"))
        return server

    return serve


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def hidden(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".") and path.suffix != ".lock")


def assert_fails(root: Path, error: type, match: str, hidden_after=()) -> None:
    """The download fails with a sentence and leaves nothing behind."""
    with pytest.raises(error, match=match):
        download("tiny", root)
    assert visible(root) == [] and hidden(root) == list(hidden_after)
    assert not list(Path.cwd().iterdir())


def test_the_facades_are_those_of_the_paper():
    facades = DATASETS["facades"]
    assert facades.addresses == [
        "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
        "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
        "http://people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets/facades.tar.gz",
    ]
    assert (facades.size, facades.tolerance) == (30_168_306, 0)
    assert facades.splits == {"train": 400, "val": 100, "test": 106}
    assert facades.direction == "BtoA"


def test_the_registry_is_complete():
    names = ["facades", "maps", "cityscapes", "edges2shoes", "edges2handbags", "night2day"]
    assert list(DATASETS) == names == [dataset.name for dataset in DATASETS.values()]
    training = {name: (dataset.epochs, dataset.batch_size) for name, dataset in DATASETS.items()}
    assert training == dict.fromkeys(names[:3], (200, 1)) | dict.fromkeys(names[3:5], (15, 4)) | {names[5]: (17, 4)}
    for dataset in DATASETS.values():
        assert all(dataset.describe().values())
        assert dataset.direction in ("AtoB", "BtoA") and dataset.splits["train"] >= 400
    assert len({tuple(dataset.describe()) for dataset in DATASETS.values()}) == 1  # rows of one table


def test_a_good_archive_is_unpacked(serve, images, tmp_path):
    whole = pack(images)
    serve(whole)
    root = tmp_path / "new" / "data"
    folder = download("tiny", root)
    assert folder == root / "tiny"
    assert visible(root) == ["tiny"] and hidden(root) == []
    unpacked = {path.relative_to(root).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
    assert unpacked == images
    assert len(read_pairs(folder / "train", 64, DATASETS["tiny"].direction)) == 2
    assert not list(Path.cwd().iterdir())


def test_the_mirror_of_the_environment_comes_first(serve, images, tmp_path, monkeypatch):
    server = serve(pack(images))
    monkeypatch.setattr(registry, "MIRRORS", (closed_address(),))
    monkeypatch.setenv("PIX2PIX_MIRROR", f"{server.base}/school/")
    assert download("tiny", tmp_path / "data").is_dir()
    assert server.asked == [("/school/tiny.tar.gz", None)]


def test_an_archive_in_the_cache_is_not_fetched_again(serve, images, tmp_path):
    """As on Google Drive, from one machine to the next."""
    archive, cache = pack(images), tmp_path / "drive" / "data"
    server = serve(archive)
    download("tiny", tmp_path / "monday", cache)
    assert (cache / "tiny.tar.gz").read_bytes() == archive and len(server.asked) == 1
    folder = open_dataset("tiny", tmp_path / "tuesday", cache)
    assert len(server.asked) == 1 and visible(folder) == ["test", "train"]
    assert hidden(tmp_path / "tuesday") == []


def test_a_damaged_archive_in_the_cache_is_replaced(serve, images, tmp_path):
    archive, cached = pack(images), tmp_path / "tiny.tar.gz"
    server = serve(archive)
    cached.write_bytes(archive[:100])
    with pytest.warns(UserWarning, match=r"tiny\.tar\.gz can't be used and is fetched again: .* is no sound archive"):
        download("tiny", tmp_path / "data", tmp_path)
    assert len(server.asked) == 1 and cached.read_bytes() == archive


def test_a_cache_that_cannot_be_written_is_no_obstacle(serve, images, tmp_path):
    serve(pack(images))
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.warns(UserWarning, match=r"tiny\.tar\.gz can't be written, so it will be fetched again"):
        assert visible(download("tiny", tmp_path / "data", tmp_path / "cache")) == ["test", "train"]


def test_an_unknown_name_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="There is no data set 'facade': choose one of facades, maps, "):
        download("facade", tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("fault", [{"status": 503}, {"body": b"<html>try later</html>"}, {"body": b"another file"}])
def test_a_failed_download_gets_a_sentence_and_can_be_repeated(serve, images, tmp_path, fault):
    server = serve(pack(images), **fault)
    assert_fails(
        tmp_path / "data", ConnectionError, r"/tiny\.tar\.gz: it (answers 503|gave a web|gave 12 bytes).* later\.$"
    )
    server.always = {}
    assert download("tiny", tmp_path / "data").is_dir()


@pytest.mark.parametrize("change", ["missing", "more", "another folder"])
def test_another_number_of_images_gets_a_sentence(serve, images, tmp_path, change):
    files = dict(images)
    if change == "missing":
        del files["tiny/train/1.png"]
    elif change == "more":
        files["tiny/train/3.png"] = files["tiny/train/1.png"]
    else:
        files = {name.replace("tiny/", "other/"): content for name, content in files.items()}
    serve(pack(files))
    found = {"missing": 1, "more": 3, "another folder": 0}[change]
    expected = rf"^tiny\.tar\.gz holds other images than expected: .*split train has {found} images, not 2"
    assert_fails(tmp_path / "data", ValueError, expected)  # and no checksum of it is recorded


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
    assert len(server.asked) == 1
    assert len(list(folder.rglob("*.png"))) == 2  # nothing of the user's is deleted


def test_a_data_folder_that_cannot_be_written_gets_a_sentence(serve, images):
    serve(pack(images))
    with pytest.raises(OSError, match=r"/dev/null/data can't be written \(.+\): choose another folder for the data\.$"):
        download("tiny", "/dev/null/data")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_gets_full_keeps_what_has_come(serve, images, tmp_path, monkeypatch):
    """While unpacking: the archive is there, and is not fetched again."""
    whole = pack(images)
    server = serve(whole)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "copyfileobj", lambda *_, **__: Path("/dev/full").write_bytes(b"x"))
        expected = r"tiny\.tar\.gz can't be unpacked .*\(No space left on device\)"
        assert_fails(tmp_path / "data", OSError, expected, hidden_after=[".tiny.tar.gz.download"])
    assert download("tiny", tmp_path / "data").is_dir()
    assert server.ranges == [None]


def script(server, root: Path, size: int, before: str = "") -> list[str]:
    """A Python process that downloads "tiny"."""
    lines = [
        "from pix2pix_colab.data.downloads import archives, datasets, registry",
        f"registry.MIRRORS = ({server.base!r},)",
        f"registry.DATASETS['tiny'] = registry.Dataset('tiny', {size}, {SPLITS}, 'AtoB')",
        before,
        f"print(datasets.download('tiny', {str(root)!r}))",
    ]
    return [sys.executable, "-c", "\n".join(lines)]


def kill_when(condition: Callable[[], bool], command: list[str]) -> None:
    process, deadline = subprocess.Popen(command, stderr=subprocess.DEVNULL), time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition() and process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_unpacking_leaves_no_half_data_set(serve, images, tmp_path):
    whole, root = pack(images), tmp_path / "data"
    server = serve(whole)
    slow = "import time; archives.tqdm = lambda members, *_, **__: (time.sleep(0.3) or each for each in members)"
    command = script(server, root, len(whole), slow)
    kill_when(lambda: len(list(root.glob(".tiny.unpacking/**/*.png"))) > 0, command)
    assert visible(root) == []
    assert len(list(download("tiny", root).rglob("*.png"))) == 3
    assert visible(root) == ["tiny"] and hidden(root) == []


def test_two_processes_at_once_fetch_once(serve, images, tmp_path):
    whole, root = pack(images), tmp_path / "data"
    server = serve(whole, drip=0.05, piece=2000)
    processes = [
        subprocess.Popen(script(server, root, len(whole)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert out == f"{root / 'tiny'}\n", err
    assert server.ranges == [None]


def test_a_folder_or_an_image_is_opened_as_it_is(tmp_path, images):
    (tmp_path / "1.png").write_bytes(images["tiny/train/1.png"])
    for place in (tmp_path, tmp_path / "1.png"):
        assert open_dataset(place, tmp_path / "data") == open_dataset(str(place), tmp_path / "data") == place
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_what_is_called_as_a_data_set_is_read_and_not_downloaded(serve, images, tmp_path, kind):
    server = serve(pack(images))
    pack_zip(Path("tiny"), images) if kind == "archive" else Path("tiny").mkdir()
    with pytest.warns(UserWarning, match=f"{Path('tiny').resolve()} is read, as pairs of your own .AtoB by default"):
        folder = open_dataset("tiny", tmp_path / "data")
    assert folder == (Path("tiny") if kind == "folder" else tmp_path / "data" / "tiny-own")
    assert not server.asked and known_dataset("tiny", tmp_path / "data") is None


def test_the_download_itself_is_not_taken_for_ones_own(serve, images):
    server = serve(pack(images))
    for _ in range(2):
        assert known_dataset("tiny", ".") is DATASETS["tiny"]
        assert open_dataset("tiny", ".") == Path("tiny")
    assert len(server.asked) == 1


def test_read_only_folders_will_do(serve, images, tmp_path, monkeypatch):
    """For root, nothing is read-only: it is enough that nothing is written beside, and that no lock is asked for."""
    serve(pack(images))
    place = tmp_path / "read-only"
    places = "tiny", pack_zip(tmp_path / "a.zip", images)
    for where in places:
        folder = open_dataset(where, place)
        monkeypatch.setattr(datasets, "FileLock", lambda _: pytest.fail("it is locked"))
        before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))}
        assert open_dataset(where, place) == folder
        assert len(read_pairs(folder, 64, split="train")) == 2
        assert {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))} == before
        monkeypatch.undo()
        serve(pack(images))


def test_an_archive_is_unpacked_once(images, tmp_path):
    archive = pack_zip(tmp_path / "My 图.v2.zip", images)
    folder = open_dataset(archive, tmp_path / "data")
    assert folder == tmp_path / "data" / "My 图.v2"
    assert len(read_pairs(folder, 64, split="train")) == 2  # past the folder that all is in
    (folder / "mark").touch()
    assert open_dataset(str(archive), tmp_path / "data") == folder
    assert (folder / "mark").exists()
    assert visible(tmp_path / "data") == ["My 图.v2"] and hidden(tmp_path / "data") == [".My 图.v2.source"]


def test_a_changed_archive_is_unpacked_again(images, tmp_path):
    archive = pack_zip(tmp_path / "a.zip", {"train/1.png": b"1"})
    folder = open_dataset(archive, tmp_path / "data")
    assert folder == tmp_path / "data" / "a"
    pack_zip(archive, {"train/2.png": b"two"})
    assert open_dataset(archive, tmp_path / "data") == folder
    assert [path.name for path in folder.rglob("*.png")] == ["2.png"]
    archive.write_bytes(b"PK\3\4 damaged")
    with pytest.raises(ValueError, match=r"a\.zip is no sound archive"):
        open_dataset(archive, tmp_path / "data")
    assert [path.name for path in folder.rglob("*.png")] == ["2.png"]


def test_a_folder_of_the_users_own_is_not_replaced(images, tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    with pytest.raises(FileExistsError, match=r"data/a is there already, and not from .*a\.zip"):
        open_dataset(pack_zip(tmp_path / "a.zip", images), tmp_path / "data")
    assert (tmp_path / "data" / "a").is_dir()


def test_an_address_is_fetched_once(server, images, tmp_path):
    server.body = pack(images)
    address = f"{server.base}/files/my%20pairs.tar.gz?download=1"
    for _ in range(2):
        assert open_dataset(address, tmp_path / "data") == tmp_path / "data" / "my pairs"
    assert server.asked == [("/files/my%20pairs.tar.gz?download=1", None)]
    assert visible(tmp_path / "data") == ["my pairs"] and hidden(tmp_path / "data") == [".my pairs.source"]


def test_two_addresses_of_one_name_are_not_mixed(server, images, tmp_path):
    server.body, server.always = pack(images | {"notes": os.urandom(3_000_000)}), {"until": 600_000}
    with pytest.raises(ConnectionError, match=r"The 1,572,864 bytes that have come are kept"):
        open_dataset(f"{server.base}/mine/a.tar.gz", tmp_path / "data")
    server.always = {}
    assert open_dataset(f"{server.base}/yours/a.tar.gz", tmp_path / "data") == tmp_path / "data" / "a"
    assert server.ranges[-1] is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/facades.tar.gz", "facades-own"),
        ("/..", "archive"),
        ("/...zip", "archive"),
        ("/", "archive"),
        ("/.hidden.tgz", "hidden"),
        ("/%2e%2e%2f%2e%2e%2fup.zip", "up"),
        ("/a/..%5c..%00.TAR.XZ", "_.._"),
        (f"/{'x' * 300}.zip", "x" * 100),
    ],
)
def test_an_address_does_not_lead_out_of_the_root(server, images, tmp_path, path, name):
    server.body = pack(images)
    assert open_dataset(server.base + path, tmp_path / "data") == tmp_path / "data" / name
    assert visible(tmp_path) == ["data", "elsewhere"]


@pytest.fixture
def google(server, monkeypatch) -> SimpleNamespace:
    """Google Drive, whose addresses lead to the server."""
    get = requests.Session.get
    to_server = lambda self, url, **options: get(self, url.replace("https://drive.google.com", server.base), **options)  # noqa: E731
    monkeypatch.setattr(requests.Session, "get", to_server)
    server.headers = {"Content-Disposition": 'attachment; filename="a.zip"', "Content-Type": "application/octet-stream"}
    return server


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
def test_a_drive_link_is_fetched_once(google, link, images, tmp_path):
    google.body = pack(images)
    form = f'<form id="download-form" action="{google.base}/get?id={ID}"><input type="hidden" name="confirm" value="t">'
    page = {"Content-Disposition": None, "Content-Type": "text/html"}
    google.faults = [{"body": form.encode(), "headers": page}]  # Google can't scan it for viruses
    for _ in range(2):
        assert open_dataset(link, tmp_path / "data") == tmp_path / "data" / f"drive-{ID}"
    assert [path for path, _ in google.asked] == [f"/uc?id={ID}", f"/get?id={ID}&confirm=t"]
    assert hidden(tmp_path / "data") == [f".drive-{ID}.source"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": b"<p>sign in</p>"}, "Cannot retrieve the public link of the file"),
        (
            {"body": b'<p class="uc-error-subcaption">Too many users have viewed it.</p>'},
            "Too many users have viewed it",
        ),
        ({"status": 404, "headers": {}}, "it answers 404 Not Found"),
        ({"body": b"<html>", "headers": {}}, "it gave a web page"),
    ],
)
def test_what_drive_refuses_gets_a_sentence(google, answer, reason, tmp_path):
    google.always = {"headers": {"Content-Disposition": None, "Content-Type": "text/html"}} | answer
    advice = "share it as 'Anyone with the link', or, if its quota is used up, wait up to 24 hours or use a copy"
    with pytest.raises(
        ConnectionError, match=rf"^Google Drive doesn't give the file {ID} \(.*{reason}.*\): {advice}\.$"
    ):
        open_dataset(ID, tmp_path / "data")
    assert visible(tmp_path / "data") == hidden(tmp_path / "data") == []


def test_a_drive_file_that_does_not_fit_is_told_before_it_comes_and_resumed(google, images, tmp_path, monkeypatch):
    google.body = pack(images | {"tiny/notes": os.urandom(3_000_000)})
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=6_000_000))
        with pytest.raises(OSError, match=r"0\.01 GB are needed, .*resumes with the 524,288 bytes"):
            open_dataset(ID, tmp_path / "data")
    assert visible(open_dataset(ID, tmp_path / "data")) == ["tiny"]
    assert google.ranges == [None, None, "bytes=524288-"]


def test_what_is_no_archive_on_drive_gets_a_sentence(google, tmp_path):
    google.body = b"no archive"
    with pytest.raises(ValueError, match=rf"^{ID} is no sound archive"):
        open_dataset(ID, tmp_path / "data")
    for link in (
        f"https://drive.google.com/drive/folders/{ID}",
        "https://drive.google.com/",
        f"https://docs.google.com/{ID}é",
    ):
        with pytest.raises(
            ValueError, match="is no link to a file on Google Drive: share one archive, and copy its link"
        ):
            open_dataset(link, tmp_path / "data")
    assert visible(tmp_path / "data") == hidden(tmp_path / "data") == []


@pytest.mark.parametrize("where", ["nothing", "", "  ", "no/such.zip", "ftp://a/b.zip", "~nobody/x"])
def test_anything_else_gets_a_sentence(where, tmp_path):
    expected = rf"^There is nothing at {re.escape(repr(where.strip()))}: give the name of a data set \(facades, .*Drive"
    with pytest.raises(FileNotFoundError, match=expected):
        open_dataset(where, tmp_path / "data")
    assert not (tmp_path / "data").exists()
