"""The text of a settings file: TOML, read and written by libraries, with mistakes said in a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from napari_exactile.images.store.guard import partial_of
from napari_exactile.why import why

HEAD = "# Settings of napari-exactile, for `exactile segment --settings`, scripts and the dock.\n\n"
# A settings file has a few hundred bytes: what is as large as this is something else.
LARGEST = 2**20


def read_text(path: Path) -> dict[str, Any]:
    """Return the tables of a file; raises ValueError for what cannot be read, or is no TOML, saying where."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} is no settings file, as it is larger than 1 MiB: choose another file")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({why(error)}): choose another settings file") from error
    try:
        found: dict[str, Any] = msgspec.toml.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML{_place(error)}: correct it there, or save it anew") from error
    return found


def write_text(path: Path, content: Mapping[str, Any]) -> None:
    """Write these tables, as a whole or not at all; raises ValueError where that cannot be done."""
    partial = partial_of(path)
    try:
        partial.write_text(as_text(content), encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ValueError(f"{path} cannot be written ({why(error)}): choose another place") from error


def as_text(content: Mapping[str, Any]) -> str:
    """Return these tables as TOML."""
    return HEAD + msgspec.toml.encode(dict(content)).decode()


def _place(error: Exception) -> str:
    """Return where a library has stumbled, as far as it says so."""
    if "(at end of document)" in str(error):
        return " (it ends too early)"
    found = re.search(r"\(at (line \d+), (column \d+)\)", str(error))
    return f" (in {found[1]}, {found[2]})" if found else " in UTF-8" * isinstance(error, UnicodeDecodeError)
