"""Whether what is written in a window has room there."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QAbstractButton, QLabel


def narrow(dialog: Any) -> list[Any]:
    """Return the labels and buttons in sight that lack room, or that reach out of the window."""
    parts = [*dialog.findChildren(QLabel), *dialog.findChildren(QAbstractButton)]
    return [part for part in parts if part.isVisible() and part.text() and not has_room(dialog, part)]


def has_room(dialog: Any, part: Any) -> bool:
    inside = part.mapTo(dialog, QPoint(part.width(), 0)).x() <= dialog.width()
    if isinstance(part, QLabel) and part.wordWrap():
        return inside and part.height() >= part.heightForWidth(part.width())
    return inside and part.width() >= part.minimumSizeHint().width()
