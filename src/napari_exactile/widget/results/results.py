"""The sections of the dock that make something of a complete result: its objects, and how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.form.form import Form
from napari_exactile.widget.results.agreement import AgreementFields, AgreementSection
from napari_exactile.widget.results.finished import FinishedLayer, finished_of
from napari_exactile.widget.results.objects import ObjectsFields, ObjectsSection

if TYPE_CHECKING:
    from napari_exactile.widget.run.runner import ShownRun


class ResultFields:
    """The fields of both sections."""

    def __init__(self) -> None:
        self.objects, self.agreement = ObjectsFields(), AgreementFields()

    def add_to(self, form: Form) -> None:
        """Add both sections, closed."""
        tooltip = "Number and measure what is connected, over all tiles"
        self.objects_header = form.closed("Objects", tooltip, self.objects.form)
        tooltip = "Dice and IoU against a Labels layer that was drawn by hand"
        self.agreement_header = form.closed("Compare", tooltip, self.agreement.form)


class Results:
    """Follows the last run. All methods belong to the GUI thread."""

    def __init__(self, viewer: ViewerModel, fields: ResultFields, parent: QWidget) -> None:
        self._viewer, self.fields = viewer, fields
        self._run: ShownRun | None = None
        self._finished: FinishedLayer | None = None
        self.objects = ObjectsSection(viewer, fields.objects, parent)
        self.agreement = AgreementSection(viewer, fields.agreement)

    def choose(self, run: ShownRun | None) -> None:
        """Offer what can be made of this run's labels, or say why nothing can."""
        self._run = run
        self.update()

    def update(self) -> None:
        """Look again at the last run and at the layers."""
        try:
            finished, reason = finished_of(self._run, self._viewer), ""
        except ValueError as error:
            finished, reason = None, str(error)
        # The same labels: what has been found in them stays.
        if self._finished is not None and finished is not None and finished.layer is self._finished.layer:
            finished = self._finished
        self._finished = finished
        self.objects.choose(finished, reason)
        self.agreement.choose(finished, reason)

    def outdate(self) -> None:
        """Look at labels that were edited: what was found in them before is of others."""
        try:
            self._finished = finished_of(self._run, self._viewer)
        except ValueError:
            self.update()
            return
        self.objects.outdate(self._finished)
        self.agreement.outdate(self._finished)

    def leave(self) -> None:
        """Stop: the dock is going away; layers stay."""
        self._run = None
        self.objects.leave()
        self.agreement.leave()
