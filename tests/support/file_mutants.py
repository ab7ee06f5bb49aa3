"""What disks, crashes and people do to a file: cut, deleted, of another kind, one field of it changed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cuts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the beginnings of a file: within its header, and behind it."""
    size = len(content)
    for length in sorted(
        {0, 1, 2, 4, 6, 7, 8, 9, 12, 16, 40, size // 4, size // 2, size * 3 // 4, size - 8, size - 1}
    ):
        if 0 <= length < size:
            yield f"cut to {length}", content[:length]


OTHERS = {
    "text": b"This is no image, but a letter.\n" * 9,
    "null": b"null",
    "list": b"[]",
    "nothing": b"{}",
    "number": b"5",
    "word": b'"a"',
    "zeros": bytes(500),
    "letters of no code": b"\xff\xfe\x00\x81\x8d" * 60,
    "nested": b"[" * 5000,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(90),
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(90),
    "zip": b"PK\x03\x04" + bytes(90),
    "npy": b"\x93NUMPY\x01\x00" + bytes(90),
    "tiff": b"II*\0" + bytes(90),
}
VALUES: tuple[Any, ...] = (
    None,
    -1,
    0,
    "x",
    "",
    [],
    {},
    [[]],
    [None],
    {"x": 1},
    1e9,
    10**30,
    True,
    [-1, -1],
    [1],
)


def fields(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file of JSON with each of its fields removed, and of another kind."""
    try:
        whole = json.loads(content)
    except ValueError:
        return
    for place in [*_places(whole)]:
        for value in (*VALUES, ...):
            yield (
                f"{'.'.join(map(str, place))} = {'removed' if value is ... else repr(value)}",
                _with(whole, place, value),
            )


def _places(part: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in pairs:
        yield (*before, key)
        yield from _places(value, (*before, key))


def _with(whole: Any, place: tuple[Any, ...], value: Any) -> bytes:
    copy = json.loads(json.dumps(whole))
    part = copy
    for key in place[:-1]:
        part = part[key]
    if value is ...:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return json.dumps(copy).encode()


SHAPES = (
    b"(-70,90)",
    b"(70,-90)",
    b"(0,  90)",
    b"(70.,90)",
    b"7000,900",
    b"()      ",
    b"None    ",
    b"(99999,)",
)
TYPES = (b"'|O' ", b"'<c8'", b"'<U2'", b"'<M8'", b"'xx' ", b"None ", b"'|V2'")
# What a header says, and what it may say instead.
HEADERS = (
    *((b"(70, 90)", shape) for shape in SHAPES), *((b"'<u2'", kind) for kind in TYPES),
    (b"'descr'", b"'other'"), (b"False", b"'no' "), (b"{", b"("), (b"\x93NUMPY\x01", b"\x93NUMPY\x09"),
)  # fmt: skip


def headers(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield .npy files whose headers say something else."""
    for old, new in HEADERS:
        if old in content[:128]:
            yield f"{old!r} is {new!r}", content.replace(old, new, 1)


def changes(name: str, content: bytes, seeds: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield all that is tried with one file, with its content then; None: it is deleted."""
    yield "deleted", None
    yield from cuts(content)
    yield from OTHERS.items()
    yield from headers(content) if name.endswith(".npy") else ()
    for seed in range(seeds):
        yield f"flip {seed}", flip(content[:400], random.Random(seed)) + content[400:]
        yield f"flips {seed}", _flips(content, random.Random(seed))


def _flips(content: bytes, chance: random.Random) -> bytes:
    for _ in range(20):
        content = flip(content[:600], chance) + content[600:]
    return content
