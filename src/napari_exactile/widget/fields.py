"""The dock's fields, in sections: what a person can choose, and the notes that explain each choice."""

from __future__ import annotations

import re
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
from magicgui.widgets.bases import ValueWidget, Widget
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_exactile.widget.wheel import scroll_past

Choices = Callable[[Any], list[tuple[str, Any]]]

WHOLE, VIEW = "Whole image", "Current view"
MODEL_SAYS, Z_SCORE, NONE = "By the model", "Z-score", "None"
AUTOMATIC = "Automatic"

# On napari's own, numbers that cannot be changed can hardly be read; this grey is as far from both themes.
STYLE = """
QAbstractSpinBox:disabled { background: transparent; color: #7c7c7c; }
QGroupBox { border: none; margin: 0; padding: 0; }
"""
HEADER_STYLE = """
QPushButton { text-align: left; font-weight: bold; padding: 4px 0px; }
QPushButton:!hover { background: none; }
"""
# Letters; longer words, such as paths, may be broken.
LONGEST_WORD = 16


class Note(QLabel):
    """Plain words that wrap, and take no room while there are none; its caption comes and goes with it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setIndent(0)  # with napari's style, Qt would indent by half a letter, downwards too
        # Names of layers and files are shown as they are, even if they look like HTML.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setVisible(False)
        self.caption: QLabel | None = None

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the longest word's width and one line's height: the rest follows from the width."""
        return QSize(super().minimumSizeHint().width(), self.fontMetrics().height())

    def say(self, text: str = "", warning: bool = False) -> None:
        """Show `text`; a warning gets a bar at its side, which is seen in every theme."""
        text = breakable(text)
        if text == self.text() and warning == bool(self.styleSheet()):
            return
        self.setText(text)
        self.setStyleSheet("border-left: 3px solid #D55E00; padding-left: 5px;" if warning else "")
        for part in (self, self.caption):
            if part is not None:
                part.setVisible(bool(text))


def breakable(text: str) -> str:
    r"""Return `text` with places to break (zero-width spaces) in words that are too long for a line.

    >>> breakable("no /data/2024_experiment/tile.zarr").split("\u200b")
    ['no /', 'data/', '2024_', 'experiment/', 'tile.', 'zarr']
    """
    return re.sub(
        rf"\S{{{LONGEST_WORD + 1},}}",
        lambda word: re.sub(rf"([-_./\\]|[^-_./\\]{{{LONGEST_WORD}}})(?=.)", "\\1\u200b", word[0]),
        text,
    )


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
        self.image = ComboBox(choices=images, nullable=True, tooltip="The Image layer to segment")
        self.image_note = Note()
        self.sample = PushButton(text="Load sample", tooltip="Open a synthetic image of colonies")
        self.region = RadioButtons(
            choices=[WHOLE, VIEW], value=WHOLE, orientation="vertical",
            tooltip="The current view is exact relative to the whole image: its statistics and edges count",
        )  # fmt: skip

    def _make_model_fields(self, models: Choices) -> None:
        self.model = ComboBox(choices=models, tooltip="The network that labels the pixels")
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
        self.device = ComboBox(choices=[AUTOMATIC, "CPU"], tooltip="What computes the network")
        self.own_radius = CheckBox(
            text="Own radius",
            value=False,
            tooltip="Use another context than the model needs",
        )
        self.radius = SpinBox(value=96, min=0, max=65536, step=16, tooltip="Context on every side, in pixels")
        self.radius_note = Note()
        self.normalization = ComboBox(
            choices=[MODEL_SAYS, Z_SCORE, NONE], tooltip="How pixel values are scaled"
        )  # fmt: skip
        self.probabilities = CheckBox(
            text="Probabilities",
            value=False,
            tooltip="Add a layer for the probability of each class",
        )
        self.memory = FloatSpinBox(
            value=0.0, min=0.0, max=1024.0, step=0.5,
            tooltip="GB that an automatic tile may take; 0: automatic",
        )  # fmt: skip
        self.memory.native.setSuffix(" GB")
        self.memory.native.setSpecialValueText(AUTOMATIC)

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
        form.wide(self.image, self.image_note, self.sample)
        form.row("Segment", self.region)
        form.heading("Model")
        form.wide(self.model, self.model_note, self.exact_note)
        form.heading("Tiles")
        form.row("Tile size", self.automatic, self.tile, self.tile_note)
        form.row("Context", self.context_note)
        form.row("Zone", self.zone_note)
        form.row("", self.tiling, self.all_contexts)
        advanced = _Form()
        advanced.row("Device", self.device)
        advanced.row("Context", self.own_radius, self.radius, self.radius_note)
        advanced.row("Normalise", self.normalization)
        advanced.row("Keep", self.probabilities)
        advanced.row("Memory", self.memory)
        self.advanced = form.closed("Advanced", "Settings that are seldom needed", advanced)
        form.end()
        return form


class _Form(QWidget):
    """Rows of a caption and fields, with one left edge for all fields that have captions."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet(STYLE)
        # A form layout would give words the height for a width that they no longer have.
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(8, 4, 6, 4)
        self._layout.setHorizontalSpacing(8)
        self._layout.setVerticalSpacing(4)
        self._layout.setColumnStretch(1, 1)

    def heading(self, title: str) -> None:
        self.wide(_caption(f"<b>{title}</b>"))

    def wide(self, *fields: Widget | QWidget) -> None:
        """Add fields below each other that take the whole width."""
        for field in fields:
            self._layout.addWidget(_native(field), self._layout.rowCount(), 0, 1, 2)

    def row(self, caption: str, *fields: Widget | QWidget) -> None:
        """Add a caption, and fields below each other at its side."""
        natives, top = [_native(field) for field in fields], self._layout.rowCount()
        for row, native in enumerate(natives, top):
            self._layout.addWidget(native, row, 1)
        label = _caption(caption)
        label.setBuddy(natives[0])
        tall = isinstance(natives[0], Note | QGroupBox)
        self._layout.addWidget(label, top, 0, Qt.AlignmentFlag.AlignTop if tall else Qt.AlignmentFlag(0))
        if isinstance(natives[0], Note):
            natives[0].caption = label
            label.setVisible(False)

    def end(self) -> None:
        """Keep the rows together at the top."""
        self._layout.setRowStretch(self._layout.rowCount(), 1)

    def closed(self, title: str, tooltip: str, form: _Form) -> QPushButton:
        """Add a button that opens and closes `form` under it, closed at first."""
        header = QPushButton()
        header.setStyleSheet(HEADER_STYLE)
        header.setToolTip(tooltip)
        header.setCheckable(True)

        def turn(is_open: bool) -> None:
            header.setText(f"{'▾' if is_open else '▸'}  {title}")
            form.setVisible(is_open)

        header.toggled.connect(turn)
        turn(False)
        form.layout().setContentsMargins(0, 0, 0, 0)
        self.wide(header, form)
        return header


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setIndent(0)
    return label


def _native(field: Widget | QWidget) -> QWidget:
    """Return the Qt widget of a field, behaving as it should in a narrow dock."""
    native: QWidget = field.native if isinstance(field, Widget) else field
    if isinstance(native, QComboBox | QAbstractSpinBox):
        scroll_past(native)
    match native:
        case QComboBox():
            _shorten(native)
        case QAbstractSpinBox():
            # Half-typed numbers are not settings yet.
            native.setKeyboardTracking(False)
        case QGroupBox():
            native.layout().setContentsMargins(0, 0, 0, 0)
    return native


def _shorten(box: QComboBox) -> None:
    """Let a long name be cut, and stand in the tooltip, rather than make the dock wider than it is."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    purpose = box.toolTip()
    box.currentTextChanged.connect(lambda name: box.setToolTip(f"{purpose}\n{name}"))
