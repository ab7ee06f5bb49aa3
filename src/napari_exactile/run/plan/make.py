"""The plan that settings mean on this machine, and the same plan as another run has begun it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import torch
from msgspec import UnsetType

from napari_exactile.geometry.interval import full_box
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.run.plan.approximate import approximate_plan
from napari_exactile.run.plan.bands import Walked
from napari_exactile.run.plan.devices import memory_budget, scratch_budget
from napari_exactile.run.plan.methods import SKEWED, TRIMMED
from napari_exactile.run.plan.plan import Plan, plan_tiles, planned
from napari_exactile.run.plan.settings import Settings


def make_plan(analysis: Runnable, settings: Settings, device: torch.device) -> Plan:
    """Return the plan that these settings mean on this device; raises as `plan_tiles` does."""
    if isinstance(analysis, Declared):
        return approximate_plan(analysis, settings)
    memory = settings.memory_limit or memory_budget(device)
    scratch = scratch_budget() if settings.scratch_limit is None else settings.scratch_limit
    kind: Any = device.type
    return plan_tiles(
        analysis,
        settings.tile,
        settings.radius,
        settings.method,
        settings.region,
        memory,
        kind,
        scratch,
        settings.stream,
    )


def fits_now(plan: Plan, settings: Settings, device: torch.device) -> bool:
    """Tell whether a tile whose size the program has chosen may still take as much memory as it needs."""
    if not plan.automatic or settings.memory_limit:
        return True  # a person has said what may be taken
    return plan.peak_bytes <= memory_budget(device)


class Begun(Protocol):
    """What is known of the plan of another run: its zones, the tensors kept between passes, its bands."""

    @property
    def zone(self) -> tuple[int, ...]:
        """Size of a full zone in pixels."""

    @property
    def kept(self) -> tuple[int, ...]:
        """The tensors that are kept."""

    @property
    def band(self) -> tuple[int, ...] | UnsetType:
        """Size of a full band in pixels, of what is walked."""

    @property
    def frugal(self) -> bool | UnsetType:
        """Whether walking takes less memory and more time."""

    @property
    def surveyed(self) -> tuple[tuple[int, ...], bool] | UnsetType:
        """The same two of the passes over the image, where these are walked."""


def as_begun(plan: Plan, analysis: Runnable, settings: Settings, begun: Begun) -> Plan:
    """Return a plan with what a run was begun with.

    It depends on what was free then, and the last bits of the results on it.
    """
    tiling = replace(plan.tiling, zone=begun.zone)
    if isinstance(analysis, Declared):
        return replace(plan, tiling=tiling)
    schedule = analysis.passes.schedule(frozenset(begun.kept))
    asked, walked, how = settings.region or full_box(analysis.shape), None, plan.method
    if begun.band:
        walked = Walked.along(tiling.region, begun.band, bool(begun.frugal))
    surveyed = Walked.along(full_box(analysis.frame.taken), *begun.surveyed) if begun.surveyed else None
    if settings.method == "auto":
        how = SKEWED if walked else TRIMMED
    return planned(analysis, tiling, asked, how, schedule, plan.automatic, walked, surveyed)
