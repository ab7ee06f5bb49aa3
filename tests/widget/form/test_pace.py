"""How long the rest of long work takes, and how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.utils import progress
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_exactile.widget.form.activity import Activity, Refresh
from napari_exactile.widget.form.pace import Pace, duration, left_words


@given(st.floats(0, 0.9), st.floats(1, 1e5), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_even_work_takes_as_long_as_is_said(first: float, seconds: float, shares: list[float]) -> None:
    """Of work that goes on evenly, the time left is right from the first hundredth on, whenever one looks."""
    pace = Pace.begun(first, 100.0)
    for share in sorted(shares):
        pace = pace.at(share, 100.0 + max(0.0, share - first) * seconds)
    if pace.left is not None:
        assert pace.left == pytest.approx((1 - pace.share) * seconds, rel=1e-6, abs=1e-6 * seconds)
    else:
        assert pace.done <= 0.01 or pace.seconds <= 0


def test_no_progress_changes_nothing() -> None:
    """Between two steps the time left stays as it is, instead of growing until the next one."""
    pace = Pace.begun(0.0, 0.0).at(0.5, 10.0)
    assert pace.at(0.5, 60.0) == pace
    assert left_words(pace) == "10 s left"


@given(st.floats(0.01, 1e6))
def test_a_duration_is_near_what_is_meant(seconds: float) -> None:
    """Rounded, a time is never off by more than a tenth, or a second."""
    units = {"s": 1, "min": 60, "h": 3600}
    words = duration(seconds).split()
    said = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert said == pytest.approx(seconds, rel=0.1, abs=1)


def test_a_line_changes_in_peace(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> None:
    """What happens while napari changes the line may change it again: nothing is called within itself."""
    make_napari_viewer()
    activity = Activity("Work")
    for number in range(100):
        activity.show(f"step {number}", number / 100)
        qtbot.wait(1)
    qtbot.waitUntil(lambda: any(line.n == 99 for line in progress._all_instances), timeout=5000)
    activity.end()
    qtbot.waitUntil(lambda: not any("Work" in line.desc for line in progress._all_instances), timeout=5000)


def test_the_sign_of_the_window_turns_seldom(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> None:
    """While work has a line in the activity dock, the moving sign there costs little; then as before."""
    viewer = make_napari_viewer(show=True)
    labels = viewer.window._qt_window.findChildren(QLabel)
    (sign,) = (movie for label in labels if (movie := label.movie()) is not None)
    one, other = Activity("One"), Activity("Other")
    one.show("at work", 0.1)
    other.show("at work", 0.1)
    qtbot.waitUntil(lambda: sign.speed() < 100 and sign.nextFrameDelay() >= 500, timeout=5000)
    one.end()
    qtbot.waitUntil(lambda: not any("One" in line.desc for line in progress._all_instances), timeout=5000)
    assert sign.speed() < 100
    other.end()
    qtbot.waitUntil(lambda: sign.speed() == 100, timeout=5000)


def test_slow_drawing_is_done_less_often(qtbot: QtBot) -> None:
    """Where a redraw takes a tenth of a second, it takes a sixth of the time at most."""
    drawn: list[None] = []

    def draw() -> None:
        drawn.append(None)
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass

    refresh, start = Refresh(draw), time.perf_counter()
    for _ in range(200):
        refresh()
        qtbot.wait(10)
    refresh.cancel()
    assert len(drawn) > 1
    assert 0.1 * len(drawn) <= 0.25 * (time.perf_counter() - start) + 0.2
