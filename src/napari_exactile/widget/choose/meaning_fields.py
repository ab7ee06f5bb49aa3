"""What the numbers of a network are taken for, and from which probability on a pixel is labelled."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox

from napari_exactile.widget.form.form import Form, Note

AUTOMATIC = "Automatic"


class MeaningFields:
    """The fields and their rows, which are there only where a person can choose."""

    def __init__(self) -> None:
        self._threshold_of: str | None = None
        self._channels = 2
        self.threshold = FloatSpinBox(
            value=0.5, min=0.001, max=0.999, step=0.05,
            tooltip="Probability from which on a pixel is labelled; where probabilities were kept, a change "
            "needs no second run",
        )  # fmt: skip
        self.threshold.native.setDecimals(3)
        self.kind = ComboBox(
            choices=self._kinds, value="auto",
            tooltip="What the numbers of the network are; automatically, as the model or its last layer says",
        )  # fmt: skip
        self.kind_note = Note()
        self.kind_row, self.threshold_row = Form(), Form()
        self.kind_row.row("Output", self.kind, self.kind_note)
        self.threshold_row.row("Threshold", self.threshold)

    def offer_threshold(self, model: str, own: float | None) -> None:
        """Let the person change the threshold of a model that says yes or no, beginning with its `own`."""
        self.threshold_row.setVisible(own is not None)
        if own is not None and self._threshold_of != model:
            self._threshold_of = model
            with self.threshold.changed.blocked():
                self.threshold.value = own

    def choose_threshold(self, model: str, threshold: float | None) -> None:
        """Choose a threshold for a model, which then does not begin with its own; None: it does."""
        self._threshold_of = None if threshold is None else model
        if threshold is not None:
            self.threshold.value = threshold

    def offer_kinds(self, channels: int) -> Any:
        """Let the person say what an output of so many channels is (0: there is none); return the choice."""
        self.kind_row.setVisible(channels > 0)
        if channels and channels != self._channels:
            self._channels = channels
            with self.kind.changed.blocked():
                self.kind.reset_choices()
        return self.kind.value

    def forget(self) -> None:
        """Take the output for what the next model says it is."""
        with self.kind.changed.blocked():
            self.kind.value = "auto"

    def _kinds(self, _field: Any) -> list[tuple[str, str]]:
        """Offer what an output of so many channels can be: the best of one channel is no class."""
        classes = [("Classes", "classes")] if self._channels > 1 else []
        yes_or_no = [("Yes or no, from logits", "logits"), ("Yes or no, from probabilities", "probabilities")]
        return [(AUTOMATIC, "auto"), *classes, *yes_or_no, ("Values", "values")]
