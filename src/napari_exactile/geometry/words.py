"""Numbers of things in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_exactile.geometry.interval import Interval


def counted(count: int, thing: str, several: str = "") -> str:
    """Return how many there are of a thing; `several` is its plural where an s is not enough.

    >>> counted(1, "pixel"), counted(2500, "pixel"), counted(0, "pass", "passes")
    ('1 pixel', '2,500 pixels', '0 passes')
    """
    return f"{count:,} {thing if count == 1 else several or thing + 's'}"


def part_of(count: int, total: int, thing: str) -> str:
    """Return how many of all things.

    >>> part_of(3, 15, "tile"), part_of(1, 1, "tile")
    ('3 of 15 tiles', '1 of 1 tile')
    """
    return f"{count:,} of {counted(total, thing)}"


def joined(names: Sequence[str], most: int = 5) -> str:
    """Return names in a row, of many the first ones.

    >>> joined(["mean"]), joined(["mean", "std"]), joined("abcd", most=2)
    ('mean', 'mean and std', 'a, b and 2 more')
    """
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def member(axes: int) -> str:
    """Return what one image of a stack is called, by how many axes it has.

    >>> member(2), member(3), member(1)
    ('plane', 'volume', 'line')
    """
    return {1: "line", 3: "volume"}.get(axes, "plane")


def times(sizes: Iterable[object]) -> str:
    """Return sizes along all axes.

    >>> times((512, 640)), times([0.5, 0.25]), times(())
    ('512 x 640', '0.5 x 0.25', '')
    """
    return " x ".join(map(str, sizes))


def lengths(values: Sequence[int | str]) -> str:
    """Return one size where all axes agree, otherwise one for each.

    >>> lengths((96, 96)), lengths((96, 48))
    ('96', '96 x 48')
    """
    return str(values[0]) if len(set(values)) == 1 else times(values)


def spans(box: Iterable[Interval]) -> str:
    """Return from where to where a box goes along each axis.

    >>> spans((Interval(0, 4), Interval(8, 12)))
    '0..4 x 8..12'
    """
    return times(f"{side.start}..{side.stop}" for side in box)
