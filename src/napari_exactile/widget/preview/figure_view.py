"""A figure of matplotlib in a window, drawn in another thread: drawing takes tenths of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from qtpy.QtCore import QTimer
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.form.activity import LEAST_MS, MOST_MS, SHARE
from napari_exactile.widget.form.background import Latest

Draw = Callable[[Figure], object]
DPI = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn, how large in pixels of the layout, how many of the screen's are one of them."""

    draw: Draw
    width: int
    height: int
    ratio: float

    def picture(self) -> QImage:
        """Return the drawn figure; in any thread."""
        figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI * self.ratio)
        canvas = FigureCanvasAgg(figure)
        self.draw(figure)
        canvas.draw()
        width, height = canvas.get_width_height(physical=True)
        form = QImage.Format.Format_RGBA8888
        # The copy outlives the canvas.
        picture = QImage(bytes(canvas.buffer_rgba()), width, height, 4 * width, form).copy()
        picture.setDevicePixelRatio(self.ratio)
        return picture


class FigureView(QWidget):
    """Shows the last figure that it was given, as large as it is itself; `drawn` tells whether it does yet.

    One is drawn at a time, for a small part of the time, as whoever measures what it shows shares the
    processor. All methods belong to the GUI thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.picture = QImage()
        self._draw: Draw | None = None
        self._shown: Wanted | None = None
        self._drawing, self._latest, self._began = False, Latest(), 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)
        self.destroyed.connect(self._latest.forget)
        self.setMinimumSize(420, 260)

    @property
    def wanted(self) -> Wanted | None:
        """What is to be shown now."""
        if self._draw is None:
            return None
        return Wanted(self._draw, self.width(), self.height(), self.devicePixelRatioF())

    @property
    def drawn(self) -> bool:
        """Whether all that it was given is shown, in the size that it has."""
        return self._shown == self.wanted

    def show_figure(self, draw: Draw | None) -> None:
        """Show what `draw` makes of an empty figure in a thread, as soon as may be; None: nothing."""
        self._draw = draw
        if draw is None:
            self._shown, self.picture = None, QImage()
            self.update()
        self._begin_soon()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Draw in the new size; until then the picture is stretched."""
        super().resizeEvent(event)
        self._begin_soon()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint the picture, white around it as in the figure."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("white"))
        if not self.picture.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.rect(), self.picture)
        painter.end()

    def _begin_soon(self) -> None:
        # All that is asked for in one turn of the event loop, as when a window is laid out, is drawn once.
        if not self._drawing and not self._timer.isActive():
            self._timer.start(0)

    def _begin(self) -> None:
        wanted = self.wanted
        if wanted is None or self.drawn or self._drawing:
            return
        self._drawing, self._began = True, time.perf_counter()
        self._latest.ask(wanted.picture, lambda picture: self._show(wanted, picture), self._failed)

    def _show(self, wanted: Wanted, picture: QImage) -> None:
        self._drawing = False
        if self._draw is not None:
            self._shown, self.picture = wanted, picture
            self.update()
        cost = 1000 * (time.perf_counter() - self._began)
        self._timer.start(round(min(MOST_MS, max(LEAST_MS, cost / SHARE))))

    def _failed(self, error: Exception) -> None:
        """Leave the last picture: what it is of stands beside it as a table."""
        self._drawing = False
