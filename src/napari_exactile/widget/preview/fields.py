"""The fields of the section that previews what an undersized context would cost."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets import ComboBox, PushButton, Slider, SpinBox

from napari_exactile.geometry.interval import round_up
from napari_exactile.widget.form.form import Form, Note, beside
from napari_exactile.widget.work.long_work import WorkButtons

SEAM, VIEW, DRAWN = "Nearest seam", "Current view", "Drawn rectangle"
ESTIMATE, STOP = "Estimate whole image", "Stop estimating"


class PreviewFields:
    """Where to look, how much context to try, and what came out.

    The slider steps through multiples of F, from 0 to one step beyond what is required; any other context can
    be typed. `radius` is the field that counts; the slider follows it.
    """

    def __init__(self) -> None:
        self.where = ComboBox(choices=[SEAM, VIEW, DRAWN], tooltip="The part of the image to look at")
        self.slider = Slider(
            value=0,
            min=0,
            max=1,
            readout=False,
            tooltip="Context on every side of a zone, in steps of F: what the network divides lengths by",
        )
        self.radius = SpinBox(
            value=0,
            min=0,
            max=65536,
            tooltip="Context in pixels; what is no multiple of F, which the network divides lengths by, is "
            "off the grid: tiles begin between its steps, and no context is enough",
        )
        self.tile, self.result = Note(), Note()
        self.computing, self.measuring = WorkButtons(cancel=True), WorkButtons()
        self.estimate = PushButton(
            text=ESTIMATE, tooltip="Measure zones all over, chosen at random, with this context"
        )
        self.estimated = Note()
        self.plot = PushButton(text="Plot...", tooltip="Draw the error in this window against the context")
        self._factor, self._required = 0, 0
        self._whole = "whole image"
        self.form = self._arranged()
        self.slider.changed.connect(self._on_slider)
        self.radius.changed.connect(self._on_radius)

    def offer(self, factor: Sequence[int], required: Sequence[int]) -> None:
        """Offer the steps of a model; where it is another model's than before, begin with too little."""
        step, needed = max(factor), max(required)
        if (step, needed) == (self._factor, self._required):
            return
        self._factor, self._required = step, needed
        with self.slider.changed.blocked(), self.radius.changed.blocked():
            self.slider.max = needed // step + 1
            self.radius.step = step
            self.radius.value = round_up(needed // 3, step)
        self._on_radius()

    @property
    def estimating(self) -> bool:
        """Whether an estimate is being made: the button then stops it."""
        return bool(self.estimate.text == STOP)

    @estimating.setter
    def estimating(self, estimating: bool) -> None:
        self.estimate.text = STOP if estimating else f"Estimate {self._whole}"

    def offer_estimate(self, whole: str) -> None:
        """Offer to estimate the error of what is called so, such as the whole image."""
        self._whole = whole
        self.estimating = self.estimating

    def add_to(self, form: Form) -> None:
        """Add them, as a section that is closed."""
        tooltip = "See what the usual tiling gets wrong with less context than the model needs"
        self.header = form.closed("Preview error", tooltip, self.form)

    def lock(self, locked: bool) -> None:
        """Keep everything from being changed, or not."""
        for field in (self.where, self.slider, self.radius, self.estimate, self.plot):
            field.enabled = not locked

    def _on_slider(self, step: int) -> None:
        self.radius.value = step * self._factor

    def _on_radius(self, _value: int = 0) -> None:
        with self.slider.changed.blocked():
            self.slider.value = min(int(self.slider.max), int(self.radius.value // max(1, self._factor)))

    def _arranged(self) -> Form:
        form = Form()
        form.row("At", self.where)
        form.row("Context", self.slider, self.radius, self.tile)
        form.wide(self.result, beside(*self.computing.all))
        form.wide(beside(self.estimate, *self.measuring.all), self.estimated, self.plot)
        return form
