"""A network that looks at the whole image, in the dock: its passes are foreseen, shown and continued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, finish, pixels, words
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.cost.passes import Pass
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.run.runner import ShownRun
from napari_exactile.widget.run.status import Status
from napari_exactile.widget.run.words import progress_words


@pytest.fixture
def normed(opened: Any, qtbot: QtBot) -> tuple[Any, ExactileDock, ex.Model]:
    """A dock in which a network with two instance norms in sequence is chosen."""
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.ReLU()]
    net = nn.Sequential(
        *layers, nn.Conv2d(4, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1)
    ).eval()
    randomise(net, 0)
    model = ex.load_model(net, name="normed", title="normed")
    viewer, dock = opened(plan=False, show=True)
    dock.add_model(model)
    dock.fields.model.value = "normed"
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.schedule.passes) == 3, timeout=WAIT)
    return viewer, dock, model


def test_passes_are_foreseen_and_told_and_the_labels_are_those_of_one_pass(
    normed: tuple[Any, ExactileDock, ex.Model], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan tells their number, the run each of them, and the result is exact."""
    viewer, dock, model = normed
    assert "3 passes" in dock.fields.zone_note.text()
    told: list[str] = []
    become = ShownRun._become

    def watched(run: ShownRun, status: Status, soon: bool = False) -> None:
        told.append(progress_words(status))
        become(run, status, soon)

    monkeypatch.setattr(ShownRun, "_become", watched)
    layer = finish(qtbot, dock)
    passes = [said for said in dict.fromkeys(one.split(":")[0] for one in told) if said.startswith("Pass")]
    assert passes == ["Pass 1 of 2 before the labels", "Pass 2 of 2 before the labels"]
    np.testing.assert_array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)
    assert "Done: exact" in dock.footer.result.text()
    assert layer.metadata["exactile"]["passes"] == 3


def test_a_pass_can_be_cancelled_and_continued(
    normed: tuple[Any, ExactileDock, ex.Model], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancel within a pass keeps what those before have found; Continue goes on there, to exact labels."""
    viewer, dock, model = normed
    walk, walked = Executor.walk, list[Pass]()

    def stopping(executor: Executor, walk_in: Any, band: Any, one: Pass, *more: Any) -> Iterator[Any]:
        walked.append(one)
        if len(walked) == 2:
            dock.cancel()
        yield from walk(executor, walk_in, band, one, *more)

    monkeypatch.setattr(Executor, "walk", stopping)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert words(dock) == "Cancelled in pass 2 of 2: what was found so far is kept"
    assert dock.footer.run.text() == "Continue"
    run = dock.run
    layer = finish(qtbot, dock)
    assert dock.run is run
    assert dock.plan is not None
    first, *others = walked
    assert first not in others, "what was found before was found again"
    assert others[:2] == [dock.plan.schedule.surveys[1]] * 2
    np.testing.assert_array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)


def test_the_preview_says_that_no_radius_is_enough(
    normed: tuple[Any, ExactileDock, ex.Model], qtbot: QtBot
) -> None:
    """Each tile by itself has other statistics: pixels differ at any radius, and the words say why."""
    _viewer, dock, _model = normed
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.radius.value = dock.preview.fields.radius.max
    qtbot.waitUntil(lambda: "differ" in dock.preview.fields.result.text(), timeout=WAIT)
    assert "looks at the whole image" in dock.preview.fields.result.text()


def test_small_images_need_the_passes_too() -> None:
    """An image of one tile is computed in passes as well, and is exact."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.InstanceNorm2d(3)).eval()
    randomise(net, 0)
    result = ex.segment(pixels((40, 30)), ex.load_model(net))
    assert (result.report.tiles, result.report.passes) == (1, 2)
    np.testing.assert_array_equal(
        result.labels, ex.segment_whole(pixels((40, 30)), ex.load_model(net)).labels
    )
