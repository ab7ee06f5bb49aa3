"""The arithmetic with sizes that exported programs hold as text, and torch evaluates as Python.

Only what is arithmetic passes: whoever can write any other expression into a file runs code with it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

LENGTH = 5_000  # the longest of a hundred networks has 440 characters
NUMBER = 1 << 63
POWER = 8  # powers of sizes are products; numbers to the power of numbers could take any time

_OPERATORS = (
    ast.Expression | ast.Load | ast.BinOp | ast.Add | ast.Sub | ast.Mult | ast.FloorDiv | ast.Div | ast.Mod
    | ast.UnaryOp | ast.USub | ast.UAdd | ast.Not | ast.BoolOp | ast.And | ast.Or
    | ast.Compare | ast.Eq | ast.NotEq | ast.Lt | ast.LtE | ast.Gt | ast.GtE
)  # fmt: skip
_SYMBOL = re.compile(r"[a-z]{1,3}[0-9]{1,6}")
_POWERS = {"Pow", "PowByNatural", "FloatPow"}
_FUNCTIONS = {
    "Add", "Mul", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "ModularIndexing",
    "IntTrueDiv", "FloatTrueDiv", "ToFloat", "TruncToInt", "FloorToInt", "CeilToInt", "RoundToInt",
    "Identity", "Where", "And", "Or", "Not", "Rational",
    "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan",
    "Eq", "Ne", "Lt", "Le", "Gt", "Ge",
}  # fmt: skip
# Until torch 2.13 the largest of two is max(a, b), since 2.14 torch.sym_max(a, b).
_GUARD_FUNCTIONS = {
    "max", "min", "abs", "round", "math.floor", "math.ceil", "math.trunc",
    "torch.sym_max", "torch.sym_min", "torch.sym_float", "torch.sym_int", "torch.sym_not",
}  # fmt: skip
_CONSTANTS = {"true", "false", "True", "False"}
_ASSUMPTIONS = {"positive", "integer", "nonnegative", "real", "finite", "zero", "nonzero"}


class UnsafeExpressionError(ValueError):
    """An expression that is more than arithmetic with sizes."""


def size_expression(text: str) -> str:
    """Return an expression of sympy such as Mul(Integer(2), Symbol('s0', integer=True)), or 2*s0 + 1.

    It is written anew from what was understood. Raises UnsafeExpressionError for anything else.
    """
    return _rewritten(text, _check_size)


def guard(text: str) -> str:
    """Return a condition on the sizes of inputs such as L['x'].size()[3] // 2 != 1.

    It is written anew from what was understood. Raises UnsafeExpressionError for anything else.
    """
    return _rewritten(text, _check_guard)


def _rewritten(text: str, check: Callable[[ast.AST, str], None]) -> str:
    if len(text) > LENGTH:
        raise UnsafeExpressionError(f"an expression of {len(text)} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        check(tree, text)
        return ast.unparse(tree)
    except UnsafeExpressionError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnsafeExpressionError(_shown(text)) from error


def _check_size(node: ast.AST, text: str) -> None:
    match node:
        case ast.Constant(value=value):
            _require(_is_number(value), text)
        case ast.Name(id=name):
            _require(bool(_SYMBOL.fullmatch(name)) or name in _CONSTANTS, text)
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))], keywords=assumed):
            _require(bool(_SYMBOL.fullmatch(name)), text)
            _require(all(_is_assumption(one) for one in assumed), text)
        case ast.Call(func=ast.Name(id="Integer"), args=[argument], keywords=[]):
            _require(_is_number(_value(argument)), text)
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str(digits))], keywords=more):
            _require(bool(re.fullmatch(r"-?[0-9.]{1,40}(e[+-]?[0-9]{1,3})?", digits)), text)
            _require(all(one.arg == "precision" and _value(one.value) == 53 for one in more), text)
        case ast.Call(func=ast.Name(id=name), args=[base, exponent], keywords=[]) if name in _POWERS:
            _require(_is_power(base, exponent), text)
            _check_size(base, text)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            _require(_is_power(base, exponent), text)
            _check_size(base, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            _require(name in _FUNCTIONS, text)
            for argument in arguments:
                _check_size(argument, text)
        case _:
            _check_children(node, text, _check_size)


def _check_guard(node: ast.AST, text: str) -> None:
    match node:
        case ast.Constant(value=value):
            _require(_is_number(value), text)
        case ast.Subscript(
            value=ast.Call(func=ast.Attribute(value=owner, attr="size" | "stride"), args=[], keywords=[]),
            slice=ast.Constant(value=int()),
        ):
            _require(_is_input(owner), text)
        case ast.Call(func=ast.Attribute(value=owner, attr="storage_offset"), args=[], keywords=[]):
            _require(_is_input(owner), text)
        case ast.Call(func=function, args=arguments, keywords=[]):
            _require(ast.unparse(function) in _GUARD_FUNCTIONS, text)
            for argument in arguments:
                _check_guard(argument, text)
        case ast.IfExp():
            for part in ast.iter_child_nodes(node):
                _check_guard(part, text)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            _require(_is_power(base, exponent), text)
            _check_guard(base, text)
        case _:
            _check_children(node, text, _check_guard)


def _check_children(node: ast.AST, text: str, check: Callable[[ast.AST, str], None]) -> None:
    _require(isinstance(node, _OPERATORS), text)
    for child in ast.iter_child_nodes(node):
        check(child, text)


def _is_input(node: ast.AST) -> bool:
    """Return whether it is L['x'], or L['images'][0] and the like."""
    match node:
        case ast.Subscript(value=ast.Name(id="L"), slice=ast.Constant(value=str(name))):
            return name.isidentifier()
        case ast.Subscript(value=inner, slice=ast.Constant(value=str() | int() as key)):
            return _is_input(inner) and (isinstance(key, int) or key.isidentifier())
    return False


def _is_number(value: object) -> bool:
    # True and False are numbers too.
    return isinstance(value, int | float) and abs(value) < NUMBER


def _is_power(base: ast.AST, exponent: ast.AST) -> bool:
    """Return whether a power stays small: powers of powers would not."""
    value = _value(exponent)
    powers = (ast.unparse(node.func) in _POWERS for node in ast.walk(base) if isinstance(node, ast.Call))
    inner = any(powers) or any(isinstance(node, ast.Pow) for node in ast.walk(base))
    return isinstance(value, int | float) and 0 <= value <= POWER and not inner


def _is_assumption(assumed: ast.keyword) -> bool:
    return assumed.arg in _ASSUMPTIONS and isinstance(_value(assumed.value), bool)


def _value(node: ast.AST) -> object:
    """Return the number that is written there, as -2, Integer(2) or Float('0.5'); None where it is none."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Call(func=ast.Name(id="Integer"), args=[inner], keywords=[]):
            return _value(inner)
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str(digits)), *_]):
            return float(digits)
    return None


def _require(right: bool, text: str) -> None:
    if not right:
        raise UnsafeExpressionError(_shown(text))


def _shown(text: str) -> str:
    return repr(text if len(text) < 80 else f"{text[:77]}...")
