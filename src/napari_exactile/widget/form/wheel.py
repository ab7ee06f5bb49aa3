"""The mouse wheel scrolls the dock; it does not change the settings that pass under the cursor."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget


class _LetsScroll(QObject):
    """Hands the wheel of a field without the focus on to what the field lies in."""

    def eventFilter(self, field: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Stop a wheel event that is not for the field; Qt then offers what is ignored to the parent."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(field, QWidget) and field.hasFocus():
            return False
        event.ignore()
        return True


def scroll_past(field: QWidget) -> None:
    """Let the wheel change `field` only where a click or Tab has given it the focus."""
    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    field.installEventFilter(_LetsScroll(field))
