"""The OpenGL context of napari's picture, in which what it has drawn with must be deleted.

napari deletes the shader programs of a layer as soon as this is removed, in the context that happens to be
current: mostly that in which Qt puts the window together. Mesa's drivers then let go of them at the picture's
next frame, and with them of the program that is bound; where the frame after that begins with the program
that the last one ended with, they take the process down. So it is where an image is replaced in one go, and
zones over it are hidden or drawn afterwards.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget


def keep_context(viewer: ViewerModel, inside: QWidget) -> None:
    """Let napari delete in the picture's own context from now on; `inside` lies in the viewer's window.

    It stays so when `inside` is gone, as layers of ours stay.
    """
    picture = _picture_of(inside)
    if picture is not None and picture.findChild(_Context) is None:
        _Context(viewer, picture)


def _picture_of(inside: QWidget) -> QOpenGLWidget | None:
    """Return what napari draws on in the window of a widget, also of one that floats beside it."""
    window: QWidget | None = inside
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parentWidget()
    centre = None if window is None else window.centralWidget()
    return None if centre is None else centre.findChild(QOpenGLWidget)


class _Context(QObject):
    """Makes the context of a picture current whenever layers of its viewer are about to be deleted."""

    def __init__(self, viewer: ViewerModel, picture: QOpenGLWidget) -> None:
        super().__init__(picture)
        self._picture = picture
        viewer.layers.events.removing.connect(self._make_current)
        # At its end, everything is deleted that was removed during a batch.
        viewer.layers.events.end_batch.connect(self._make_current, position="first")

    def _make_current(self, event: Any = None) -> None:
        with suppress(RuntimeError):  # the window is gone already
            if self._picture.isValid():
                self._picture.makeCurrent()
