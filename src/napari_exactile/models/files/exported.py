"""Files of torch.export (.pt2), loaded without running what is in them.

torch.export.load trusts a file: it unpickles sample inputs, constants and old weights with all that pickle
can do, evaluates sizes and guards as Python, imports modules that a description of inputs names, and puts
names of arguments into source code. So torch never sees the file: what is data is copied into a new one,
every text of the program is checked against what such a text may be, and sample inputs are made anew.
"""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils._pytree import tree_map, treespec_loads

from napari_exactile.geometry.words import joined
from napari_exactile.models.files.archive import Member, ModelFileError, below, check_zip, listed, read
from napari_exactile.models.files.expressions import UnsafeExpressionError
from napari_exactile.models.files.payloads import check_payloads
from napari_exactile.models.files.program import UnsafeProgramError, cleaned
from napari_exactile.models.ways_out import EXPORTED as AGAIN
from napari_exactile.torch_state import without_triton

JSON_BYTES = 256 << 20
_PROGRAM, _SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_PAYLOADS = ("data/weights/", "data/constants/")
_OWN = re.compile(r"models/[^/]+\.json$|data/aotinductor/")
_OLD = {"serialized_exported_program.json", "serialized_state_dict.pt", "serialized_constants.pt"}


def is_exported(members: Sequence[Member]) -> bool:
    """Return whether an archive holds what torch.export.save writes, or wrote until torch 2.8."""
    names = {member.name for member in members}
    return bool(names & _OLD) or any(_OWN.match(below(name)) for name in names)


def load_exported(path: str | Path) -> ExportedProgram:
    """Return the program in a file of torch.export.save, on the CPU; nothing of it has run.

    Raises ModelFileError for what is no such file or holds more than a network: pickles, compiled code,
    objects of Python, operators that do more than compute, text that is more than arithmetic with sizes.
    """
    path = Path(path)
    members = check_zip(path)
    if not is_exported(members):
        raise ModelFileError(
            f"{path} is no exported program, but holds {listed(m.name for m in members)}: name the file that "
            "torch.export.save has written"
        )
    _check_members(path, members)
    try:
        program = cleaned(_json(path, members, _PROGRAM))
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "network.pt2"
            _write(path, members, program, copy)
            return _loaded(path, copy)
    except (UnsafeExpressionError, UnsafeProgramError) as error:
        raise ModelFileError(
            f"{path} holds more than a network can need, and is not loaded: {error}; {AGAIN}"
        ) from error


def _check_members(path: Path, members: Sequence[Member]) -> None:
    """Refuse what torch would unpickle, load as a library, or read in an old way."""
    names = {below(member.name): member for member in members}
    if any(member.name in _OLD for member in members):
        raise ModelFileError(f"{path} is in the format of torch before 2.8, which holds pickles: {AGAIN}")
    if any(name.startswith("data/aotinductor/") for name in names):
        raise ModelFileError(f"{path} holds compiled machine code (AOTInductor), not a network: {AGAIN}")
    old = [name for name in names if name.startswith(_PAYLOADS) and name.endswith(".pt")]
    if old:
        raise ModelFileError(f"{path} holds pickled weights ({old[0]}): {AGAIN}")
    programs = [name for name in names if name.startswith("models/")]
    if programs != [_PROGRAM]:
        raise ModelFileError(f"{path} holds {joined(programs) or 'no program'}, not one program: {AGAIN}")


def _json(path: Path, members: Sequence[Member], name: str) -> Any:
    found = [member for member in members if below(member.name) == name]
    if len(found) != 1 or found[0].size > JSON_BYTES:
        raise ModelFileError(f"{path} is damaged: it has no {name}, or one that is too large; copy it again")
    try:
        return json.loads(read(path, found[0].name))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: {name} cannot be read; copy it again") from error


def _write(path: Path, members: Sequence[Member], program: dict[str, Any], copy: Path) -> None:
    """Write a new archive of the cleaned program, its weights as plain numbers, and inputs made for it."""
    texts: dict[str, bytes | str] = {
        "archive_format": "pt2", "archive_version": "0", "byteorder": _byteorder(path, members),
        ".data/version": "6\n", _PROGRAM: json.dumps(program), _SAMPLES: _samples(program),
    }  # fmt: skip
    for kind in ("weights", "constants"):
        name = f"data/{kind}/model_{kind}_config.json"
        texts[name] = json.dumps(check_payloads(path, members, kind, _json(path, members, name)))
    data = {below(m.name): m for m in members if below(m.name).startswith(_PAYLOADS)}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name, text in texts.items():
            target.writestr(f"network/{name}", text)
        for name in sorted(data.keys() - texts.keys()):
            with (
                source.open(data[name].name) as file,
                target.open(f"network/{name}", "w", force_zip64=True) as new,
            ):
                shutil.copyfileobj(file, new, 1 << 20)


def _byteorder(path: Path, members: Sequence[Member]) -> str:
    order = next((read(path, m.name) for m in members if below(m.name) == "byteorder"), b"little")
    return "big" if order.strip() == b"big" else "little"


def _samples(program: dict[str, Any]) -> bytes:
    """Return inputs of the right structure: torch reads from it which input the guards are about."""
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    spec = treespec_loads(call["in_spec"])
    file = io.BytesIO()
    torch.save(tree_map(lambda _: torch.zeros(1), spec.unflatten([0] * spec.num_leaves)), file)
    return file.getvalue()


def _loaded(path: Path, copy: Path) -> ExportedProgram:
    logger = logging.getLogger("torch.export")
    before, logger.disabled = logger.disabled, True  # it would print tracebacks of what is said in a sentence
    try:
        with warnings.catch_warnings(), without_triton():
            warnings.simplefilter("ignore")
            return torch.export.load(copy)
    except Exception as error:  # damaged programs fail in every way
        raise ModelFileError(
            f"{path} cannot be read as an exported program: it is damaged, or from another version of torch; "
            f"copy it again, or {AGAIN}"
        ) from error
    finally:
        logger.disabled = before
