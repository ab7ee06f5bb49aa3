"""What is said of a result names what it is of, as soon as something else is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, lively_model, pixels, to_disk, words
from napari_exactile.widget.choose import output
from napari_exactile.widget.choose.fields import ALL_PLANES


def test_done_is_said_of_the_image_and_model_that_it_is_of(opened: Any, qtbot: QtBot) -> None:
    """Under another image, model or setting the footer says whose result it is; back there, nothing."""
    viewer, dock = opened()
    finish(qtbot, dock)
    assert words(dock).startswith("Done: exact")
    viewer.add_image(pixels((120, 110)), name="other")
    dock.fields.image.value = viewer.layers["other"]
    assert words(dock).startswith("Last run ('slide'): Done: exact")
    dock.add_model(lively_model("second"))
    assert words(dock).startswith("Last run ('slide', by lively): Done: exact")
    dock.fields.image.value = viewer.layers["slide"]
    dock.fields.model.value = "lively"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert words(dock).startswith("Done: exact")
    dock.fields.tile.value = 60
    assert words(dock).startswith("Last run (other settings): Done: exact")


def test_a_plane_that_is_not_done_is_not_called_so(opened: Any, qtbot: QtBot) -> None:
    """Of a stack, the footer and the layer name the plane that was segmented."""
    viewer, dock = opened(pixels((3, 90, 80)))
    viewer.dims.set_current_step(0, 1)
    layer = finish(qtbot, dock)
    assert layer.name == "slide - lively, plane 1"
    assert words(dock).startswith("Done: exact")
    viewer.dims.set_current_step(0, 2)
    assert words(dock).startswith("Last run (plane 1): Done: exact")
    assert finish(qtbot, dock).name == "slide - lively, plane 2"


@pytest.mark.parametrize("everything", [False, True], ids=["plane in view", "all planes"])
def test_another_plane_in_view_loses_no_unfinished_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    """A run of all planes goes on whatever is in view; of one plane, the footer says where to go on."""
    viewer, dock = opened(pixels((3, 200, 150)))
    if everything:
        dock.fields.planes.value = ALL_PLANES
    viewer.dims.set_current_step(0, 0)
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=2)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    viewer.dims.set_current_step(0, 2)
    if everything:
        assert dock.footer.run.text() == "Continue"
    else:
        assert "Last run (plane 0): Incomplete: 2 of" in words(dock)
        assert "Choose the same again to continue it" in words(dock)
        viewer.dims.set_current_step(0, 0)
        assert dock.footer.run.text() == "Continue"
    brake.let(1000)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run is run
    assert run.series.complete


def test_notes_are_of_what_is_chosen(opened: Any, model: ex.Model) -> None:
    """Where an image does not fit, no note speaks of the model or the tiles that were chosen before."""
    _viewer, dock = opened()
    assert dock.fields.zone_note.text()
    two = lively_model("two channels", channels=2)
    dock.add_model(two)
    assert dock.fields.model_note.text().replace("\u200b", "") == two.card.summary
    assert not dock.fields.zone_note.text()
    assert not dock.fields.context_note.text()
    assert dock.fields.channels_row.isVisibleTo(dock)
    assert dock.fields.image_note.text()


def test_deleted_labels_are_said_to_end_a_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deletes the labels during a run hears that this has ended it."""
    viewer, dock = opened()
    run = begin(qtbot, dock, Brake(monkeypatch), tiles=2)
    viewer.layers.remove(run.layer)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert words(dock).startswith("Stopped, as its labels were deleted: 2 of")


def test_an_unfinished_store_is_said_to_be_there(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What an earlier run has left at the place for labels stands under Segment before Run is pressed."""
    _viewer, dock = opened()
    to_disk(dock, tmp_path / "labels.ome.zarr")
    assert "Run asks" not in dock.fields.output_note.text()
    begin(qtbot, dock, Brake(monkeypatch), tiles=2)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    said = f"An unfinished run is there, 2 of {len(dock.plan)} tiles: Run asks whether to continue it."
    assert said in dock.fields.output_note.text().replace("\u200b", "")


def test_a_run_that_learned_nothing_leaves_no_store(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cancelled in its first measurement, a run leaves no folder behind."""
    import threading

    from napari_exactile.run.engine.local.engine import LocalEngine
    from napari_exactile.stopping import Cancelled

    at_work, original = threading.Event(), LocalEngine.measure

    def slowly(self: Any, check: Any) -> Any:
        at_work.set()
        try:
            while True:
                check()
        except Cancelled:
            yield from original(self, check)

    monkeypatch.setattr(LocalEngine, "measure", slowly)
    _viewer, dock = opened()
    path = tmp_path / "labels.ome.zarr"
    to_disk(dock, path)
    dock.start()
    qtbot.waitUntil(at_work.is_set, timeout=WAIT)
    qtbot.waitUntil(path.exists, timeout=WAIT)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert words(dock) == "Cancelled: nothing was done"
    assert not path.exists()


def test_a_store_of_something_else_is_not_offered(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Labels of other settings can be replaced or left, but not shown as those that are asked for."""
    _viewer, dock = opened()
    to_disk(dock, tmp_path / "labels.ome.zarr")
    finish(qtbot, dock)
    asked: list[tuple[str, list[str]]] = []

    def answer(box: Any) -> int:
        asked.append((f"{box.text()} {box.informativeText()}", [b.text() for b in box.buttons()]))
        return 0

    monkeypatch.setattr(output.QMessageBox, "exec", answer)
    dock.fields.tile.value = 60
    dock.start()
    assert not dock.running
    said, buttons = asked[0]
    assert "'slide' by lively" in said
    assert "another tile" in said
    assert not any("Show" in text for text in buttons)
    dock.fields.tile.value = 92
    dock.start()
    assert any("Show" in text for text in asked[1][1])
