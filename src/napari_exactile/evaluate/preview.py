"""Errors of the usual tiling at one place of an image; a radius that was seen before comes back at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from napari_exactile.evaluate.errors import Scored, TilingError, TilingErrors
from napari_exactile.evaluate.estimate import SAMPLES, Estimate, estimate
from napari_exactile.evaluate.sweep import Subject, Sweep, radius_steps, run_sweep
from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check, Tell, nobody

# What goes on, as whoever waits for it is told.
ZONES, CONTEXTS = "Measuring zones", "Measuring contexts"


class ErrorPreview:
    """Computes errors in one window after the other, and remembers those in the last one.

    `known` answers at once. Everything else computes, in whatever thread calls it, and raises ValueError for
    pixels that cannot be used, and what `check` raises to stop it. The task itself is never run.
    """

    def __init__(self, task: Task) -> None:
        self._engine = LocalEngine(task)
        self._errors = TilingErrors(self._engine)
        self._computing = threading.Lock()
        self._reference: Scored | None = None
        self._found: dict[tuple[Tiling, Box], TilingError] = {}

    @property
    def measured(self) -> bool:
        """Whether the image has been measured: before that, an answer takes as long as reading all of it."""
        return self._engine.normalization is not None

    def known(self, tiling: Tiling, window: Box) -> TilingError | None:
        """Return the error of this tiling in this window if it has been computed."""
        return self._found.get((tiling, window))

    def error(self, tiling: Tiling, window: Box, check: Check, tell: Tell = nobody) -> TilingError:
        """Return the error of this tiling in this window; waits for a computation in another thread."""
        with self._computing:
            check()
            found = self.known(tiling, window)
            if found is None:
                self._errors.prepare(check, tell)
                reference = self._reference_in(window, check, tell)
                found = self._errors.error(reference, tiling.zone, tiling.radius, check, tell=tell)
                self._found[tiling, window] = found
            return found

    def _reference_in(self, window: Box, check: Check, tell: Tell) -> Scored:
        """Return the exact result of a window, for all radii the same; other windows are forgotten."""
        if self._reference is None or self._reference.box != window:
            self._found.clear()
            self._reference = self._errors.reference(window, check, tell)
        return self._reference

    def estimate(self, tiling: Tiling, check: Check, tell: Tell = nobody) -> Iterator[Estimate]:
        """Yield ever better estimates of the error in the whole region that is tiled."""
        errors, samples = self._own_errors(check, tell), min(SAMPLES, len(tiling))
        tell(ZONES, 0.0)
        for found in estimate(errors, tiling, check=check):
            tell(ZONES, found.samples / samples)
            yield found

    def sweep(self, tiling: Tiling, window: Box, check: Check, tell: Tell = nobody) -> Iterator[Sweep]:
        """Yield the errors in the window against the radius, 0 to required + 2 F, as they are measured."""
        subject = Subject(self._own_errors(check, tell), window)
        steps = radius_steps(self._errors.analysis, None, lambda _radius, _factor: tiling.zone)
        tell(CONTEXTS, 0.0)
        for found in run_sweep("radius", [subject], steps, check):
            # The exact result that they are compared to takes as long as one of them.
            tell(CONTEXTS, (len(found.points) + 1) / (len(steps) + 1))
            yield found

    def _own_errors(self, check: Check, tell: Tell) -> TilingErrors:
        """Return what computes beside the others: executors belong to one thread."""
        errors = TilingErrors(self._engine)
        errors.prepare(check, tell)
        return errors
