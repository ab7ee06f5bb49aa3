"""The tensors that a pickle of torch describes: each lies within its numbers, and these are all there.

torch believes what a pickle says of the length of a record, and reads on behind its end.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PICKLE_BYTES = 16 << 20  # names, shapes and the like, without the weights
DEPTH = 200  # of lists in lists; what torch makes of them is taken apart one inside the other

_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1,
    "Bool": 1, "ComplexDouble": 16, "ComplexFloat": 8, "Untyped": 1,
    "Float8_e5m2": 1, "Float8_e4m3fn": 1, "Float8_e5m2fnuz": 1, "Float8_e4m3fnuz": 1,
    "UInt16": 2, "UInt32": 4, "UInt64": 8,
}  # fmt: skip


class DamagedPickleError(ValueError):
    """A pickle that cannot be read, or describes tensors that are not there."""


class OtherNumbersError(ValueError):
    """A pickle with numbers of a kind that no network computes with here; the sentence has no subject."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a pickle names, and which fields of which classes hold objects of which class."""

    names: frozenset[str]
    holds: frozenset[tuple[str, str, str]]


def check_tensors(data: bytes, sizes: Mapping[str, int]) -> Described:
    """Return what a pickle describes, once all of its tensors lie in records of just the right length.

    `sizes` are the lengths of the records by their keys, in bytes. Nothing that is named is called: what only
    remembers its arguments stands for it. Raises DamagedPickleError or OtherNumbersError.
    """
    reader = _read(data)
    if any(sizes.get(key, 0) != length for key, length in reader.records):
        raise DamagedPickleError("a tensor is not as long as its numbers")
    return Described(frozenset(reader.stand_ins), frozenset(_holds(reader.made)))


def bytes_of_tensors(data: bytes) -> int:
    """Return in how many bytes the numbers lie of the tensors that a pickle of torch < 1.6 describes.

    There, they lie behind it, each record behind its length. Raises as `check_tensors` does.
    """
    return sum(8 + length for _key, length in set(_read(data).records))


def _read(data: bytes) -> _Reader:
    """Return what has read a pickle, all of whose tensors lie in their records."""
    reader = _Reader(io.BytesIO(data))
    try:
        _check_positions(data)
        found = reader.load()
        depth = _depth(found, {})
    except (DamagedPickleError, OtherNumbersError):
        raise
    except Exception as error:  # damaged pickles fail in every way
        raise DamagedPickleError("its pickle cannot be read") from error
    if depth > DEPTH:
        raise DamagedPickleError("its pickle is nested too deeply")
    return reader


def other_numbers(kind: str) -> str:
    """Return what is to be said of a file with numbers of a kind that is not computed with."""
    return f"holds numbers of the type {kind}, which are not computed with: save it in float32"


class _Named:
    """Stands for what a class or function of the pickle would make."""

    name = ""
    held: list[Any]
    made: list[_Named]

    def __new__(cls, *arguments: Any) -> _Named:
        if cls.name == "torch._utils._rebuild_tensor_v2":
            _check_within(*arguments[:4])
        made = super().__new__(cls)
        made.held = list(arguments)
        cls.made.append(made)
        return made

    def __setstate__(self, state: Any) -> None:
        self.held = [state]

    def __setitem__(self, key: Any, value: Any) -> None:  # of an ordered dictionary
        self.held.append(value)


class _Storage:
    """Stands for numbers in a record."""

    def __init__(self, count: int) -> None:
        self.count = count


class _Reader(pickle.Unpickler):
    """Reads a pickle without calling anything that it names."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, fix_imports=False)
        self.records: list[tuple[str, int]] = []
        self.stand_ins: dict[str, type[_Named]] = {}
        self.made: list[_Named] = []

    def find_class(self, module: str, name: str) -> type[_Named]:
        """Return what stands for a class or function."""
        full = f"{module}.{name}"
        fields = {"name": full, "made": self.made}
        return self.stand_ins.setdefault(full, type("Named", (_Named,), fields))

    def persistent_load(self, found: Any) -> _Storage:
        """Return what stands for numbers, and note in which record they are, and how many bytes."""
        kind, type_, key, _device, count, *_view = found  # of a part of a record, in files of old
        numbers = type_.name.rpartition(".")[2].removesuffix("Storage")
        if type_.name.startswith("torch.") and numbers not in _BYTES:
            raise OtherNumbersError(other_numbers(numbers))
        element = _BYTES[numbers]
        if kind != "storage" or not isinstance(key, str) or not _is_count(count):
            raise DamagedPickleError("its pickle cannot be read")
        self.records.append((key, count * element))
        return _Storage(count)


def _check_within(storage: Any, offset: Any, size: Any, stride: Any) -> None:
    """Raise DamagedPickleError unless a tensor lies in its storage."""
    if not isinstance(storage, _Storage) or not all(map(_is_count, (offset, *size, *stride))):
        raise DamagedPickleError("a tensor has no size")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) and last >= storage.count:
        raise DamagedPickleError("a tensor reaches behind the end of its numbers")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 62


def _check_positions(data: bytes) -> None:
    """Refuse places for remembered values that no counting leads to: memory is reserved up to them."""
    for opcode, argument, _position in pickletools.genops(data):
        if opcode.name in {"BINPUT", "LONG_BINPUT", "PUT"} and int(argument or 0) > len(data):
            raise DamagedPickleError("its pickle cannot be read")


def _depth(one: Any, known: dict[int, int]) -> int:
    """Return how deeply a value is nested; what holds itself is so too deeply."""
    if id(one) not in known:
        known[id(one)] = DEPTH
        known[id(one)] = 1 + max((_depth(part, known) for part in _parts(one)), default=0)
    return known[id(one)]


def _holds(made: Iterable[_Named]) -> Iterator[tuple[str, str, str]]:
    """Yield (class, field, class of an object in it) for all objects of classes in the source."""
    for owner in made:
        state = owner.held[0] if _is_object(owner) and owner.held else None
        for field, value in state.items() if isinstance(state, dict) else ():
            yield from ((owner.name, str(field), inner) for inner in _classes_in(value))


def _classes_in(value: Any) -> Iterator[str]:
    if _is_object(value):
        yield value.name
    else:
        for part in _parts(value):
            yield from _classes_in(part)


def _is_object(value: Any) -> bool:
    return isinstance(value, _Named) and value.name.startswith("__torch__.")


def _parts(one: Any) -> Iterable[Any]:
    if isinstance(one, dict):
        return (part for pair in one.items() for part in pair)
    return one.held if isinstance(one, _Named) else one if isinstance(one, list | tuple) else ()
