"""Labels on disk in the dock: shown at every zoom while they grow, continued, replaced only when asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from at_the_door import meet
from docks import WAIT, Brake, begin, finish, pixels, to_disk
from napari_exactile.geometry.interval import slices
from napari_exactile.images.pyramid import part_at, sampled
from napari_exactile.images.store.lock import Lock
from napari_exactile.run.check.spot_check import WINDOWS
from napari_exactile.widget.choose import place
from napari_exactile.widget.choose.fields import IN_MEMORY
from napari_exactile.widget.draw.stored_levels import StoredLevels
from napari_exactile.widget.open.image_reader import add_image
from napari_exactile.widget.run import runs
from napari_exactile.widget.run.words import CHECK_FAILED

SHAPE = (700, 900)  # three levels


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a person answers to the question about a store that is there; the questions are added behind."""
    given: list[Any] = []
    monkeypatch.setattr(
        runs, "ask_about", lambda _parent, _path, state, _other: (given.append(str(state)), given.pop(0))[1]
    )
    return given


def test_labels_on_disk_are_shown_at_every_level(
    opened: Any, qtbot: QtBot, tmp_path: Path, model: ex.Model
) -> None:
    """The layer's levels are what a script gives, every 2nd and 4th pixel of it; the store holds the same."""
    data = pixels(SHAPE)
    _, dock = opened(data, tile=172, scale=(0.5, 0.5), units=("um", "um"))
    to_disk(dock, tmp_path / "labels.ome.zarr")
    layer = finish(qtbot, dock)
    whole = ex.segment(data, model, tile=172, stream=True).labels
    assert layer.multiscale
    assert not layer.editable
    for level, shown in enumerate(layer.data):
        assert np.array_equal(np.asarray(shown[:, :]), whole[:: 2**level, :: 2**level])
    assert np.array_equal(zarr.open_group(tmp_path / "labels.ome.zarr")["0"][...], whole)
    assert "labels.ome.zarr" in dock.run.summary()
    assert tuple(layer.scale) == (0.5, 0.5)


def test_coarse_levels_show_what_is_done(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a run goes on, each zone that was told of is in every level, and napari draws the coarsest."""
    told: list[Any] = []
    update = StoredLevels.update

    def updated(levels: StoredLevels, index: Any, part: Any) -> None:
        update(levels, index, part)
        told.append(part)

    monkeypatch.setattr(StoredLevels, "update", updated)
    viewer, dock = opened(pixels(SHAPE), tile=172, show=True)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    brake = Brake(monkeypatch)
    # A zone is written while the next ones are computed, and told of between two tiles.
    run = begin(qtbot, dock, brake, tiles=4)
    layer, unfinished = run.layer, run.job.task.unfinished
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
    boxes, whole = list(told), np.asarray(layer.data[0][:, :])
    coarsest = np.asarray(layer.data[-1])
    assert 0 < (coarsest != unfinished).sum() < coarsest.size
    for box in boxes:
        level = len(layer.data) - 1
        part = part_at(level, box)
        assert np.array_equal(coarsest[slices(part)], sampled(level, whole[slices(box)], box))
    viewer.scene.camera.zoom = 0.2
    qtbot.waitUntil(lambda: layer.data_level == len(layer.data) - 1, timeout=WAIT)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    shown = np.asarray(layer._slice.image.raw)
    assert np.array_equal(shown, coarsest[: len(shown), : len(shown[0])])
    assert (coarsest != unfinished).all()


def test_a_cancelled_run_continues_in_its_store(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: ex.Model
) -> None:
    """Cancelled and continued in one window, finished tiles are kept and no other run can write meanwhile."""
    data = pixels(SHAPE)
    _, dock = opened(data, tile=172)
    path = tmp_path / "labels.ome.zarr"
    to_disk(dock, path)
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=3)
    with pytest.raises(ValueError, match="another run in this program"):
        Lock(path / "exactile" / "lock")
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    done = run.series.done
    Lock(path / "exactile" / "lock").release()
    assert dock.footer.run.text() == "Continue"
    brake.let(1000)
    layer = finish(qtbot, dock)
    assert layer is run.layer
    assert dock.run is run
    assert done >= 3
    assert np.array_equal(
        np.asarray(layer.data[0][:, :]), ex.segment(data, model, tile=172, stream=True).labels
    )


def test_an_unfinished_run_of_before_is_offered(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: list[Any]
) -> None:
    """A store with a part of the tiles is asked about: declined nothing happens, continued it completes."""
    data, path = pixels(SHAPE), tmp_path / "labels.ome.zarr"
    _, dock = opened(data, tile=172)
    to_disk(dock, path)
    brake = Brake(monkeypatch)
    first = begin(qtbot, dock, brake, tiles=3)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    done = first.series.done
    dock.runs.last = None  # as in another session
    answers.append(None)
    dock.start()
    assert not dock.running
    assert answers == [f"an unfinished run, {done} of {first.series.task.tiles} tiles"]
    answers[:] = [False]
    brake.let(first.series.task.tiles - done + WINDOWS)  # what is left, and what is checked
    layer = finish(qtbot, dock)
    assert dock.run.series.complete
    assert not (np.asarray(layer.data[0][:, :]) == dock.run.job.task.unfinished).any()


def test_other_settings_are_refused_and_begin_anew_when_asked(
    opened: Any, qtbot: QtBot, tmp_path: Path, answers: list[Any], model: ex.Model
) -> None:
    """A store of another tile size is left as it is with a sentence; only "Begin anew" replaces it."""
    data, path = pixels(SHAPE), tmp_path / "labels.ome.zarr"
    _, dock = opened(data, tile=172)
    to_disk(dock, path)
    finish(qtbot, dock)
    dock.fields.tile.value = 252
    answers.append(False)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert "begun with another tile (172, now 252)" in dock.footer.result.text()
    assert answers == ["finished labels"]
    answers[:] = [True]
    layer = finish(qtbot, dock)
    assert np.array_equal(
        np.asarray(layer.data[0][:, :]), ex.segment(data, model, tile=252, stream=True).labels
    )


def test_finished_labels_are_shown_again(
    opened: Any, qtbot: QtBot, tmp_path: Path, answers: list[Any]
) -> None:
    """A complete store is shown without computing a tile."""
    path = tmp_path / "labels.ome.zarr"
    _, dock = opened(pixels(SHAPE), tile=172)
    to_disk(dock, path)
    first = np.asarray(finish(qtbot, dock).data[0][:, :])
    dock.runs.last = None
    answers.append(False)
    layer = finish(qtbot, dock)
    assert np.array_equal(np.asarray(layer.data[0][:, :]), first)
    assert dock.run.job.seconds < 60
    assert dock.run.series.complete


def test_large_labels_go_beside_the_image(
    opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Automatically, small labels stay in memory and large ones go into a folder beside the image's file."""
    _, dock = opened(pixels(SHAPE), tile=172)
    assert dock._chooser.choice.output is None
    assert not dock.fields.output_note.isVisibleTo(dock)
    monkeypatch.setattr(place, "LONGEST", 512)
    layer = dock.fields.image.value
    object.__setattr__(layer._source, "path", str(tmp_path / "slide.tif"))
    dock.update_plan()
    assert dock._chooser.choice.output == tmp_path / "slide - lively.ome.zarr"
    assert dock.fields.output_note.isVisibleTo(dock)
    dock.fields.output.value = IN_MEMORY
    assert dock._chooser.choice.output is None


def test_labels_of_a_zarr_image_go_beside_it(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are never put into the folder of an image, whichever of its files was opened."""
    group = zarr.create_group(tmp_path / "slide.zarr")
    group.create_array("0", data=pixels(SHAPE))
    monkeypatch.setattr(place, "LONGEST", 512)
    viewer, dock = opened(tile=172)
    layers = [add_image(viewer, tmp_path / "slide.zarr" / "0")[0]]
    layers += viewer.open(str(tmp_path / "slide.zarr" / "0" / "zarr.json"), plugin="napari-exactile")
    for layer in layers:
        dock.fields.image.value = layer
        qtbot.waitUntil(lambda layer=layer: dock.plan is not None, timeout=WAIT)
        assert dock._chooser.choice.plane.layer is layer
        assert dock._chooser.choice.output.parent == tmp_path


def test_a_check_that_fails_is_said(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that another path does not give are finished, and the dock says not to rely on them."""
    _, dock = opened(pixels(SHAPE), tile=172)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    meet(monkeypatch, after=lambda piece: replace(piece, labels=all_other(piece.labels)))
    finish(qtbot, dock)
    assert dock.run.series.complete
    assert dock.run.summary().endswith(CHECK_FAILED)
    assert dock.footer.result.text().replace("\u200b", "").endswith(CHECK_FAILED)


def all_other(labels: np.ndarray) -> np.ndarray:
    """Labels of which each is the next class."""
    return (labels + 1) % 3
