"""A network layer by layer: what lies between each layer and the output, and what Eq. 1 says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.rules.table import InPapers

HEADINGS = ("operator", "place", "channels", "stride", "context", "Eq. 1", "M mult-adds")
# A path is shortened down to so many letters before a column is left out; the least telling goes first.
SHORTEST_PLACE = 16
LEAST_TELLING = ("channels", "M mult-adds", "stride", "Eq. 1")


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the table that explains a network.

    `context` is what lies between the layer and the output, in input pixels before and after, per axis.
    `paper_radius` is what Eq. 1 of the papers says of that part, unrounded: where it is less than the
    larger side of the context, it misses something.
    """

    operator: str
    place: str
    channels: int
    stride: tuple[str, ...]
    context: tuple[tuple[int, int], ...]
    multiply_accumulates: float
    paper_radius: tuple[Fraction, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, under HEADINGS."""
        context = _once(f"{before} + {after}" for before, after in self.context)
        # Layers that multiply nothing show no number.
        work = f"{self.multiply_accumulates / 1e6:,.1f}" if self.multiply_accumulates else ""
        radius = _once(f"{float(radius):g}" for radius in self.paper_radius)
        return self.operator, self.place, str(self.channels), _once(self.stride), context, radius, work


def layers_of(bound: BoundGraph) -> tuple[Layer, ...]:
    """Return the operators of a network in order, each with its place, stride, context and cost."""
    axes = range(bound.graph.axes)
    papers = [_paper_radii(bound, axis) for axis in axes]
    return tuple(
        Layer(
            operator.label,
            node.place,
            node.features,
            tuple(map(str, bound.strides[node.index])),
            tuple(bound.context(axis, node.index) for axis in axes),
            operator.work * prod(bound.graph.spatial_shape(node.index)),
            tuple(paper[node.index] for paper in papers),
        )
        for node, operator in bound.steps
    )


def table(layers: Sequence[Layer], width: int, gap: int) -> list[tuple[str, ...]]:
    """Return the headings and the rows, with `gap` between columns, no wider than `width` where possible.

    Long places are shortened in the middle; where that is not enough, whole columns are left out.
    """
    cells = (HEADINGS, *(layer.cells for layer in layers))
    columns = {column[0]: column[1:] for column in zip(*cells, strict=True)}
    least = min(SHORTEST_PLACE, _width("place", columns["place"]))
    for dropped in (None, *LEAST_TELLING):
        columns.pop(str(dropped), None)
        taken = sum(_width(name, cells) + gap for name, cells in columns.items() if name != "place") + gap
        if width - taken >= least:
            break
    room = max(width - taken, least)
    columns["place"] = tuple(shortened(place, room) for place in columns["place"])
    return [tuple(columns), *zip(*columns.values(), strict=True)]


def shortened(path: str, length: int) -> str:
    """Return a path of at most `length` letters, its middle left out.

    >>> shortened("encoder.blocks.3.conv", 12), shortened("down.0", 12)
    ('encode….conv', 'down.0')
    """
    if len(path) <= length:
        return path
    end = (length - 1) // 2
    return f"{path[: length - 1 - end]}…{path[len(path) - end :]}"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines of text, words to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if name in HEADINGS[:2] else cell.rjust(width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _paper_radii(bound: BoundGraph, axis: int) -> list[Fraction]:
    """Return, for every node, Eq. 1 along the path to the output on which it is largest."""
    radii = [Fraction(0)] * len(bound.graph.nodes)
    for node, operator in reversed(bound.steps):
        own = Fraction(0)
        if isinstance(operator, InPapers):
            own = bound.strides[node.inputs[0]][axis] * (operator.papers_kernel[axis] // 2)
        for source in node.inputs:
            radii[source] = max(radii[source], radii[node.index] + own)
    return radii


def _once(values: Iterable[str]) -> str:
    """Return the values of all axes, once where they agree."""
    return ", ".join(dict.fromkeys(values))


def _width(name: str, cells: Sequence[str]) -> int:
    return max(len(name), *map(len, cells))
