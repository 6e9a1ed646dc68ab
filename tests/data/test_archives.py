"""Archives of every kind, sound, damaged and hostile: all of it in its folder, or nothing anywhere."""

import errno
import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pix2pix_colab.data.downloads import archives as module
from pix2pix_colab.data.downloads.archives import unpack

FILES = {"set/train/1.jpg": os.urandom(3000), "set/test/Größe und 图 2.jpg": os.urandom(2000), "set/notes.txt": b""}
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def member(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


def pack(file: Path, files: dict[str, bytes] = FILES, *more, mode: str | None = None) -> Path:
    """As a zip or tar, by the name; ``more`` are members of a tar."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return file
    with tarfile.open(file, mode or TARS[file.name.removeprefix("a")]) as packed:
        for info, content in [*(member(*item) for item in files.items()), *more]:
            packed.addfile(info, content)
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(archive: Path, error: type, match: str) -> None:
    """With a sentence, and nothing of it is left, inside of the folder or outside."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(error, match=match):
        unpack(archive, archive.parent / "out")
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_every_kind_is_unpacked_whatever_its_name(tmp_path, suffix):
    archive = pack(tmp_path / f"a{suffix}").rename(tmp_path / "odd name")
    assert unpack(archive, tmp_path / "out") == tmp_path / "out"
    assert contents(tmp_path / "out") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd name", "out"]


def test_an_older_folder_is_replaced_but_not_by_a_damaged_archive(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").touch()
    archive = pack(tmp_path / "a.zip")
    archive.write_bytes((whole := archive.read_bytes())[:-30])
    assert_refused(archive, ValueError, "no sound archive")
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_backslashes_lead_into_folders_and_what_macos_adds_is_left_out(tmp_path, name):
    files = {"train\\1.jpg": b"!", "__MACOSX/set/._1.jpg": b"!"}
    unpack(pack(tmp_path / name, files), tmp_path / "out")
    assert contents(tmp_path / "out") == {"train/1.jpg": b"!"}
    assert_refused(pack(tmp_path / name, {}), ValueError, "it holds no files")


def test_a_missing_archive_gets_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no archive .*a\.zip"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_errors_name_the_label(tmp_path):
    (tmp_path / "a").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"^http://x/y is no sound archive \(.+\): fetch or pack it again\.$"):
        unpack(tmp_path / "a", tmp_path / "out", "http://x/y")


@pytest.mark.parametrize("content", [b"", b"\n<html>gone</html>", b"PK\3\4", b"\x1f\x8b", b"BZh9", os.urandom(2000)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    assert_refused(tmp_path / "a.zip", ValueError, "web page" if b"<" in content[:2] else "is no sound archive")


@pytest.mark.parametrize("suffix", [".zip", *TARS])
@pytest.mark.parametrize("at", [0.3, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, suffix, at):
    archive = pack(tmp_path / f"a{suffix}")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(at * (len(whole) if suffix != ".tar" else 8192))])
    assert_refused(archive, ValueError, "is no sound archive")


@pytest.mark.parametrize("damage", [lambda tar: tar[:3584], lambda tar: tar[:3604] + b"?" + tar[3605:]])
def test_a_tar_that_ends_between_two_files_or_in_a_damaged_header_is_refused(tmp_path, damage):
    archive = pack(tmp_path / "a.tar")
    archive.write_bytes(damage(archive.read_bytes()))
    assert_refused(archive, ValueError, "it breaks off")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
@pytest.mark.parametrize("at", [0.4, "checksum"])
def test_a_damaged_archive_is_refused(tmp_path, suffix, at):
    """A checksum: that of the first file in a zip's directory, or that at a .gz's end."""
    archive = pack(tmp_path / f"a{suffix}")
    damaged = bytearray(archive.read_bytes())
    if at == "checksum":
        position = {".zip": damaged.find(b"PK\1\2") + 16, ".tar.gz": -8}.get(suffix, -20)
    else:
        position = int(at * len(damaged))
    damaged[position] ^= 255
    archive.write_bytes(damaged)
    assert_refused(archive, ValueError, "is no sound archive")


LINK = "set/link is a link or a device: pack the file itself"
ESCAPES = {
    "..": (("../escaped", b"!"), {}, "lies outside of its folder"),
    "in the middle": (("set/train/../../../escaped", b"!"), {}, "lies outside of its folder"),
    "backslash": (("set\\..\\..\\..\\escaped", b"!"), {}, "lies outside of its folder"),
    "out": (("set/link",), {"type": tarfile.SYMTYPE, "linkname": "../../.."}, LINK),
    "inside": (("set/link",), {"type": tarfile.SYMTYPE, "linkname": "train"}, LINK),
    "hard link": (("set/link",), {"type": tarfile.LNKTYPE, "linkname": "../secret"}, LINK),
    "hard link inside": (("set/link",), {"type": tarfile.LNKTYPE, "linkname": "set/train/1.jpg"}, LINK),
    "character device": (("set/link",), {"type": tarfile.CHRTYPE}, LINK),
    "block device": (("set/link",), {"type": tarfile.BLKTYPE}, LINK),
    "pipe": (("set/link",), {"type": tarfile.FIFOTYPE}, LINK),
    "long name": (("x", bytes(2 << 20)), {"type": tarfile.GNUTYPE_LONGNAME}, r"a header of 2,097,\d+ bytes"),
}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar"])
@pytest.mark.parametrize(("content", "fields", "reason"), ESCAPES.values(), ids=ESCAPES)
def test_a_tar_that_reaches_out_is_refused(tmp_path, name, content, fields, reason):
    (tmp_path / "secret").write_bytes(b"secret")
    archive = pack(tmp_path / name, FILES, member(*content, **fields), member("set/link/x", b"!"))
    assert_refused(archive, ValueError, rf"is no sound archive \(.*{reason}")


@pytest.mark.parametrize("name", ["../escaped", "set/../../escaped", "..\\escaped"])
def test_a_zip_that_reaches_out_is_refused(tmp_path, name):
    assert_refused(pack(tmp_path / "a.zip", FILES | {name: b"!"}), ValueError, "lies outside of its folder")


def test_an_absolute_path_is_taken_for_a_relative_one(tmp_path):
    outside = tmp_path / "escaped"
    for name in ("a.zip", "a.tar"):
        unpack(pack(tmp_path / name, {str(outside): b"!"}), tmp_path / "out")
        assert contents(tmp_path / "out") == {str(outside)[1:]: b"!"}
        assert not outside.exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    assert_refused(tmp_path / "a.zip", ValueError, "link is a link or a device: pack the file itself")


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = pack(tmp_path / "a.zip")
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(signature) + flags] |= 1
    archive.write_bytes(content)
    assert_refused(archive, ValueError, r"set/train/1\.jpg is encrypted: pack it without a password")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.bz2"])
def test_a_bomb_is_refused(tmp_path, monkeypatch, suffix):
    """8 MB in some kB, a thousandth, by ratio; nothing is written."""
    monkeypatch.setattr(module, "SLACK", 0)
    for packed in (zipfile.ZipFile, tarfile.TarFile):
        monkeypatch.setattr(packed, "extractall", lambda *_, **__: pytest.fail("it is extracted"))
    archive = pack(tmp_path / f"a{suffix}", {f"{i}.jpg": bytes(1 << 20) for i in range(8)})
    assert_refused(archive, ValueError, r"it unpacks to over [\d,]+ bytes or 1,000,000 files")


@pytest.mark.parametrize("declared", [0, 1])
def test_a_bomb_that_declares_nothing_is_refused(tmp_path, monkeypatch, declared):
    """20 MB that a zip's directory says are a byte: no more than that byte is extracted, and its checksum is wrong."""
    archive, written, copy = pack(tmp_path / "a.zip", {"x": bytes(20 << 20)}), [], shutil.copyfileobj
    content = bytearray(archive.read_bytes())
    size = content.find(b"PK\1\2") + 24
    content[size : size + 4] = declared.to_bytes(4, "little")
    archive.write_bytes(content)

    def watch(source, target, *rest):
        try:
            copy(source, target, *rest)
        finally:
            written.append(target.tell())

    monkeypatch.setattr(shutil, "copyfileobj", watch)
    assert_refused(archive, ValueError, "Bad CRC-32")
    assert written in ([0], [declared])


def test_a_bomb_behind_the_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SLACK", 0)
    plain = pack(tmp_path / "a.tar", {"x": b"!"}).read_bytes() + bytes(20 << 20)
    (tmp_path / "a.tar").write_bytes(gzip.compress(plain))
    assert_refused(tmp_path / "a.tar", ValueError, "too much data follows the last member")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 2)
    for name in ("a.zip", "a.tar"):
        assert_refused(pack(tmp_path / name), ValueError, "or 2 files")


def test_a_disk_that_is_too_small_gets_a_sentence(tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.zip")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2500))
    with pytest.raises(
        OSError, match=r"a\.zip can't be unpacked into .*out \(0\.00 GB are needed.*\): free some"
    ) as caught:
        unpack(archive, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == [archive]


def test_a_disk_that_refuses_is_not_called_full(tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.tar")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tarfile, "copyfileobj", refuse)
    sentence = r"a\.tar can't be unpacked into .*out \(Permission denied\): look at its permissions and its disk\.$"
    assert_refused(archive, PermissionError, sentence)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_gets_full_gets_a_sentence(tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.tar")
    monkeypatch.setattr(tarfile, "copyfileobj", lambda *_, **__: Path("/dev/full").write_bytes(b"x"))
    assert_refused(archive, OSError, r"a\.tar can't be unpacked .*\(No space left on device\)")
