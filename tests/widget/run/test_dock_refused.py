"""What the dock says and keeps where a run is refused, and where nothing can be run at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from command_line import MODEL, call
from docks import WAIT, Brake, begin, finish, lively_model, pixels, to_disk
from napari_exactile.run.engine.events import words_of
from napari_exactile.widget.choose.fields import AUTOMATIC
from napari_exactile.widget.choose.place import is_large
from napari_exactile.widget.draw import stored_levels
from napari_exactile.widget.open.image_reader import add_image
from napari_exactile.widget.run import runs

GO_ON, ANEW = False, True


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the person answer every question about a store in this way."""
    return lambda given: monkeypatch.setattr(runs, "ask_about", lambda *_: given)


def test_a_refused_run_leaves_the_last_one(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any
) -> None:
    """With other settings, what differs is named and no tiles are counted; with the old ones, it goes on."""
    _, dock = opened(pixels((300, 200)), tile=92)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=3)
    dock.cancel()
    brake.let(1)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    answer(GO_ON)
    dock.fields.tile.value = 108
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    words = dock.footer.result.text().replace("\u200b", "")
    assert words.startswith("Not started:")
    assert "begun with another tile (92, now 108)" in words
    assert "tiles are kept" not in words
    assert dock.run is run
    assert dock.footer.report.isVisibleTo(dock)
    dock.fields.tile.value = 92
    assert dock.footer.run.text() == "Continue"
    brake.let(1000)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert run.series.complete


def test_a_run_of_another_image_does_not_come_back(opened: Any, qtbot: QtBot) -> None:
    """Where an image cannot be used, nothing of the image before it is offered as if it were its own."""
    viewer, dock = opened(pixels((90, 80)))
    finish(qtbot, dock)
    viewer.add_image(np.full((90, 80), np.nan, np.float32), name="bad")
    dock.fields.image.value = viewer.layers["bad"]
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert "NaN" in dock.footer.result.text()
    assert not dock.footer.save.isVisibleTo(dock)


def test_layers_over_a_store_that_is_begun_anew_go(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any
) -> None:
    """Layers that read the old labels are removed with these, of this run or opened by hand; others stay."""
    monkeypatch.setattr(stored_levels, "IN_MEMORY", 0)
    monkeypatch.setattr("napari_exactile.widget.open.image_layers.LITTLE", 0)
    viewer, dock = opened(pixels((700, 900)), tile=172)
    dock.fields.probabilities.value = True
    to_disk(dock, tmp_path / "labels.ome.zarr")
    finish(qtbot, dock)
    add_image(viewer, tmp_path / "labels.ome.zarr")
    viewer.add_labels(np.zeros((700, 900), np.uint8), name="mine")
    answer(ANEW)
    dock.fields.tile.value = 252
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    assert [one.name for one in viewer.layers if isinstance(one, Labels)] == ["mine", layer.name]
    assert sum("probability" in one.name for one in viewer.layers) == 2


def test_the_size_of_results_counts_probabilities(opened: Any, tmp_path: Path) -> None:
    """The note says how large the store may become with all that is kept; so does the automatic choice."""
    _, dock = opened(pixels((1000, 900)), tile=172)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    words = dock.fields.output_note.text
    assert words().endswith("(at most 1 MB)")
    dock.fields.probabilities.value = True
    assert words().endswith("(at most 16 MB)")  # 1 + 3 * 4 bytes, with levels
    dock.fields.output.value = AUTOMATIC
    assert not words()
    assert not is_large((16_000, 16_000))
    assert is_large((16_000, 16_000), 1 + 2 * 4)


def test_nothing_is_offered_without_an_image(opened: Any, qtbot: QtBot) -> None:
    """Rows on channels, planes and thresholds, and figures of tiles, are only there for images that fit."""
    viewer, dock = opened(None)
    fields = dock.fields
    rows = fields.channels_row, fields.planes_row, fields.threshold_row
    assert fields.zone_note.text()
    viewer.layers.remove("slide")
    assert not any(row.isVisibleTo(dock) for row in rows)
    assert not fields.zone_note.text() + fields.exact_note.text()
    viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True, name="colours")
    fields.image.value = viewer.layers["colours"]
    assert "choose under Channels" in fields.image_note.text()
    assert [row.isVisibleTo(dock) for row in rows] == [True, False, False]
    dock.add_model(lively_model("colours", channels=3))
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert fields.channels_row.isVisibleTo(dock)


def test_pixels_that_are_not_square_are_told_so(opened: Any) -> None:
    """The note gives the size of a pixel along both axes where these differ."""
    _, dock = opened(pixels((90, 80)), scale=(0.65, 0.325), units=("um", "um"))
    assert "0.65 x 0.325 µm per px" in dock.fields.image_note.text().replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "nothing can be written there")]
)
def test_errors_of_the_system_are_words(number: int, words: str) -> None:
    """What the system refuses is said without its number, with the file that it is about."""
    assert words_of(OSError(number, os.strerror(number))) == words
    assert words_of(OSError(number, os.strerror(number), "/data/labels")) == f"/data/labels: {words}"


def test_the_command_line_says_why_nothing_can_be_written(tmp_path: Path) -> None:
    """A folder that cannot be made is named, in words."""
    image = tmp_path / "image.npy"
    np.save(image, pixels((40, 40)))
    (tmp_path / "file").write_text("")
    done = call("segment", image, "--model", MODEL, "--out", tmp_path / "file" / "a.ome.zarr")
    assert done.exit_code == 1
    assert "Errno" not in done.stderr
    assert str(tmp_path / "file") in done.stderr
    with pytest.raises(ValueError, match="no folder"):
        ex.segment(image, MODEL, output=tmp_path / "none" / "a.ome.zarr")
