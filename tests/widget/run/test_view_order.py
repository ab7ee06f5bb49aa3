"""Zones in view are computed first, whatever the person looks at during the run; the labels are the same.

Zones are trimmed here: what is walked has its own order in each band, see `test_view_walked.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from at_the_door import meet
from docks import WAIT, Brake, begin, pixels, pyramid, zone_by_zone
from napari_exactile.geometry.interval import full_box
from napari_exactile.widget.choose.fields import ALL_PLANES, VIEW
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.run.view_order import LOOK_MS

Opened = Callable[..., tuple[Viewer, ExactileDock]]


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zones come one by one."""
    zone_by_zone(monkeypatch)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the tiles in the order in which they are begun."""
    numbers: list[int] = []
    meet(monkeypatch, started=numbers.append)
    return numbers


def look(qtbot: QtBot, viewer: Viewer, centre: tuple[float, ...], zoom: float) -> None:
    """Move the camera and let the run learn of it."""
    viewer.scene.camera.center, viewer.scene.camera.zoom = centre, zoom
    qtbot.wait(3 * LOOK_MS)


def in_view(viewer: Viewer, dock: Any) -> set[int]:
    """The tiles that meet the window, as napari's canvas itself says where its corners are."""
    corners = viewer.window._qt_viewer.canvas._viewbox_corners_in_world
    layer, tiling = viewer.layers["slide"], dock.plan.tiling
    low, high = (np.array(layer.world_to_data(corner))[-2:] for corner in corners)
    return {
        tile.index
        for tile in tiling
        if all(
            side.start - 0.5 < b and side.stop - 0.5 > a
            for side, a, b in zip(tile.zone[-2:], low, high, strict=True)
        )
    }


def let(qtbot: QtBot, brake: Brake, taken: list[int], tiles: int) -> list[int]:
    """Let some tiles through; return those that were begun after them."""
    before = len(taken)
    brake.let(tiles)
    qtbot.waitUntil(lambda: len(taken) == before + tiles, timeout=WAIT)
    return taken[before:]


@pytest.mark.parametrize("kind", ["plain", "multiscale"])
def test_the_next_tiles_are_those_in_view(
    opened: Opened,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    model: ex.Model,
    taken: list[int],
    kind: str,
) -> None:
    """Moved and zoomed during a run, what is in view comes next, its middle first; all is done."""
    data = pixels((420, 390))
    shown = pyramid(data) if kind == "multiscale" else data
    viewer, dock = opened(shown, show=True, scale=(2, 3), translate=(5, -7))
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=1)
    middle = dock.plan.tiling.at((210, 195))
    assert taken[0] == middle, "the whole image is in view"
    for place, zoom in ((60, 60), 4), ((330, 320), 3), ((100, 300), 6):
        world = viewer.layers["slide"].data_to_world(place)
        look(qtbot, viewer, world, zoom)
        expected = in_view(viewer, dock) - set(taken)
        assert 1 <= len(expected) < 25
        begun = let(qtbot, brake, taken, len(expected))
        assert set(begun) == expected
        assert begun[0] == dock.plan.tiling.at(place)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert sorted(taken) == list(range(len(dock.plan)))
    np.testing.assert_array_equal(
        dock.run.layer.data, ex.segment(data, model, tile=92, method="trimmed").labels
    )


def test_a_view_that_never_rests_changes_no_label(
    opened: Opened, qtbot: QtBot, model: ex.Model, taken: list[int]
) -> None:
    """Moved all the time, the view orders the tiles, and each is computed once, to the same labels."""
    data = pixels((420, 390))
    viewer, dock = opened(data, show=True)
    random = np.random.default_rng(2)
    viewer.scene.camera.zoom = 5
    dock.start()
    while dock.running:
        viewer.scene.camera.center = tuple(random.uniform(0, 400, 2))
        qtbot.wait(20)
    assert sorted(taken) == list(range(len(dock.plan)))
    assert taken != sorted(taken)
    np.testing.assert_array_equal(
        dock.run.layer.data, ex.segment(data, model, tile=92, method="trimmed").labels
    )


def test_without_a_view_of_the_image_tiles_keep_their_own_order(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """Out of sight and in 3D there is no order, and nothing goes wrong."""
    viewer, dock = opened(pixels((420, 390)), show=True)
    brake = Brake(monkeypatch)
    look(qtbot, viewer, (-9000, -9000), 4)
    begin(qtbot, dock, brake, tiles=1)
    assert let(qtbot, brake, taken, 3) == [2, 3, 4]
    look(qtbot, viewer, (400, 380), 4)
    assert let(qtbot, brake, taken, 1)[0] > 40
    viewer.dims.ndisplay = 3
    qtbot.wait(3 * LOOK_MS)
    assert let(qtbot, brake, taken, 2) == [5, 6]


def test_only_the_plane_in_view_has_an_order(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model, taken: list[int]
) -> None:
    """Of a stack, tiles of other planes keep their order; in the plane in view, the view's come first."""
    stack = pixels((3, 200, 150))
    viewer, dock = opened(stack, show=True, scale=(4, 1, 1))
    dock.fields.planes.value = ALL_PLANES
    viewer.dims.set_current_step(0, 1)
    brake, tiles = Brake(monkeypatch), len(dock.plan)
    look(qtbot, viewer, (0, 190, 140), 5)
    begin(qtbot, dock, brake, tiles=1)
    expected = in_view(viewer, dock)
    assert 0 < len(expected) < tiles / 2
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert taken[:tiles] == taken[2 * tiles :] == list(range(tiles))
    assert set(taken[tiles : tiles + len(expected)]) == expected
    assert sorted(taken[tiles : 2 * tiles]) == list(range(tiles))
    for plane, labels in zip(stack, dock.run.layer.data, strict=True):
        np.testing.assert_array_equal(labels, ex.segment(plane, model, tile=92, method="trimmed").labels)


def test_the_plane_of_a_volume_in_view_comes_first(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """Of a volume, the zones that the plane in view passes through come before those above and below."""
    viewer, dock = opened(pixels((24, 40, 40)), tile=10, show=True, plan=False)
    dock.add_model(
        ex.load_model(nn.Conv3d(1, 2, 3, padding=1).double().eval(), name="solid", title="solid", axes="zyx")
    )
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.tiling.shape) == 3, timeout=WAIT)
    viewer.dims.set_current_step(0, 20)
    rows, columns = dock.plan.tiling.grid[1:]
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    layer = dock.plan.tiling.at((20, 0, 0)) // (rows * columns)
    assert {index // (rows * columns) for index in taken[: rows * columns]} == {layer}
    assert sorted(taken) == list(range(len(dock.plan)))


def test_a_region_is_ordered_by_the_view_as_well(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """Of a run over what was in view, the tiles come first that are still in view later."""
    viewer, dock = opened(pixels((420, 390)), show=True)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (200, 200), 3
    dock.fields.region.value = VIEW
    qtbot.waitUntil(lambda: dock.plan.tiling.region != full_box((420, 390)), timeout=WAIT)
    qtbot.wait(500)
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=1)
    first = dock.plan.tiling.region[0].start
    look(qtbot, viewer, (first - 10, 200), 8)
    expected = in_view(viewer, dock) - set(taken)
    assert expected
    assert set(let(qtbot, brake, taken, len(expected))) == expected


def test_labels_on_a_coarser_grid_come_where_the_view_is(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """Where the output has a stride, tiles are still those of the image that are in view."""
    viewer, dock = opened(pixels((420, 390)), tile=40, show=True, plan=False)
    dock.add_model(ex.load_model(nn.Conv2d(1, 2, 4, 4).eval(), name="coarse", title="coarse"))
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan) > 50, timeout=WAIT)
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=1)
    look(qtbot, viewer, (330, 320), 9)
    expected = in_view(viewer, dock) - set(taken)
    assert set(let(qtbot, brake, taken, len(expected))) == expected


def test_tiles_in_view_are_looked_up_once_for_each_view(
    opened: Opened, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """While the view rests, no tile costs another look-up; after the run, the viewer is let go of."""
    from napari_exactile.geometry.tiling import Tiling

    asked: list[Any] = []
    original = Tiling.nearest

    def counted(tiling: Tiling, window: Any) -> Any:
        asked.append(window)
        return original(tiling, window)

    monkeypatch.setattr(Tiling, "nearest", counted)
    viewer, dock = opened(pixels((420, 390)), show=True)
    camera = viewer.scene.camera.events.center
    before = len(camera.callbacks)
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=1)
    assert len(camera.callbacks) > before
    let(qtbot, brake, taken, 5)
    assert len(asked) == 1
    look(qtbot, viewer, (60, 60), 4)
    let(qtbot, brake, taken, 5)
    assert len(asked) == 2
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert len(camera.callbacks) == before
