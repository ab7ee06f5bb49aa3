"""The plan that is shown is the plan that runs, whatever others do to the memory meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from docks import WAIT, Brake, begin, finish, pixels
from napari_exactile.run.plan import devices


def leave_free(monkeypatch: pytest.MonkeyPatch, nbytes: int) -> None:
    """Let so many bytes be free from now on."""
    monkeypatch.setattr(devices, "free_memory", lambda _device: nbytes)


def zones_drawn(viewer: Any) -> int:
    return len(viewer.layers["Tiles: zones"].data)


def test_a_run_has_the_zones_that_were_shown(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that becomes free, or stays enough, changes no zone between the plan and the run."""
    _viewer, dock = opened(pixels((700, 500)), tile=None)
    shown = dock.plan.tiling
    for free in (2**40, 4 * dock.plan.peak_bytes + 4):
        leave_free(monkeypatch, free)
        finish(qtbot, dock)
        assert dock.run.task.plan.tiling == shown
    assert not dock.fields.tile_note.styleSheet()


def test_zones_for_less_memory_are_shown_before_they_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program has taken memory since, smaller zones are planned, drawn, said, and those run."""
    viewer, dock = opened(pixels((700, 500)), tile=None, show=True)
    before = dock.plan
    leave_free(monkeypatch, before.peak_bytes // 4)  # not even a column of these zones can be walked
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    ran = run.task.plan
    assert dock.plan is ran
    assert ran.peak_bytes < before.peak_bytes
    assert len(ran) > len(before)
    assert zones_drawn(viewer) == len(ran)
    assert f"{len(ran)} tiles" in dock.fields.zone_note.text()
    assert "Less memory is free" in dock.fields.tile_note.text()
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert run.series.complete


def test_what_a_person_has_typed_is_not_planned_anew(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typed tile, a typed memory limit, and a run that is continued keep their zones."""
    _viewer, dock = opened(pixels((300, 300)))
    leave_free(monkeypatch, 1)
    shown = dock.plan.tiling
    finish(qtbot, dock)
    assert dock.run.task.plan.tiling == shown
    dock.fields.automatic.value = True
    dock.fields.memory.value = 0.5
    shown = dock.plan.tiling
    finish(qtbot, dock)
    assert dock.run.task.plan.tiling == shown
