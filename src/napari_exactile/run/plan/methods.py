"""How zones are computed: trimmed, as whole tiles, or approximately; each knows what follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.analysis import Analysis, Runnable, require_derived
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cost.arithmetic import work_trimmed, work_whole_tile
from napari_exactile.network.cost.memory import peak_trimmed, peak_whole_tile
from napari_exactile.network.declared import require_declared
from napari_exactile.network.derived import Derived
from napari_exactile.run.plan.settings import MethodName
from napari_exactile.stopping import Check

Lengths = tuple[int, ...]


class Computing(Protocol):
    """What computes the scores (1, classes, *part) of a zone, in the ways that methods ask for."""

    def read_trimmed(self, zone: Box) -> Box | None:
        """Return the box of the image that a zone depends on."""
        ...

    def tile(self, zone: Box, radius: Lengths) -> Box:
        """Return the tile around a zone."""
        ...

    def trimmed(self, zone: Box, part: Box, check: Check) -> Any:
        """Return scores from just what the zone depends on."""
        ...

    def through_network(self, tile: Box, part: Box, check: Check) -> Any:
        """Return the part of what the unchanged network makes of a tile."""
        ...


class Method(ABC):
    """A way to compute zones; has no state. `exact` says whether it can give the labels of one pass."""

    name: ClassVar[MethodName]
    exact: ClassVar[bool] = True
    trims: ClassVar[bool] = False
    walks: ClassVar[bool] = False

    def require(self, given: Analysis) -> Runnable:
        """Return what a run can go by; raise NotExactError, or ValueError, where this method cannot."""
        return require_derived(given)

    def analysis(self, given: Derived) -> Derived:
        """Return the analysis that zones are computed by."""
        return given

    @abstractmethod
    def refuse(self, analysis: Derived, radius: Lengths) -> None:
        """Raise ValueError for a network, or a radius, that it cannot be used with."""

    @abstractmethod
    def peak(self, bound: BoundGraph, zone: Box, radius: Lengths) -> int:
        """Return the predicted memory of one zone in bytes."""

    @abstractmethod
    def work(self, bound: BoundGraph, tiling: Tiling) -> float:
        """Return the multiply-accumulates of all zones."""

    @abstractmethod
    def reads(self, computing: Computing, zone: Box, radius: Lengths) -> Box | None:
        """Return the box of the padded image that a zone is computed from; None where it reads none."""

    @abstractmethod
    def scores(self, computing: Computing, zone: Box, radius: Lengths, part: Box, check: Check) -> Any:
        """Return the scores of a zone, whose part of the output is `part`."""


class Trimmed(Method):
    """Computes of each tensor just the box that the zone depends on."""

    name: ClassVar[MethodName] = "trimmed"
    trims = True

    def refuse(self, analysis: Derived, radius: Lengths) -> None:
        """Raise ValueError for a radius below what the network needs."""
        if is_undersized(analysis, radius):
            raise ValueError(
                f"{_too_small(analysis, radius)}. "
                'Leave it out, or choose the method "whole-tile" to see the error that it makes'
            )

    def peak(self, bound: BoundGraph, zone: Box, radius: Lengths) -> int:
        """Return the predicted memory of one zone in bytes."""
        return peak_trimmed(bound, zone)

    def work(self, bound: BoundGraph, tiling: Tiling) -> float:
        """Return the multiply-accumulates of all zones."""
        return work_trimmed(bound, [tiling.spans(axis) for axis in range(len(tiling.shape))])

    def reads(self, computing: Computing, zone: Box, radius: Lengths) -> Box | None:
        """Return what the zone depends on."""
        return computing.read_trimmed(zone)

    def scores(self, computing: Computing, zone: Box, radius: Lengths, part: Box, check: Check) -> Any:
        """Return the scores of a zone."""
        return computing.trimmed(zone, part, check)


class Skewed(Trimmed):
    """Walks bands of zones along one axis, so that what a band depends on is computed once.

    Zones by themselves, where a band does not fit the memory, are trimmed.
    """

    name: ClassVar[MethodName] = "skewed"
    walks = True


class WholeTile(Method):
    """Sends the zone with the radius around it through the unchanged network: the tiling of the papers."""

    name: ClassVar[MethodName] = "whole-tile"

    def analysis(self, given: Derived) -> Derived:
        """Return the analysis of an image of even size, where whole tiles want that."""
        return given.for_whole_tiles

    def refuse(self, analysis: Derived, radius: Lengths) -> None:
        """Raise ValueError for networks that no radius is enough for, and for tiles that would leave gaps."""
        if analysis.anchors:
            raise ValueError(
                'the method "whole-tile" cannot be exact for this model, whatever the radius: '
                f'{analysis.anchors[0]}. Choose "trimmed"'
            )
        if is_undersized(analysis, radius) and any(map(any, analysis.grid.margins)):
            raise ValueError(
                f"{_too_small(analysis, radius)}. As its output is smaller than the image, tiles with less "
                "would leave gaps: leave the radius out"
            )

    def peak(self, bound: BoundGraph, zone: Box, radius: Lengths) -> int:
        """Return the predicted memory of one tile in bytes."""
        lengths = bound.graph.spatial_shape(0)
        sides = zip(zone, radius, lengths, strict=True)
        return peak_whole_tile(bound, tuple(side.grow(r, r).clip(Interval(0, n)) for side, r, n in sides))

    def work(self, bound: BoundGraph, tiling: Tiling) -> float:
        """Return the multiply-accumulates of all tiles."""
        return work_whole_tile(bound, [tiling.reads(axis) for axis in range(len(tiling.shape))])

    def reads(self, computing: Computing, zone: Box, radius: Lengths) -> Box | None:
        """Return the tile around the zone."""
        return computing.tile(zone, radius)

    def scores(self, computing: Computing, zone: Box, radius: Lengths, part: Box, check: Check) -> Any:
        """Return the scores of a zone, cut out of those of its tile."""
        return computing.through_network(computing.tile(zone, radius), part, check)


class Approximate(WholeTile):
    """Whole tiles of a network that cannot be exact, with a radius that a person chose."""

    name: ClassVar[MethodName] = "approximate"
    exact = False

    def require(self, given: Analysis) -> Runnable:
        """Return what was declared; raise ValueError for a model that can be exact."""
        return require_declared(given)

    def analysis(self, given: Derived) -> Derived:
        """Return it as it is: no tiles are cut by it."""
        return given

    def refuse(self, analysis: Derived, radius: Lengths) -> None:
        """Raise ValueError: what its tiles are multiples of is found out by trying the model."""
        raise ValueError('only `segment` has the method "approximate", which tries the model: call that')


TRIMMED, SKEWED = Trimmed(), Skewed()
METHODS: dict[MethodName, Method] = {one.name: one for one in (TRIMMED, SKEWED, WholeTile(), Approximate())}


def method_of(name: MethodName, begun_as: str = "") -> Method:
    """Return a method by its name; "auto" stands for what is asked of both that it chooses from.

    Where it is known which one a run was begun with, it is that.
    """
    if name == "auto":
        return SKEWED if begun_as == SKEWED.name else TRIMMED
    return METHODS[name]


def is_undersized(analysis: Derived, radius: Lengths) -> bool:
    """Return whether a radius is below what the network needs, along some axis."""
    return any(r < need for r, need in zip(radius, analysis.radius, strict=True))


def _too_small(analysis: Derived, radius: Lengths) -> str:
    needed = max(analysis.radius)
    return f"a radius of {min(radius)} px is too small: this model needs {needed} px"
