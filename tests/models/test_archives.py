"""An archive is unpacked within its limits and inside its folder, or not at all."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from napari_exactile.models.files import archive
from napari_exactile.models.files.archive import ModelFileError, check_zip, extract, read


def zipped(path: Path, *names: str, data: bytes = b"x", **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name), data, compress_type=how.get("compression"))
    return path


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up", "a/../../up", "C:/windows", "C:up", "..\\up", "\\\\server\\share", "a\\b",
     "a/..", "new\nline", "bell\a"],
)  # fmt: skip
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    """Absolute names, names with .., drives and backslashes are refused, and nothing is unpacked."""
    path = zipped(tmp_path / "net.zip", "good", name)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(ModelFileError, match=r"net\.zip holds a file called"):
        extract(path, into)
    assert list(into.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    """A symbolic link in an archive could point anywhere."""
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as file:
        file.writestr(info, "/etc")
    with pytest.raises(ModelFileError, match="link"):
        check_zip(tmp_path / "net.zip")


@pytest.mark.parametrize("names", [("a/b", "a/b"), ("a/b", "A/B"), ("a/b", "a//b"), ("a/b", "a/./b")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """Readers of zip files would disagree about which one counts."""
    with pytest.raises(ModelFileError, match="two files called a/b"):
        check_zip(zipped(tmp_path / "net.zip", *names))


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    """An archive that grows a thousand times is refused without being unpacked: memory stays small."""
    path = zipped(tmp_path / "net.zip", "zeros", data=bytes(200 << 20), compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="would grow from"):
        extract(path, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert not (tmp_path / "zeros").exists()


def test_a_file_gets_no_more_than_was_declared(tmp_path: Path) -> None:
    """An archive that understates a size is damaged: not one byte more is written."""
    path = zipped(tmp_path / "net.zip", "zeros", data=bytes(1 << 20), compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(signature) + offset, 10)
    path.write_bytes(data)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(ModelFileError, match="damaged"):
        extract(path, into)
    assert sum(file.stat().st_size for file in into.iterdir()) <= 10


def test_too_many_files_and_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits hold for the number of files and for their sum."""
    path = zipped(tmp_path / "net.zip", *map(str, range(10)))
    assert len(check_zip(path)) == 10
    monkeypatch.setattr(archive, "MEMBERS", 9)
    with pytest.raises(ModelFileError, match="lists 10 files, and a model has 9 at most"):
        check_zip(path)
    monkeypatch.setattr(archive, "MEMBERS", 10)
    monkeypatch.setattr(archive, "TOTAL_BYTES", 9)
    with pytest.raises(ModelFileError, match="needs 10 bytes when unpacked, and 9 are the limit"):
        check_zip(path)


def test_encrypted_archives_are_refused(tmp_path: Path) -> None:
    """A password is not asked for."""
    path = zipped(tmp_path / "net.zip", "secret")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="encrypted"):
        check_zip(path)


def test_good_archives_are_unpacked(tmp_path: Path) -> None:
    """Files and folders of a good archive arrive as they are."""
    path = zipped(tmp_path / "net.zip", "a/", "a/b.txt", "c", data=b"")
    assert [member.name for member in check_zip(path)] == ["a/b.txt", "c"]
    into = tmp_path / "into"
    into.mkdir()
    assert extract(path, into) == (into / "a" / "b.txt", into / "c")


@pytest.mark.parametrize("wrong", [0, 1, 0x7F, 0x80, 0xFF])
def test_every_byte_of_the_list_may_be_wrong(tmp_path: Path, wrong: int) -> None:
    """Wherever the list of members is damaged, reading gives what is there or one sentence."""
    good = zipped(tmp_path / "good.zip", "a", "b/c").read_bytes()
    path, begin = tmp_path / "net.zip", good.index(b"PK\1\2")
    for place in range(begin, len(good)):
        path.write_bytes(good[:place] + bytes([wrong]) + good[place + 1 :])
        with suppress(ModelFileError):
            for member in check_zip(path):
                read(path, member.name)
    for change in (b"PK\1\2", b"PK\5\6"):  # four bytes at once
        for place in range(good.index(change) + 4, len(good) - 4):
            path.write_bytes(good[:place] + bytes([wrong] * 4) + good[place + 4 :])
            with suppress(ModelFileError):
                for member in check_zip(path):
                    read(path, member.name)
