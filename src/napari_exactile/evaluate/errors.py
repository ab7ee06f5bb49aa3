"""What the usual tiling gets wrong with a given radius, measured against the exact result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, box_shape, full_box, slices
from napari_exactile.geometry.tiling import Tiling, split_zone
from napari_exactile.network.analysis import Runnable, require_derived
from napari_exactile.run.check.metrics import Difference, difference
from napari_exactile.run.engine.door import Known
from napari_exactile.run.engine.events import Event, Measuring, Surveying
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.plan.methods import TRIMMED
from napari_exactile.run.plan.plan import COMFORTABLE_ZONE
from napari_exactile.stopping import Check, Tell, nobody
from napari_exactile.torch_state import exact_arithmetic

NO_COMPARISON = (
    "The preview compares labels on the image's own grid, and this model's output has another one: choose a "
    "model that gives a label for each pixel"
)

NO_CLASSES = (
    "The preview compares one label per pixel, and this model gives values, or a label per channel: choose "
    "a model of classes"
)


# What goes on, as whoever waits for it is told.
EXACT, TILED = "Computing the exact result", "Computing the tiles"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Labels and probabilities (classes, *spatial) of a box of the image."""

    box: Box
    labels: NDArray[Any]
    probabilities: NDArray[Any]

    def part(self, box: Box) -> Scored:
        """Return what lies in a smaller box, without a copy."""
        index = slices(box, self.box)
        return Scored(box, self.labels[index], self.probabilities[(slice(None), *index)])


@dataclass(frozen=True, slots=True, eq=False)
class TilingError:
    """The error of the usual tiling with one radius, in one window of an image.

    `differing` marks the pixels whose label differs from the exact one (Eq. 5), `error_map` is the largest
    difference of the softmax over the classes; both have the window's shape. `required` is the radius that
    the network needs. A radius that is no multiple of F is off the grid: its tiles start at a wrong phase.
    `one_class` says that all pixels of the window have one label, `anchored` that the network works by the
    place in the whole image, so that no radius makes tiles by themselves exact, `evenly` that the image was
    padded to multiples of F for them, as a run would not do it.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.ones((64, 64), np.float32), nn.Conv2d(1, 2, 5, padding=2).eval()
    >>> error = ex.tiling_error(image, model, radius=0, zone=16)
    >>> error.required, error.exact, error.on_grid, error.error_map.shape
    ((2, 2), False, True, (64, 64))
    """

    tiling: Tiling
    window: Box
    required: tuple[int, ...]
    difference: Difference
    differing: NDArray[np.bool_]
    error_map: NDArray[np.float32]
    one_class: bool
    anchored: bool = False
    evenly: bool = False

    @property
    def radius(self) -> tuple[int, ...]:
        """Context on every side of a zone, in pixels."""
        return self.tiling.radius

    @property
    def zone(self) -> tuple[int, ...]:
        """Size of a full zone, in pixels."""
        return self.tiling.zone

    @property
    def rmse(self) -> float:
        """RMSE of the softmax (Eq. 4)."""
        return self.difference.rmse

    @property
    def misclassified(self) -> int:
        """ME: pixels whose label differs (Eq. 5)."""
        return self.difference.misclassified

    @property
    def near_ties(self) -> int:
        """Those of the misclassified pixels that the last bits of the arithmetic can flip."""
        return self.difference.near_ties

    @property
    def max_abs_difference(self) -> float:
        """Largest difference of a probability."""
        return self.difference.max_abs_difference

    @property
    def on_grid(self) -> bool:
        """Whether tiles start on multiples of F."""
        return is_on_grid(self.radius, self.tiling.factor)

    @property
    def exact(self) -> bool:
        """Whether the geometry is exact: on the grid, with all the context that the network needs."""
        enough = all(r >= n for r, n in zip(self.radius, self.required, strict=True))
        return enough and self.on_grid and not self.anchored


def is_on_grid(radius: Iterable[int], factor: Iterable[int]) -> bool:
    """Tell whether tiles with this radius start on multiples of F."""
    return all(r % f == 0 for r, f in zip(radius, factor, strict=True))


def require_grid_of_image(analysis: Runnable) -> None:
    """Raise ValueError for a network whose output has another grid than the image: off it, tiles of any
    radius would not even begin on one of its elements."""
    if not analysis.grid.is_of_image:
        raise ValueError(NO_COMPARISON)


class TilingErrors:
    """Measures the usual tiling of one engine's image with any radius, window by window.

    The image is normalised as a whole; the exact result comes from the engine with the true context, or from
    one pass of the unchanged network. Call `prepare` first. One thread at a time. Raises ValueError for a
    network whose output has another grid than the image.
    """

    def __init__(self, engine: LocalEngine) -> None:
        task = engine.task.for_whole_tiles()
        self._evenly = task is not engine.task
        if self._evenly:
            engine = LocalEngine(task, known=Known(engine.normalization))
        require_grid_of_image(task.analysis)
        if not task.decision.one_label:
            raise ValueError(NO_CLASSES)
        self._engine, self._task, self.analysis = engine, task, require_derived(task.analysis)
        self._executor_or_none: Executor | None = None

    @property
    def _executor(self) -> Executor:
        assert self._executor_or_none is not None, "prepare() comes first"
        return self._executor_or_none

    def prepare(self, check: Check = lambda: None, tell: Tell = nobody) -> None:
        """Measure the image, once. Raises ValueError for pixels that cannot be used, and Cancelled."""
        if self._executor_or_none is None:
            for event in self._engine.prepare(check):
                _tell_of(event, tell)
            self._executor_or_none = self._engine.exact_executor()

    def reference(self, window: Box, check: Check = lambda: None, tell: Tell = nobody) -> Scored:
        """Return the exact result in `window`, computed piece by piece."""
        size = tuple(f * max(1, COMFORTABLE_ZONE // f) for f in self.analysis.factor)
        needed = self._task.plan.required_radius
        zones = _told(list(split_zone(window, size, self.analysis.factor)), EXACT, tell)
        return self._scored(window, zones, lambda zone: self._executor.scores(zone, needed, TRIMMED, check))

    def one_pass(self) -> Scored:
        """Return the exact result for the whole image from one pass of the unchanged network."""
        window = full_box(self._engine.source.shape)
        return self._scored(window, [window], lambda _zone: self._executor.whole())

    def error(
        self, reference: Scored, zone: tuple[int, ...], radius: tuple[int, ...],
        check: Check = lambda: None, *, unchanged: bool = False, tell: Tell = nobody,
    ) -> TilingError:  # fmt: skip
        """Return the error, in the reference's window, of tiles whose zones have the size `zone`.

        `unchanged` sends whole tiles through the network itself, as other programs do: slower, but
        independent of the rules. Otherwise only what the window depends on inside each tile is computed.
        """
        plan, window = self._task.plan, reference.box
        region, padded = plan.tiling.region, self.analysis.frame.taken
        tiling = Tiling(self._engine.source.shape, self.analysis.factor, zone, radius, region, padded)
        compute = self._executor.through_network if unchanged else self._executor.alone
        tiles = {part: tile for tile, part in tiling.parts(window)}
        found = self._scored(
            window, _told(tiles, TILED, tell), lambda part: compute(tiles[part], part, check)
        )
        near = self._task.decision.near_tie
        apart = [_difference(found.part(part), reference.part(part), near) for part in tiles]
        return TilingError(
            tiling, window, plan.required_radius, sum(apart[1:], apart[0]),
            found.labels != reference.labels, _error_map(found, reference),
            one_class=bool((reference.labels == reference.labels.flat[0]).all()),
            anchored=bool(self.analysis.anchors), evenly=self._evenly,
        )  # fmt: skip

    def _scored(self, window: Box, parts: Iterable[Box], scores: Callable[[Box], torch.Tensor]) -> Scored:
        """Compute the parts one after the other and join them."""
        shape = box_shape(window)
        labels = np.empty(shape, np.min_scalar_type(self._task.classes))
        probabilities: NDArray[Any] | None = None
        for part in parts:
            with exact_arithmetic():
                result = self._engine.decided(scores(part), part)
            assert result.labels is not None, "refused when the engine was taken"
            index = slices(part, window)
            labels[index] = result.labels.cpu().numpy()
            values = result.probabilities.cpu().numpy()
            if probabilities is None:
                probabilities = np.empty((len(values), *shape), values.dtype)
            probabilities[(slice(None), *index)] = values
        assert probabilities is not None, "a window has at least one pixel"
        return Scored(window, labels, probabilities)


def _tell_of(event: Event, tell: Tell) -> None:
    """Tell how far an engine is that prepares itself."""
    match event:
        case Measuring(fraction):
            tell("Measuring image", fraction)
        case Surveying(number, passes, done, of):
            tell(f"Pass {number} of {passes} over the image", done / of)


def _told(parts: Collection[Box], words: str, tell: Tell) -> Iterator[Box]:
    """Yield parts that are computed one after the other, and tell how many are done."""
    for done, part in enumerate(parts):
        tell(words, done / len(parts))
        yield part


def _difference(found: Scored, true: Scored, near_tie: float) -> Difference:
    return difference(found.labels, found.probabilities, true.labels, true.probabilities, near_tie)


def _error_map(found: Scored, true: Scored) -> NDArray[np.float32]:
    largest = np.zeros(found.labels.shape, np.float32)
    for ours, theirs in zip(found.probabilities, true.probabilities, strict=True):
        np.maximum(largest, np.abs(ours - theirs), out=largest)
    return largest
