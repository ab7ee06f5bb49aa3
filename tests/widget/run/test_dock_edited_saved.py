"""Labels that somebody has painted on are saved as what they are, with what was painted, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot

from docks import WAIT, finish, lively_model, pixels, words
from edits import EDITED, by_script, erase, fill, other_array, paint, polygon, said, set_item

Open = Callable[..., Any]


@pytest.mark.parametrize("edit", [paint, fill, erase, polygon, set_item, by_script, other_array])
def test_edits_are_noticed_and_saved_as_what_they_are(
    opened: Open, qtbot: QtBot, tmp_path: Path, edit: Callable[[Labels], None]
) -> None:
    """However labels are edited: dock, layer, report and file say so, none says exact; the file has them."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    before = layer.data.copy()
    assert words(dock).startswith("Done: exact")
    assert layer.metadata["exactile"]["exact"]
    edit(layer)
    assert (layer.data != before).any()
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - unsaved"
    assert layer.metadata["exactile"]["edited"]
    assert not layer.metadata["exactile"]["exact"]
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).endswith("- saved"), timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - saved"
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert EDITED in file.ome_metadata
        assert "exact:" not in file.ome_metadata
        np.testing.assert_array_equal(file.asarray(), layer.data)
    dock.footer.report.click()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    assert EDITED in said(dock)
    assert "exact: the labels" not in said(dock)
    assert not dock.result.dialog._report["exact"]


def test_what_no_event_tells_of_is_found_when_it_matters(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """A script that changes the array alone is noticed by Save and by Report."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    layer.data[10:20, 10:20] ^= 1
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - saved"
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert EDITED in file.ome_metadata
    layer.data[10:20, 10:20] ^= 1
    dock.footer.report.click()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    assert EDITED not in said(dock)


def test_painting_on_makes_it_unsaved(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """What was saved with its edits is unsaved again after the next ones."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    paint(layer)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).endswith("- saved"), timeout=WAIT)
    erase(layer)
    qtbot.waitUntil(lambda: words(dock) == f"Done, {EDITED} - unsaved", timeout=WAIT)


def test_a_window_that_is_closed_hears_nothing(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is asked and written when napari closes is answered to nobody, and leaves no half file."""
    from napari_exactile.images.store import tiff

    viewer, dock = opened()
    layer = finish(qtbot, dock)
    held, original, run = threading.Event(), tiff._filled, dock.run
    monkeypatch.setattr(tiff, "_filled", lambda part: (held.wait(WAIT / 1000), original(part))[1])
    dock.save(tmp_path / "out.ome.tif")
    dock.footer.report.click()
    paint(layer)
    viewer.close()
    qtbot.wait(300)
    held.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(300)
    assert not run.status.saved
    assert not list(tmp_path.glob("*.tif*"))


def test_labels_that_are_edited_while_they_are_written_are_not_saved(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that begins to say exact never gets edits: there is none, and the footer says what to do."""
    from napari_exactile.images.store import tiff

    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    original = tiff._LevelTiles.of

    def of(tiles: Any, level: int) -> Any:
        layer.data[:9, :9] ^= 1
        return original(tiles, level)

    monkeypatch.setattr(tiff._LevelTiles, "of", of)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).startswith("Not saved: the labels were edited while"), timeout=WAIT)
    assert not list(tmp_path.glob("*.tif*"))


def test_other_planes_and_channels_are_watched(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """A plane that was not segmented is in the file; along the channels, the same labels are shown again."""
    viewer, dock = opened(pixels((3, 90, 80)))
    layer = finish(qtbot, dock)
    viewer.dims.set_current_step(0, 2)
    layer.paint((2, 20, 20), 1)
    qtbot.wait(800)
    assert EDITED in words(dock)
    dock.save(tmp_path / "a.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert EDITED in file.ome_metadata
        np.testing.assert_array_equal(file.asarray(), layer.data)
    viewer, dock = opened(pixels((2, 90, 80)), plan=False)
    dock.add_model(lively_model("two", channels=2))
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    for data in (None, np.ones((2, 90, 80), int)):
        if data is None:
            layer.paint((0, 20, 20), 1 + int(layer.data[0, 20, 20] == 1))
        else:
            layer.data = data
        qtbot.wait(800)
        assert EDITED in words(dock)
        dock.save(tmp_path / "b.ome.tif")
        qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
            assert EDITED in file.ome_metadata
            np.testing.assert_array_equal(file.asarray(), layer.data[1])


def test_labels_of_a_script_are_saved_in_a_type_that_holds_them(
    opened: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    """Negative and large labels keep their values."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    for name, extremes in (("a", (-5, 3)), ("b", (-1, 300)), ("c", (0, 70000))):
        data = np.zeros(layer.data.shape, np.int64)
        data[0, :2] = extremes
        layer.data = data
        dock.save(tmp_path / f"{name}.ome.tif")
        qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
        saved = tifffile.imread(tmp_path / f"{name}.ome.tif")
        np.testing.assert_array_equal(saved, data)
        assert saved.dtype.itemsize <= 4


def test_other_labels_of_another_size_are_not_saved_as_the_runs(
    opened: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    """Where the layer shows something that is no result of this image, the footer says who can save it."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    layer.data = np.zeros((9, 9), np.uint8)
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).startswith("Not saved: 'slide - lively' shows other"), timeout=WAIT)
    assert not list(tmp_path.glob("*.tif*"))
