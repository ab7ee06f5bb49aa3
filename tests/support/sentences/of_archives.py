"""Zip archives that are damaged, mean harm, or hold what no model has."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import napari_exactile as ex
from napari_exactile.models.files.archive import check_zip, read
from sentences.table import Rows

ROWS = Rows("archives")
ANEW = "save it anew where it was made"
CENTRAL, END = b"PK\1\2", b"PK\5\6"


def zipped(folder: Path, *names: str, data: bytes = b"x", pack: int = zipfile.ZIP_STORED) -> Path:
    """A zip archive of files of these names."""
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "net.zip", "w") as file:
        warnings.simplefilter("ignore")  # two files of one name
        for name in names:
            file.writestr(zipfile.ZipInfo(name), data, compress_type=pack)
    return folder / "net.zip"


def patched(path: Path, mark: bytes, offset: int, kind: str, *values: int) -> Path:
    """Write numbers so far behind every mark."""
    data = bytearray(path.read_bytes())
    place = data.find(mark)
    while place >= 0:
        struct.pack_into(kind, data, place + offset, *values)
        place = data.find(mark, place + 1)
    path.write_bytes(data)
    return path


@ROWS.says("{folder}/net.pt is a device or a pipe and not a file: name the file of a model")
def pipe(folder: Path) -> Any:
    os.mkfifo(folder / "net.pt")
    return ex.load_model(folder / "net.pt")


@ROWS.says(f"{{folder}}/net.zip holds two files called a/b, and either could be meant: {ANEW}")
def two_of_one_name(folder: Path) -> Any:
    return ex.load_model(zipped(folder, "a/b", "A/B"))


@ROWS.says(f"{{folder}}/net.zip holds a file called '../up', which would lie outside of its folder: {ANEW}")
def name_that_leads_out(folder: Path) -> Any:
    return ex.load_model(zipped(folder, "../up"))


@ROWS.says(f"{{folder}}/net.zip holds a file called 'a\\x07', which is no name of a file: {ANEW}")
def name_that_is_none(folder: Path) -> Any:
    return ex.load_model(zipped(folder, "a\a"))


@ROWS.says("{folder}/net.zip is encrypted (a): save it without a password")
def encrypted(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, "a"), CENTRAL, 8, "<H", 1))


@ROWS.says(f"{{folder}}/net.zip holds a, which is packed in a way that is not known: {ANEW}")
def packed_otherwise(folder: Path) -> Any:
    return ex.load_model(zipped(folder, "a", pack=zipfile.ZIP_LZMA))


@ROWS.says(f"{{folder}}/net.zip holds a, which is a link or a device and not a file: {ANEW}")
def link(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, "a"), CENTRAL, 38, "<I", 0o120777 << 16))


@ROWS.says(
    "{folder}/net.zip would grow from ... to 209715200 bytes when unpacked, and no model does: " + ANEW
)
def bomb(folder: Path) -> Any:
    return ex.load_model(zipped(folder, "a", data=bytes(200 << 20), pack=zipfile.ZIP_DEFLATED))


@ROWS.says(
    "{folder}/net.zip needs 42949672950 bytes when unpacked, and 34359738368 are the limit: name the file of "
    "a model"
)
def larger_than_any_model(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, *"abcdefghij"), CENTRAL, 24, "<I", 0xFFFFFFFF))


@ROWS.says("{folder}/net.zip lists 60000 files, and a model has 50000 at most: name the file of a model")
def many_files(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, "a"), END, 8, "<HH", 60000, 60000))


@ROWS.says("{folder}/net.zip is a damaged zip archive, perhaps cut off: copy it again")
def list_that_is_none(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, "a"), CENTRAL, 0, "<I", 0))


@ROWS.says("{folder}/net.zip is a damaged zip archive: its files are not where it says; copy it again")
def file_elsewhere(folder: Path) -> Any:
    path = patched(zipped(folder, "a"), END, 16, "<I", 1000)
    return read(path, check_zip(path)[0].name)


@ROWS.says(
    "{folder}/net.zip is a zip archive that cannot be read: it is damaged, or packed in a way that is not "
    f"known; copy it again, or {ANEW}"
)
def newer_than_known(folder: Path) -> Any:
    return ex.load_model(patched(zipped(folder, "a"), CENTRAL, 6, "<H", 99))
