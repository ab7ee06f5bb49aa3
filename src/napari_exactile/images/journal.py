"""Records of what is done, appended one by one so that a crash at any moment loses at most the last."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from zlib import crc32

Record = dict[str, Any]


class Journal:
    """A file of records, one line each, with the checksum of the line in front.

    Only whole lines count: what a crash cut off, or a disk has changed, is as if it had never been written.
    One process at a time; `read_only` leaves the file as it is. Raises OSError where it cannot be read or
    written.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._path = path
        self.records = records_in(path)
        if path.exists() and not read_only:
            self._cut()

    def _cut(self) -> None:
        """Remove a line that was cut off: the next record would continue it."""
        text = self._path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(self._path, whole)

    def append(self, record: Record) -> None:
        """Write one record; it is on the disk when this returns, and not in the file where this raises."""
        payload = json.dumps(record, separators=(",", ":")).encode()
        with self._path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                _write_all(file, b"%08x %s\n" % (crc32(payload), payload))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        self.records.append(record)


def records_in(path: Path) -> list[Record]:
    """Return the records of a journal that another process may be writing; nothing is changed."""
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    return [record for line in whole.splitlines() if (record := _parsed(line)) is not None]


def _parsed(line: bytes) -> Record | None:
    checksum, _, payload = line.partition(b" ")
    if checksum != b"%08x" % crc32(payload):
        return None
    record: Record = json.loads(payload)
    return record


def _write_all(file: Any, line: bytes) -> None:
    """Write to an unbuffered file, which may take less than everything at once where the disk is full."""
    written = 0
    while written < len(line):
        written += file.write(line[written:])


def write_json(path: Path, content: Any) -> None:
    """Write a file that appears under its name only when it is complete and on the disk."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path) -> Any:
    """Return what `write_json` wrote; raises ValueError for a file that is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
