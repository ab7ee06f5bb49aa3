"""The description of an exported program (models/model.json): every text in it is what such a text may be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from napari_exactile.models.files.expressions import guard, size_expression
from napari_exactile.models.files.operators import EXPORTED

TEXT = 2_000  # the longest message of an assertion

_NAME = re.compile(r"([^\W\d]\w*)?")
_DOTTED = re.compile(r"[\w.+\- ]*")
_PLACE = re.compile(r"[\w.,;:@<>\[\]()'+\- ]*")
_OPERATOR = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|lshift|rshift|getitem)"
    r"|math\.(trunc|floor|ceil)"
    r"|torch\.sym_(not|int|float|ite|max|min|sqrt|sum)"
    r"|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
)
_OF_TORCH = re.compile(r"torch\.ops\.(aten|prims)\.(\w+)\.\w+")
_STRUCTURES = {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
_TABLES = {
    "tensor_values", "sym_int_values", "sym_float_values", "sym_bool_values", "range_constraints",
    "opset_version", "as_string_to_argument",
}  # fmt: skip
_OBJECTS = {"as_custom_obj", "custom_obj", "custom_obj_values"}


class UnsafeProgramError(ValueError):
    """A program that names what is no operator, or holds text where only a name can be."""


def cleaned(program: Any) -> dict[str, Any]:
    """Return the program with nothing in it that torch could take for code; devices are the CPU.

    Notes on where the network was written are left out. Raises UnsafeProgramError or UnsafeExpressionError
    for what cannot be part of a network.
    """
    new = _clean("", program)
    try:
        _ = (
            new["graph_module"]["graph"]["nodes"],
            new["graph_module"]["module_call_graph"][0]["signature"]["in_spec"],
        )
        new["graph_module"] |= {"metadata": {}, "treespec_namedtuple_fields": {}}
    except (KeyError, IndexError, TypeError) as error:
        raise UnsafeProgramError("there is no graph in it") from error
    return dict(new)


def _clean(key: str, value: Any) -> Any:
    """Return a value as it may be below a key; lists are below the key of their owner."""
    if key in _OBJECTS and value:
        raise UnsafeProgramError("objects that are no tensors")
    if key == "metadata" and isinstance(value, dict):
        return {name: _matching(_PLACE, text) for name, text in value.items() if name == "nn_module_stack"}
    if key == "device" and isinstance(value, dict) and "type" in value:
        return {"type": "cpu", "index": None}
    if isinstance(value, dict) and key in _TEXTS:
        raise UnsafeProgramError(f"a table instead of the text {key}")
    if isinstance(value, dict):
        # Names of tensors may be those of fields.
        return {_matching(_DOTTED, n): _clean("" if key in _TABLES else n, one) for n, one in value.items()}
    if isinstance(value, list):
        return [_clean(key, one) for one in value]
    return _TEXTS.get(key, _dotted)(value) if isinstance(value, str) else value


def _operator(text: str) -> str:
    found = _OF_TORCH.fullmatch(text)
    if not (f"{found[1]}::{found[2]}" in EXPORTED if found else _OPERATOR.fullmatch(text)):
        raise UnsafeProgramError(
            f"the operator {text[:80]!r}, which is not known to compute and do nothing else"
        )
    return text


def _structure(text: str) -> str:
    """Return how inputs or outputs are nested, without what torch would import for it."""
    try:
        version, spec = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsafeProgramError("inputs or outputs that are not described") from error
    return json.dumps([int(version), _nested(spec)])


def _nested(spec: Any) -> dict[str, Any]:
    kind = (
        spec["type"] if isinstance(spec, dict) and spec.keys() == {"type", "context", "children_spec"} else 0
    )
    if kind not in _STRUCTURES:
        raise UnsafeProgramError(f"inputs or outputs in a {str(kind)[:80]}")
    context = spec["context"]
    if context is not None:
        keys = json.loads(context)
        if keys is not None and not all(isinstance(one, int | str) for one in keys):
            raise UnsafeProgramError(f"inputs or outputs called {context[:80]!r}")
        context = json.dumps(keys and [_dotted(one) if isinstance(one, str) else one for one in keys])
    return {
        "type": kind,
        "context": context,
        "children_spec": [_nested(one) for one in spec["children_spec"]],
    }


def _message(text: str) -> str:
    """Return an argument of an operator: a mode, or what an assertion says; it is only ever quoted."""
    if len(text) > TEXT or not text.isprintable():
        raise UnsafeProgramError(f"the text {text[:80]!r}")
    return text


def _matching(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or len(text) > TEXT * 10 or not pattern.fullmatch(text):
        raise UnsafeProgramError(f"{str(text)[:80]!r} instead of a name")
    return text


def _dotted(text: str) -> str:
    return _matching(_DOTTED, text)


def _name(text: str) -> str:
    return _matching(_NAME, text)


# What the text below a key may be; below all others it is a name with dots.
_TEXTS: dict[str, Callable[[str], str]] = {
    "target": _operator, "as_operator": _operator, "expr_str": size_expression, "guards_code": guard,
    "in_spec": _structure, "out_spec": _structure, "as_string": _message, "as_strings": _message,
    "name": _name, "as_name": _name, "forward_arg_names": _name, "user_input_name": _name,
}  # fmt: skip
