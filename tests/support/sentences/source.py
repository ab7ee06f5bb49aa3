"""The sentences that stand in the source where something is raised, to be found among those of the table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import napari_exactile

SOURCE = Path(napari_exactile.__file__).parent
ANY = ".*"
# What only an error of the program can raise.
INTERNAL = {"RuntimeError", "TypeError", "IndexError", "KeyError", "AssertionError"}


@dataclass(frozen=True)
class Raised:
    """A sentence in the source: where it stands, its beginning for people, and what matches it."""

    file: str
    text: str
    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


def raised_in(*rooms: str) -> Iterator[Raised]:
    """Yield the sentences that these rooms raise, as far as their words stand there."""
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE)
        if file.parts[0] in rooms:
            yield from _in_file(file.as_posix(), ast.parse(path.read_text(encoding="utf-8")))


def _in_file(file: str, tree: ast.Module) -> Iterator[Raised]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    before = [
                        one for one in ast.walk(function) if getattr(one, "lineno", node.lineno) < node.lineno
                    ]
                    yield from _raised(file, node.exc, _assigned(tree.body) | _assigned(before))


def _raised(file: str, call: ast.Call, known: Mapping[str, ast.expr]) -> Iterator[Raised]:
    if ast.unparse(call.func) in INTERNAL:
        return
    found = [_pattern(argument, known) for argument in call.args]
    words = max(found, key=lambda one: len(one.replace(ANY, "")), default="")
    if len(words.replace(ANY, "")) > 8:
        text = re.sub(r"\\(.)", r"\1", words.replace(ANY, "{}"))
        yield Raised(file, text, re.compile(words))


def _assigned(body: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Return what names stand for, the last time that they were given something."""
    assigned = sorted((node for node in body if isinstance(node, ast.Assign)), key=lambda node: node.lineno)
    return {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}


def _pattern(node: ast.expr, known: Mapping[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=values):
            return "".join(_pattern(value, known) for value in values)
        case ast.FormattedValue(value=value):
            return _pattern(value, known)
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return _pattern(left, known) + _pattern(right, known)
        case ast.Name(id=name) if name in known:
            return _pattern(known[name], {other: value for other, value in known.items() if other != name})
    return ANY
