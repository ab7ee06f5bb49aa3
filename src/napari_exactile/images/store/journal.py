"""Records of what is done, appended one by one so that a crash at any moment loses at most the last."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

# What a line says, or a file of JSON.
Content = dict[str, Any]

DAMAGED = "is damaged, or was cut off: put it back as it was written"
# In every line, the number of lines before it: so that lines are missed.
NUMBER = "line"


@dataclass(frozen=True, slots=True)
class Lines:
    """The records of all lines that can be read, and how many lines are unreadable, missing or there twice.

    `cut` says that the last line has no end, as a crash leaves it. Lines of earlier versions have no numbers:
    of these, none is missed.
    """

    records: tuple[Content, ...] = ()
    unreadable: int = 0
    missing: int = 0
    doubled: int = 0
    cut: bool = False

    @property
    def lost(self) -> int:
        """Lines that were written and cannot be read any more."""
        return self.unreadable + self.missing


class Journal:
    """A file of records, one line each, with the checksum of the line in front.

    Only whole lines count: what a crash cut off, or a disk has changed, is as if it had never been written.
    `found` is what lay in the file; without damage it stays as it was, else the good lines are written anew.
    One process at a time; `read_only` leaves the file as it is until `mend`. Raises OSError where it cannot
    be read or written.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._path = path
        self.found = lines_in(path)
        self.records = list(self.found.records)
        if not read_only:
            self.mend()

    def mend(self) -> None:
        """Leave nothing in the file but good lines: the next one would continue one that was cut off."""
        if not self._path.exists():
            return
        if self.found.lost or self.found.doubled:
            write_lines(self._path, self.records)
        elif self.found.cut:
            text = self._path.read_bytes()
            os.truncate(self._path, text.rfind(b"\n") + 1)

    def append(self, record: Content) -> None:
        """Write one record; it is on the disk when this returns, and not in the file where this raises."""
        line = _line(len(self.records), record)
        with self._path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                _write_all(file, line)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        self.records.append(record)


def lines_in(path: Path) -> Lines:
    """Return what is in a journal that another process may be writing; nothing is changed."""
    *whole, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    # No two lines are the same; of one that is there twice, the first stands where it was written.
    distinct = dict.fromkeys(whole)
    records = [record for line in distinct if (record := _parsed(line)) is not None]
    numbers = [number for record in records if (number := record.pop(NUMBER, None)) is not None]
    missing = max(numbers, default=-1) + 1 - len(distinct)
    unreadable, doubled = len(distinct) - len(records), len(whole) - len(distinct)
    return Lines(tuple(records), unreadable, max(0, missing), doubled, bool(rest))


def records_in(path: Path) -> list[Content]:
    """Return the records of a journal that another process may be writing; nothing is changed."""
    return list(lines_in(path).records)


def write_lines(path: Path, records: Iterable[Content]) -> None:
    """Write a journal of these records, which appears only when it is complete and on the disk."""
    _write(path, b"".join(_line(number, record) for number, record in enumerate(records)))


def _line(number: int, record: Content) -> bytes:
    payload = json.dumps({NUMBER: number} | record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (crc32(payload), payload)


def _parsed(line: bytes) -> Content | None:
    checksum, _, payload = line.partition(b" ")
    if checksum != b"%08x" % crc32(payload):
        return None
    try:
        record: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and type(record.get(NUMBER, 0)) is int else None


def _write_all(file: Any, line: bytes) -> None:
    """Write to an unbuffered file, which may take less than everything at once where the disk is full."""
    written = 0
    while written < len(line):
        written += file.write(line[written:])


def write_json(path: Path, content: Any) -> None:
    """Write a file that appears under its name only when it is complete and on the disk."""
    _write(path, (json.dumps(content, indent=2) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path) -> Content:
    """Return what `write_json` wrote, a mapping; raises ValueError for a file that is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} {DAMAGED}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} {DAMAGED}")
    return found
