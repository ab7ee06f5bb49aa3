"""Objects and agreement in the dock: found in the background, shown over the labels, told in words."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QWidget

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish
from napari_exactile.evaluate import agreement
from napari_exactile.images.objects import components
from napari_exactile.widget.draw.planes import micrometres
from napari_exactile.widget.results.agreement import AgreementFields, AgreementSection
from napari_exactile.widget.results.finished import FinishedLayer
from napari_exactile.widget.results.objects import ObjectsFields, ObjectsSection
from napari_exactile.widget.results.objects_dialog import ObjectsModel


def find(qtbot: QtBot, section: ObjectsSection) -> Labels:
    """Press Find objects, wait, and return the layer."""
    section.fields.find.native.click()
    assert section.finding
    qtbot.waitUntil(lambda: not section.finding, timeout=WAIT)
    assert section.layer is not None, section.fields.words.text()
    return section.layer


def compare(qtbot: QtBot, section: AgreementSection) -> ex.Agreement:
    section.fields.compare.native.click()
    qtbot.waitUntil(lambda: section.agreement is not None, timeout=WAIT)
    return section.agreement


class Held:
    """Holds a function that labels or counts a block until the test lets it go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Any, name: str) -> None:
        self.entered, self.gate, original = threading.Event(), threading.Event(), getattr(home, name)

        def held(*arguments: Any) -> Any:
            self.entered.set()
            self.gate.wait(WAIT / 1000)
            return original(*arguments)

        monkeypatch.setattr(home, name, held)


CLASSES = ("back", "cell", "spot")


def noise(shape: tuple[int, ...] = (60, 50)) -> Any:
    return np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)


@pytest.fixture
def result(qtbot: QtBot) -> Iterator[Callable[..., tuple[ViewerModel, FinishedLayer]]]:
    """A function that puts labels into a viewer without a window, as a complete run does."""

    def made(labels: Any, index: tuple[int, ...] = (), **layer: Any) -> tuple[ViewerModel, FinishedLayer]:
        viewer = ViewerModel()
        ours = viewer.add_labels(labels, name="ours", metadata={"exactile": {}}, **layer)
        part = labels[index]
        size = micrometres(ours, range(labels.ndim - part.ndim, labels.ndim))
        axes = "zyx"[-part.ndim :]
        return viewer, FinishedLayer(
            ours, part, index, CLASSES, 0, axes, labels.shape, None, size, lambda pixels: pixels
        )

    yield made
    WorkerBase.await_workers(WAIT)


@pytest.fixture
def objects(qtbot: QtBot) -> Callable[[ViewerModel, FinishedLayer], ObjectsSection]:
    """A function that makes the section of objects for a result."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def made(viewer: ViewerModel, finished: FinishedLayer) -> ObjectsSection:
        section = ObjectsSection(viewer, ObjectsFields(), parent)
        section.choose(finished, "")
        return section

    return made


@pytest.fixture
def agree(qtbot: QtBot) -> Callable[[ViewerModel, FinishedLayer], AgreementSection]:
    """A function that makes the section of the comparison for a result."""

    def made(viewer: ViewerModel, finished: FinishedLayer) -> AgreementSection:
        section = AgreementSection(viewer, AgreementFields())
        section.choose(finished, "")
        return section

    return made


# --- in a window


def test_objects_of_a_run_lie_on_its_labels(opened: Any, qtbot: QtBot) -> None:
    """Run, find: a layer like scipy's labelling over the labels, with the table of sizes, and in words."""
    viewer, dock = opened(scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    section = dock.results.objects
    assert not section.fields.find.enabled
    assert section.fields.words.text().startswith("Run first")
    labels = finish(qtbot, dock)
    selected = set(viewer.layers.selection)
    layer = find(qtbot, section)
    found = ex.find_objects(labels.data, classes=dock.run.labels.classes.names, pixel_size=(0.5, 0.25))
    assert np.array_equal(layer.data, found.labels)
    assert layer.name == "slide - lively: objects"
    assert viewer.layers.index(layer) == viewer.layers.index(labels) + 1
    assert set(viewer.layers.selection) == selected
    for name in ("scale", "translate", "units", "axis_labels"):
        assert tuple(getattr(layer, name)) == tuple(getattr(labels, name))
    assert list(layer.features["index"]) == list(range(1, len(found) + 1))
    assert np.allclose(layer.features["area_um2"], found.pixels * 0.125)
    assert section.fields.words.text() == "\n".join(found.summary())
    assert section.fields.words.text().endswith(" µm²")
    manual = viewer.add_labels(labels.data, name="by hand", scale=(0.5, 0.25), translate=(3, 4))
    assert dock.results.fields.agreement.manual.choices == (manual,)
    assert compare(qtbot, dock.results.agreement).dice == 1


def test_only_complete_labels_that_are_there_have_objects(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a run, after Cancel, and once the labels are deleted, the sections say why they wait."""
    viewer, dock = opened()
    brake, fields = Brake(monkeypatch), dock.results.fields.objects
    begin(qtbot, dock, brake)
    assert (fields.find.enabled, fields.words.text()) == (False, "This waits until the run has ended.")
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert (fields.find.enabled, fields.words.text()[:26]) == (False, "The last run is incomplete")
    brake.let(1000)
    labels = finish(qtbot, dock)
    assert (fields.find.enabled, fields.words.text()) == (True, "")
    viewer.layers.remove(labels)
    assert (fields.find.enabled, fields.words.text()[-10:]) == (False, "run again.")


def test_late_objects_of_an_old_run_or_dock_are_not_added(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new run stops the finding in the old labels, and so does removing the dock; no layer comes late."""
    viewer, dock = opened()
    finish(qtbot, dock)
    section = dock.results.objects
    held = Held(monkeypatch, components, "_label_block")
    section.fields.find.native.click()
    qtbot.waitUntil(held.entered.is_set, timeout=WAIT)
    dock.fields.tile.value = 112
    finish(qtbot, dock)
    assert not section.finding
    section.fields.find.native.click()
    viewer.window.remove_dock_widget(dock)
    held.gate.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(50)
    assert not [layer.name for layer in viewer.layers if "objects" in layer.name]


# --- the section of objects


def test_finding_again_replaces_the_objects(result: Any, objects: Any, qtbot: QtBot) -> None:
    """With another least size or connectivity the same layer shows what is found then."""
    viewer, finished = result(noise())
    section = objects(viewer, finished)
    layer = find(qtbot, section)
    section.fields.least.value, section.fields.connected.value = 5, "Edges or corners"
    assert find(qtbot, section) is layer
    found = ex.find_objects(noise(), connectivity=2, min_size=5)
    assert np.array_equal(layer.data, found.labels)
    assert len(layer.features) == len(found)
    assert len(viewer.layers) == 2
    viewer.layers.remove(layer)
    section.choose(finished, "")
    assert not section.fields.table.enabled
    assert find(qtbot, section) is not layer


def test_a_row_of_the_table_leads_to_its_object(
    result: Any, objects: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """The table sorts by numbers, not words; a row picks its object and centres the view; it can be saved."""
    viewer, finished = result(noise(), scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    section = objects(viewer, finished)
    layer = find(qtbot, section)
    dialog, table = section.dialog, section.objects.table()
    dialog.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    shown = [dialog.model.number(row) for row in range(dialog.model.rowCount())]
    assert [table["pixels"][n - 1] for n in shown] == sorted(table["pixels"], reverse=True)
    dialog.view.selectRow(1)
    number = shown[1]
    assert viewer.layers.selection.active is layer
    assert layer.selected_label == number
    centre = layer.data_to_world((table["y"][number - 1], table["x"][number - 1]))
    assert np.allclose(viewer.scene.camera.center[-2:], centre)
    dialog.write(tmp_path / "objects.csv")
    qtbot.waitUntil(lambda: dialog.words.text().startswith("Saved as"), timeout=WAIT)
    rows = list(csv.DictReader((tmp_path / "objects.csv").read_text().splitlines()))
    assert [int(row["pixels"]) for row in rows] == table["pixels"].tolist()
    dialog.write(tmp_path / "nowhere" / "objects.csv")
    qtbot.waitUntil(lambda: dialog.words.text().startswith("Not saved"), timeout=WAIT)


def test_a_plane_of_a_stack_has_its_objects_in_its_plane(result: Any, objects: Any, qtbot: QtBot) -> None:
    """In a stack, objects lie in the plane that was segmented, and a row leads back to that plane."""
    viewer, finished = result(noise((4, 60, 50)), index=(2,), scale=(2, 1, 1))
    section = objects(viewer, finished)
    layer = find(qtbot, section)
    assert np.array_equal(layer.data[2], ex.find_objects(noise((4, 60, 50))[2]).labels)
    assert not layer.data[[0, 1, 3]].any()
    viewer.dims.set_point(0, 0)
    section.select(1)
    assert viewer.dims.point[0] == 4


def test_a_volume_has_volumes(result: Any, objects: Any, qtbot: QtBot) -> None:
    """Labels with three axes have objects through all planes, measured in cubic micrometres."""
    viewer, finished = result(noise((6, 20, 20)), scale=(2, 1, 0.5), units=("um",) * 3)
    section = objects(viewer, finished)
    layer = find(qtbot, section)
    assert np.array_equal(layer.data, ex.find_objects(noise((6, 20, 20))).labels)
    assert list(layer.features["volume_um3"]) == list(layer.features["pixels"])
    viewer.dims.ndisplay = 3
    section.select(1)
    assert np.allclose(viewer.scene.camera.center, layer.data_to_world(section.objects.centroids[0]))


def test_stop_leaves_nothing_behind(
    result: Any, objects: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While objects are being found the window answers; Stop ends it, and no layer is added."""
    viewer, finished = result(noise())
    held, section = Held(monkeypatch, components, "_label_block"), objects(viewer, finished)
    section.fields.find.native.click()
    qtbot.waitUntil(held.entered.is_set, timeout=WAIT)
    assert section.fields.words.text() == "Finding objects: 0 %"
    assert section.fields.find.text == "Stop"
    section.fields.find.native.click()
    held.gate.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(50)
    assert section.fields.words.text() == "Stopped: no objects were added."
    assert len(viewer.layers) == 1
    assert find(qtbot, section) in viewer.layers


def test_a_failure_is_told_and_can_be_tried_again(
    result: Any, objects: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong in the background stands in the section; the next attempt works."""
    section = objects(*result(noise()))

    def fails(*_: Any) -> None:
        raise MemoryError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(components, "_label_block", fails)
        section.fields.find.native.click()
        qtbot.waitUntil(lambda: not section.finding, timeout=WAIT)
    assert section.fields.words.text() == "No objects: no memory"
    assert find(qtbot, section) is not None


def test_numbers_that_do_not_fit_into_memory_are_not_begun(
    result: Any, objects: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the layer would need more memory than is free, that is said, and nothing is labelled."""
    viewer, finished = result(noise((50, 50)))
    section = objects(viewer, finished)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=9_999))
    section.fields.find.native.click()
    qtbot.waitUntil(lambda: not section.finding, timeout=WAIT)
    assert "their numbers need 0.0 GB of memory, 0.0 GB are free" in section.fields.words.text()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000))
    assert find(qtbot, section) in viewer.layers


# --- the section of the comparison


def test_agreement_is_that_of_the_arrays(result: Any, agree: Any, qtbot: QtBot) -> None:
    """Compare shows Dice and IoU of each class against the picked layer; other settings ask anew."""
    viewer, finished = result(noise())
    section = agree(viewer, finished)
    fields = section.fields
    assert fields.words.text() == "There is no other Labels layer of this size, 60 x 50."
    assert not fields.compare.enabled
    manual = np.random.default_rng(1).integers(0, 4, finished.labels.shape)
    viewer.add_labels(manual, name="by hand")
    viewer.add_labels(manual[:-1], name="too small")
    section.choose(finished, "")
    assert [layer.name for layer in fields.manual.choices] == ["by hand"]
    found = compare(qtbot, section)
    assert found == ex.agreement(noise(), manual, CLASSES)
    shown = fields.scores.text()
    assert all(f">{dice}</td>" in shown for _, dice, _ in found.rows)
    assert "class 3" in shown
    assert fields.words.text() == "3,000 pixels were compared."
    fields.partly.value = True
    assert fields.scores.text() == ""
    assert compare(qtbot, section) == ex.agreement(noise(), manual, CLASSES, ignore=0)
    assert f"{(manual == 0).sum():,} not annotated" in fields.words.text()


def test_the_plane_of_a_stack_is_compared(result: Any, agree: Any, qtbot: QtBot) -> None:
    """Of a manual layer over a stack, the plane that was segmented counts."""
    viewer, finished = result(noise((4, 60, 50)), index=(2,))
    manual = np.zeros((4, 60, 50), np.uint8)
    manual[2] = finished.labels
    viewer.add_labels(manual)
    assert compare(qtbot, agree(viewer, finished)).dice == 1


def test_layers_that_do_not_lie_on_each_other_are_not_compared(result: Any, agree: Any, qtbot: QtBot) -> None:
    """Another pixel size or another place of the manual layer is told in one sentence."""
    viewer, finished = result(noise())
    manual = viewer.add_labels(noise(), name="by hand", scale=(2, 2))
    section = agree(viewer, finished)
    words = []
    for scale, translate, rotate in (((2, 2), (0, 0), 0), ((1, 1), (0, 5), 0), ((1, 1), (0, 0), 90)):
        manual.scale, manual.translate, manual.rotate = scale, translate, rotate
        section.fields.compare.native.click()
        words.append(section.fields.words.text())
    assert words == [
        f"'by hand' has another {what} than the labels: they cannot be compared."
        for what in ("pixel size", "place", "orientation")
    ]
    manual.rotate = 0
    assert compare(qtbot, section).pixels == 3000


def test_what_is_compared_late_is_not_shown_for_another_layer(
    result: Any, agree: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Picking another layer during the comparison drops its answer; a failure is told."""
    viewer, finished = result(noise())
    one, other = (viewer.add_labels(np.full((60, 50), n), name=f"{n}") for n in (0, 1))
    section = agree(viewer, finished)
    held = Held(monkeypatch, agreement, "_check")
    section.fields.manual.value = one
    section.fields.compare.native.click()
    qtbot.waitUntil(held.entered.is_set, timeout=WAIT)
    section.fields.manual.value = other
    held.gate.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(50)
    assert (section.agreement, section.fields.words.text()) == (None, "")
    other.data = np.arange(3000).reshape(60, 50)
    section.fields.compare.native.click()
    qtbot.waitUntil(lambda: "compare labels of classes" in section.fields.words.text(), timeout=WAIT)


def test_cells_are_words_at_their_side() -> None:
    """The table shows names to the left, numbers to the right, areas in four digits, no bounding boxes."""
    labels = np.zeros((30, 200), np.uint8)
    labels[:, :150], labels[9, 199] = 1, 2
    model = ObjectsModel()
    model.fill(ex.find_objects(labels, classes=("back", "cell"), pixel_size=(2.0, 0.5)))
    headings = [model.headerData(n, Qt.Orientation.Horizontal) for n in range(model.columnCount())]
    assert headings == ["id", "class", "pixels", "area (µm²)", "y (px)", "x (px)"]
    cells = [[model.data(model.index(row, n)) for n in range(6)] for row in range(2)]
    assert cells == [
        ["1", "cell", "4500", "4,500", "14.5", "74.5"],
        ["2", "class 2", "1", "1", "9.0", "199.0"],
    ]
    sides = [model.data(model.index(0, n), Qt.ItemDataRole.TextAlignmentRole) for n in (1, 2)]
    assert sides[0] & Qt.AlignmentFlag.AlignLeft
    assert sides[1] & Qt.AlignmentFlag.AlignRight
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert [model.number(row) for row in range(2)] == [2, 1]
    assert model.rowCount(model.index(0, 0)) == model.columnCount(model.index(0, 0)) == 0
    assert model.rowCount(QModelIndex()) == 2
