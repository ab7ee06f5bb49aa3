"""Ways to damage a store, one file at a time: what disks, crashes and people do to files, by a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from file_mutants import changes, fields, flip


@dataclass(frozen=True)
class Mutant:
    """What was done to which file of a store."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))] if content else b""


def empty(content: bytes, chance: random.Random) -> bytes:
    return b""


def null(content: bytes, chance: random.Random) -> bytes:
    return b"null"


def shape(content: bytes, chance: random.Random) -> bytes:
    """Change one number, list, word or mapping somewhere in a file of JSON."""
    try:
        whole = json.loads(content)
    except ValueError:
        return flip(content, chance)
    holder, key = chance.choice(list(_places(whole)))
    holder[key] = _other(holder[key], chance)
    return json.dumps(whole).encode()


def _places(part: Any) -> Any:
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in list(pairs):
        yield part, key
        yield from _places(value)


def _other(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.3:
        return chance.choice([None, -1, "x", [], {}, [[]], 1e9])
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return chance.choice([value + 1, -value, value * 2, 0])
    if isinstance(value, dict):
        return dict(list(value.items())[1:]) if value else {"x": 1}
    return f"{value}x" if isinstance(value, str) else value[1:] or [1]


def _lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    def changed(content: bytes, chance: random.Random) -> bytes:
        lines = content.splitlines(keepends=True)
        if lines:
            change(lines, chance)
        return b"".join(lines)

    return changed


def _remove(lines: list[bytes], chance: random.Random) -> None:
    del lines[chance.randrange(len(lines))]


def _remove_several(lines: list[bytes], chance: random.Random) -> None:
    for _ in range(chance.randint(2, 1 + len(lines))):
        if lines:
            _remove(lines, chance)


def _double(lines: list[bytes], chance: random.Random) -> None:
    lines.insert(chance.randint(0, len(lines)), chance.choice(lines))


def _spoil(lines: list[bytes], chance: random.Random) -> None:
    place = chance.randrange(len(lines))
    lines[place] = flip(lines[place][:-1], chance).replace(b"\n", b" ") + b"\n"


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": cut, "empty": empty, "flip": flip, "null": null, "shape": shape,
    "line removed": _lines(_remove), "lines removed": _lines(_remove_several),
    "line doubled": _lines(_double), "line spoilt": _lines(_spoil),
}  # fmt: skip


ANY = ("cut", "empty", "flip", "null", "shape")


def files_in(store: Path) -> list[str]:
    """Return the names of all files that count."""
    names = (path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())
    return sorted(name for name in names if name != "exactile/lock")


def damage(store: Path, seed: int) -> Mutant:
    """Damage one file of a store, and return what was done."""
    chance = random.Random(seed)
    # Chunks are many and alike: every kind of file is as likely.
    names = files_in(store)
    groups = [[n for n in names if "/c/" in n], *([n] for n in names if "/c/" not in n)]
    name = chance.choice(chance.choice([group for group in groups if group]))
    kinds = [*KINDS, "deleted"] if name.endswith("journal") else [*ANY, "deleted"]
    return damaged(store, name, chance.choice(kinds), chance)


def damaged(store: Path, name: str, kind: str, chance: random.Random) -> Mutant:
    """Damage this file in this way."""
    path = store / name
    if kind == "deleted":
        path.unlink()
    else:
        path.write_bytes(KINDS[kind](path.read_bytes(), chance))
    return Mutant(name, kind)


def said_otherwise(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a journal in which one line says something else, with the checksum that it has to have."""
    lines = content.splitlines()
    for place, line in enumerate(lines):
        payload = line.partition(b" ")[2]
        for name, other in [*_OTHERWISE, *fields(payload)]:
            changed = [*lines[:place], b"%08x %s" % (crc32(other), other), *lines[place + 1 :]]
            yield f"line {place}: {name}", b"\n".join(changed) + b"\n"


_OTHERWISE = [
    (f"is {text}", text.encode()) for text in ("null", "[]", "{}", "5", '"a"', "[[]]", '{"line":0}', "no", "")
]


def small_mutants(store: Path, seed: int, count: int) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield so many ways to damage each file but chunks: its name, what is done, and its content then."""
    for name in (name for name in files_in(store) if "/c/" not in name):
        content = (store / name).read_bytes()
        found = [*changes(name, content, 4), *(fields(content) if name.endswith(".json") else ())]
        found += said_otherwise(content) if name.endswith("journal") else ()
        for done, changed in random.Random(f"{seed} {name}").sample(found, min(count, len(found))):
            yield name, done, changed
