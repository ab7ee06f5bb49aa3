"""What happens in the background to the labels of a run that has ended: saving, another threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_exactile.widget.background import Latest
from napari_exactile.widget.footer import Footer

if TYPE_CHECKING:
    from napari_exactile.widget.runner import Run


class Saver:
    """Writes labels and says in the footer how that went."""

    def __init__(self, parent: QWidget, footer: Footer) -> None:
        self._parent, self._footer, self._latest = parent, footer, Latest()
        self._thresholding = Latest()

    def save(self, run: Run, path: Path | None) -> None:
        """Write the labels of `run` to `path`, or to a file that the person picks."""
        if path is None:
            name, _ = QFileDialog.getSaveFileName(
                self._parent, "Save labels", f"{run.name}.ome.tif", "OME-TIFF (*.tif)"
            )
            if not name:
                return
            path = Path(name)
        target = path if path.suffix else path.with_suffix(".ome.tif")
        self._footer.show_result("Saving...", can_save=False)
        self._latest.ask(
            lambda: write(run, target), lambda _: self._saved(run), lambda e: self._failed(run, e)
        )

    def rethreshold(self, run: Run, threshold: float) -> None:
        """Label anew with another threshold, from the probabilities that `run` has kept."""
        self._thresholding.ask(
            lambda: run.rethreshold(threshold), lambda _: run.refresh(), lambda e: self._failed(run, e)
        )

    def _saved(self, run: Run) -> None:
        run.saved = True
        self._footer.show_result(run.summary(), can_save=True)

    def _failed(self, run: Run, error: Exception) -> None:
        self._footer.show_result(f"Not saved: {error}", can_save=run.can_save)


def write(run: Run, path: Path) -> None:
    """Write the labels as they are, with class names and pixel size; runs in any thread."""
    from napari_exactile.images.tiff import save_labels, save_values
    from napari_exactile.run.summary import description

    series, size = run.series, run.plane.pixel_size
    size = size and series.analysis.grid.pixel_size(size)
    note, axes = description(series.report()), series.planes.axes
    if series.labels is None:
        assert series.probabilities is not None
        save_values(path, series.probabilities, size, note, f"c{axes}")
        return
    leading = series.job.decision.leading
    known = ("no", "yes") if leading else run.classes.names
    names = (*known, *(() if series.complete else ("unfinished",)))
    save_labels(path, series.labels, names, size, axes=f"c{axes}" if leading else axes, note=note)
