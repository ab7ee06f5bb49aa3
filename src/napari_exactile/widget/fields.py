"""The dock's fields, in sections: what a person can choose, and the notes that explain each choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    FloatSpinBox,
    PushButton,
    RadioButtons,
    SpinBox,
)
from magicgui.widgets.bases import ButtonWidget, ValueWidget, Widget
from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFormLayout, QLabel, QWidget
from superqt import QCollapsible

Choices = Callable[[Any], list[tuple[str, Any]]]

WHOLE, VIEW = "Whole image", "Current view"
MODEL_SAYS, Z_SCORE, NONE = "As the model says", "Z-score", "None"
AUTOMATIC = "Automatic"


class Note(QLabel):
    """Words under a field that wrap, and take no room while they are empty."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setVisible(False)
        self.caption: QLabel | None = None

    def say(self, text: str = "", warning: bool = False) -> None:
        """Show `text`; a warning gets a bar at its side, which is seen in every theme."""
        if text == self.text() and warning == bool(self.styleSheet()):
            return
        self.setText(text)
        self.setStyleSheet("border-left: 3px solid #D55E00; padding-left: 5px;" if warning else "")
        for part in (self, self.caption):
            if part is not None:
                part.setVisible(bool(text))


class Fields:
    """All fields with their defaults; `on_change` is called after each change that matters to the plan.

    Fields are magicgui widgets: their `.value` can be set by scripts as by people. `widget` holds them.
    """

    def __init__(self, images: Choices, models: Choices, on_change: Callable[[], None]) -> None:
        self._make_image_fields(images)
        self._make_model_fields(models)
        self._make_tile_fields()
        self._make_advanced_fields()
        self.widget = self._arranged()
        for field in self.plan_fields():
            field.changed.connect(lambda _value: on_change())

    def _make_image_fields(self, images: Choices) -> None:
        self.image = ComboBox(
            label="Image", choices=images, nullable=True, tooltip="The Image layer to segment"
        )
        self.image_note = Note()
        self.sample = PushButton(text="Load sample", tooltip="Open a synthetic image of colonies")
        self.region = RadioButtons(
            label="Segment", choices=[WHOLE, VIEW], value=WHOLE, orientation="vertical",
            tooltip="The current view is exact relative to the whole image: its statistics and edges count",
        )  # fmt: skip

    def _make_model_fields(self, models: Choices) -> None:
        self.model = ComboBox(label="Model", choices=models, tooltip="The network that labels the pixels")
        self.model_note, self.exact_note = Note(), Note()

    def _make_tile_fields(self) -> None:
        self.automatic = CheckBox(
            text="Automatic", value=True, tooltip="Choose a tile that is fast and fits in memory"
        )  # fmt: skip
        self.tile = SpinBox(
            value=512, min=1, max=65536, step=16,
            tooltip="Side of the tile that is read: the zone (ZoR) and the context on both sides",
        )  # fmt: skip
        self.context_note, self.zone_note, self.tile_note = Note(), Note(), Note()
        self.tiling = CheckBox(text="Show tiling", value=True, tooltip="Draw zones and context on the image")
        self.all_contexts = CheckBox(
            text="Show all contexts", value=False, tooltip="Draw the context of every tile, up to 100 tiles"
        )  # fmt: skip

    def _make_advanced_fields(self) -> None:
        self.device = ComboBox(
            label="Device", choices=[AUTOMATIC, "CPU"], tooltip="What computes the network"
        )
        self.own_radius = CheckBox(
            text="Own radius",
            value=False,
            tooltip="Use another context than the model needs",
        )
        self.radius = SpinBox(value=96, min=0, max=65536, step=16, tooltip="Context on every side, in pixels")
        self.radius_note = Note()
        self.normalization = ComboBox(
            label="Normalise", choices=[MODEL_SAYS, Z_SCORE, NONE], tooltip="How pixel values are scaled"
        )  # fmt: skip
        self.probabilities = CheckBox(
            text="Keep probabilities",
            value=False,
            tooltip="Add a layer for the probability of each class",
        )
        self.memory = FloatSpinBox(
            label="Memory", value=0.0, min=0.0, max=1024.0, step=0.5,
            tooltip="GB that an automatic tile may take; 0: automatic",
        )  # fmt: skip

    def plan_fields(self) -> tuple[ValueWidget[Any], ...]:
        """Return the fields that change what is computed."""
        return (
            self.image, self.region, self.model, self.automatic, self.tile, self.device, self.own_radius,
            self.radius, self.normalization, self.probabilities, self.memory,
        )  # fmt: skip

    def remembered(self) -> dict[str, ValueWidget[Any]]:
        """Return the fields that come back in the next session; an own radius does not: it can be inexact."""
        names = "model automatic tile tiling all_contexts device normalization probabilities memory"
        return {name: getattr(self, name) for name in names.split()}

    def lock(self, locked: bool) -> None:
        """Keep everything that belongs to a run from being changed while it goes on."""
        for field in self.plan_fields():
            field.enabled = not locked
        if not locked:
            self.tile.enabled, self.radius.enabled = not self.automatic.value, self.own_radius.value

    def _arranged(self) -> QWidget:
        form = _Form()
        form.heading("Image")
        form.rows(self.image, self.image_note)
        form.wide(self.sample.native)
        form.rows(self.region)
        form.heading("Model")
        form.rows(self.model, self.model_note, self.exact_note)
        form.heading("Tiles")
        form.row("Tile size", self.automatic)
        form.row("", self.tile)
        form.rows(self.tile_note)
        form.row("Context", self.context_note)
        form.row("Zone", self.zone_note)
        form.rows(self.tiling, self.all_contexts)
        advanced = _Form()
        advanced.rows(self.device)
        advanced.row("Context", self.own_radius)
        advanced.row("", self.radius)
        advanced.rows(self.radius_note, self.normalization)
        advanced.rows(self.probabilities, self.memory)
        form.closed("Advanced", advanced)
        return form


class _Form(QWidget):
    """Rows of a caption and a field, with one left edge for all fields."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(6, 6, 6, 6)
        self._layout.setVerticalSpacing(4)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        # With a large font a field goes under its caption rather than out of sight.
        self._layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    def heading(self, title: str) -> None:
        self._layout.addRow(QLabel(f"<b>{title}</b>"))

    def wide(self, native: QWidget) -> None:
        self._layout.addRow(native)

    def rows(self, *fields: Widget | Note) -> None:
        for field in fields:
            # What a button says is its text; magicgui calls that its label as well.
            silent = isinstance(field, Note | ButtonWidget)
            self.row("" if silent else field.label, field)

    def row(self, caption: str, field: Widget | Note) -> None:
        native = field if isinstance(field, Note) else field.native
        label = QLabel(caption)
        label.setBuddy(native)
        self._layout.addRow(label, native)
        if isinstance(field, Note):
            field.caption = label
            label.setVisible(False)
        if isinstance(native, QComboBox):
            # Without this a long name would make the dock wider than it is.
            native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            native.setMinimumContentsLength(8)
        if isinstance(native, QAbstractSpinBox):
            # Half-typed numbers are not settings yet.
            native.setKeyboardTracking(False)

    def closed(self, title: str, form: _Form) -> None:
        section = QCollapsible()
        section.setDuration(0)
        form.layout().setContentsMargins(0, 4, 0, 0)
        section.addWidget(form)
        section.content().layout().setContentsMargins(0, 0, 0, 0)
        # Its own arrows are drawn before the theme is known, and vanish in a dark one.
        section.setCollapsedIcon(QIcon())
        section.setExpandedIcon(QIcon())
        section.toggled.connect(lambda is_open: section.setText(f"{'▾' if is_open else '▸'}  {title}"))
        section.collapse(animate=False)
        section.setText(f"▸  {title}")
        self.wide(section)
