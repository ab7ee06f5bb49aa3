"""Whether all of an image is there that lies in pages, tiles and strips of TIFF files."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from napari_exactile.geometry.words import counted, part_of, times
from napari_exactile.images.about.incomplete import Missing
from napari_exactile.images.gaps import Gaps
from napari_exactile.images.tiff.forms import shape_and_axes
from napari_exactile.why import CUT_OFF, WhyError

# So long a person waits for a look at all tiles; pages are looked at in such lots.
LISTING_SECONDS = 1.0
LOT = 64


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found of the pages of an image: planes that are missing, and what is not stored.

    `gaps` is None where looking at all of it would have taken too long.
    """

    missing: tuple[Missing, ...]
    gaps: Gaps | None


def broken_chain(file: Any) -> Missing | None:
    """Return where the chain of pages of a file ends without an end; None where it has one."""
    if file.is_lsm:  # above 4 GB, their offsets are those modulo 4 GB
        return None
    name = Path(file.filehandle.path).name
    with Path(file.filehandle.path).open("rb") as content:
        whole = content.seek(0, 2)
        pages, offset, seen, form = 0, file.pages[0].offset, set[int](), file.tiff
        while offset:
            after = _next(content, offset, form) if offset < whole and offset not in seen else None
            if after is None:
                words = f"the chain of pages of {name} is cut off behind {counted(pages, 'page')}"
                return Missing(words, "what followed is left out")
            seen.add(offset)
            pages, offset = pages + 1, after
    return None


def _next(content: Any, offset: int, form: Any) -> int | None:
    """Return where the page after the one at `offset` begins; 0 for none, None where that is cut off."""
    content.seek(offset)
    try:
        (tags,) = struct.unpack(form.tagnoformat, content.read(form.tagnosize))
        content.seek(tags * form.tagsize, 1)
        (after,) = struct.unpack(form.offsetformat, content.read(form.offsetsize))
    except struct.error:
        return None
    return int(after)


def missing_planes(pages: Sequence[Any], series: Any, why: str = "") -> Missing | None:
    """Return which planes of a series have no page; None where all have one."""
    lost = [number for number, page in enumerate(pages) if page is None]
    return _planes(lost, pages, series, ("is missing", "are missing"), why) if lost else None


def _planes(
    lost: Sequence[int], pages: Sequence[Any], series: Any, verbs: tuple[str, str], why: str
) -> Missing:
    one, where = len(lost) == 1, _places(lost, len(pages), series)
    words = f"{part_of(len(lost), len(pages), 'plane')}{where} {verbs[not one]}{why}"
    return Missing(words, f"{'it reads' if one else 'they read'} as {series.keyframe.nodata:g}")


def _places(planes: Sequence[int], count: int, series: Any) -> str:
    """Return which planes of several these are, by their places along the axes before y and x."""
    if count == 1:
        return ""
    shape, axes = shape_and_axes(series)
    before = next((n for n in range(len(shape)) if prod(shape[:n]) == count), 0)
    told = [_place(number, shape[:before], axes.lower()) for number in planes[:4]]
    return f" ({', '.join(told)}{f' and {len(planes) - 4:,} more' if len(planes) > 4 else ''})"


def _place(number: int, shape: Sequence[int], axes: str) -> str:
    if not shape:
        return str(number)
    places = np.unravel_index(number, shape)
    return " ".join(f"{axis} {int(place)}" for axis, place in zip(axes, places, strict=False))


def parts_of(pages: Sequence[Any], series: Any) -> Parts:
    """Look at where the tiles or strips of all pages lie.

    Raises WhyError where the file ends before they do, and where a page is not like the others. Where that
    takes over a second, what is not stored stays unknown.
    """
    what, fill = "tile" if series.keyframe.is_tiled else "strip", f"{series.keyframe.nodata:g}"
    each = prod(series.keyframe.chunked)
    gaps = Gaps(what, each * sum(page is not None for page in pages), fill)
    nowhere, deadline, looked_at_all = list[int](), monotonic() + LISTING_SECONDS, True
    for number, page in enumerate(pages):
        if page is None:
            continue
        _refuse_other(page, series)
        offsets, counts = _segments(page)
        if len(offsets) and (offsets + counts).max() > page.parent.filehandle.size:
            raise WhyError(CUT_OFF)
        if not len(offsets) or ((offsets == 0) & (counts > 0)).any():
            nowhere.append(number)
            continue
        gaps.missing += int((counts == 0).sum()) + max(0, each - len(offsets))
        if number % LOT == LOT - 1 and monotonic() > deadline:
            looked_at_all = False
            break
    why = " at byte 0 of the file, where no pixels can be"
    missing = (_planes(nowhere, pages, series, ("lies", "lie"), why),) if nowhere else ()
    return Parts(missing, gaps if looked_at_all else None)


def _segments(page: Any) -> tuple[Any, Any]:
    """Return where the tiles or strips of a page begin, and their bytes."""
    pairs = min(len(page.dataoffsets), len(page.databytecounts))
    return np.array(page.dataoffsets[:pairs], np.int64), np.array(page.databytecounts[:pairs], np.int64)


def _refuse_other(page: Any, series: Any) -> None:
    """Raise WhyError where a page has another form than its series: it cannot be part of the same array."""
    own, expected = page.keyframe, series.keyframe
    if own is expected:
        return
    forms = [(one.shape, one.dtype, one.chunks) for one in (own, expected)]
    if forms[0] != forms[1]:
        here, there = (f"{times(one.shape)} {one.dtype}" for one in (own, expected))
        name = Path(page.parent.filehandle.path).name
        cut = f", cut into {own.chunks}, not {expected.chunks}" if here == there else ""
        words = f"{name} holds planes of {here} among planes of {there}{cut}"
        raise WhyError(f"{words}; save images of one size, or each by itself")
