"""*Batch...* in the dock segments many images by what is chosen, with the engine of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from at_the_door import meet
from dock_parts import cut_off
from docks import WAIT, Brake, pixels
from napari_exactile.widget.batch.batch import BATCH, BUSY, NOTHING
from napari_exactile.widget.batch.progress import ImageLine, result_words
from napari_exactile.widget.batch.window import GO_ON, RUN, STOP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name, shape in (("a", (60, 70)), ("b", (100, 92)), ("c", (60, 70))):
        tifffile.imwrite(tmp_path / f"images/{name}.tif", pixels(shape, ord(name)), metadata={"axes": "YX"})
    return tmp_path / "images"


def ready(qtbot: QtBot, dock: Any, folder: Path) -> Any:
    """Open the window as a person does, and add a folder."""
    (action,) = [action for action in dock.fields.help.menu().actions() if action.text() == BATCH]
    action.trigger()
    dock.batch.add([folder])
    qtbot.waitUntil(dock.batch.window.run.isEnabled, timeout=WAIT)
    return dock.batch


def told(batch: Any) -> list[tuple[str, str]]:
    return [(line.name, line.progress) for line in batch.window.model.lines]


def done(qtbot: QtBot, batch: Any) -> None:
    batch.window.run.click()
    qtbot.waitUntil(lambda: batch.going, timeout=WAIT)
    qtbot.waitUntil(lambda: not batch.going, timeout=WAIT)


def test_images_get_the_labels_of_the_dock(opened: Any, qtbot: QtBot, folder: Path) -> None:
    """Each image is segmented whole, with the dock's model and settings, and has a row that says so."""
    (folder / "d.tif").write_text("no image")
    _, dock = opened(show=True)
    dock._region.put((ex.Interval(0, 50), ex.Interval(0, 40)))
    dock.fields.normalization.value = "Minimum to maximum"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    batch = ready(qtbot, dock, folder)
    assert batch.window.out.text() == str(folder.parent / "labels")
    batch.window.objects.setChecked(True)
    qtbot.waitUntil(batch.window.run.isEnabled, timeout=WAIT)
    assert not cut_off(batch.window)
    done(qtbot, batch)
    assert told(batch) == [("a", "Done"), ("b", "Done"), ("c", "Done"), ("d", "Failed")]
    assert "3 images done, 1 failed" in batch.window.words.text()
    model = dock._chooser.choice.task.model
    for name in "abc":
        alone = ex.segment(folder / f"{name}.tif", model, normalization="min-max", tile=92)
        found = zarr.open_array(folder.parent / f"labels/{name}_labels.ome.zarr/0", mode="r")[:]
        assert np.array_equal(found, alone.labels)


def test_a_batch_is_stopped_and_continued(
    opened: Any, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of an image, *Continue* leaves alone what is done and does the rest."""
    _, dock = opened()
    batch = ready(qtbot, dock, folder)
    brake = Brake(monkeypatch)
    batch.window.run.click()
    qtbot.waitUntil(lambda: batch.going, timeout=WAIT)
    assert batch.window.run.text() == STOP
    assert not batch.window.files.isEnabled()
    brake.let(4)  # all of the first image
    qtbot.waitUntil(lambda: 0 in batch.many.rows, timeout=WAIT)
    batch.window.run.click()
    qtbot.waitUntil(lambda: not batch.going, timeout=WAIT)
    assert told(batch)[0] == ("a", "Done")
    assert batch.window.run.text() == GO_ON
    assert "1 image done, 2 left" in batch.window.words.text()
    brake.let(100)
    done(qtbot, batch)
    assert told(batch) == [("a", "Done before"), ("b", "Done"), ("c", "Done")]
    assert batch.window.run.text() == RUN


def test_a_result_is_opened(opened: Any, qtbot: QtBot, folder: Path) -> None:
    """A double click adds the image and its labels as layers; before they are there, the image alone."""
    viewer, dock = opened()
    batch = ready(qtbot, dock, folder)
    before = len(viewer.layers)
    batch.window.view.doubleClicked.emit(batch.window.model.index(1, 0))
    qtbot.waitUntil(lambda: len(viewer.layers) == before + 1, timeout=WAIT)
    done(qtbot, batch)
    batch.window.view.doubleClicked.emit(batch.window.model.index(0, 0))
    qtbot.waitUntil(lambda: len(viewer.layers) == before + 3, timeout=WAIT)
    image, labels = viewer.layers[-2:]
    assert (type(image), type(labels)) == (Image, Labels)
    assert image.data.shape == (60, 70)


def test_what_cannot_be_done_is_said(opened: Any, qtbot: QtBot, folder: Path) -> None:
    """A folder without images, and labels over a file, are one sentence; nothing can be run then."""
    _, dock = opened()
    batch = ready(qtbot, dock, folder)
    batch.window.out.setText(str(folder / "a.tif"))
    qtbot.waitUntil(lambda: "is a file" in batch.window.words.text(), timeout=WAIT)
    assert not batch.window.run.isEnabled()
    batch.clear()
    assert batch.window.words.text() == "Add files, or a folder."
    (folder.parent / "empty").mkdir()
    batch.add([folder.parent / "empty"])
    qtbot.waitUntil(lambda: "holds no image" in batch.window.words.text().replace("\u200b", ""), timeout=WAIT)


def test_without_a_choice_there_is_no_batch(opened: Any, qtbot: QtBot, folder: Path) -> None:
    """Where nothing is chosen in the dock, the window says what to do; during a run, too."""
    _, dock = opened("none", plan=False)
    dock.batch.open()
    dock.batch.add([folder])
    assert dock.batch.window.words.text() == NOTHING
    dock.batch._busy = lambda: True
    dock.batch.start_or_stop()
    assert dock.batch.window.words.text() == BUSY


def test_closed_a_batch_goes_on_and_ends_with_the_dock(
    opened: Any, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window can be closed meanwhile; when the dock goes away, nothing more is computed."""
    viewer, dock = opened()
    tiles: list[int] = []
    batch = ready(qtbot, dock, folder)
    brake = Brake(monkeypatch)
    batch.window.run.click()
    batch.window.close()
    brake.let(4)  # all of the first image
    qtbot.waitUntil(lambda: 0 in batch.many.rows, timeout=WAIT)
    many = batch.many
    viewer.window.remove_dock_widget("all")
    meet(monkeypatch, before=lambda tile, check: tiles.append(tile.index))
    brake.let(100)
    qtbot.wait(500)
    assert 2 not in many.rows


def test_results_are_words() -> None:
    """A row tells how exact labels are and what was counted, or why there are none."""
    row = ex.ImageRow(
        image="a.tif", output="a", state="done", shape=(4, 4), exact=True, objects={"cell": 1200}
    )
    assert result_words(row) == "exact, no near-ties, 1,200 cell, 0.0 s"
    failed = ex.ImageRow(image="a.tif", output="a", state="failed", message="a.tif cannot be read")
    assert result_words(failed) == "cannot be read"
    line = ImageLine("a").after(ex.Ready(tiles=4, done=1)).after(ex.TileFinished(2, (), 0))
    assert line.progress == "2 of 4 tiles"
