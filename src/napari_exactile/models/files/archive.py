"""Zip archives that people bring: looked at before anything is read, and unpacked without surprises.

Whoever made the file may want to fill a disk, to write where nobody asked for it, or to show one reader of
zip files another content than the next. None of that is found out by unpacking: it is refused before.
"""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from napari_exactile.geometry.words import counted

MEMBERS = 50_000
DIRECTORY_BYTES = 16 << 20  # the list of members, which is read at once
TOTAL_BYTES = 32 << 30
# Weights hardly shrink: what grows a hundred times is no model. Small files may hold much that is empty.
GROWTH, ALWAYS_BYTES = 100, 64 << 20
STORED_OR_DEFLATED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
SAVED_ANEW = "save it anew where it was made"
_END, _LOCATOR, _END64 = b"PK\5\6", b"PK\6\7", b"PK\6\6"


class ModelFileError(ValueError):
    """A file that is no model, is damaged, or asks for what is not safe; the sentence names the file.

    >>> import napari_exactile as ex
    >>> try:
    ...     ex.load_model("nothing.pt")
    ... except ex.ModelFileError as error:
    ...     print(error)
    there is no file nothing.pt
    """


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name with forward slashes, relative and without "..", and its bytes."""

    name: str
    size: int


def require_file(path: Path) -> None:
    """Raise ModelFileError unless `path` is a file with something in it."""
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder: name a file in it")
    if not path.exists():
        raise ModelFileError(f"there is no file {path}")
    if not path.is_file():
        raise ModelFileError(f"{path} is a device or a pipe and not a file: name the file of a model")
    if path.stat().st_size == 0:
        raise ModelFileError(f"{path} is empty: it was perhaps not copied to its end; copy it again")


def is_zip(path: Path) -> bool:
    """Return whether the file begins as zip files do."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def below(name: str) -> str:
    """Return the name of a member without the folder that all of torch's files lie in."""
    return name.partition("/")[2]


def listed(names: Iterable[str]) -> str:
    """Return the first names and how many there are."""
    names = list(names)
    return f"{counted(len(names), 'file')} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def check_zip(path: Path) -> tuple[Member, ...]:
    """Return the files in a zip archive, all of them safe to read and to unpack.

    Safe: plain names that stay below a folder and differ; not encrypted; MEMBERS at most, TOTAL_BYTES at most
    when unpacked, and no more than GROWTH times the bytes of the archive. Raises ModelFileError otherwise.
    """
    require_file(path)
    with _opened(path) as archive:
        infos = archive.infolist()
    _check_sizes(path, infos)
    for info in infos:
        _check_member(path, info)
    names = [PurePosixPath(info.filename).as_posix().casefold() for info in infos]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ModelFileError(
            f"{path} holds two files called {twice}, and either could be meant: {SAVED_ANEW}"
        )
    return tuple(Member(info.filename, info.file_size) for info in infos if not info.is_dir())


def read(path: Path, name: str) -> bytes:
    """Return one file of a checked archive; raises ModelFileError where it is damaged."""
    with _opened(path) as archive, archive.open(name) as member:
        return member.read(archive.getinfo(name).file_size)


def copy(path: Path, into: Path, texts: Mapping[str, bytes | str], kept: Mapping[str, str]) -> None:
    """Write a new archive of `texts` and of files of a checked one, of which `kept` gives the new names.

    Whatever reads the copy finds what was checked and nothing else. Raises ModelFileError where the archive
    is damaged or there is no room for the copy.
    """
    with _opened(path) as source, zipfile.ZipFile(into, "w") as target:
        _require_room(path, sum(source.getinfo(old).file_size for old in kept.values()), into.parent)
        for name, text in texts.items():
            target.writestr(name, text)
        for new, old in kept.items():
            with source.open(old) as file, target.open(new, "w", force_zip64=True) as written:
                shutil.copyfileobj(file, written, 1 << 20)


def extract(path: Path, into: Path) -> tuple[Path, ...]:
    """Unpack a zip archive into a folder and return the files; nothing is written outside of it.

    The archive is checked first (`check_zip`), and no file gets more bytes than its archive says. Raises
    ModelFileError for an archive that is not safe or damaged.
    """
    members = check_zip(path)
    _require_room(path, sum(member.size for member in members), into)
    with _opened(path) as archive:
        return tuple(_unpack(archive, member, into / member.name) for member in members)


def _require_room(path: Path, size: int, folder: Path) -> None:
    if size > (free := shutil.disk_usage(folder).free):
        raise ModelFileError(
            f"{path} needs {size} bytes when unpacked, and {folder} has {free} left: make room there"
        )


def _unpack(archive: zipfile.ZipFile, member: Member, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A reader of zip files never gives more than was declared, and ends with an error if there is more.
    with archive.open(member.name) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    return target


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose list of members is small enough to be read; errors become one sentence."""
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ModelFileError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, struct.error, zlib.error) as error:
        raise ModelFileError(f"{path} is a damaged zip archive, perhaps cut off: copy it again") from error
    except (NotImplementedError, RuntimeError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"{path} is a zip archive that cannot be read: it is damaged, or packed in a way that is not "
            f"known; copy it again, or {SAVED_ANEW}"
        ) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # What stands before the beginning, or so far behind the end that no file has such places.
        raise ModelFileError(
            f"{path} is a damaged zip archive: its files are not where it says; copy it again"
        ) from error


def _check_directory(path: Path) -> None:
    """Refuse what readers could understand differently: bytes before or behind, a list of any length."""
    if not is_zip(path):
        raise ModelFileError(
            f"{path} is no zip archive, though it should be one: copy it again from where it came from"
        )
    with path.open("rb") as file:
        file.seek(-min(22, path.stat().st_size), 2)
        end = file.read()
        if not end.startswith(_END) or end[-2:] != b"\0\0":
            raise ModelFileError(
                f"{path} is a zip archive that does not end as one: it was cut off or added to; copy it again"
            )
        count, size = struct.unpack_from("<HI", end, 10)
        if count == 0xFFFF or size == 0xFFFFFFFF:
            count, size = _large(file)
    if count > MEMBERS or size > DIRECTORY_BYTES:
        raise ModelFileError(
            f"{path} lists {count} files, and a model has {MEMBERS} at most: name the file of a model"
        )


def _large(file: BinaryIO) -> tuple[int, int]:
    """Return how many members a large archive lists, and in how many bytes."""
    file.seek(-42, 2)
    signature, _disk, offset, _disks = struct.unpack("<4sIQI", file.read(20))
    if signature != _LOCATOR:
        return 0, 0  # the numbers were meant as they stand; a reader will complain
    file.seek(offset)
    record = file.read(56)
    if not record.startswith(_END64):
        raise zipfile.BadZipFile("its list of files is not where it should be")
    count, size = struct.unpack_from("<QQ", record, 32)
    return count, size


def _check_sizes(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    total, whole = sum(info.file_size for info in infos), path.stat().st_size
    if total > TOTAL_BYTES:
        raise ModelFileError(
            f"{path} needs {total} bytes when unpacked, and {TOTAL_BYTES} are the limit: name the file "
            "of a model"
        )
    if total > max(GROWTH * whole, ALWAYS_BYTES):
        raise ModelFileError(
            f"{path} would grow from {whole} to {total} bytes when unpacked, and no model does: {SAVED_ANEW}"
        )


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    windows = PureWindowsPath(name)
    if windows.drive or windows.root or ".." in windows.parts or "\\" in info.orig_filename or ":" in name:
        raise ModelFileError(
            f"{path} holds a file called {name!r}, which would lie outside of its folder: {SAVED_ANEW}"
        )
    if not name.isprintable() or not windows.parts or "\0" in info.orig_filename:
        raise ModelFileError(
            f"{path} holds a file called {info.orig_filename!r}, which is no name of a file: {SAVED_ANEW}"
        )
    if info.flag_bits & 0x1:
        raise ModelFileError(f"{path} is encrypted ({name}): save it without a password")
    if info.compress_type not in STORED_OR_DEFLATED:
        raise ModelFileError(f"{path} holds {name}, which is packed in a way that is not known: {SAVED_ANEW}")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise ModelFileError(f"{path} holds {name}, which is a link or a device and not a file: {SAVED_ANEW}")
