"""What a plan means, in the words that stand under the fields of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from napari_exactile.geometry.words import counted, lengths

if TYPE_CHECKING:
    from napari_exactile.run.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Figures:
    """Words about tile, context and zone of a plan, and a `warning` where its context is too small."""

    tile: str
    context: str
    zone: str
    warning: str

    @classmethod
    def of(cls, plan: Plan, planes: int) -> Self:
        """Return the words for a plan that is carried out on so many planes."""
        return cls(
            f"in steps of {lengths(plan.factor)} px", f"{lengths(plan.radius)} px (radius)",
            _zone(plan, planes), _warning(plan),
        )  # fmt: skip


def _zone(plan: Plan, planes: int) -> str:
    tiles = counted(len(plan), "tile")
    tiles += f" in each of {counted(planes, 'plane')}" if planes > 1 else ""
    extra = f"extra computing +{max(0.0, plan.redundancy - 1) * 100:.0f}\u00a0%"
    passes = f" - {counted(len(plan.schedule.passes), 'pass', 'passes')}" if plan.schedule.surveys else ""
    return f"{lengths(plan.zor)} px (ZoR) - {tiles}{passes}\n{extra}"


def _warning(plan: Plan) -> str:
    if plan.exact or plan.approximate:
        return ""
    return (
        f"Context {max(plan.radius)} px is too small: this model needs {max(plan.required_radius)}. "
        "The result would not be exact."
    )
