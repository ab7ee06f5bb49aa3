"""Units of length, as OME, OME-Zarr, ImageJ and people write them, and what a file says of its pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from math import isfinite
from typing import Any
from unicodedata import normalize

from napari_exactile.geometry.words import joined

# Powers of ten by symbol and name, against a metre.
_PREFIXES = {
    "Y yotta": 24, "Z zetta": 21, "E exa": 18, "P peta": 15, "T tera": 12, "G giga": 9, "M mega": 6,
    "k kilo": 3, "h hecto": 2, "da deca": 1, "da deka": 1, "d deci": -1, "c centi": -2, "m milli": -3,
    "μ micro": -6, "u micro": -6, "n nano": -9, "p pico": -12, "f femto": -15, "a atto": -18, "z zepto": -21,
    "y yocto": -24,
}  # fmt: skip
# In micrometres, by all their names.
_OTHERS = {
    "Å angstrom ångström ångstrom angstroms": 1e-4,
    "micron microns": 1.0,
    "thou mil": 25.4,
    "pt point": 25400 / 72,
    "li line": 25400 / 12,
    "in inch inches": 25400.0,
    "ft foot feet": 304800.0,
    "yd yard yards": 914400.0,
    "mi mile miles": 1609344e3,
    "ua au": 149597870700e6,
    "ly": 9460730472580800e6,
    "pc parsec parsecs": 3.0856775814913673e22,
}
# What people and programs write where there is no unit of length.
_NONE = {"", "pixel", "pixels", "px", "reference frame", "none", "unit", "units", "null", "unknown"}


def micrometres(value: Any, unit: str) -> float:
    """Return a length in micrometres; raise KeyError for unknown units and ValueError for no length.

    >>> micrometres(2, "nm"), micrometres("5", "Å"), micrometres(0.001, "inch")
    (0.002, 0.0005, 25.4)
    """
    # In decimals, as people write them: a thousandth of 25,400 is 25.4 then, to the last digit.
    try:
        length = float(Decimal(str(value)) * Decimal(str(_table()[_written(unit)])))
    except InvalidOperation as error:
        raise ValueError(f"a pixel is not {value} {unit} long: give its length, above 0") from error
    if not (isfinite(length) and length > 0):
        raise ValueError(f"a pixel is not {value} {unit} long: give its length, above 0")
    return length


def _written(unit: str) -> str:
    """Return a unit as the table has it, if it has: micro and angstrom have two code points each, and ImageJ
    escapes them. Capitals tell symbols apart (Mm, mm), but not words."""
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), unit)
    plain = normalize("NFKC", plain).strip()
    word = plain.lower().replace("metre", "meter")
    return next((one for one in (plain, word, word.removesuffix("s")) if one in _table()), word)


@cache
def _table() -> dict[str, float]:
    table = {"m": 1e6, "meter": 1e6}
    for names, power in _PREFIXES.items():
        symbol, name = names.split()
        table |= dict.fromkeys((f"{symbol}m", f"{name}meter"), float(f"1e{power + 6}"))
    for names, length in _OTHERS.items():
        table |= dict.fromkeys((normalize("NFKC", name) for name in names.split()), length)
    return table


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of the length of a pixel along one axis: a value, and its unit."""

    value: Any
    unit: str

    @property
    def length(self) -> float | None:
        """The length in micrometres; None where it is none, or unknown."""
        try:
            return micrometres(self.value, self.unit)
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def is_wrong(self) -> bool:
        """Whether a length was meant, and is not known."""
        return self.length is None and self.unit.strip().lower() not in _NONE


def pixel_size(said: Mapping[str, Said], axes: Sequence[str]) -> tuple[float, ...] | None:
    """Return the lengths along as many of the last `axes` of space as are known, in micrometres.

    None where that of the last one or of the one before it is not.
    """
    known: list[float] = []
    for axis in reversed(axes):
        length = said[axis].length if axis in said else None
        if length is None:
            break
        known.insert(0, length)
    return tuple(known) if len(known) >= min(2, len(axes)) else None


def sizes_left_out(said: Mapping[str, Said], axes: Sequence[str], name: str) -> Iterator[str]:
    """Yield a note on lengths that `pixel_size` leaves out: in units that are not known, or before a gap."""
    wrong = list(wrong_sizes(said, name))
    known = [axis for axis in axes if axis in said and said[axis].length is not None]
    used = axes[len(axes) - len(pixel_size(said, axes) or ()) :]
    unused = [axis for axis in known if axis not in used]
    if unused and not wrong:
        gap = next(axis for axis in reversed(axes) if axis not in known)
        along = f"along {joined(unused)}, not along {gap}"
        wrong = [f"'{name}' gives the size of its pixels {along}: it is left out"]
    yield from wrong


def wrong_sizes(said: Mapping[str, Said], name: str) -> Iterator[str]:
    """Yield a note on the axes of an image along which a length was meant and is not known."""
    wrong = [f"{one.value} {one.unit} along {axis}" for axis, one in said.items() if one.is_wrong]
    if wrong:
        yield (
            f"'{name}' gives pixels of {', '.join(wrong)}, which is no length that is known: it is left out; "
            "where it matters, say it in micrometres"
        )
