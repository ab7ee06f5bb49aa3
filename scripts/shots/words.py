"""What a picture shows, as words: layers and the dock's visible fields, without the numbers in them.

Two windows with the same words look alike but for pixels, numbers, colours and places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollBar,
    QTableView,
    QWidget,
)

NUMBER = r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?"
# What may differ between a large and a small image: numbers and how many of them, units, costs.
VARYING = [
    (rf"[-+]?(?<![\w.]){NUMBER}|(?<=[a-z]){NUMBER}", "#"),
    (r"#(?: x #)+", "#"),
    (r" Automatic would be [^.]*\.", ""),  # said of tiles that are much dearer, as small images' are
    (r"# (?:kB|MB|GB)\b", "# MB"),
    (r"# (?:s|min|h)\b(?: # (?:s|min))?", "# s"),
    (r"\bno (?=near-tie|pixel|object)", "# "),
    (r"# ([a-z-]+?)s\b", r"# \1"),
]

# How fast a run is, and whether that is known already, is the machine's.
SPEED = re.compile(r"px/s\b|\bleft$")


def words_of(viewer: Any, *parts: QWidget) -> str:
    """Return a line for each layer, the uppermost first, and for each visible field of the parts."""
    hidden = {True: "", False: " (hidden)"}
    layers = [f"layer: {layer.name}{hidden[layer.visible]}" for layer in reversed(viewer.layers)]
    lines = [*layers, *(line for part in parts for line in _lines(part))]
    return "".join(f"{without_numbers(line)}\n" for line in lines if not SPEED.search(line))


def without_numbers(line: str) -> str:
    """Return a line with `#` for each number, on one line.

    >>> without_numbers("49 tiles, 0.67 Mpx/s - 9 min left")
    '# tile, # Mpx/s - # s left'
    """
    line = " ".join(unescape(re.sub(r"<[^<>]+>|\u200b", "", line)).split())
    for pattern, to in VARYING:
        line = re.sub(pattern, to, line)
    return line


def _lines(widget: QWidget) -> Iterator[str]:
    for child in widget.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
        if child.isHidden() or isinstance(child, QScrollBar) or child.isWindow():
            continue
        if (text := _text(child)) is None:
            yield from _lines(child)
        elif text.strip():
            yield f"{_kind(child)}: {text}"


def _kind(widget: QWidget) -> str:
    kinds = {
        QLabel: "words", QAbstractButton: "button", QComboBox: "choice", QAbstractSpinBox: "number",
        QLineEdit: "line", QProgressBar: "progress", QTableView: "table", QAbstractSlider: "slider",
    }  # fmt: skip
    return next(name for kind, name in kinds.items() if isinstance(widget, kind))


def _text(widget: QWidget) -> str | None:
    """Return what a field shows; None for what holds fields."""
    match widget:
        case QAbstractButton():
            return widget.text() + (" [x]" if widget.isChecked() else "")
        case QComboBox():
            return widget.currentText()
        case QLabel() | QAbstractSpinBox() | QLineEdit() | QProgressBar():
            return str(widget.text())
        case QTableView():
            model = widget.model()
            columns = range(model.columnCount())
            return " | ".join(str(model.headerData(n, Qt.Orientation.Horizontal)) for n in columns)
        case QAbstractSlider():
            return "slider"
    return None
