"""The buttons under the result of a run: save it, tell how it came about, copy a part to paint on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.background import Latest
from napari_exactile.widget.editable import box_to_copy, layer_of, read_labels
from napari_exactile.widget.footer import Footer
from napari_exactile.widget.report_dialog import ReportDialog
from napari_exactile.widget.saving import Saver

if TYPE_CHECKING:
    from napari_exactile.widget.runner import Run


class ResultActions:
    """Acts on the last run, which `run` gives. All methods belong to the GUI thread."""

    def __init__(
        self, viewer: ViewerModel, footer: Footer, parent: QWidget, run: Callable[[], Run | None]
    ) -> None:
        self._viewer, self._footer, self._run = viewer, footer, run
        self.saver = Saver(parent, footer)
        self.dialog = ReportDialog(parent)
        self._reporting, self._copying = Latest(), Latest()
        footer.save.clicked.connect(lambda _checked: self.save())
        footer.report.clicked.connect(lambda _checked: self.report())
        footer.copy.clicked.connect(lambda _checked: self.copy())

    def save(self, path: Path | None = None) -> None:
        """Write the labels of the last run to `path`, or to a file that the person picks."""
        run = self._run()
        if run is not None and run.can_save:
            self.saver.save(run, path)

    def report(self) -> None:
        """Show how the labels of the last run came about."""
        run = self._run()
        if run is not None and run.can_save:
            self._reporting.ask(lambda: _report(run), self.dialog.show_report, self._failed)

    def copy(self) -> None:
        """Add a layer to paint on over what is in sight."""
        run = self._run()
        layer = None if run is None else run.layer
        if not isinstance(layer, Labels) or layer not in self._viewer.layers:
            return
        try:
            box = box_to_copy(self._viewer, layer)
        except ValueError as error:
            self._failed(error)
            return
        self._copying.ask(
            lambda: read_labels(layer, box),
            lambda labels: self._viewer.add_layer(layer_of(layer, box, labels)),
            self._failed,
        )

    def rethreshold(self, threshold: float) -> None:
        """Label anew with another threshold, where the last run has kept its probabilities."""
        run = self._run()
        if run is not None and run.can_rethreshold:
            self.saver.rethreshold(run, threshold)

    def close(self) -> None:
        """Close the windows: the dock is hidden."""
        self.dialog.close()

    def leave(self) -> None:
        """Stop: the dock is going away."""
        self._reporting.forget()
        self._copying.forget()
        self.saver.stop()
        self.dialog.close()

    def _failed(self, error: Exception) -> None:
        self._footer.show_words(f"{error}")


def _report(run: Run) -> dict[str, Any]:
    """Return the report that lies in the store, or what is known of labels in memory; in any thread."""
    from napari_exactile.run.report_file import earlier_report, report_of

    run.look()
    return (run.path and earlier_report(run.path)) or report_of(run.series)
