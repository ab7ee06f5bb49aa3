"""The section of the dock that compares a complete result to labels that somebody drew by hand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, PushButton
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_exactile.geometry.words import counted, joined, times
from napari_exactile.widget.draw.own_layer import MARK, OWN
from napari_exactile.widget.form.background import Going
from napari_exactile.widget.form.form import Form, Note, beside
from napari_exactile.widget.results.finished import FinishedLayer, apart, followed
from napari_exactile.widget.work.long_work import LongWork, WorkButtons

if TYPE_CHECKING:
    from napari_exactile.evaluate.agreement import Agreement


COMPARE, STOP, COMPARING = "Compare", "Stop", "Comparing"


class AgreementFields:
    """Which layer to compare to, and what came out."""

    def __init__(self) -> None:
        self.manual = ComboBox(choices=[], tooltip="The Labels layer to compare to")
        self.partly = CheckBox(
            text="What is not annotated", value=False, tooltip="Compare annotated pixels only"
        )
        self.ignore = FloatSpinBox(
            value=0, min=0, max=65535, step=1, visible=False,
            tooltip="What the manual layer has where nobody looked"
        )  # fmt: skip
        self.compare = PushButton(text=COMPARE, tooltip="Dice and IoU of each class, over the whole image")
        self.comparing = WorkButtons()
        self.words, self.left_out, self.scores = Note(), Note(), QLabel()
        self.scores.setTextFormat(Qt.TextFormat.RichText)
        self.scores.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.scores.setVisible(False)
        self.ignore.native.setDecimals(0)
        self.ignore.native.setPrefix("label ")
        self.partly.changed.connect(lambda partly: setattr(self.ignore, "visible", partly))
        self.form = Form()
        self.form.row("Manual", self.manual, self.left_out)
        self.form.row("Leave out", self.partly, self.ignore)
        self.form.wide(beside(self.compare, *self.comparing.all), self.words, self.scores)

    def show(self, scores: str, tooltip: str = "") -> None:
        """Show a table, or nothing."""
        self.scores.setText(scores)
        self.scores.setToolTip(tooltip)
        self.scores.setVisible(bool(scores))


class AgreementSection:
    """Counts in the background how far the labels of the last run agree with a layer that a person picks.

    All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel, fields: AgreementFields) -> None:
        self._viewer, self.fields = viewer, fields
        self.agreement: Agreement | None = None
        self._finished: FinishedLayer | None = None
        self.work = LongWork(COMPARING, fields.words.say, fields.comparing)
        fields.form.destroyed.connect(self.work.forget)
        fields.manual.choices = self._candidates
        fields.compare.changed.connect(self._on_button)
        for field in (fields.manual, fields.partly, fields.ignore):
            field.changed.connect(lambda _value: self._forget())

    def choose(self, finished: FinishedLayer | None, reason: str) -> None:
        """Offer to compare these labels; None: there is a `reason` why not."""
        fresh, self._finished = finished is not self._finished, finished
        before = self.fields.manual.value
        self.fields.manual.reset_choices()
        if fresh or self.fields.manual.value is not before:
            self._forget()
        self.fields.compare.enabled = self.fields.manual.value is not None
        self.fields.left_out.say(self._left_out())
        if finished is None:
            self.fields.words.say(reason)
        elif self.fields.manual.value is None:
            size = times(finished.layer.data.shape)
            self.fields.words.say(f"There is no other Labels layer of this size, {size}.")

    def outdate(self, finished: FinishedLayer) -> None:
        """Take labels that were edited, and take back what was said of them before."""
        self._finished = finished
        self._forget()

    def compare(self) -> None:
        """Compare the last result with the layer that is picked."""
        finished, manual, fields = self._finished, self.fields.manual.value, self.fields
        if finished is None or manual is None:
            return
        self._forget()
        if words := apart(finished.layer, manual):
            fields.words.say(f"'{manual.name}' has {words} than the labels: they cannot be compared.", True)
            return
        ignore = round(fields.ignore.value) if fields.partly.value else None
        fields.compare.text = STOP
        self.work.begin(
            lambda going: _steps(finished, manual.data, ignore, going), self._on_compared, self._on_error
        )

    def leave(self) -> None:
        """Stop: the dock is going away."""
        self.work.stop()

    def _candidates(self, _field: Any) -> list[tuple[str, Labels]]:
        """Return the Labels layers that somebody else made, of the size of ours."""
        if self._finished is None:
            return []
        shape = self._finished.layer.data.shape
        return [(layer.name, layer) for layer in self._others() if layer.data.shape == shape]

    def _others(self) -> list[Labels]:
        """Return the Labels layers that somebody else made."""
        labels = (layer for layer in self._viewer.layers if isinstance(layer, Labels))
        return [layer for layer in labels if not {OWN, MARK} & layer.metadata.keys()]

    def _left_out(self) -> str:
        """Say which Labels layers cannot be compared, as they are of another size; nothing where none is."""
        if self._finished is None:
            return ""
        shape = self._finished.layer.data.shape
        names = [
            f"'{layer.name}' ({times(layer.data.shape)})"
            for layer in self._others()
            if layer.data.shape != shape
        ]
        return f"Left out: {joined(names)}, as these labels are {times(shape)}." if names else ""

    def _on_button(self, _clicked: Any) -> None:
        if self.work.going:
            self._forget()
            self.fields.words.say("Stopped: nothing was compared.")
        else:
            self.compare()

    def _forget(self) -> None:
        self._stop()
        self.agreement = None
        self.fields.words.say()
        self.fields.show("")

    def _stop(self) -> None:
        self.work.stop()
        self.fields.compare.text = COMPARE

    def _on_error(self, error: Exception) -> None:
        self._stop()
        self.fields.words.say(f"Not compared: {error or type(error).__name__}", True)

    def _on_compared(self, found: Agreement) -> None:
        self._stop()
        self.agreement = found
        ignored = f", {found.ignored:,} not annotated" if found.ignored else ""
        self.fields.words.say(f"{counted(found.pixels, 'pixel was', 'pixels were')} compared{ignored}.")
        self.fields.show(_as_html(found), _counts(found))


def _steps(finished: FinishedLayer, manual: Any, ignore: int | None, going: Going) -> Iterator[Agreement]:
    """Run in the worker's thread: yield the agreement."""
    from napari_exactile.evaluate.agreement import compare_labels

    there = finished.of_layer(manual)
    comparing = compare_labels(finished.labels, there, finished.classes, finished.background, ignore)
    yield followed(comparing, COMPARING, going)


def _as_html(found: Agreement) -> str:
    """Return a table of class, Dice and IoU; the mean stands last."""
    heading = "".join(f"<th align='{side}'>{name}</th>" for side, name in (("left", "Class"), *SCORES))
    *rows, mean = (
        f"<td>{escape(name)}</td><td align='right'>{dice}</td><td align='right'>{iou}</td>"
        for name, dice, iou in found.rows
    )
    body = "".join(f"<tr>{row}</tr>" for row in (heading, *rows, mean))
    return f"<table width='100%' cellspacing='0' cellpadding='2'>{body}</table>"


SCORES = (("right", "Dice"), ("right", "IoU"))


def _counts(found: Agreement) -> str:
    return "\n".join(
        f"{one.name}: {one.labels:,} px in the labels, {one.manual:,} px by hand, {one.both:,} px in both"
        for one in found.classes
    )
