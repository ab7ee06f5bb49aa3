"""The weights of an exported program: plain numbers, as many as the file holds of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_exactile.models.files.archive import Member, ModelFileError
from napari_exactile.models.ways_out import EXPORTED

_FILE = re.compile(r"(weight|tensor)_[0-9]{1,9}")
_NAME = re.compile(r"[\w.+\- ]+")


def check_payloads(path: Path, members: Sequence[Member], kind: str, config: Any) -> dict[str, Any]:
    """Return the table of tensors, names to places, each of which a file in the archive is long enough for.

    `kind` is weights or constants. Raises ModelFileError for pickled ones, objects, and tensors that would
    take more memory than the archive holds.
    """
    sizes = {member.name.partition(f"/data/{kind}/")[2]: member.size for member in members}
    table = config.get("config") if isinstance(config, dict) else None
    if not isinstance(table, dict):
        raise ModelFileError(f"{path} is damaged: its table of {kind} cannot be read; copy it again")
    for name, one in table.items():
        if not isinstance(one, dict) or not _NAME.fullmatch(name):
            raise ModelFileError(f"{path} is damaged: {name[:80]!r} is none of its {kind}; copy it again")
        if one.get("use_pickle") is not False or not _FILE.fullmatch(str(one.get("path_name"))):
            raise ModelFileError(
                f"{path} holds {name} as a pickle or an object, which runs code when it is loaded: {EXPORTED}"
            )
        if not _fits(one.get("tensor_meta"), sizes.get(one["path_name"], -1)):
            raise ModelFileError(f"{path} is damaged: {name} is larger than its numbers; copy it again")
        one["tensor_meta"]["device"] = {"type": "cpu", "index": None}
    return {"config": table}


def _fits(meta: Any, size: int) -> bool:
    """Return whether a tensor has no more numbers than its file has bytes, and all sizes are known."""
    try:
        lengths = [length["as_int"] for length in meta["sizes"]]
    except (KeyError, TypeError):
        return False
    known = all(isinstance(length, int) and 0 <= length <= size for length in lengths)
    return known and math.prod(lengths) <= size
