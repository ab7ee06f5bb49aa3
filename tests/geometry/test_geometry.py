"""Intervals, windows, the papers' equations and the partition into zones."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_exactile.geometry.equations import radius_of_unet, rounded_radius
from napari_exactile.geometry.interval import Interval, round_up
from napari_exactile.geometry.tiling import Tiling, split_zone, zone_of_tile
from napari_exactile.geometry.window import TransposedWindow, Window

lengths = st.integers(1, 60)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = draw(st.integers(-30, 30))
    return Interval(start, start + draw(st.integers(1, 30)))


@st.composite
def windows(draw: st.DrawFn, kind: type = Window) -> Window:
    return kind(
        draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(0, 4)), draw(st.integers(1, 3))
    )


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    factor = draw(st.sampled_from([1, 2, 4, 6, 16]))
    shape = (draw(lengths), draw(lengths))
    region = tuple(
        Interval(start, draw(st.integers(start + 1, n)))
        for n in shape
        for start in [draw(st.integers(0, n - 1))]
    )
    zone = (factor * draw(st.integers(1, 5)), factor * draw(st.integers(1, 5)))
    radius = (factor * draw(st.integers(0, 3)), factor * draw(st.integers(0, 3)))
    return Tiling(shape, (factor, factor), zone, radius, region)


def test_empty_or_reversed_intervals_are_told_apart() -> None:
    """An empty interval is a value; one that stops before it starts is an error that names both numbers."""
    assert len(Interval(3, 3)) == 0
    with pytest.raises(ValueError, match=r"stop \(2\) before it starts \(3\)"):
        Interval(3, 2)


@given(windows(), intervals())
def test_a_window_needs_exactly_the_inputs_that_its_definition_touches(
    reach: Window, wanted: Interval
) -> None:
    """`Window.need` is the hull of i * step - padding + dilation * j over the wanted outputs i and taps j."""
    touched = [
        i * reach.step - reach.padding + reach.dilation * j
        for i, j in product(range(wanted.start, wanted.stop), range(reach.kernel))
    ]
    assert reach.need(wanted) == Interval(min(touched), max(touched) + 1)


@given(windows(TransposedWindow), intervals())
def test_a_transposed_window_needs_every_input_that_adds_to_the_wanted(
    reach: TransposedWindow, wanted: Interval
) -> None:
    """No input outside `TransposedWindow.need` adds to a wanted output, and both its ends do if any does."""
    need = reach.need(wanted)

    def adds(i: int) -> bool:
        made = (i * reach.step - reach.padding + reach.dilation * j for j in range(reach.kernel))
        return any(wanted.start <= o < wanted.stop for o in made)

    adding = [i for i in range(need.start - 20, need.stop + 20) if adds(i)]
    assert all(need.start <= i < need.stop for i in adding)
    if adding and reach.dilation == 1:
        assert need == Interval(adding[0], adding[-1] + 1)


@given(intervals(), intervals())
def test_clipping_leaves_at_least_one_element_inside(inner: Interval, outer: Interval) -> None:
    """A clipped interval is never empty, lies inside, and is the intersection where there is one."""
    clipped = inner.clip(outer)
    assert outer.start <= clipped.start < clipped.stop <= outer.stop
    both = set(range(inner.start, inner.stop)) & set(range(outer.start, outer.stop))
    assert not both or set(range(clipped.start, clipped.stop)) == both


@given(tilings())
def test_zones_partition_the_region(plan: Tiling) -> None:
    """Every pixel of the region lies in exactly one zone, and no zone leaves the region."""
    owners = [pixel for tile in plan for pixel in product(*(range(i.start, i.stop) for i in tile.zone))]
    region = set(product(*(range(i.start, i.stop) for i in plan.region)))
    assert len(owners) == len(set(owners))
    assert set(owners) == region


@given(tilings())
def test_zones_start_on_multiples_of_the_factor(plan: Tiling) -> None:
    """A zone starts on a multiple of F, except where the region itself starts inside it."""
    for tile in plan:
        for axis, span in enumerate(tile.zone):
            assert span.start % plan.factor[axis] == 0 or span.start == plan.region[axis].start
            assert len(span) <= plan.zone[axis]


@given(tilings())
def test_tiles_are_zone_plus_radius_clipped_at_the_padded_edge(plan: Tiling) -> None:
    """Away from the edges TileSize = ZoR + 2 * Radius; at them tiles are clipped, on multiples of F."""
    for tile in plan:
        for axis, (zone, read) in enumerate(zip(tile.zone, tile.box, strict=True)):
            factor, radius = plan.factor[axis], plan.radius[axis]
            edge = round_up(plan.shape[axis], factor)
            aligned = zone.round_out(factor)
            assert read.start == max(0, aligned.start - radius)
            assert read.stop == min(edge, aligned.stop + radius)
            assert read.start % factor == read.stop % factor == 0


@given(tilings())
def test_tiles_can_be_looked_up_by_number_and_by_pixel(plan: Tiling) -> None:
    """`tile(i)` is the i-th of the iteration, which can be repeated; `at` finds the owner of a pixel."""
    tiles = list(plan)
    assert tiles == list(plan)
    assert len(tiles) == len(plan)
    for tile in tiles:
        assert plan.tile(tile.index) == tile
        assert plan.at(tuple(i.start for i in tile.zone)) == tile.index
        assert plan.at(tuple(i.stop - 1 for i in tile.zone)) == tile.index
    assert plan.at((-1, 0)) is None
    assert plan.at((0, plan.region[1].stop)) is None


@given(tilings(), intervals(), intervals())
def test_the_nearest_tiles_are_those_that_meet_a_window(
    plan: Tiling, rows: Interval, columns: Interval
) -> None:
    """They are found without looking at the others, in the order of their middles' distance."""
    sides, middle = (rows, columns), [(side.start + side.stop) / 2 for side in (rows, columns)]

    def meets(zone: tuple[Interval, ...]) -> bool:
        pairs = zip(zone, sides, strict=True)
        return all(a.start < b.stop and b.start < a.stop for a, b in pairs)

    def distance(zone: tuple[Interval, ...]) -> float:
        return sum(((a.start + a.stop) / 2 - m) ** 2 for a, m in zip(zone, middle, strict=True))

    met = [(distance(tile.zone), tile.index) for tile in plan if meets(tile.zone)]
    assert list(plan.nearest(sides)) == [index for _, index in sorted(met)]


def test_a_small_image_is_one_tile() -> None:
    """An image smaller than one tile is a single zone, read whole."""
    tiles = list(Tiling((37, 50), (16, 16), (320, 320), (96, 96)))
    assert [tile.zone for tile in tiles] == [(Interval(0, 37), Interval(0, 50))]
    assert tiles[0].box == (Interval(0, 48), Interval(0, 64))


def test_last_row_and_column_are_narrower() -> None:
    """2048 px in zones of 320 px are six full zones and one of 128 px on each axis."""
    plan = Tiling((2048, 2048), (16, 16), (320, 320), (96, 96))
    assert len(plan) == 49
    assert [len(span) for span in plan.spans(0)] == [320] * 6 + [128]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": (100, 320)}, "zone of 100 px is not a positive multiple of the size factor 16"),
        ({"radius": (96, -16)}, "a radius is at least 0 px, not -16"),
        ({"shape": (0, 5)}, "image is empty along axis 0"),
        ({"region": (Interval(0, 9), Interval(0, 3000))}, "does not lie in the image, which has 2048 px"),
        ({"zone": (320,)}, "must have the same number of axes"),
    ],
)
def test_impossible_tilings_are_refused_in_words(change: dict[str, object], message: str) -> None:
    """A tiling that cannot be is refused when it is made, naming the value."""
    settings: dict[str, object] = {
        "shape": (2048, 2048), "factor": (16, 16), "zone": (320, 320), "radius": (96, 96)
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        Tiling(**(settings | change))  # type: ignore[arg-type]


@given(tilings(), st.integers(1, 3))
def test_pieces_partition_a_zone(plan: Tiling, pieces: int) -> None:
    """Splitting a zone gives smaller zones that cover it once."""
    zone = plan.tile(0).zone
    size = tuple(pieces * f for f in plan.factor)
    parts = split_zone(zone, size, plan.factor)
    owners = [pixel for part in parts for pixel in product(*(range(i.start, i.stop) for i in part))]
    assert sorted(owners) == sorted(product(*(range(i.start, i.stop) for i in zone)))


@pytest.mark.parametrize(
    ("levels", "convolutions", "kernel", "radius", "rounded"),
    [
        (4, 2, 3, 92, 96), (3, 3, 3, 66, 72), (4, 1, 3, 46, 48), (4, 3, 3, 138, 144), (3, 1, 3, 22, 24),
        (3, 2, 3, 44, 48), (2, 2, 3, 20, 20), (2, 3, 3, 30, 32), (2, 1, 5, 20, 20), (1, 1, 3, 4, 4),
        (1, 3, 3, 12, 12), (3, 4, 3, 88, 88),
    ],
)  # fmt: skip
def test_the_papers_equations(levels: int, convolutions: int, kernel: int, radius: int, rounded: int) -> None:
    """Eq. 2 and 3 give the papers' numbers: 92 -> 96 and 66 -> 72, and those of other U-Nets."""
    assert radius_of_unet(levels, convolutions, kernel) == radius
    assert rounded_radius(radius, 2**levels) == rounded


def test_zone_of_a_tile() -> None:
    """ZoR = TileSize - 2 * Radius; where nothing is left, the message names the smallest tile."""
    assert zone_of_tile((512, 512), (96, 96), (16, 16)) == (320, 320)
    with pytest.raises(ValueError, match=r"tile of 192 px is too small.*smallest tile is 208 px"):
        zone_of_tile((192, 192), (96, 96), (16, 16))
