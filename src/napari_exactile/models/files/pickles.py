"""Look into pickles without running them: which classes and functions of Python they would call."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from napari_exactile.geometry.words import joined
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.ways_out import IN_TORCH, ONLY_TORCH, PICKLED, TENSORS

# What the pickles of tensors name, apart from the tensors themselves.
_HARMLESS = {"collections.OrderedDict", "torch.Size", "torch.device", "torch.nn.parameter.Parameter"}
_DTYPES = {"float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"}
_STRINGS = {
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "UNICODE",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_MAGIC = 0x1950A86A20F9469CFC6C  # what torch < 1.6 begins its files with
# Whose objects are no networks of PyTorch, by what their names begin with.
_NETWORKS = {
    "keras": "Keras",
    "tensorflow": "TensorFlow",
    "jax": "JAX",
    "flax": "JAX",
    "paddle": "PaddlePaddle",
}
_OTHERS = {"sklearn": "scikit-learn", "joblib": "joblib", "xgboost": "XGBoost", "lightgbm": "LightGBM"}
_PLAIN = {"numpy", "_codecs", "collections", "builtins", "copyreg", "copy_reg", "__builtin__"}


@dataclass(frozen=True, slots=True)
class Scan:
    """What pickles name, dotted and in order, and their newest protocol."""

    names: tuple[str, ...]
    protocol: int

    @property
    def code(self) -> tuple[str, ...]:
        """The names that are more than tensors and what holds them: code that would be run."""
        return tuple(name for name in self.names if name not in _HARMLESS and not _of_tensors(name))


def scan(stream: BinaryIO, what: str, pickles: int = 1) -> Scan:
    """Return what is in so many pickles in a row, of which nothing is run.

    Raises ModelFileError, with `what` as the subject, for what is no pickle.
    """
    names, protocols = dict[str, None](), [0]
    try:
        for _ in range(pickles):
            names.update(dict.fromkeys(_read(stream, protocols)))
    except Exception as error:  # damaged pickles fail in every way
        raise ModelFileError(f"{what} is damaged: its pickle cannot be read; copy it again") from error
    return Scan(tuple(names), max(protocols))


def is_of_torch(stream: BinaryIO) -> bool:
    """Return whether pickles begin with the number that torch < 1.6 wrote first into each of its files."""
    with suppress(Exception):  # whatever it is, torch has not written it
        return any(argument == _MAGIC for _code, argument, _position in islice(pickletools.genops(stream), 4))
    return False


def what_is_pickled(stream: BinaryIO) -> tuple[str, str]:
    """Return what a pickle is that torch has not written, and what to do; nothing of it is run."""
    names, ended = dict[str, None](), False
    with suppress(Exception):  # arrays of joblib stand between the parts of its pickles
        for name in _read(stream, [0]):
            names[name] = None
        ended = True
    packages = [name.partition(".")[0] for name in names]
    for known, remedy in ((_NETWORKS, IN_TORCH), (_OTHERS, ONLY_TORCH)):
        if library := next((known[package] for package in packages if package in known), None):
            return f"a pickle of {library}", remedy
    if not names and not ended:
        return "damaged", "its pickle cannot be read; copy it again"
    if all(package in _PLAIN for package in packages):
        held = "arrays of numpy" if any(name.startswith("numpy") for name in names) else "numbers and texts"
        return f"a pickle of {held}, which torch has not written", TENSORS
    return f"a pickle of Python ({joined(list(names), 3)}), which torch has not written", PICKLED


def _read(stream: BinaryIO, protocols: list[int]) -> Iterator[str]:
    """Yield the names of a pickle; from protocol 4 on they are two strings that were pushed or remembered."""
    strings, memo = ["", ""], dict[int, str]()
    opcodes: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]] = pickletools.genops(stream)
    for opcode, argument, _position in opcodes:
        if opcode.name in _STRINGS:
            strings = [strings[-1], str(argument)]
        elif opcode.name in {"MEMOIZE", "BINPUT", "LONG_BINPUT"}:
            memo[len(memo) if argument is None else argument] = strings[-1]
        elif opcode.name in {"BINGET", "LONG_BINGET"}:
            strings = [strings[-1], memo.get(argument, "")]
        elif opcode.name == "PROTO":
            protocols.append(argument)
        elif opcode.name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings)


def _of_tensors(name: str) -> bool:
    module, _, last = name.rpartition(".")
    if module == "torch._utils":
        return last.startswith("_rebuild_")
    return module in {"torch", "torch.storage"} and (last.endswith("Storage") or last in _DTYPES)
