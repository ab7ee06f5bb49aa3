"""The sign that the window is busy, for what can only be done on its own thread and takes long there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication


@contextmanager
def busy() -> Iterator[None]:
    """Show the cursor that waits in a block, and until what it has changed is painted, also where it raises.

    napari takes tenths of seconds to add a layer, most of them when it draws it for the first time.
    """
    if QApplication.instance() is None:  # a viewer without a window
        yield
        return
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield
    finally:
        # Painting is in Qt's queue by now: a timer without delay is heard after it.
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, QApplication.restoreOverrideCursor))
