"""What is known of the window: its toolkit, screen, graphics and layers; names of layers are left out."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.settings import get_settings
from qtpy import API_NAME, QT_VERSION
from qtpy.QtGui import QGuiApplication
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from napari_exactile.geometry.words import joined, times

Facts = tuple[tuple[str, str], ...]
# Layers that are told one by one.
MOST_LAYERS = 20


def window_sections(viewer: ViewerModel, part: QWidget) -> tuple[tuple[str, Facts], ...]:
    """Return sections about the window in which `part` is, and what it shows; in the GUI thread."""
    window = part.window()
    assert window is not None
    return ("Window", _window(window)), ("Layers", _layers(viewer))


def _window(window: QWidget) -> Facts:
    appearance, screen = get_settings().appearance, window.screen()
    size = times((screen.size().width(), screen.size().height()))
    return (
        ("toolkit", f"{API_NAME}, Qt {QT_VERSION}, {QGuiApplication.platformName()}"),
        ("screen", f"{size}, {screen.devicePixelRatio():g} pixels a point"),
        ("window", times((window.width(), window.height()))),
        ("letters", f"{appearance.font_size} pt, theme {_theme(appearance.theme)}"),
        *_graphics(window.findChild(QOpenGLWidget)),
    )


def _theme(name: str) -> str:
    """Return the name of a theme that comes with napari; a person's own can be called by anything."""
    return name if name in {"dark", "light", "system"} else "of one's own"


def _graphics(canvas: QOpenGLWidget | None) -> Facts:
    """Return what draws the picture."""
    from vispy.gloo import gl

    if canvas is None:
        return ()
    canvas.makeCurrent()
    renderer, version = (gl.glGetParameter(name) for name in (gl.GL_RENDERER, gl.GL_VERSION))
    largest = gl.glGetParameter(gl.GL_MAX_TEXTURE_SIZE)
    return ("graphics", str(renderer)), ("OpenGL", f"{version}, textures of {largest} px")


def _layers(viewer: ViewerModel) -> Facts:
    dims = viewer.dims
    seen = ("view", f"{dims.ndisplay}D of {dims.ndim} axes, {joined([str(s) for s in dims.nsteps])} steps")
    shown = [("", _layer(layer)) for layer in viewer.layers[:MOST_LAYERS]]
    more = len(viewer.layers) - len(shown)
    return (seen, *shown, *([("", f"and {more} more")] if more else []))


def _layer(layer: object) -> str:
    """Return kind, shape and type of a layer.

    >>> from napari.layers import Labels
    >>> import numpy as np
    >>> _layer(Labels(np.zeros((20, 30), np.uint8), name="Smith"))
    'Labels, 20 x 30, uint8'
    """
    data = getattr(layer, "data", None)
    several = getattr(layer, "multiscale", False)
    level = data[0] if several and data is not None else data
    shape, dtype = getattr(level, "shape", ()), getattr(level, "dtype", "")
    levels = f"{len(data)} levels" if several and data is not None else ""
    colour = "RGB" if getattr(layer, "rgb", False) else ""
    hidden = "" if getattr(layer, "visible", True) else "hidden"
    said = (type(layer).__name__, times(shape), str(dtype), colour, levels, hidden)
    return ", ".join(filter(None, said))
