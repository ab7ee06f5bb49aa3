"""Runs a program where next to nothing is installed: only named modules can be imported.

    python tests/support/bare_process.py MODULES PROGRAM [ARGUMENT ...]

MODULES is a JSON list of the modules that there are beside the standard library. Series of tifffile tell no
axes, as in its later versions, and this package has no metadata, as where only its folder is on the path.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, PackageNotFoundError, packages_distributions, requires
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "napari-exactile"


def modules_of(names: list[str]) -> list[str]:
    """Return the modules of installed packages and of all that these require by their own metadata."""
    wanted = set(_with_requirements(map(canonicalize_name, names), set()))
    return [
        module
        for module, packages in packages_distributions().items()
        if wanted.intersection(map(canonicalize_name, packages))
    ]


def _with_requirements(names: Any, seen: set[str]) -> Iterator[str]:
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:
            continue
        yield name
        plain = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
        yield from _with_requirements([canonicalize_name(one.name) for one in plain], seen)


class Finder:
    """Finds modules as usual, but only those of the standard library and of these names."""

    def __init__(self, names: set[str]) -> None:
        self._names = names | set(sys.stdlib_module_names)
        self._usual = list(sys.meta_path)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        top = name.partition(".")[0]
        if top not in self._names and not top.startswith("_sysconfigdata"):
            return None
        found = (finder.find_spec(name, path, target) for finder in self._usual)
        return next((spec for spec in found if spec), None)

    def find_distributions(self, *context: Any) -> Iterator[Distribution]:
        for finder in self._usual:
            if hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(*context)


def hide_our_metadata() -> None:
    found = Distribution.from_name

    def from_name(name: str) -> Distribution:
        if canonicalize_name(name) == OURS:
            raise PackageNotFoundError(name)
        return found(name)

    Distribution.from_name = from_name  # type: ignore[method-assign]


class OwnAlone:
    """A method of tifffile's that nobody else finds."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def __get__(self, series: Any, kind: Any = None) -> Any:
        if not sys._getframe(1).f_globals["__name__"].startswith("tifffile"):
            raise AttributeError("'TiffPageSeries' object has no such attribute")
        return self._method.__get__(series, kind)


def forget_axes_of_series() -> None:
    from tifffile import TiffPageSeries

    for name in ("get_axes", "get_shape", "get_coords"):
        if method := vars(TiffPageSeries).get(name):
            setattr(TiffPageSeries, name, OwnAlone(method))


if __name__ == "__main__":
    own = {"napari_exactile", "packaging", "__main__"}
    sys.meta_path[:] = [Finder(own | set(json.loads(sys.argv[1])))]  # type: ignore[list-item]
    hide_our_metadata()
    forget_axes_of_series()
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
