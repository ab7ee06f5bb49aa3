"""What can be seen of a dock: its parts, whether their words have room, and how bright they are."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)


def parts(dock: QWidget, kind: type) -> list[Any]:
    """Return what can be seen in the dock, if need be by scrolling; what fields are made of is left out."""
    composed = QComboBox | QAbstractSpinBox | QScrollArea
    return [
        part
        for part in dock.findChildren(kind)
        if part.isVisible()
        and not isinstance(part.parent(), composed)
        and part.objectName() != "qt_scrollbar"
    ]


def place(dock: QWidget, part: QWidget) -> QRect:
    return QRect(part.mapTo(dock, QPoint()), part.size())


def words_width(part: Any, text: str) -> int:
    return part.fontMetrics().horizontalAdvance(text)


def room_of_combo_box(box: QComboBox) -> int:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    control, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
    return box.style().subControlRect(control, option, field, box).width()


def has_room(part: Any) -> bool:
    """Tell whether the words of a part have the room they ask for."""
    match part:
        case QLabel() if part.wordWrap():
            longest_word = QLabel.minimumSizeHint(part).width()
            return part.width() >= longest_word and part.height() >= part.heightForWidth(part.width())
        case QComboBox():
            return room_of_combo_box(part) >= words_width(part, part.currentText())
        case QAbstractSpinBox():
            line = part.findChild(QLineEdit)
            return (
                line.width() >= words_width(line, line.text())
                and line.height() >= line.fontMetrics().height()
            )
        case QProgressBar():
            return (
                part.width() >= words_width(part, part.text())
                and part.height() >= part.fontMetrics().height()
            )
    return part.width() >= part.sizeHint().width() and part.height() >= part.sizeHint().height()


def cut_off(dock: QWidget) -> list[QWidget]:
    kinds = QLabel, QAbstractButton, QComboBox, QAbstractSpinBox, QProgressBar
    return [part for kind in kinds for part in parts(dock, kind) if not has_room(part)]


def luminance(colour: Any) -> float:
    """Return the relative luminance (WCAG 2.1)."""
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in colour.getRgbF()[:3]]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(part: QWidget) -> float:
    """Return how far the brightest and the darkest of what a part shows stand apart (WCAG 2.1)."""
    picture = part.grab().toImage()
    shades = [
        luminance(picture.pixelColor(x, y)) for x in range(picture.width()) for y in range(picture.height())
    ]
    return (max(shades) + 0.05) / (min(shades) + 0.05)
