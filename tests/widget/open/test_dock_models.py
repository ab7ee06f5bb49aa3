"""Models come into the dock from files: by its menu, by a drop, and again from the last session."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from napari import Viewer
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QMessageBox

import napari_exactile as ex
from docks import WAIT, finish, lively_model
from napari_exactile.models import load
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.form import remembered
from napari_exactile.widget.model_reader import get_reader
from napari_exactile.widget.open.image_reader import SLIDES, ZARR_FILES
from napari_exactile.widget.open.model_files import PATTERNS
from napari_exactile.widget.open.open_model import MOST, RECENT, RecentModels

HEADS = {
    "weights.pt": b"PK\x03\x04", "old.pth": b"\x80\x02}", "script.ts": b"PK\x03\x04",
    "script.torchscript": b"PK\x03\x04", "exported.pt2": b"PK\x03\x04",
    "weights.safetensors": b"\x10\0\0\0\0\0\0\0{}", "rdf.yaml": b"format_version: 0.4\ntype: model\n",
}  # fmt: skip
OTHERS = {
    "page.pt": b"<html>", "film.ts": b"G@\x11", "notes.yaml": b"about: a model\n",
    "image.yaml": b"type: image\n",
    "empty.safetensors": b"", "broken.zip": b"PK\x03\x04", "plain.torchscript": b"{}",
}  # fmt: skip


class NeedsConsentError(ValueError):
    """As the loader of files raises it."""

    names = ("network.py",)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, bool]]:
    """Let files be loaded by their names, and return what was asked for."""
    asked: list[tuple[Path, bool]] = []

    def loader(what: Any, *, trust_code: bool = False, **facts: Any) -> ex.Model:
        if not isinstance(what, Path):
            return original(what, **facts)
        asked.append((what, trust_code))
        if what.stem == "broken_zip":
            raise ValueError(f"{what} is cut off")
        if what.stem == "broken":
            raise RuntimeError("it holds no network\nsomewhere in torch")
        if what.stem.startswith("package") and not trust_code:
            raise NeedsConsentError("its code must be trusted")
        return lively_model(what.stem)

    original = load.load_model
    monkeypatch.setattr(load, "load_model", loader)
    return asked


@pytest.fixture
def dock(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Any:
    """A dock without an image: nothing is analysed."""
    viewer = make_napari_viewer()
    dock = ExactileDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    WorkerBase.await_workers(WAIT)


def model_file(folder: Path, name: str, head: bytes = b"PK\x03\x04") -> Path:
    path = folder / name
    path.write_bytes(head)
    return path


def entries(dock: ExactileDock) -> list[str]:
    dock.opener.fill_menu()
    return [action.text() for action in dock.opener.menu.actions()]


def offered(dock: ExactileDock) -> list[str]:
    return [dock.fields.model.native.itemText(i) for i in range(dock.fields.model.native.count())]


def test_a_file_that_is_picked_is_loaded_and_chosen(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Open model file..." loads in the background; the model is then chosen, and offered again first."""
    path = model_file(tmp_path, "nuclei.pt")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *rest: (str(path), ""))
    assert entries(dock) == ["Open model file...", "Open model folder..."]
    dock.opener.menu.actions()[0].trigger()
    assert dock.fields.open_note.text() == "Opening nuclei.pt..."
    qtbot.waitUntil(lambda: dock.fields.model.value == "nuclei", timeout=WAIT)
    assert loads == [(path, False)]
    assert dock.fields.open_note.text() == ""
    assert offered(dock) == ["Colonies demo", "nuclei"]
    assert entries(dock)[3:] == ["nuclei.pt"]


def test_a_real_file_segments_as_the_network_in_it(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """TorchScript that is dropped onto the viewer gives the labels of the network that was saved."""
    network = torch.nn.Conv2d(1, 3, 5, padding=2).eval()
    torch.jit.script(network).save(str(tmp_path / "saved.ts"))
    viewer, dock = opened()
    viewer.open(tmp_path / "saved.ts", plugin="napari-exactile")
    qtbot.waitUntil(lambda: dock.fields.model.value == "saved" and dock.plan is not None, timeout=WAIT)
    assert dock._chooser.choice.task.model.card.source == str(tmp_path / "saved.ts")
    labels = finish(qtbot, dock).data
    assert np.array_equal(labels, ex.segment_whole(viewer.layers["slide"].data, network).labels)


def test_a_folder_that_is_picked_is_loaded(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Open model folder..." loads the folder; to pick nothing changes nothing."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for answer in ("", str(folder)):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *rest, answer=answer: answer)
        dock.opener.fill_menu()
        dock.opener.menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: dock.fields.model.value == "bundle", timeout=WAIT)
    assert loads == [(folder, False)]


def test_an_error_is_one_sentence_and_loses_nothing(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """What cannot be loaded is named with its reason; choice, models and recent files stay as they were."""
    before = dock.fields.model.value, offered(dock)
    failures = {
        model_file(tmp_path, "broken.pt"): "broken.pt cannot be opened: it holds no network",
        model_file(tmp_path, "broken_zip.pt"): "broken_zip.pt is cut off",
        tmp_path / "gone.pt": "gone.pt cannot be opened: there is no such file or folder",
    }
    for path, sentence in failures.items():
        dock.opener.open(path)
        qtbot.waitUntil(lambda: "Opening" not in dock.fields.open_note.text(), timeout=WAIT)
        # Long words have places where they may be broken.
        assert dock.fields.open_note.text().replace("\u200b", "") == sentence
    assert (dock.fields.model.value, offered(dock)) == before
    assert len(entries(dock)) == 2


@pytest.mark.parametrize("answer", ["Import it", "Cancel"])
def test_code_of_a_package_runs_only_with_consent(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """The person is asked, with Cancel as the default; only "Import it" loads the package with its code."""
    asked: list[QMessageBox] = []

    def answered(box: QMessageBox) -> None:
        asked.append(box)
        assert "its own Python code (network.py)" in box.text()
        assert box.defaultButton() is box.escapeButton() is box.button(QMessageBox.StandardButton.Cancel)
        next(one for one in box.buttons() if one.text().replace("&", "") == answer).click()

    monkeypatch.setattr(QMessageBox, "exec", answered)
    path = model_file(tmp_path, "package.zip")
    dock.opener.open(path)
    qtbot.waitUntil(lambda: bool(asked) and "Opening" not in dock.fields.open_note.text(), timeout=WAIT)
    consents = answer == "Import it"
    assert loads == [(path, False), *([(path, True)] if consents else [])]
    assert (dock.fields.model.value == "package") is consents
    assert ("is not trusted" in dock.fields.open_note.text()) is not consents


def test_models_of_one_name_stay_apart_and_one_file_stays_one(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """Files called alike in two folders are two models beside the bundled one; one opened twice is one."""
    paths = [tmp_path / folder / "colonies-demo.pt" for folder in "ab"]
    for path in (*paths, paths[0]):
        path.parent.mkdir(exist_ok=True)
        model_file(path.parent, path.name)
        dock.opener.open(path)
        qtbot.waitUntil(lambda: dock.fields.open_note.text() == "", timeout=WAIT)
    assert list(dock.planner.cards) == ["colonies-demo", "colonies-demo 2", "colonies-demo 3"]
    assert dock.fields.model.value == "colonies-demo 2"
    assert len(set(offered(dock))) == 3


def test_recent_files_are_remembered_until_they_vanish(tmp_path: Path) -> None:
    """The next session has the last eight that could be opened, the newest first, without what is gone."""
    recent = RecentModels(remembers=True)
    paths = [model_file(tmp_path, f"{i}.pt") for i in range(MOST + 2)]
    for path in (*paths, paths[5]):
        recent.add(path)
    again = RecentModels(remembers=True)
    assert again.there() == [paths[5], *(paths[i] for i in (9, 8, 7, 6, 4, 3, 2))]
    paths[9].unlink()
    assert paths[9] not in again.there()
    assert RecentModels(remembers=False).there() == []


@pytest.mark.parametrize("stored", ["not json", json.dumps({"a": 1}), json.dumps([1, None])])
def test_a_spoilt_list_of_recent_files_is_no_list(stored: str) -> None:
    """What another version or a broken file left behind is ignored."""
    remembered._store().setValue(RECENT, stored)
    assert RecentModels(remembers=True).there() == []


def test_a_model_that_is_dropped_opens_the_dock(
    make_napari_viewer: Callable[..., Viewer], loads: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """Opening a model file adds no layer; the dock appears and has the model, and the next finds it there."""
    viewer = make_napari_viewer()
    for name in ("first", "second"):
        assert viewer.open(model_file(tmp_path, f"{name}.pt"), plugin="napari-exactile") == []
        docks = [one for one in viewer.window.dock_widgets.values() if isinstance(one, ExactileDock)]
        assert len(docks) == 1
        model = docks[0].fields.model
        qtbot.waitUntil(lambda name=name, model=model: model.value == name, timeout=WAIT)
    assert len(viewer.layers) == 0
    WorkerBase.await_workers(WAIT)


def test_a_drop_uses_the_dock_that_is_there(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """A dock that a script has put there, or a person has hidden, gets the model and is shown."""
    dock.parentWidget().hide()
    dock.viewer.open(model_file(tmp_path, "nuclei.pt"), plugin="napari-exactile")
    qtbot.waitUntil(lambda: dock.fields.model.value == "nuclei", timeout=WAIT)
    assert not dock.parentWidget().isHidden()
    assert len(dock.viewer.window.dock_widgets) == 1


def test_a_dock_that_is_gone_gets_no_model(
    dock: ExactileDock, loads: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """What is loaded when the dock has been taken away reaches nobody."""
    dock.opener.open(model_file(tmp_path, "late.pt"))
    dock.viewer.window.remove_dock_widget(dock)
    WorkerBase.await_workers(WAIT)
    qtbot.wait(50)
    assert len(loads) == 1
    assert "late" not in dock.planner.cards


def test_only_files_that_hold_models_are_taken(tmp_path: Path) -> None:
    """Names alone do not make a model: films, pages, notes, other packages, folders and stacks are left."""
    for name, head in HEADS.items():
        assert get_reader(str(model_file(tmp_path, name, head))) is not None, name
    for name, head in OTHERS.items():
        assert get_reader(str(model_file(tmp_path, name, head))) is None, name
    for name, text in {"model.zip": "type: model", "data.zip": "type: dataset", "image.zip": ""}.items():
        with ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("package/rdf.yaml" if text else "0.0", text)
        assert (get_reader(str(tmp_path / name)) is not None) is (name == "model.zip")
    (tmp_path / "zarr.zip").mkdir()
    for other in (str(tmp_path / "zarr.zip"), str(tmp_path / "none.pt"), [str(tmp_path / "weights.pt")] * 2):
        assert get_reader(other) is None


def test_the_manifest_names_the_files_of_the_dialog() -> None:
    """What File > Open takes is what the dock's own dialog shows."""
    from npe2 import PluginManager

    manifest = PluginManager.instance().get_manifest("napari-exactile")
    models, images = sorted(manifest.contributions.readers, key=lambda reader: reader.command)
    assert tuple(models.filename_patterns) == PATTERNS
    assert tuple(images.filename_patterns) == (*ZARR_FILES, *(f"*{ending}" for ending in SLIDES))


def test_no_model_is_opened_during_a_run(dock: ExactileDock) -> None:
    """The button waits with the other fields of the model."""
    dock.fields.lock(True)
    assert not dock.fields.open_model.isEnabled()
    dock.fields.lock(False)
    assert dock.fields.open_model.isEnabled()
