"""What a run reads or writes is replaced or removed while it goes on, or afterwards: never called exact."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, lively_model, pixels, to_disk, words
from napari_exactile.images.store.store import StoreGoneError, telling_gone
from small_runs import network, picture

Open = Callable[..., Any]


def wait_for_end(qtbot: QtBot, dock: Any) -> None:
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)


@pytest.mark.parametrize("tiles", [0, 3])
def test_a_run_stops_where_its_image_gets_other_pixels(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model, tiles: int
) -> None:
    """It says why, keeps what is done of the pixels before, and begins anew with those of now."""
    viewer, dock = opened(pixels((300, 400)))
    brake, image, before = Brake(monkeypatch), viewer.layers["slide"], viewer.layers["slide"].data
    if tiles:
        run = begin(qtbot, dock, brake, tiles=tiles)
    else:
        dock.start()
        run = dock.run
    image.data = pixels((150, 160), seed=1)
    brake.let(1000)
    wait_for_end(qtbot, dock)
    assert words(dock).startswith("Stopped, as 'slide' shows other pixels now: ")
    assert "exact" not in words(dock)
    assert not run.series.complete
    if tiles:
        assert "(incomplete, " in run.layer.name
        done = run.layer.data != run.job.task.unfinished
        whole = ex.segment_whole(before, model).labels
        assert done.any()
        assert np.array_equal(run.layer.data[done], whole[done])
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert dock.footer.run.text() == "Run"
    layer = finish(qtbot, dock)
    assert dock.run is not run
    assert words(dock).startswith("Done: exact")
    assert np.array_equal(layer.data, ex.segment_whole(image.data, model).labels)


def test_pixels_that_are_set_anew_during_a_run_make_it_not_exact(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same array, changed in place: what was read before and after cannot be told apart."""
    viewer, dock = opened(pixels((300, 400)))
    brake, image = Brake(monkeypatch), viewer.layers["slide"]
    run = begin(qtbot, dock, brake, tiles=3)
    image.data[:] = 0
    image.data = image.data
    brake.let(1000)
    wait_for_end(qtbot, dock)
    assert not run.series.complete
    report = run.series.report()
    assert not report.exact
    for said in (report.reason, words(dock)):
        assert re.search(r"'slide' (was|were) changed during the run", said)
    assert "exact" not in words(dock)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert dock.footer.run.text() == "Run", "the rest would be of other pixels"


def test_pixels_that_are_set_anew_at_the_last_tile_count(opened: Open, qtbot: QtBot) -> None:
    """Also where nothing was left to be stopped, the labels are not called exact."""
    _viewer, dock = opened()
    finish(qtbot, dock)
    dock.run.series.spoilt = "the pixels of 'slide' were changed during the run"
    assert dock.run.summary().startswith(f"Done: not exact, as {dock.run.series.spoilt}, ")


def test_every_channel_is_watched(opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where channels are layers, another one's pixels stop the run, too, and it cannot be continued."""
    viewer, dock = opened(pixels((300, 400)), plan=False)
    viewer.add_image(pixels((300, 400), seed=1), name="second")
    dock.add_model(lively_model("two", channels=2))
    viewer.layers.selection = {viewer.layers["slide"], viewer.layers["second"]}
    dock.fields.image.value = viewer.layers["slide"]
    dock.fields.channels.value = "selected layers"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=2)
    viewer.layers["second"].data = pixels((300, 400), seed=2)
    brake.let(1000)
    wait_for_end(qtbot, dock)
    assert words(dock).startswith("Stopped, as 'second' shows other pixels now: ")
    dock.update_plan()
    assert dock.footer.run.text() == "Run"


def test_labels_of_pixels_that_are_gone_are_told_so(opened: Open, qtbot: QtBot) -> None:
    """After the run, too; with the same pixels again, the labels are theirs again."""
    viewer, dock = opened()
    image = viewer.layers["slide"]
    before = image.data
    finish(qtbot, dock)
    exact = words(dock)
    assert exact.startswith("Done: exact")
    image.data = pixels((200, 150), seed=5)
    assert words(dock).startswith("Done, for pixels that 'slide' no longer shows: ")
    image.data = before
    assert words(dock) == exact


def test_without_image_and_labels_there_is_no_run(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cleared before the first label is shown, the run ends, and adds nothing to the next image."""
    viewer, dock = opened()
    Brake(monkeypatch)
    dock.start()
    time.sleep(2)  # the worker tells that it is ready, and waits for the first tile
    viewer.layers.clear()
    viewer.add_image(pixels((90, 80)), name="other")
    wait_for_end(qtbot, dock)
    said = "Last run ('slide'): Stopped, as its image was removed: nothing was done"
    qtbot.waitUntil(lambda: words(dock) == said, timeout=WAIT)
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_store_that_is_removed_keeps_nothing(
    opened: Open,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model: ex.Model,
    cancelled: bool,
) -> None:
    """The run says so and offers nothing of it; another one begins anew in the same place."""
    viewer, dock = opened(pixels((700, 900)), tile=172)
    path = tmp_path / "labels.ome.zarr"
    to_disk(dock, path)
    with pytest.MonkeyPatch.context() as patch:
        brake = Brake(patch)
        begin(qtbot, dock, brake, tiles=3)
        shutil.rmtree(path, ignore_errors=True)
        if cancelled:
            dock.cancel()
        brake.let(1000)
        wait_for_end(qtbot, dock)
    assert words(dock).startswith(f"Failed: {path} was removed during the run")
    assert "kept" not in words(dock).replace("nothing is kept", "")
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    footer = dock.footer
    assert not any(button.isVisibleTo(dock) for button in (footer.save, footer.report, footer.copy))
    assert footer.run.text() == "Run"
    layer = finish(qtbot, dock)
    assert words(dock).startswith("Done: exact")
    assert np.array_equal(
        np.asarray(layer.data[0][:, :]), ex.segment(pixels((700, 900)), model, tile=172, stream=True).labels
    )


def test_a_store_that_is_removed_after_the_run_is_not_saved(
    opened: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    """Neither a file nor a report is made of labels that are gone."""
    _viewer, dock = opened(pixels((700, 900)), tile=172)
    path = tmp_path / "labels.ome.zarr"
    to_disk(dock, path)
    finish(qtbot, dock)
    path.rename(tmp_path / "moved.ome.zarr")
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).startswith(f"Not saved: {path} was removed"), timeout=WAIT)
    assert not (tmp_path / "out.ome.tif").exists()
    dock.footer.report.click()
    qtbot.waitUntil(lambda: words(dock).startswith(f"{path} was removed"), timeout=WAIT)
    assert not dock.result.dialog.isVisible()


def test_in_scripts_a_store_that_is_removed_is_an_error_that_says_so(tmp_path: Path) -> None:
    """What was written after the removal goes, too; what somebody else has put there stays."""
    path = tmp_path / "labels.ome.zarr"

    def remove(put: str = "") -> Callable[[object], None]:
        def told(event: object) -> None:
            if type(event).__name__ == "TileFinished" and (path / "zarr.json").exists():
                shutil.rmtree(path, ignore_errors=True)
                if put:
                    (path / put).parent.mkdir(parents=True)
                    (path / put).write_text("somebody's")

        return told

    image = picture(200, 200)
    with pytest.raises(StoreGoneError, match=r"labels.ome.zarr was removed during the run.*run again$"):
        ex.segment(image, network(), tile=48, output=path, on_event=remove())
    assert not path.exists()
    with pytest.raises(StoreGoneError, match="removed during the run"):
        ex.segment(image, network(), tile=48, output=path, on_event=remove("notes/mine.txt"))
    assert (path / "notes" / "mine.txt").read_text() == "somebody's"
    shutil.rmtree(path)
    assert ex.segment(image, network(), tile=48, output=path).report.exact


def test_a_journal_that_is_made_anew_is_never_taken_for_the_one_that_was_removed(tmp_path: Path) -> None:
    """A disk may give a new file at once the number of one that was removed."""
    path = tmp_path / "labels.ome.zarr"
    ex.segment(picture(60, 60), network(), tile=48, output=path)
    journal = path / "exactile" / "journal"

    def replace() -> None:
        journal.unlink()
        journal.write_text("another")

    for _ in range(20):
        with pytest.raises(StoreGoneError, match="removed during the run"), telling_gone(path):
            replace()
    assert journal.read_text() == "another"
