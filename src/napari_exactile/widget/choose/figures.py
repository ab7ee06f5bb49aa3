"""What a plan means, in the words that stand under the fields of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from napari_exactile.geometry.words import counted, lengths, member

if TYPE_CHECKING:
    from napari_exactile.run.plan.plan import Plan


# From so much more computing than with an automatic one on, a typed tile is called dear.
MUCH = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Words about tile, context and zone of a plan.

    There is a `warning` where its context is too small, and another where it is much `dearer` than need be.
    """

    tile: str
    context: str
    zone: str
    warning: str
    dearer: str

    @classmethod
    def of(cls, plan: Plan, planes: int, automatic: Plan | None = None) -> Self:
        """Return the words for a plan that is carried out on so many planes.

        They say how much dearer it is than the `automatic` one, where it is much so.
        """
        return cls(
            f"in steps of {lengths(plan.factor)} px", f"{lengths(plan.radius)} px (radius)",
            _zone(plan, planes), _warning(plan), "" if automatic is None else _dearer(plan, automatic),
        )  # fmt: skip


def _dearer(plan: Plan, automatic: Plan) -> str:
    if plan.redundancy <= MUCH * automatic.redundancy:
        return ""
    tiles = counted(len(automatic), "tile")
    return f"Automatic would be {lengths(automatic.tile)} px: {tiles}, {_extra(automatic)}."


def _extra(plan: Plan) -> str:
    return f"extra computing +{max(0.0, plan.redundancy - 1) * 100:.0f}\u00a0%"


def _zone(plan: Plan, planes: int) -> str:
    tiles = counted(len(plan), "tile")
    tiles += f" in each of {counted(planes, member(len(plan.radius)))}" if planes > 1 else ""
    extra = _extra(plan)
    passes = f" - {counted(len(plan.schedule.passes), 'pass', 'passes')}" if plan.schedule.surveys else ""
    return f"{lengths(plan.zor)} px (ZoR) - {tiles}{passes}\n{extra}"


def _warning(plan: Plan) -> str:
    if plan.exact or plan.approximate:
        return ""
    return (
        f"Context {max(plan.radius)} px is too small: this model needs {max(plan.required_radius)}. "
        "The result would not be exact."
    )
