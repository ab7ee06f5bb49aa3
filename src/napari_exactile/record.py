"""Records: what is kept in files, or sent to other processes, in plain values of known names and types."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Self

import msgspec

# A number of JSON: one that was written without a point is read without one, so that both can be compared.
Number = int | float
Count = Annotated[int, msgspec.Meta(ge=0)]
# The start and the stop of an interval.
Side = tuple[int, int]
# What msgspec says, and what people call the kinds of values that it means.
MISSING, UNKNOWN = "Object missing required field ", "Object contains unknown field "
NAMES = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list",
    "object": "a table of names", "null": "null",
}  # fmt: skip


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Values that JSON can hold, in the order in which they are written.

    What earlier versions did not say has a default; what later versions say beside it is passed over. All
    subclasses are `frozen` and `kw_only`.

    >>> class Tile(Record, frozen=True, kw_only=True):
    ...     number: int
    >>> Tile.of({"number": 3}).as_json()
    {'number': 3}
    """

    @classmethod
    def of(cls, content: Any) -> Self:
        """Return the record that somebody has kept; raises ValueError, naming what is wrong in it."""
        try:
            return msgspec.convert(content, cls, str_keys=True)
        except msgspec.ValidationError as error:
            raise ValueError(_words(error)) from error

    def as_json(self) -> dict[str, Any]:
        """Return what is to be kept."""
        content: dict[str, Any] = as_json(self)
        return content


def as_json(content: Any) -> Any:
    """Return records, and what holds some, as they come back from a file."""
    return json.loads(json.dumps(msgspec.to_builtins(content, str_keys=True, enc_hook=_plain)))


def spaced(name: str) -> str:
    """Return the name that people read for that of a field; `rename=spaced` writes it so.

    >>> spaced("image_shape")
    'image shape'
    """
    return name.replace("_", " ")


def _plain(number: Any) -> int | float:
    """Return a number of numpy as one of Python."""
    plain: int | float = number.item()
    return plain


def _words(error: msgspec.ValidationError) -> str:
    """Return what is wrong, and where.

    >>> _words(msgspec.ValidationError("Expected `int`, got `str` - at `$.tile`"))
    'tile is not a whole number'
    >>> _words(msgspec.ValidationError("Expected `array` of length 2, got 3 - at `$.box[0]`"))
    'box[0] is not a list of 2'
    >>> _words(msgspec.ValidationError("Object missing required field `tile`"))
    'it says nothing of tile'
    """
    what, _, place = str(error).replace("`", "").partition(" - at ")
    place = place.removeprefix("$").removeprefix(".").replace("[...]", "") or "it"
    if what.startswith(MISSING):
        return f"{place} says nothing of {what.removeprefix(MISSING)}"
    if what.startswith(UNKNOWN):
        return f"{place} says something of {what.removeprefix(UNKNOWN)}, which is not known"
    wanted = what.partition(", got ")[0].removeprefix("Expected ")
    kinds = [NAMES[kind] for kind in re.findall(r"\w+", wanted.partition(" of ")[0]) if kind in NAMES]
    if NAMES["float"] in kinds:  # whole ones are numbers, too
        kinds = [kind for kind in kinds if kind != NAMES["int"]]
    return f"{place} is not {' or '.join(kinds) or 'one of what is known'}{_length(wanted)}"


def _length(wanted: str) -> str:
    _, found, words = wanted.partition(" of length ")
    return f" of {words}" if found else ""
