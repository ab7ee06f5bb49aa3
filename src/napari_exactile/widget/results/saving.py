"""What happens in the background to the labels of a run that has ended: saving, another threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.choose.output import folder_beside
from napari_exactile.widget.choose.place import as_file
from napari_exactile.widget.form.activity import LongWork
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.picking import pick_file
from napari_exactile.widget.results.label_files import KINDS, TIFF, write
from napari_exactile.widget.run.footer import Footer

if TYPE_CHECKING:
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
        self._work = LongWork("Saving")
        self._timer.timeout.connect(lambda: self._footer.show_saving(self._work.at(self._fraction)))
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
            proposed = folder_beside(run.labels.plane.layer) / f"{as_file(run.labels.name)}{TIFF}"
            path = pick_file(self._parent, "Save labels", proposed, KINDS)
            if path is None:
                return
        target = path if path.suffix else path.with_suffix(TIFF)
        self._fraction, self._stopped = 0.0, False
        self._footer.show_saving(self._work.begun())
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
        self._work.end()
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
        self._work.end()
        run.keep(True)
        run.show_result()

    def _failed(self, run: ShownRun, error: Exception) -> None:
        self._timer.stop()
        self._work.end()
        words = "Not saved: stopped" if isinstance(error, Stopped) else f"Not saved: {error}"
        run.show_result()
        self._footer.show_words(words)
