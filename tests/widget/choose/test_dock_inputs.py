"""What the dock makes of images and settings: any array is taken, and what cannot work is explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, finish, lively_model, pixels, zone_by_zone
from napari_exactile.widget.choose.fields import ALL_PLANES, VIEW
from napari_exactile.widget.choose.known import KnownModels


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
            "'slide' has NaN pixels, first at y 0, x 0. Nothing was created. Leave them out",
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


def test_one_step_of_zoom_changes_the_current_view(opened: Any, qtbot: QtBot) -> None:
    """What is in sight is looked up after napari has drawn it, also when nothing moves after that."""
    viewer, dock = opened(pixels((300, 280)), show=True)
    dock.fields.region.value = VIEW
    qtbot.wait(500)
    before = len(dock.plan.tiling.region[0])
    viewer.scene.camera.zoom *= 4
    qtbot.waitUntil(lambda: len(dock.plan.tiling.region[0]) < before / 2, timeout=WAIT)


def test_the_same_analysis_is_asked_for_once(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever changes while a model is analysed, it is not analysed twice; one replaced by a script is."""
    _, dock = opened()
    started, original = [], KnownModels._analyse

    def counted(models: KnownModels, name: str, shape: tuple[int, ...]) -> Any:
        started.append(name)
        return original(models, name, shape)

    monkeypatch.setattr(KnownModels, "_analyse", counted)
    dock.add_model(lively_model("another"))
    for tile in (100, 108, 116):
        dock.fields.tile.value = tile
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert started == ["another"]
    replacement = lively_model("another")
    dock.add_model(replacement)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert started == ["another"] * 2
    assert dock._chooser.choice.task.model is replacement


def test_a_model_that_cannot_be_exact_is_refused_in_the_dock(opened: Any, qtbot: QtBot) -> None:
    """An operator along whole rows is named with its reason; Run is disabled and says why."""
    from torch import nn

    _, dock = opened(plan=False)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(-1)).eval()
    dock.add_model(ex.load_model(net, name="rows", title="rows"))
    qtbot.waitUntil(lambda: "Cannot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    assert dock.footer.reason.text() == "The model cannot be exact: see Model."
    assert not dock.footer.run.isEnabled()


def test_a_model_that_returns_labels_is_explained_in_the_dock(opened: Any, qtbot: QtBot) -> None:
    """A network whose output is no scores cannot be run: the note says so, before Run is pressed."""
    from torch import nn

    class Labelling(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            return super().forward(x).argmax(1, keepdim=True)

    _, dock = opened(plan=False)
    dock.add_model(ex.load_model(Labelling(1, 3, 1).eval(), name="labels", title="labels"))
    qtbot.waitUntil(lambda: "whole numbers" in dock.fields.exact_note.text(), timeout=WAIT)
    assert dock.footer.reason.text() == "The model cannot be used: see Model."
    assert dock.fields.approximation.isHidden()


def test_a_typed_tile_that_is_dear_is_said_to_be(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever types a tile, or had typed one for another image, sees what an automatic one would cost.

    Zones are trimmed here: what is walked costs the same in small ones.
    """
    zone_by_zone(monkeypatch)
    _viewer, dock = opened(pixels((700, 500)), tile=None)
    note = dock.fields.tile_note
    assert "Automatic" not in note.text()
    automatic = dock.plan
    dock.fields.automatic.value = False
    dock.fields.tile.value = 56
    assert dock.plan.redundancy > 1.5 * automatic.redundancy
    assert f"{len(automatic)} tile" in note.text()
    assert "Automatic would be" in note.text()
    assert note.styleSheet(), "it is a warning"
    dock.fields.tile.value = 700
    assert "Automatic" not in note.text()


def test_models_of_one_title_are_all_listed(opened: Any) -> None:
    """Two models that call themselves the same are told apart by a number."""
    _viewer, dock = opened()
    for name in ("first", "second"):
        made = lively_model(name)
        dock.add_model(replace(made, card=replace(made.card, title="Nuclei")))
    titles = [dock.fields.model.native.itemText(i) for i in range(dock.fields.model.native.count())]
    assert {"Nuclei", "Nuclei 2"} <= set(titles)
    assert {"first", "second"} <= set(dock.fields.model.choices)


def test_two_layers_can_be_the_channels_of_a_model_of_two(opened: Any, qtbot: QtBot) -> None:
    """For planes without channels and a model of two, the selected layers are offered, and do."""
    viewer, dock = opened()
    viewer.add_image(pixels((200, 150), seed=1), name="second")
    dock.add_model(lively_model("two", channels=2))
    assert dock.fields.channels_row.isVisibleTo(dock)
    viewer.layers.selection = {viewer.layers["slide"], viewer.layers["second"]}
    dock.fields.channels.value = "selected layers"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


def test_together_is_for_one_image(opened: Any) -> None:
    """ "Normalise together" was said of one stack, and says nothing of the next."""
    viewer, dock = opened(pixels((3, 90, 80)))
    dock.fields.planes.value = ALL_PLANES
    dock.fields.together.value = True
    dock.fields.image.value = viewer.add_image(pixels((4, 90, 80)), name="next")
    assert not dock.fields.together.value
