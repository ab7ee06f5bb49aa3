"""The plan of a model that cannot be exact: the usual tiling with a radius that a person chose."""

from __future__ import annotations

from math import prod

from napari_exactile.geometry.interval import Box, box_shape, full_box, round_up, volume
from napari_exactile.geometry.tiling import Tiling, check_region, zone_of_tile
from napari_exactile.network.cost.passes import Pass, Schedule
from napari_exactile.network.declared import Declared
from napari_exactile.run.plan.methods import METHODS
from napari_exactile.run.plan.plan import Plan
from napari_exactile.run.plan.settings import Settings

# Pixels of an automatic tile, 512 x 512 or 64 x 64 x 64: what the network takes for them cannot be predicted.
TILE_PIXELS = 2**18


def approximate_plan(declared: Declared, settings: Settings) -> Plan:
    """Return the plan of whole tiles with the radius of the settings, rounded up to multiples of the factor.

    Its `redundancy` counts pixels: those of all tiles against those of the region.
    """
    assert settings.radius != "auto"
    factor, region = declared.factor, settings.region or full_box(declared.shape)
    check_region(region, declared.shape)
    radius = tuple(round_up(settings.radius, f) for f in factor)
    if settings.tile == "auto":
        zone = _automatic_zone(box_shape(region), factor, radius)
    else:
        zone = zone_of_tile((settings.tile,) * len(radius), radius, factor)
    tiling = Tiling(declared.shape, factor, zone, radius, region)
    once = Schedule((Pass((), ()),))
    share, automatic = pixels_read(tiling, region), settings.tile == "auto"
    return Plan(tiling, METHODS["approximate"], (), share, 0, automatic, once)


def pixels_read(tiling: Tiling, region: Box) -> float:
    """Return the pixels of all tiles against those of the region."""
    read = prod(sum(map(len, tiling.reads(axis))) for axis in range(len(region)))
    return read / volume(region)


def _automatic_zone(
    region: tuple[int, ...], factor: tuple[int, ...], radius: tuple[int, ...]
) -> tuple[int, ...]:
    """Return what the radius leaves of a tile of middling size, and at least the radius."""
    side = round(TILE_PIXELS ** (1 / len(region)))
    return tuple(
        round_up(min(max(side - 2 * r, r, 1), length), f)
        for length, f, r in zip(region, factor, radius, strict=True)
    )
