"""The source in a TorchScript file, written anew from what was understood of it before torch reads it.

torch runs some of it while it loads a file: __setstate__, and whatever stands for the default of an argument
or the value of a constant. Written anew, there is nothing that could be read in two ways.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CODE_BYTES = 8 << 20  # the largest of fifty networks has 0.4 MB

_STATEMENTS = (
    ast.FunctionDef, ast.ClassDef, ast.Return, ast.Delete, ast.Assign, ast.AugAssign, ast.AnnAssign,
    ast.For, ast.While, ast.If, ast.With, ast.Raise, ast.Assert, ast.Expr, ast.Pass, ast.Break, ast.Continue,
    ast.Import,
)  # fmt: skip
_EXPRESSIONS = (
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.List, ast.Tuple, ast.Compare, ast.Call,
    ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Name,
)  # fmt: skip
_PARTS = (
    ast.Module, ast.arguments, ast.arg, ast.keyword, ast.withitem, ast.alias,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
_KNOWN = (*_STATEMENTS, *_EXPRESSIONS, *_PARTS)
# What a default or a constant is made of: numbers, texts, lists, types and weights.
_PLAIN = (
    ast.Constant, ast.UnaryOp, ast.USub, ast.UAdd, ast.Tuple, ast.List, ast.Dict, ast.Name, ast.Attribute,
    ast.Subscript, ast.Load, ast.Call,
)  # fmt: skip
_PLAIN_CALLS = {"float", "annotate", "torch.device"}


class UnsafeSourceError(ValueError):
    """Source that runs while it is loaded, or is none of TorchScript."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source of TorchScript, its classes by their names with the types of their fields, and interfaces."""

    text: bytes
    classes: Mapping[str, Mapping[str, str]]
    interfaces: frozenset[str]


def rewritten(source: bytes) -> Source:
    """Return source of TorchScript with the same meaning, of which nothing runs while it is loaded.

    Raises UnsafeSourceError for anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A character for a byte: what is in texts stays as it is, in whatever encoding.
            tree = ast.parse(source.decode("latin-1"))
            for node in ast.walk(tree):
                _check(node)
            classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
            fields = {node.name: _fields(node) for node in classes}
            interfaces = frozenset(node.name for node in classes if _is_interface(node))
            text = ast.unparse(_Texts().visit(tree))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise UnsafeSourceError("has source that is none of TorchScript") from error
    if "__setstate__" in text:
        raise UnsafeSourceError("would run code while it is loaded (__setstate__)")
    if "torch.classes" in text:
        raise UnsafeSourceError("holds objects of torch.classes, which are not computed by tiles")
    return Source((text + "\n").encode("latin-1"), fields, interfaces)


def _is_interface(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) in {"Interface", "ModuleInterface"} for base in node.bases)


def _fields(node: ast.ClassDef) -> dict[str, str]:
    """Return the types of a class's fields; names that are no words stand in __annotations__."""
    found = {}
    for one in node.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                found[name] = ast.unparse(kind)
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=kind):
                found[name] = ast.unparse(kind)
    return found


class _Texts(ast.NodeTransformer):
    """Writes texts as TorchScript reads them: it knows fewer escapes than Python."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return a text as a name, which is written as it stands."""
        if not isinstance(node.value, str):
            return node
        return ast.Name(f'"{"".join(map(_escaped, node.value))}"', ast.Load())


def _escaped(letter: str) -> str:
    if ord(letter) > 0xFF:
        raise UnsafeSourceError("has source that is none of TorchScript")
    return letter if " " <= letter <= "~" and letter not in '"\\' else f"\\{ord(letter):03o}"


def _check(node: ast.AST) -> None:
    if not isinstance(node, _KNOWN):
        raise UnsafeSourceError(f"has source that is none of TorchScript ({type(node).__name__})")
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list:
        raise UnsafeSourceError("has source that is none of TorchScript (decorators)")
    match node:
        case ast.Call(func=ast.Name(id="unchecked_cast"), args=[kind, *_]) if "__torch__" in ast.unparse(
            kind
        ):
            raise UnsafeSourceError(f"takes a value for a {ast.unparse(kind)[:80]} without a look")
    for value in _run_by_loading(node):
        for part in ast.walk(value):
            if not isinstance(part, _PLAIN) or not _is_plain_call(part):
                raise UnsafeSourceError(f"would run code while it is loaded ({ast.unparse(value)[:80]})")


def _run_by_loading(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what torch evaluates when it comes across a function or a class."""
    if isinstance(node, ast.arguments):
        yield from node.defaults
        yield from (value for value in node.kw_defaults if value is not None)
    if isinstance(node, ast.ClassDef):
        statements = [one for one in node.body if not isinstance(one, ast.FunctionDef | ast.Pass)]
        yield from (value for one in statements if (value := getattr(one, "value", None)) is not None)
        if any(not isinstance(one, ast.Assign | ast.AnnAssign) for one in statements):
            raise UnsafeSourceError("has source that is none of TorchScript (statements in a class)")


def _is_plain_call(node: ast.AST) -> bool:
    return not isinstance(node, ast.Call) or ast.unparse(node.func) in _PLAIN_CALLS
