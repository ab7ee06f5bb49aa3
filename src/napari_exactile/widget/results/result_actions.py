"""The buttons under the result of a run: save it, tell how it came about, copy a part to paint on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.choose.output import folder_beside
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.glossary import sentence
from napari_exactile.widget.results.editable import box_to_copy, layer_of, read_labels
from napari_exactile.widget.results.report_dialog import ReportDialog
from napari_exactile.widget.results.saving import Saver
from napari_exactile.widget.run.edits import ask_to_lose
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.work.busy import busy

if TYPE_CHECKING:
    from napari_exactile.widget.run.labels import RunLabels
    from napari_exactile.widget.run.runner import ShownRun


THRESHOLD_LOSES = "Another threshold labels all pixels anew, and the edits are lost."
CONTINUE_LOSES = (
    "Continuing labels the tiles that are left, and edits there are lost. Those in finished tiles stay, and "
    "the labels are no longer those of one pass."
)


class ResultActions:
    """Acts on the last run, which `run` gives. All methods belong to the GUI thread.

    `show_threshold` is called with the one that stays where a person thinks better of another.
    """

    def __init__(
        self, viewer: ViewerModel, footer: Footer, parent: QWidget, run: Callable[[], ShownRun | None],
        show_threshold: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._viewer, self._footer, self._parent, self._run = viewer, footer, parent, run
        self._show_threshold = show_threshold
        self.saver = Saver(parent, footer)
        self.dialog = ReportDialog(parent)
        self._reporting, self._copying, self._looking = Latest(), Latest(), Latest()
        footer.save.clicked.connect(lambda _checked: self.save())
        footer.report.clicked.connect(lambda _checked: self.report())
        footer.copy.clicked.connect(lambda _checked: self.copy())
        parent.destroyed.connect(self._forget)

    def save(self, path: Path | None = None) -> None:
        """Write the labels of the last run to `path`, or to a file that the person picks."""
        run = self._run()
        if run is not None and run.can_save:
            self.saver.save(run, path)

    def report(self) -> None:
        """Show how the labels of the last run came about."""
        run = self._run()
        if run is not None and run.can_save:
            folder = folder_beside(run.labels.plane.layer)
            self._reporting.ask(
                lambda: report_now(run.labels), lambda report: self.dialog.show_report(report, folder),
                self._failed,
            )  # fmt: skip

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

        def add(labels: Any) -> None:
            with busy():
                self._viewer.add_layer(layer_of(layer, box, labels))

        self._copying.ask(lambda: read_labels(layer, box), add, self._failed)

    def rethreshold(self, threshold: float) -> None:
        """Label anew with another threshold, where the last run has kept its probabilities.

        Where labels were edited by hand, that is asked first.
        """
        run = self._run()
        self._looking.forget()
        if run is not None and run.can_rethreshold and threshold != run.labels.threshold.value:
            self._looking.ask(run.labels.look, lambda _: self._decide(run, threshold), self._failed)

    def _decide(self, run: ShownRun, threshold: float) -> None:
        if run.labels.edited and not ask_to_lose(self._parent, THRESHOLD_LOSES, "Label anew"):
            self._show_threshold(run.labels.threshold.value)
        elif run.can_rethreshold:
            self.saver.rethreshold(run, threshold)

    def may_continue(self) -> bool:
        """Ask whether the last run may go on where that overwrites edits."""
        run = self._run()
        return run is None or not run.labels.edited or ask_to_lose(self._parent, CONTINUE_LOSES, "Continue")

    def close(self) -> None:
        """Close the windows: the dock is hidden."""
        self.dialog.close()

    def leave(self) -> None:
        """Stop: the dock is going away."""
        self._forget()
        self.saver.stop()
        self.dialog.close()

    def _forget(self) -> None:
        for question in (self._reporting, self._copying, self._looking):
            question.forget()

    def _failed(self, error: Exception) -> None:
        self._footer.show_words(sentence(error))


def report_now(given: RunLabels) -> dict[str, Any]:
    """Return the report that lies in the store, or what is known of labels in memory; in any thread."""
    from napari_exactile.run.store.report_file import earlier_report, report_of

    given.look()
    assert given.series is not None
    return (given.path and earlier_report(given.path)) or report_of(given.series)
