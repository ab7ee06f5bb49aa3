"""What happens in the background to the labels of a run that has ended: saving, another threshold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.run.footer import Footer

if TYPE_CHECKING:
    from napari_exactile.widget.run.labels import RunLabels
    from napari_exactile.widget.run.runner import ShownRun


SHOW_MS = 250


class Stopped(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """Raised while a file is written that is not wanted any more."""


class Saver:
    """Writes labels and says in the footer how that goes; asked again meanwhile, it stops."""

    def __init__(self, parent: QWidget, footer: Footer) -> None:
        self._parent, self._footer, self._latest = parent, footer, Latest()
        self._thresholding = Latest()
        self._fraction, self._stopped = 0.0, False
        # The file is written in a thread, which leaves the fraction for the next look.
        self._timer = QTimer(parent)
        self._timer.setInterval(SHOW_MS)
        self._timer.timeout.connect(lambda: self._footer.show_saving(self._fraction))
        parent.destroyed.connect(self._forget)  # with the timer

    @property
    def saving(self) -> bool:
        """Whether a file is being written."""
        return self._timer.isActive()

    def save(self, run: ShownRun, path: Path | None) -> None:
        """Write the labels of `run` to `path`, or to a file that the person picks; or stop writing."""
        if self.saving:
            self._stopped = True
            return
        if path is None:
            name, _ = QFileDialog.getSaveFileName(
                self._parent, "Save labels", f"{run.labels.name}.ome.tif", "OME-TIFF (*.tif)"
            )
            if not name:
                return
            path = Path(name)
        target = path if path.suffix else path.with_suffix(".ome.tif")
        self._fraction, self._stopped = 0.0, False
        self._footer.show_saving(0)
        self._timer.start()
        self._latest.ask(
            lambda: write(run.labels, target, self._on_progress), lambda _: self._saved(run),
            lambda e: self._failed(run, e),
        )  # fmt: skip

    def stop(self) -> None:
        """Write no more: the dock is going away."""
        self._timer.stop()
        self._forget()

    def _forget(self) -> None:
        self._stopped = True
        self._latest.forget()
        self._thresholding.forget()

    def _on_progress(self, fraction: float) -> None:
        """Called in the thread that writes."""
        self._fraction = fraction
        if self._stopped:
            raise Stopped

    def rethreshold(self, run: ShownRun, threshold: float) -> None:
        """Label anew with another threshold, from the probabilities that `run` has kept."""

        def failed(error: Exception) -> None:
            run.labels.threshold.unlock()
            self._failed(run, error)

        run.labels.threshold.expect(threshold)
        self._thresholding.ask(run.labels.threshold.write, run.labels.refresh, failed)

    def _saved(self, run: ShownRun) -> None:
        self._timer.stop()
        run.keep(True)
        run.show_result()

    def _failed(self, run: ShownRun, error: Exception) -> None:
        self._timer.stop()
        words = "Not saved: stopped" if isinstance(error, Stopped) else f"Not saved: {error}"
        run.show_result()
        self._footer.show_words(words)


def write(given: RunLabels, path: Path, on_progress: Callable[[float], None]) -> None:
    """Write the labels as they are, with class names and pixel size; runs in any thread.

    The file says where they were edited by hand. Raises ValueError where that goes on meanwhile, and where
    the file is one of the image's.
    """
    from napari_exactile.images.read.underlying import files_under
    from napari_exactile.images.store.guard import refuse_over
    from napari_exactile.images.store.tiff import save_labels, save_values
    from napari_exactile.run.words.summary import description

    found, series, size = given.look(), given.series, given.plane.pixel_size
    assert series is not None
    refuse_over(path, files_under(series.task.planes.whole), "the labels")

    def still_the_same(fraction: float) -> None:
        on_progress(fraction)
        # The file appears under its name after this.
        if fraction >= 1 and given.look() != found:
            raise ValueError("the labels were edited while they were written: save them again")

    written, axes = given.written, series.task.planes.axes
    assert written is not None
    size = size and series.task.analysis.grid.pixel_size(size)
    with_channels = f"{axes[: written.channel]}c{axes[written.channel :]}"
    options: dict[str, Any] = {"note": description(series.report()), "on_progress": still_the_same}
    level, options["coarser"] = given.pixels, written.main[1:]
    if written.labels is None:
        save_values(path, level, size, axes=with_channels, **options)
        return
    leading = series.task.decision.leading
    if level.dtype != written.main[0].dtype:
        level = _narrow(level)
    known = ("no", "yes") if leading else given.classes.names
    names = (*known, *(() if series.complete else ("unfinished",)))
    save_labels(path, level, names, size, axes=with_channels if leading else axes, **options)


def _narrow(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels that somebody else made in the smallest type for them: few programs read int64."""
    smallest, largest = map(np.min_scalar_type, (labels.min(), labels.max()))
    return labels.astype(np.promote_types(smallest, largest), copy=False)
