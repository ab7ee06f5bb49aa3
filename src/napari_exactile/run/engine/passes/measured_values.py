"""What has been measured of images, so that nothing is measured twice that has not changed."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Any

from napari_exactile.images.normalize.steps import Normalization, Step
from napari_exactile.images.source import ArraySource, LayeredSource

MOST = 64
"""How many images are known; of more, those are forgotten that were not asked for lately."""


class MeasuredValues:
    """Values by what they were measured on; any thread may ask. No pixels are kept alive."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of_pixels: OrderedDict[Hashable, Normalization] = OrderedDict()
        self._last: OrderedDict[Hashable, tuple[list[weakref.ref[Any]], Normalization]] = OrderedDict()

    def of_pixels(
        self, pixels: Hashable, steps: Sequence[Step], ignore: float | None
    ) -> Normalization | None:
        """Return what was measured of the same pixels with the same steps; None where nothing was."""
        with self._lock:
            return self._of_pixels.get((pixels, repr(tuple(steps)), ignore))

    def keep(
        self, pixels: Hashable, steps: Sequence[Step], ignore: float | None, found: Normalization
    ) -> None:
        """Keep what was measured for `of_pixels`."""
        with self._lock:
            _put(self._of_pixels, (pixels, repr(tuple(steps)), ignore), found)

    def last_of(self, source: Any, steps: Sequence[Step], ignore: float | None) -> Normalization | None:
        """Return what was last measured of these arrays, to be shown: they may have been painted on since."""
        arrays, key = _arrays(source), _key(source, steps, ignore)
        with self._lock:
            known, found = self._last.get(key, ([], None))
        alive = [one() for one in known]
        same = len(alive) == len(arrays) and all(a is b for a, b in zip(alive, arrays, strict=True))
        return found if same else None

    def tell(self, source: Any, steps: Sequence[Step], ignore: float | None, found: Normalization) -> None:
        """Keep what was measured for `last_of`."""
        try:
            known = [weakref.ref(array) for array in _arrays(source)]
        except TypeError:  # there are arrays that nobody can watch
            return
        with self._lock:
            _put(self._last, _key(source, steps, ignore), (known, found))


def _put(values: OrderedDict[Hashable, Any], key: Hashable, value: Any) -> None:
    values[key] = value
    values.move_to_end(key)
    while len(values) > MOST:
        values.popitem(last=False)


def _arrays(source: Any) -> list[Any]:
    sources = source.sources if isinstance(source, LayeredSource) else [source]
    return [one.array if isinstance(one, ArraySource) else one for one in sources]


def _key(source: Any, steps: Sequence[Step], ignore: float | None) -> Hashable:
    sources = source.sources if isinstance(source, LayeredSource) else [source]
    places = [
        (one.channel_axis, one.plane, one.keep_channels) for one in sources if isinstance(one, ArraySource)
    ]
    return tuple(map(id, _arrays(source))), tuple(places), repr(tuple(steps)), ignore
