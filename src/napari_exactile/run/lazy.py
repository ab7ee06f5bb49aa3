"""Labels on demand: an array whose parts are computed when somebody asks for them, exactly as in a run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import product
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval, common, moved, slices
from napari_exactile.images.about.chosen import Wanted
from napari_exactile.images.grey import Grey
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.read.open import opened
from napari_exactile.images.read.underlying import look_for_gaps
from napari_exactile.run.engine.door import Known, Piece
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.passes.measuring import measured
from napari_exactile.run.engine.schedule.unchanged import Unchanged
from napari_exactile.run.plan.analyse import ModelLike
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.task.said import made_again, said
from napari_exactile.run.task.task import Task

if TYPE_CHECKING:
    import dask.array as da

# Tasks of other processes that this one can go on with at once, and planes of each.
MOST_TASKS, MOST_PLANES = 4, 2
T = TypeVar("T")


def segment_lazy(
    image: Any,
    model: ModelLike,
    *,
    axes: str | None = None,
    series: Wanted = None,
    allow_missing: bool = False,
    grey: Grey | None = None,
    numbers: bool = False,
    **settings: Any,
) -> da.Array:
    """Return a dask array of the labels of an image, of which nothing is computed before it is asked for.

    Each part is that of one pass over the whole image, whatever is asked for, in whatever order, by any
    scheduler of dask; slices compute what they depend on and no more. Chunks are zones of the plan. What must
    be known of the whole image, to normalise it or for norms, is found out when the first part is asked for;
    typed values ("fixed ...") need no look at it. With `numbers`, the array holds probabilities (channels
    first), or values where the output is those, which have no labels. All else is as `segment` takes it.
    Other processes open image and model by their files: both must have some.

    Raises what `segment` does: NotExactError where the model is refused, and ValueError, here for what cannot
    be used; when it is computed, TileError, and ChangedError for what has been changed meanwhile.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.eye(64, dtype=np.float32), nn.Conv2d(1, 3, 5, padding=2).eval()
    >>> labels = ex.segment_lazy(image, model, tile=36)
    >>> labels.shape, labels.chunks[0]
    ((64, 64), (32, 32))
    >>> part, whole = labels[10:20, 40:].compute(), ex.segment_whole(image, model)
    >>> bool((part == whole.labels[10:20, 40:]).all())
    True
    """
    import dask.array as da

    chosen = Settings(**settings)
    if chosen.method == "auto":  # parts are zones of their own
        chosen = replace(chosen, method="trimmed")
    if numbers:
        chosen = replace(chosen, probabilities=True)
    task = make_task(opened(image, series, allow_missing), model, chosen, axes, grey=grey)
    parts = OnDemand(task, numbers=numbers or not task.decision.labels)
    name = f"exactile-{parts.token}"
    lazy: da.Array = da.from_array(parts, parts.chunks, name, asarray=False)  # type: ignore[no-untyped-call]
    return lazy


class OnDemand:
    """An array (channels if there are any, *stack, *shape) that computes what is taken of it.

    Any threads may use it, one of which computes at a time. A copy in another process makes the task anew
    there, once for all copies.
    """

    def __init__(self, task: Task, *, numbers: bool, token: str = "") -> None:
        self.task, self.numbers, self.token = task, numbers, token or uuid4().hex
        self._computing = _Computing(task)
        decision, size = task.decision, tuple(len(side) for side in task.labelled)
        leading = (decision.channels,) if numbers else decision.leading
        self._leading = len(leading)
        self.shape: tuple[int, ...] = (*leading, *task.planes.shape, *size)
        kind = task.settings.number_type if numbers else np.min_scalar_type(decision.count)
        self.dtype: np.dtype[Any] = np.dtype(kind)
        self.ndim = len(self.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.token, said(self.task), self.numbers)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The zones, along each axis; planes and volumes of a stack one by one."""
        tiling, task = self.task.plan.tiling, self.task
        sides: list[tuple[int, ...]] = [(n,) for n in self.shape[: self._leading]]
        sides += [(1,) * n for n in task.planes.shape]
        for axis in range(len(tiling.shape)):
            region = tiling.region
            zones = ((*region[:axis], span, *region[axis + 1 :]) for span in tiling.spans(axis))
            found = (task.in_arrays(zone) for zone in zones)
            sides.append(tuple(len(box[axis]) for box in found if box is not None))
        return tuple(sides)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return what numpy's basic indexing gives: integers and slices."""
        wanted = index if isinstance(index, tuple) else (index,)
        if Ellipsis in wanted:
            place = wanted.index(Ellipsis)
            missing = self.ndim - len(wanted) + 1
            wanted = (*wanted[:place], *[slice(None)] * missing, *wanted[place + 1 :])
        wanted = (*wanted, *[slice(None)] * (self.ndim - len(wanted)))
        ranges = [_range(one, length) for one, length in zip(wanted, self.shape, strict=True)]
        whole = self._hull([Interval(min(r), max(r) + 1) for r in ranges if r]) if all(ranges) else None
        shape = tuple(map(len, ranges))
        result = np.empty(shape, self.dtype)
        if whole is not None:
            own = tuple(np.asarray(r) - min(r) for r in ranges)
            result = whole[np.ix_(*own)]
        return result[tuple(0 if isinstance(one, int | np.integer) else slice(None) for one in wanted)]

    def _hull(self, box: Sequence[Interval]) -> NDArray[Any]:
        """Return all of a box."""
        stack = len(self.task.planes.shape)
        leading, places = box[: self._leading], box[self._leading : self._leading + stack]
        space = tuple(box[self._leading + stack :])
        result = np.empty([len(side) for side in box], self.dtype)
        for place in product(*(range(side.start, side.stop) for side in places)):
            made = self._computing.part(self.task.planes.indices.index(place), space, self.numbers)
            inner = tuple(n - side.start for n, side in zip(place, places, strict=True))
            into: Any = (*[slice(None)] * len(leading), *inner)
            taken: Any = tuple(slice(side.start, side.stop) for side in leading)
            result[into] = made[taken]
        return result


def _range(index: Any, length: int) -> range:
    if isinstance(index, slice):
        return range(length)[index]
    place = int(index)
    if not -length <= place < length:
        raise IndexError(f"there are {length} along this axis: {index} is not among them")
    place %= length
    return range(place, place + 1)


class _Computing:
    """The engines of the planes that were asked for last; one thread at a time computes."""

    def __init__(self, task: Task) -> None:
        self._task, self._lock = task, RLock()
        self._engines: OrderedDict[int, LocalEngine] = OrderedDict()
        self._unchanged = Unchanged(task.planes.whole, task.model, task.analysis)
        self._together: Normalization | None = None

    def part(self, number: int, box: Box, numbers: bool) -> NDArray[Any]:
        """Return labels or numbers (channels if there are any, *box) of a box of a plane's arrays."""
        with self._lock:
            self._unchanged.check()
            pieces = list[Piece]()
            for _event in self._engine(number).compute(self._zone(box), pieces.append):
                pass
            self._unchanged.check()
        origin = [side.start for side in self._task.labelled]
        return _joined(pieces, moved(box, origin), numbers)

    def _engine(self, number: int) -> LocalEngine:
        engine = self._engines.pop(number, None) or self._new_engine(number)
        for _event in engine.prepare():
            pass
        self._engines[number] = engine
        if len(self._engines) > MOST_PLANES:
            self._engines.popitem(last=False)[1].forget()
        return engine

    def _new_engine(self, number: int) -> LocalEngine:
        task = self._task
        look_for_gaps(task.planes.sources[number])
        if task.settings.together and task.planes.shape and self._together is None:
            self._together = _last(measured(task.planes.whole, task.model, task.settings, lambda: None))
        return LocalEngine(task, number, Known(self._together))

    def _zone(self, box: Box) -> Box:
        """Return the smallest box of the image, on multiples of F, to which a box of the arrays belongs."""
        task, sides = self._task, list[Interval]()
        grid = task.analysis.grid
        for axis, side in enumerate(moved(box, [side.start for side in task.labelled])):
            stride, offset = grid.stride[axis], grid.offset[axis]
            factor, length = task.plan.factor[axis], task.analysis.frame.taken[axis]
            start, stop = (int(offset + stride * n) // factor * factor for n in (side.start, side.stop))
            zone = Interval(max(0, start), min(length, max(stop, start) + factor))
            while not self._holds(axis, zone, side):
                zone = Interval(max(0, zone.start - factor), min(length, zone.stop + factor))
            sides.append(zone)
        return tuple(sides)

    def _holds(self, axis: int, zone: Interval, side: Interval) -> bool:
        whole = [Interval(0, n) for n in self._task.analysis.frame.taken]
        part = self._task.analysis.part((*whole[:axis], zone, *whole[axis + 1 :]))
        return part is not None and part[axis].start <= side.start and part[axis].stop >= side.stop


def _last(steps: Generator[Event, None, T]) -> T:
    """Return what steps give at their end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def _joined(pieces: Sequence[Piece], box: Box, numbers: bool) -> NDArray[Any]:
    """Return what pieces hold of a box of the output."""
    result: NDArray[Any] | None = None
    for piece in pieces:
        held = piece.numbers if numbers else piece.labels
        assert held is not None, "it was asked for"
        leading = held.shape[: held.ndim - len(box)]
        if result is None:
            result = np.empty((*leading, *(len(side) for side in box)), held.dtype)
        if shared := common(piece.box, box):
            into: Any = (..., *slices(shared, box))
            of: Any = (..., *slices(shared, piece.box))
            result[into] = held[of]
    assert result is not None, "every box has pieces"
    return result


_known: OrderedDict[tuple[str, bool], OnDemand] = OrderedDict()
_lock = RLock()


def _again(token: str, content: dict[str, Any], numbers: bool) -> OnDemand:
    """Return the array in this process: model and executor are made once."""
    with _lock:
        found = _known.pop((token, numbers), None)
        found = found or OnDemand(made_again(content), numbers=numbers, token=token)
        _known[token, numbers] = found
        while len(_known) > MOST_TASKS:
            _known.popitem(last=False)
        return found
