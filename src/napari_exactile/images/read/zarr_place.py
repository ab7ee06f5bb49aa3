"""Where an OME-Zarr image lies, by its axes and transformations, and what of these means nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any, TypeGuard

from napari_exactile.geometry.words import joined
from napari_exactile.images.about.opened import Place
from napari_exactile.images.about.units import Said, micrometres, wrong_sizes

# The axes before OME-NGFF 0.3, which named none.
OLD_AXES = "tczyx"
# One for each axis; None where a file says nothing that could be used.
Numbers = list[float | None]


def axes_of(image: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is said of each axis of a multiscale image, its name at least."""
    return [axis if isinstance(axis, Mapping) else {"name": axis} for axis in image.get("axes") or OLD_AXES]


def place_of(image: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Place:
    """Return where level 0 lies: its own transformations come before those of the whole image.

    Elements that would all lie in one place, or of which a file gives no number, are one apart.
    """
    scale, translation = _transformed(image, len(axes))
    found = [
        (size, start if _is_place(start) else 0.0, _micrometres(axis))
        if _is_distance(size)
        else (1.0, 0.0, None)
        for size, start, axis in zip(scale, translation, axes, strict=True)
    ]
    return Place(
        tuple(size * (unit or 1.0) for size, _start, unit in found),
        tuple(start * (unit or 1.0) for _size, start, unit in found),
        tuple(unit is not None for _size, _start, unit in found),
    )


def _transformed(image: Mapping[str, Any], axes: int) -> tuple[Numbers, Numbers]:
    """Return scale and translation of level 0 along each axis, in the units of the file."""
    scale: Numbers = [1.0] * axes
    translation: Numbers = [0.0] * axes
    for kind, said in _steps(image):
        numbers = _numbers(said, axes)
        if kind == "scale":
            scale = [_both(a, b, lambda a, b: a * b) for a, b in zip(scale, numbers, strict=True)]
            translation = [_both(a, b, lambda a, b: a * b) for a, b in zip(translation, numbers, strict=True)]
        else:
            translation = [_both(a, b, lambda a, b: a + b) for a, b in zip(translation, numbers, strict=True)]
    return scale, translation


def _steps(image: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the scales and translations of level 0, and what is said of each, whatever that is."""
    for described in image["datasets"][0], image:
        steps = described.get("coordinateTransformations")
        for step in steps if isinstance(steps, list) else ():
            if isinstance(step, Mapping) and (kind := step.get("type")) in {"scale", "translation"}:
                yield kind, step.get(kind)


def _numbers(said: Any, axes: int) -> Numbers:
    """Return a number for each axis; None for what is none, and for all where there are not as many."""
    if not isinstance(said, list) or len(said) != axes:
        return [None] * axes
    return [float(one) if isinstance(one, int | float) and _fits(one) else None for one in said]


def _fits(number: float) -> bool:
    """Tell whether a number can be one of floating point, which whole numbers of any length are not."""
    return not isinstance(number, bool) and (isinstance(number, float) or abs(number) < 1e300)


def _both(first: float | None, second: float | None, together: Any) -> float | None:
    found: float | None = None if first is None or second is None else together(first, second)
    return found


def _is_distance(size: float | None) -> TypeGuard[float]:
    return size is not None and isfinite(size) and size != 0  # what counts backwards is below 0


def _is_place(start: float | None) -> TypeGuard[float]:
    return start is not None and isfinite(start)


def _micrometres(axis: Mapping[str, Any]) -> float | None:
    """Return the micrometres of an axis's unit; None for what is not a length."""
    try:
        return micrometres(1.0, str(axis["unit"])) if axis["name"] in {*"zyx"} else None
    except (KeyError, ValueError):
        return None


def wrong_scales(name: str, image: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield notes on sizes and places that are left out: those that mean nothing, in units that are not
    known, of axes that count backwards, or of some axes of space and not of others."""
    names, notes = [str(axis["name"]) for axis in axes], list[str]()
    for kind, said in _steps(image):
        if None in _numbers(said, len(axes)):
            words = json.dumps(said, default=str, ensure_ascii=False)
            notes.append(f"'{name}' gives a {kind} of {_shortened(words)}, which is not a number for each of "
                         f"its axes {', '.join(names)}: it is left out")  # fmt: skip
    for size, start, axis in zip(*_transformed(image, len(axes)), names, strict=True):
        if size is not None and not _is_distance(size):
            notes.append(f"'{name}' gives its elements a distance of {size:g} along {axis}: it is left out")
        elif start is not None and not isfinite(start):
            notes.append(f"'{name}' gives its first element the place {start:g} along {axis}: it is left out")
    units = {str(axis["name"]): str(axis.get("unit", "")) for axis in axes if axis["name"] in {*"zyx"}}
    notes += wrong_sizes({axis: Said(1, unit) for axis, unit in units.items()}, name)
    yield from notes or _unused_sizes(name, axes, place_of(image, axes))


def _shortened(words: str) -> str:
    return words if len(words) <= 80 else f"{words[:77]}..."


def _unused_sizes(name: str, axes: Sequence[Mapping[str, Any]], place: Place) -> Iterator[str]:
    """Yield a note where the size of a pixel stays unknown though it is given along an axis of space."""
    space = _space(axes)
    measured = [number for number in space if place.measured[number]]
    backwards = [number for number in measured if place.scale[number] < 0]
    if backwards:
        along = _named(axes, backwards)
        yield (
            f"'{name}' counts backwards along {along}, where its scale is below 0: the size of its pixels is "
            "left out"
        )
    elif 0 < len(measured) < len(space):
        without = _named(axes, [number for number in space if number not in measured])
        along = _named(axes, measured)
        yield f"'{name}' gives the size of its pixels along {along}, not along {without}: it is left out"


def _named(axes: Sequence[Mapping[str, Any]], numbers: Iterable[int]) -> str:
    return joined([str(axes[number]["name"]) for number in numbers])


def _space(axes: Sequence[Mapping[str, Any]]) -> list[int]:
    return [number for number, axis in enumerate(axes) if axis["name"] in {*"zyx"}]


def pixel_size(axes: Sequence[Mapping[str, Any]], place: Place) -> tuple[float, ...] | None:
    """Return the size along the axes of space in micrometres; None where one has no unit of length."""
    space = _space(axes)
    known = all(place.measured[number] and 0 < place.scale[number] < inf for number in space)
    return tuple(place.scale[number] for number in space) if known else None
