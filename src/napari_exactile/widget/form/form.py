"""The dock's form: rows of captions, fields and notes that fit into a narrow dock at any font size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from magicgui.widgets.bases import Widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

from napari_exactile.widget.form.glossary import explained
from napari_exactile.widget.form.reach import call
from napari_exactile.widget.form.wheel import scroll_past

# On napari's own, numbers that cannot be changed can hardly be read; this grey is as far from both themes.
STYLE = """
QAbstractSpinBox:disabled { background: transparent; color: #7c7c7c; }
QGroupBox { border: none; margin: 0; padding: 0; }
"""
# The width below which no dock looks right, whatever is in it.
NARROWEST = 300
# Letters; longer words, such as paths, may be broken.
LONGEST_WORD = 16


class Note(QLabel):
    """Plain words that wrap, and take no room while there are none; its caption comes and goes with it.

    Both have a tooltip with what the words of the trade mean. `fresh` tells whether they were said since
    `saying_anew` began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fresh = False
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
        self.fresh = True
        text = breakable(text)
        if text == self.text() and warning == bool(self.styleSheet()):
            return
        self.setText(text)
        meaning = explained(text)
        self.setStyleSheet("border-left: 3px solid #D55E00; padding-left: 5px;" if warning else "")
        for part in (self, self.caption):
            if part is not None:
                part.setVisible(bool(text))
                part.setToolTip(meaning)


@contextmanager
def saying_anew(notes: Sequence[Note]) -> Iterator[None]:
    """Let notes say only what they are given in this block: what was said before may be of something else."""
    for note in notes:
        note.fresh = False
    try:
        yield
    finally:
        for note in notes:
            if not note.fresh:
                note.say()


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


class Form(QWidget):
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
        self._title = ""

    def heading(self, title: str, *buttons: QPushButton) -> None:
        """Begin a section; small buttons stand at its right."""
        self._title, caption = title, _caption(f"<b>{title}</b>")
        self.wide(beside(caption, *buttons) if buttons else caption)

    def wide(self, *fields: Widget | QWidget) -> None:
        """Add fields below each other that take the whole width; they are called as their section is."""
        for field in fields:
            if isinstance(field, Form):
                field.layout().setContentsMargins(0, 0, 0, 0)
            native = _native(field)
            if not isinstance(field, Form):
                call(native, self._title)
            self._layout.addWidget(native, self._layout.rowCount(), 0, 1, 2)

    def row(self, caption: str, *fields: Widget | QWidget) -> None:
        """Add a caption, and fields below each other at its side."""
        natives, top = [call(_native(field), caption) for field in fields], self._layout.rowCount()
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

    def closed(self, title: str, tooltip: str, form: Form) -> QPushButton:
        """Add a button that opens and closes `form` under it, closed at first."""
        header = QPushButton()
        header.setProperty("heading", True)
        header.setToolTip(tooltip)
        header.setCheckable(True)

        def turn(is_open: bool) -> None:
            header.setText(f"{'▾' if is_open else '▸'}  {title}")
            header.setAccessibleName(f"{title}, {'open' if is_open else 'closed'}")
            form.setVisible(is_open)

        header.toggled.connect(turn)
        turn(False)
        self.wide(header, form)
        return header


class _Area(QScrollArea):
    """Scrolls up and down only; it is never narrower than its content, which would be cut at the right."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the width of the content beside the scroll bar, and little height."""
        content = self.widget()
        wanted = 0 if content is None else content.minimumSizeHint().width()
        # With napari's style, there is a little room beside the scroll bar.
        wanted += max(self.verticalScrollBar().sizeHint().width() + 2, self.width() - self.viewport().width())
        return QSize(max(NARROWEST, wanted), super().minimumSizeHint().height())

    def eventFilter(self, content: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Notice that the content needs another width: larger letters, a row that has come."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(content, event)


def scrolled(content: QWidget) -> QScrollArea:
    """Return an area without a frame in which `content` scrolls up and down."""
    area = _Area()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area


def more_button(tooltip: str, text: str = "...") -> QPushButton:
    """Return a small button that opens the menu that it is given."""
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")
    button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Minimum)
    return button


def same_letters(like: QWidget, *parts: QWidget | None) -> None:
    """Give tables and menus the letters of a button: napari's own style leaves them small."""
    like.ensurePolished()
    for part in parts:
        if part is not None:
            part.setFont(like.font())


class _Letters(QObject):
    """Keeps parts in the letters of a widget whenever these change."""

    def __init__(self, like: QWidget, parts: tuple[QWidget, ...]) -> None:
        super().__init__(like)
        self._parts = parts
        like.installEventFilter(self)

    def eventFilter(self, like: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Change the letters of the parts after those of the widget."""
        if event is not None and event.type() in {QEvent.Type.FontChange, QEvent.Type.Show}:
            for part in self._parts:
                part.setFont(self.parent().font())
        return False


def follow_letters(like: QWidget, *parts: QWidget) -> None:
    """Give lines of text the letters of another field, for good: napari's own style leaves them small."""
    _Letters(like, parts)


def beside(field: Widget | QWidget, *buttons: QWidget) -> QWidget:
    """Return a field with small buttons at its right, as one row."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(_native(field), stretch=1)
    for button in buttons:
        row.addWidget(button)
    return both


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setIndent(0)
    return label


def _native(field: Widget | QWidget) -> QWidget:
    """Return the Qt widget of a field, behaving as it should in a narrow dock."""
    native: QWidget = field.native if isinstance(field, Widget) else field
    if isinstance(native, QComboBox | QAbstractSpinBox | QAbstractSlider):
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
