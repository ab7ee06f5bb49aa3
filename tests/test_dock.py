"""The dock in a real viewer: pick, see, run, watch, cancel, continue; and what goes wrong, in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari import Viewer
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSettings

import napari_exactile as ex
from napari_exactile.images.tiff import open_tiff
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.run.executor import Executor
from napari_exactile.widget import remembered
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.fields import VIEW
from napari_exactile.widget.runner import Run

WAIT = 60_000


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see another's remembered settings, nor the person's."""
    store = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    monkeypatch.setattr(remembered, "_store", lambda: store)


@pytest.fixture(scope="module")
def model() -> ex.Model:
    return lively_model("lively")


def lively_model(name: str, channels: int = 1, classes: int = 3) -> ex.Model:
    """A small U-Net (F 4, context 22) whose random weights make every error visible."""
    net = UNet(levels=2, base=4, in_channels=channels, classes=classes).eval()
    randomise(net, 3)
    return ex.load_model(net, name=name, title=name, channels=channels, probabilities=True)


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture
def opened(
    make_napari_viewer: Callable[..., Viewer], model: ex.Model, qtbot: QtBot
) -> Iterator[Callable[..., tuple[Viewer, ExactileDock]]]:
    """A function that opens a viewer with an image and the dock, and waits for the plan."""
    docks: list[ExactileDock] = []

    def open_dock(
        data: Any = None, *, tile: int | None = 92, plan: bool = True, show: bool = False, **image: Any
    ):
        viewer = make_napari_viewer(show=show)
        if data is None:
            data = pixels((200, 150))
        if not isinstance(data, str):
            viewer.add_image(data, name="slide", **image)
        dock = ExactileDock(viewer)
        docks.append(dock)
        viewer.window.add_dock_widget(dock)
        dock.add_model(model)
        if tile is not None:
            dock.fields.automatic.value = False
            dock.fields.tile.value = tile
        if plan:
            qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
        return viewer, dock

    yield open_dock
    for dock in docks:
        dock.cancel()
    # As napari does before it quits.
    WorkerBase.await_workers(WAIT)


def finish(qtbot: QtBot, dock: ExactileDock) -> Labels:
    """Run to the end and return the labels layer."""
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run is not None
    assert dock.run.layer is not None
    return dock.run.layer


class Brake:
    """Holds the executor before each tile until the test lets one through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gate = threading.Semaphore(0)
        original = Executor.scores

        def braked(executor: Executor, zone: Any, radius: Any, method: Any, check: Callable[[], None]) -> Any:
            while not self._gate.acquire(timeout=0.01):
                check()
            return original(executor, zone, radius, method, check)

        monkeypatch.setattr(Executor, "scores", braked)

    def let(self, tiles: int) -> None:
        for _ in range(tiles):
            self._gate.release()


def begin(qtbot: QtBot, dock: ExactileDock, brake: Brake, tiles: int = 1) -> Run:
    """Start a run and hold it when so many tiles are done."""
    dock.start()
    run = dock.run
    assert run is not None
    brake.let(tiles)
    qtbot.waitUntil(lambda: len(run.job.done) == tiles and run.layer is not None, timeout=WAIT)
    return run


def test_an_incomplete_result_says_so_in_its_file(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cancelled run can be saved, and its file does not claim the labels of the whole image."""
    _, dock = opened()
    begin(qtbot, dock, Brake(monkeypatch))
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert f"INCOMPLETE: 1 of {len(dock.plan)} tiles are done" in str(file.ome_metadata)


def test_labels_of_a_run_are_those_of_one_pass(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Pick, run, wait: the labels layer equals the whole-image pass, and lies on the image."""
    viewer, dock = opened(scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    image = viewer.layers["slide"]
    layer = finish(qtbot, dock)
    whole = ex.segment_whole(image.data, model)
    assert np.array_equal(layer.data, whole.labels)
    assert layer.data.dtype == np.uint8
    assert layer.name == "slide - lively"
    assert tuple(layer.scale) == (0.5, 0.25)
    assert tuple(layer.translate) == (3, 4)
    assert layer.units == image.units
    assert list(layer.features["class"]) == ["class 0", "class 1", "class 2"]
    assert layer.editable
    assert layer.metadata["exactile"]["exact"] is True
    assert f"Done: exact, {whole.report.near_ties} near-tie" in dock.footer.result.text()
    assert dock.footer.result.text().endswith("unsaved")


def test_tiles_arrive_one_after_the_other(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a run finished zones are in the layer, others are marked unfinished, and it is locked."""
    viewer, dock = opened()
    brake, refreshes = Brake(monkeypatch), []
    dock.start()
    run = dock.run
    brake.let(1)
    qtbot.waitUntil(lambda: len(run.job.done) == 1 and run.layer is not None, timeout=WAIT)
    monkeypatch.setattr(run.layer, "refresh", lambda *args, **kwargs: refreshes.append(len(run.job.done)))
    zone = run.job.plan.tiling.tile(0).zone
    done = run.layer.data[: zone[0].stop, : zone[1].stop]
    assert done.max() < run.job.unfinished
    assert (run.layer.data[zone[0].stop :] == run.job.unfinished).all()
    assert not run.layer.editable
    assert not dock.fields.tile.enabled
    assert dock.footer.progress.text().endswith(f"of {len(dock.plan)} tiles")
    for _ in range(3):
        brake.let(2)
        qtbot.wait(350)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert len(set(refreshes)) >= 3
    assert viewer.layers.selection.active is viewer.layers["slide"]


def test_cancel_keeps_what_is_done_and_run_continues_it(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """After Cancel the layer says how much is done; Run does the rest in the same layer, nothing twice."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=2)
    dock.footer.cancel.click()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    layer, tiles = dock.run.layer, len(dock.plan)
    assert layer.name == f"slide - lively (incomplete, {200 // tiles} %)"
    assert dock.footer.run.text() == "Continue"
    assert "Incomplete: 2 of" in dock.footer.result.text()
    first = layer.data.copy()
    brake.let(tiles - 2)
    assert finish(qtbot, dock) is layer
    assert layer.name == "slide - lively"
    assert np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)
    kept = first < dock.run.job.unfinished
    assert np.array_equal(first[kept], layer.data[kept])


def test_a_changed_setting_starts_a_new_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Cancel and another tile size, Run begins a new layer and leaves the old one alone."""
    _, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    old, data = dock.run.layer, dock.run.layer.data.copy()
    dock.fields.tile.value = 112
    assert dock.footer.run.text() == "Run"
    brake.let(1000)
    assert finish(qtbot, dock) is not old
    assert np.array_equal(old.data, data)


def test_undersized_context_is_named_everywhere(
    opened: Any, qtbot: QtBot, model: ex.Model, tmp_path: Path
) -> None:
    """An own radius below the need is named in a warning and in the layer's name; its labels are wrong."""
    viewer, dock = opened()
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 9
    assert dock.fields.radius.value == 8, "snapped to a multiple of F"
    assert dock.fields.radius_note.text() == (
        "Context 8 px is too small: this model needs 24. The result would not be exact."
    )
    layer = finish(qtbot, dock)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert "INEXACT: the radius is 8 px" in str(file.ome_metadata)
    assert layer.name == "INEXACT radius 8: slide - lively"
    assert layer.metadata["exactile"]["exact"] is False
    assert "INEXACT (context 8 px, needed 24)" in dock.footer.result.text()
    assert not np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)


def test_tile_size_is_snapped_and_its_consequences_are_shown(opened: Any) -> None:
    """A typed tile becomes a multiple of F at once, and zone, tiles and extra computing follow."""
    _, dock = opened()
    dock.fields.tile.value = 101
    assert dock.fields.tile.value == 100
    assert dock.plan.tile == (100, 100)
    assert dock.fields.context_note.text() == "24 px (radius)"
    assert dock.fields.zone_note.text().startswith("52 px (ZoR) - 12 tiles\nextra computing +")


def test_a_tile_without_a_zone_is_explained_where_it_was_typed(opened: Any) -> None:
    """A tile that is all context disables Run; the reason stands under the field and in the footer."""
    _, dock = opened()
    dock.fields.tile.value = 40
    assert "smallest tile is 52 px" in dock.fields.tile_note.text()
    assert dock.footer.reason.text() == "The tile size does not work: see Tiles."
    assert not dock.footer.run.isEnabled()


def test_without_an_image_there_is_one_sentence_and_a_sample(opened: Any) -> None:
    """With no Image layer, the dock says what to do and offers the sample."""
    _, dock = opened("nothing", plan=False)
    assert "Open an image" in dock.fields.image_note.text()
    assert dock.fields.sample.native.isVisibleTo(dock)
    assert not dock.footer.run.isEnabled()


def test_the_first_image_is_picked(opened: Any, qtbot: QtBot) -> None:
    """An image that comes into an empty viewer is the one to segment."""
    viewer, dock = opened("nothing", plan=False)
    viewer.add_image(pixels((200, 150)), name="slide")
    qtbot.waitUntil(lambda: dock.fields.image.value is viewer.layers["slide"], timeout=WAIT)


@pytest.mark.parametrize("kind", ["dask", "zarr", "multiscale", "float32", "uint8"])
def test_any_array_behind_the_layer_gives_the_same_labels(
    opened: Any, qtbot: QtBot, model: ex.Model, kind: str, tmp_path: Path
) -> None:
    """dask, zarr and multiscale layers (level 0) and other types are segmented as the numpy array is."""
    plain = pixels((120, 100)) // 16
    data: Any = {
        "dask": lambda: da.from_array(plain, chunks=(50, 30)),
        "zarr": lambda: zarr.create_array(tmp_path / "z.zarr", data=plain, chunks=(32, 32)),
        "multiscale": lambda: [plain, plain[::2, ::2]],
        "float32": lambda: plain.astype(np.float32),
        "uint8": lambda: plain.astype(np.uint8),
    }[kind]()
    _, dock = opened(data)
    layer = finish(qtbot, dock)
    assert np.array_equal(
        layer.data, ex.segment_whole(np.asarray(data[0] if kind == "multiscale" else data), model).labels
    )


def test_the_shown_plane_of_a_stack_is_segmented(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Of a stack, the plane in sight is segmented; the labels have the stack's shape."""
    stack = pixels((3, 90, 80))
    viewer, dock = opened(stack, scale=(5, 1, 1))
    viewer.dims.set_current_step(0, 2)
    layer = finish(qtbot, dock)
    assert layer.data.shape == stack.shape
    assert np.array_equal(layer.data[2], ex.segment_whole(stack[2], model).labels)
    assert not layer.data[:2].any()
    assert tuple(layer.scale) == (5, 1, 1)


def test_colour_images_need_a_model_for_colour(opened: Any, qtbot: QtBot) -> None:
    """RGBA goes to a model of 3 channels without its alpha; a model of 1 channel refuses it in words."""
    rgba = pixels((80, 90, 4)).astype(np.uint8)
    _, dock = opened(rgba, rgb=True, plan=False)
    assert "colour image, but this model takes 1 channel" in dock.fields.image_note.text()
    assert not dock.footer.run.isEnabled()
    colour = lively_model("colour", channels=3)
    dock.add_model(colour)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    assert np.array_equal(layer.data, ex.segment_whole(rgba[..., :3], colour).labels)


def test_grey_images_are_refused_by_a_colour_model(opened: Any) -> None:
    """A model of 3 channels says that a grey image has one."""
    _, dock = opened(plan=False)
    dock.add_model(lively_model("colour", channels=3))
    assert "'slide' has 1 channel, but the model takes 3 channels" in dock.fields.image_note.text()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            np.full((40, 40), np.nan, np.float32),
            "'slide' has NaN pixels, first at y 0, x 0. Nothing was created.",
        ),
        (
            np.where(np.eye(40) * np.arange(40) == 7, np.inf, 1.0),
            "'slide' has infinite pixels, first at y 7, x 7",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_pixels_that_are_no_numbers_create_nothing(opened: Any, qtbot: QtBot, data: Any, words: str) -> None:
    """NaN or infinite pixels end the run with their place; no layer was made and the dock is usable."""
    viewer, dock = opened(data, contrast_limits=(0, 1), tile=None)
    before = {layer.name for layer in viewer.layers if not layer.name.startswith("Tiles")}
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert words in dock.footer.result.text()
    assert {layer.name for layer in viewer.layers if not layer.name.startswith("Tiles")} == before
    assert dock.footer.run.isEnabled()


def test_a_one_pixel_image_is_segmented(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """One pixel is an image like any other."""
    one = np.full((1, 1), 7, np.uint8)
    _, dock = opened(one, tile=None)
    assert np.array_equal(finish(qtbot, dock).data, ex.segment_whole(one, model).labels)


def test_rolled_axes_and_3d_views_are_explained(opened: Any) -> None:
    """Where the view shows no plane of y and x, the dock says what to do instead of guessing."""
    viewer, dock = opened(pixels((4, 60, 70)))
    viewer.dims.ndisplay = 3
    assert "switch to 2D" in dock.fields.image_note.text()
    viewer.dims.ndisplay = 2
    viewer.dims.order = (1, 0, 2)
    assert "roll the axes back" in dock.fields.image_note.text()
    viewer.dims.order = (0, 1, 2)
    assert dock.plan is not None


def test_a_failing_tile_reaches_the_person_and_keeps_the_others(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """An error in the worker names its tile; finished tiles stay, and Run continues with the rest."""
    viewer, dock = opened()
    original, calls = Executor.scores, []

    def fails_at_third(self: Executor, zone: Any, *rest: Any) -> Any:
        calls.append(zone)
        if len(calls) == 3:
            raise RuntimeError("the disk is gone")
        return original(self, zone, *rest)

    monkeypatch.setattr(Executor, "scores", fails_at_third)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert "tile 3 (pixels" in dock.footer.result.text()
    assert "the disk is gone" in dock.footer.result.text()
    assert "incomplete" in dock.run.layer.name
    layer = finish(qtbot, dock)
    assert np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)
    assert len({id(zone) for zone in calls}) == len(dock.plan) + 1


def test_deleting_the_labels_ends_the_run(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the person deletes the labels layer, the run stops quietly and a new one can begin."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    viewer.layers.remove(dock.run.layer)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    assert dock.footer.run.text() == "Run"
    brake.let(1000)
    assert finish(qtbot, dock) in viewer.layers


def test_deleting_image_or_tiling_does_not_end_the_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """The image layer and the tiling can be deleted while the run goes on; it finishes all the same."""
    viewer, dock = opened()
    data, brake = viewer.layers["slide"].data, Brake(monkeypatch)
    begin(qtbot, dock, brake)
    for layer in list(viewer.layers):
        if layer is not dock.run.layer:
            viewer.layers.remove(layer)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert np.array_equal(dock.run.layer.data, ex.segment_whole(data, model).labels)


def test_closing_the_viewer_ends_the_run(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the viewer during a run stops the worker; no thread is left."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    viewer.close()
    qtbot.waitUntil(lambda: run.stopped, timeout=5000)


def test_closing_the_dock_ends_the_run(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing the dock during a run stops the worker, hides the tiling and keeps the layer."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: run.stopped, timeout=5000)
    assert run.layer in viewer.layers
    assert "(incomplete, " in run.layer.name
    assert run.layer.metadata["exactile"]["tiles_done"] < run.layer.metadata["exactile"]["tiles"]
    assert run.layer.editable
    assert not any(layer.visible for layer in viewer.layers if layer.name.startswith("Tiles"))


def test_the_current_view_is_exact_relative_to_the_whole_image(
    opened: Any, qtbot: QtBot, model: ex.Model
) -> None:
    """Segmenting the region in sight gives the whole pass's labels there, placed where the region is."""
    viewer, dock = opened(pixels((300, 280)), show=True, scale=(2, 2))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (300, 280), 6
    qtbot.wait(500)
    dock.fields.region.value = VIEW
    layer = finish(qtbot, dock)
    start = (np.array(layer.translate) / 2).round().astype(int)
    assert (start > 0).all()
    assert layer.data.shape < (300, 280)
    whole = ex.segment_whole(viewer.layers["slide"].data, model).labels
    stop = start + layer.data.shape
    assert np.array_equal(layer.data, whole[start[0] : stop[0], start[1] : stop[1]])


def test_probabilities_are_added_when_asked_for(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """With "Keep probabilities" one hidden Image layer per class but the background appears."""
    viewer, dock = opened()
    dock.fields.probabilities.value = True
    finish(qtbot, dock)
    whole = ex.segment_whole(viewer.layers["slide"].data, model)
    for i in (1, 2):
        layer = viewer.layers[f"slide - lively: probability of class {i}"]
        assert np.allclose(layer.data, whole.probabilities[i], atol=1e-6)
        assert not layer.visible


def test_save_writes_the_labels_with_their_pixel_size(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Save... writes what the layer shows, with the pixel size in micrometres, and the footer says saved."""
    _, dock = opened(scale=(500, 250), units=("nm", "nm"))
    layer = finish(qtbot, dock)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    file = open_tiff(tmp_path / "out.ome.tif")
    assert np.array_equal(np.asarray(file.array[:]), layer.data)
    assert file.pixel_size == pytest.approx((0.5, 0.25))


def test_a_save_that_fails_says_so_and_can_be_tried_again(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Saving where there is no folder tells what went wrong and keeps the result."""
    _, dock = opened()
    finish(qtbot, dock)
    dock.save(tmp_path / "nowhere" / "out.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().startswith("Not saved"), timeout=WAIT)
    assert dock.footer.save.isEnabled()


def test_settings_are_remembered_but_an_own_radius_is_not(opened: Any, qtbot: QtBot) -> None:
    """The next dock has the tile size of the last one; an inexact radius must be chosen anew."""
    viewer, dock = opened()
    dock.fields.tile.value = 132
    dock.fields.own_radius.value = True
    again = ExactileDock(viewer)
    assert again.fields.tile.value == 132
    assert not again.fields.automatic.value
    assert not again.fields.own_radius.value
    # A worker that outlives the test would report to a dock that is gone.
    qtbot.waitUntil(lambda: again.footer.reason.text() != "The model is being analysed.", timeout=WAIT)


def test_the_tiling_is_shown_hidden_and_follows_the_dock(opened: Any, qtbot: QtBot) -> None:
    """Zones and context are drawn on the image; the switch and hiding the dock hide them."""
    viewer, dock = opened(show=True)
    qtbot.waitUntil(lambda: "Tiles: zones" in viewer.layers, timeout=WAIT)
    zones = viewer.layers["Tiles: zones"]
    qtbot.waitUntil(lambda: len(zones.data) == len(dock.plan), timeout=WAIT)
    dock.fields.tiling.value = False
    assert not zones.visible
    dock.fields.tiling.value = True
    assert zones.visible
    dock.hide()
    assert not zones.visible


def test_a_model_that_cannot_be_exact_is_refused_in_the_dock(opened: Any, qtbot: QtBot) -> None:
    """A network with a whole-image norm is named with its reason; Run is disabled and says why."""
    from torch import nn

    _, dock = opened(plan=False)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.InstanceNorm2d(2)).eval()
    dock.add_model(ex.load_model(net, name="norm", title="norm"))
    qtbot.waitUntil(lambda: "Cannot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    assert dock.footer.reason.text() == "The model cannot be exact: see Model."
    assert not dock.footer.run.isEnabled()
