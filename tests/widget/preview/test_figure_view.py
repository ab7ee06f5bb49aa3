"""A figure is drawn in another thread, in the size of its view, and the last that was asked for is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_exactile.widget.preview.figure_view import FigureView

WAIT = 20_000


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[FigureView]:
    one = FigureView()
    qtbot.addWidget(one)
    one.resize(500, 300)
    one.show()
    yield one
    one._latest.forget()
    WorkerBase.await_workers(WAIT)


def coloured(colour: str, threads: list[int] | None = None) -> Callable[[Any], None]:
    """Something that paints a whole figure in one colour, and notes the thread in which it does."""

    def draw(figure: Any) -> None:
        figure.set_facecolor(colour)
        if threads is not None:
            threads.append(threading.get_ident())

    return draw


def shown(view: FigureView) -> str:
    return str(view.grab().toImage().pixelColor(10, 10).name())


def test_it_is_drawn_elsewhere_in_the_size_of_the_view(view: FigureView, qtbot: QtBot) -> None:
    """The picture has the pixels of the view, also once that has become larger."""
    threads: list[int] = []
    view.show_figure(coloured("#336699", threads))
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)
    assert threading.get_ident() not in threads
    ratio = view.devicePixelRatioF()
    assert (view.picture.width(), view.picture.height()) == (500 * ratio, 300 * ratio)
    assert shown(view) == "#336699"
    view.resize(640, 400)
    assert not view.drawn
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)
    assert (view.picture.width(), view.picture.height()) == (640 * ratio, 400 * ratio)


def test_the_last_one_is_shown(view: FigureView, qtbot: QtBot) -> None:
    """Of many that are asked for one after the other, few are drawn, and the last is; or none."""
    threads: list[int] = []
    for shade in range(100):
        view.show_figure(coloured(f"#0000{shade:02x}", threads))
        qtbot.wait(5)
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)
    assert shown(view) == "#000063"
    assert len(threads) < 10
    view.show_figure(None)
    assert view.drawn
    assert shown(view) == "#ffffff"


def test_what_cannot_be_drawn_leaves_the_last(view: FigureView, qtbot: QtBot) -> None:
    """A failure ends nothing: the picture before it stays, and the next is drawn."""
    view.show_figure(coloured("#336699"))
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)

    def fails(_figure: Any) -> None:
        raise ValueError("no room for axes")

    view.show_figure(fails)
    qtbot.wait(500)
    assert shown(view) == "#336699"
    view.show_figure(coloured("#ff0000"))
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)
    assert shown(view) == "#ff0000"


def test_the_window_answers_meanwhile(view: FigureView, qtbot: QtBot) -> None:
    """While a figure is drawn that takes half a second, the window goes on."""
    gaps, last = [0.0], [time.perf_counter()]

    def look() -> None:
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(5)
    view.show_figure(lambda _figure: time.sleep(0.5))
    qtbot.waitUntil(lambda: view.drawn, timeout=WAIT)
    timer.stop()
    assert max(gaps) < 0.4
