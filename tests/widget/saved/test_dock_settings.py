"""What is chosen in the dock comes back from a settings file, and a command and a script do the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from magicgui.widgets import PushButton
from magicgui.widgets.bases import ValueWidget
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QMessageBox

import napari_exactile as ex
from docks import WAIT, finish, pixels
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.models.unet import UNet
from napari_exactile.run.file.records import Around
from napari_exactile.widget.choose.fields import DRAWN, ON_DISK, ONE_PLANE
from napari_exactile.widget.choose.normalization_fields import TYPED
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.saved.controls import ALWAYS, BY_FILE, CONTROLS, LEFT_OUT, NOT_IN_DOCK
from napari_exactile.widget.saved.menu import COMMAND, LOAD, SAVE, SCRIPT
from sentences.of_models import saved

SIDE = 200


def value_fields(*groups: Any) -> dict[str, ValueWidget[Any]]:
    """All fields of these groups in which something can be chosen, by their names."""
    return {
        name: one
        for group in groups
        for name, one in vars(group).items()
        if isinstance(one, ValueWidget) and not isinstance(one, PushButton)
    }


def entry(dock: Any, text: str) -> Any:
    (action,) = [action for action in dock.fields.help.menu().actions() if action.text() == text]
    return action


def save(qtbot: QtBot, dock: Any, path: Path) -> ex.SettingsFile:
    dock.settings.save(path)
    qtbot.waitUntil(path.exists, timeout=WAIT)
    return ex.SettingsFile.load(path)


def load(qtbot: QtBot, dock: Any, path: Path) -> None:
    """Load and wait until everything is planned."""
    said: list[Any] = []
    on_loaded = dock.settings._on_loaded
    dock.settings._on_loaded = lambda *found: (on_loaded(*found), said.append(found))
    dock.settings.load(path)
    qtbot.waitUntil(lambda: bool(said) and dock.plan is not None, timeout=WAIT)


def copied(qtbot: QtBot, dock: Any, text: str) -> str:
    """Choose an entry of the menu as a person does; return what lies on the clipboard then."""
    dock.settings.dialog.words.say()
    QApplication.clipboard().clear()
    entry(dock, text).trigger()
    qtbot.waitUntil(lambda: bool(dock.settings.dialog.words.text()), timeout=WAIT)
    return QApplication.clipboard().text()


def test_every_control_is_in_the_file(opened: Any) -> None:
    """Each field of the dock is a key of settings files or left out with a reason; each key has a place."""
    _, dock = opened(plan=False)
    fields = dock.fields
    objects = dock.results.fields.objects
    there = value_fields(fields, fields.normalizing, fields.meaning, objects, objects.smallest)
    there |= {"least": objects.smallest.size}
    assert set(there) - {"size", "choice"} == {*CONTROLS, *LEFT_OUT}
    keys = {key for names in CONTROLS.values() for key in names}
    known = {*ex.Settings.names(), *Around.names(), "model"}
    assert keys | {*BY_FILE, *NOT_IN_DOCK, *ALWAYS} == known


def test_what_is_chosen_comes_back(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Another panel that loads the file has the same settings, and the same fields."""
    stack = pixels((3, SIDE, 150))
    viewer, dock = opened(stack)
    fields, objects = dock.fields, dock.results.fields.objects
    dock.fields.model.value = "colonies-demo"
    viewer.dims.set_point(0, 2)
    fields.planes.value = ONE_PLANE
    fields.tile.value = 272
    fields.normalization.value, fields.normalizing.typed.value = TYPED, "joint z-score"
    fields.normalizing.ignore.value = "nan"
    fields.probabilities.value, fields.memory.value, fields.device.value = True, 1.5, "CPU"
    fields.own_radius.value, fields.radius.value = True, 112
    objects.connected.value, objects.least.value = "Edges or corners", 12
    dock._region.put((ex.Interval(0, SIDE), ex.Interval(8, 120)))
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    names = {"region", "planes", "tile", "normalization", "probabilities", "memory", "device", "own_radius",
             "radius", "automatic", "model"}  # fmt: skip
    wanted = {name: getattr(fields, name).value for name in names}
    task = dock._chooser.choice.task
    kept = save(qtbot, dock, tmp_path / "a.toml")
    assert (kept.around.plane, kept.around.connectivity, kept.around.min_size) == ((2,), 2, 12)
    (tmp_path / "usual.toml").write_text("")
    load(qtbot, dock, tmp_path / "usual.toml")
    assert fields.region.value != DRAWN
    assert (fields.tile.value, fields.automatic.value) != (272, False)
    viewer.dims.set_point(0, 0)
    load(qtbot, dock, tmp_path / "a.toml")
    assert {name: getattr(fields, name).value for name in names} == wanted
    again = dock._chooser.choice.task
    assert (again.settings, again.planes.indices) == (task.settings, task.planes.indices)
    assert (objects.connected.value, objects.smallest.pixels) == ("Edges or corners", 12)


def test_a_model_comes_with_its_classes(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """The model of a file is opened where the dock has it not, with the names that its classes were given."""
    net = tmp_path / "net.pth"
    saved(lambda: UNet(levels=1, base=2, softmax=False).state_dict())(net)
    _, dock = opened()
    dock.opener.open(net)
    qtbot.waitUntil(lambda: dock.plan is not None and dock.fields.model.value == "net", timeout=WAIT)
    card = dock.planner.cards["net"]
    dock.planner.classes.keep(card, Classes(("ground", "cell"), ("#000000", "#ffffff"), 0))
    dock.update_plan()
    kept = save(qtbot, dock, tmp_path / "a.toml")
    assert kept.model is not None
    assert kept.model.facts["classes"] == ("ground", "cell")
    dock.planner.classes.keep(card, Classes.of(card, 2))
    dock.fields.model.value = "colonies-demo"
    load(qtbot, dock, tmp_path / "a.toml")
    assert dock.fields.model.value == "net"
    assert dock._chooser.choice.classes.names == ("ground", "cell")
    dock.opener.own.clear()
    load(qtbot, dock, tmp_path / "a.toml")
    assert dock.fields.model.value == "net 2"
    assert dock._chooser.choice.classes.names == ("ground", "cell")


@pytest.mark.parametrize("uses", [True, False])
def test_another_model_is_asked_about(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uses: bool
) -> None:
    """A model whose file has changed is taken only after a question, whose default is no."""
    saved(lambda: UNet(levels=1, base=2, softmax=False).state_dict())(tmp_path / "net.pth")
    (tmp_path / "a.toml").write_text('tile = 64\n[model]\npath = "net.pth"\nsha256 = "0"')
    _, dock = opened()
    asked: list[str] = []

    def answer(box: QMessageBox) -> int:
        asked.append(box.text())
        assert box.defaultButton().text().replace("&", "") == "Cancel"
        box.buttons()[0 if uses else 1].click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", answer)
    monkeypatch.setattr(
        QMessageBox,
        "clickedButton",
        lambda box: next(b for b in box.buttons() if (b.text() == "Use it") == uses),
    )
    dock.settings.load(tmp_path / "a.toml")
    qtbot.waitUntil(lambda: bool(asked), timeout=WAIT)
    assert asked == ["net.pth is not the model that a.toml was saved with."]
    if uses:
        qtbot.waitUntil(lambda: dock.fields.model.value == "net", timeout=WAIT)
    else:
        assert dock.fields.model.value == "lively"


def test_what_no_field_says_counts_and_is_told(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Settings without a field count until they are forgotten; those that are not used are named."""
    (tmp_path / "a.toml").write_text(
        'device = "cuda"\nscratch_limit = "1GB"\nprobabilities = "float16"\npadding = "always"\n'
        'normalization = [{ step = "ZScore", eps = 1e-6 }]'
    )
    _, dock = opened()
    load(qtbot, dock, tmp_path / "a.toml")
    settings = dock._chooser.choice.task.settings
    assert (settings.scratch_limit, settings.probabilities) == (10**9, "float16")
    assert settings.normalization == (ex.ZScore(eps=1e-6),)
    told = dock.settings._more.note.text()
    assert "padding = always, which is not used here" in told
    assert "device = cuda, which is not used here" in told or "cuda" in dock._chooser.devices.values()
    dock.settings._more.forget.native.click()
    assert dock._chooser.choice.task.settings.scratch_limit is None
    assert not dock.settings._more.form.isVisibleTo(dock.fields.widget)


@pytest.mark.parametrize("text", ["tile = ", "tiles = 3", '[model]\npath = "gone.pt"'])
def test_a_file_that_cannot_be_used_changes_nothing(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """What is wrong with a file is said in a sentence, and everything stays as it was."""
    (tmp_path / "a.toml").write_text(text)
    _, dock = opened()
    said: list[str] = []
    monkeypatch.setattr("napari_exactile.widget.saved.menu.show_warning", said.append)
    before = dock._chooser.choice.key
    dock.settings.load(tmp_path / "a.toml")
    qtbot.waitUntil(lambda: bool(said), timeout=WAIT)
    assert "a.toml" in said[0]
    assert dock._chooser.choice.key == before


def run(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = draw_colonies((240, 260), seed=2_000_100).image
    tifffile.imwrite(tmp_path / "slide one.tif", np.stack([image, image[::-1]]), metadata={"axes": "TYX"})
    return tmp_path / "slide one.tif"


def test_command_and_script_do_what_the_dock_does(
    opened: Any, qtbot: QtBot, tmp_path: Path, image: Path
) -> None:
    """Run as they lie on the clipboard, both give the labels of the dock, of one plane and a part of it."""
    viewer, dock = opened("none", plan=False)
    viewer.add_image(tifffile.imread(image), name="slide")
    viewer.layers[-1].source.__dict__["path"] = str(image)
    dock.fields.model.value = "colonies-demo"
    viewer.dims.set_point(0, 1)
    dock.fields.tile.value = 224
    dock.fields.normalization.value, dock.fields.normalizing.typed.value = TYPED, "joint z-score"
    dock._region.put((ex.Interval(16, 240), ex.Interval(0, 208)))
    dock._chooser.output.path = None
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    path = tmp_path / "labels of it.ome.zarr"
    dock._chooser.output.choose(dock._chooser.choice.plane, dock._chooser.choice.task)
    dock._chooser.output.path, dock.fields.output.value = path, ON_DISK
    command, script = copied(qtbot, dock, COMMAND), copied(qtbot, dock, SCRIPT)
    assert "--plane 1" in command
    finish(qtbot, dock)
    labels = np.asarray(dock.run.series.labels)
    path.rename(tmp_path / "dock.ome.zarr")
    (tmp_path / "exactile").write_text(f"#!{sys.executable}\nfrom napari_exactile.cli import main\nmain()\n")
    (tmp_path / "exactile").chmod(0o755)
    run("sh", "-c", f'PATH="{tmp_path}:$PATH" && {command}', cwd=tmp_path)
    found = zarr.open_array(path / "0", mode="r")[:]
    path.rename(tmp_path / "command.ome.zarr")
    run(sys.executable, "-c", script, cwd=tmp_path)
    assert np.array_equal(found, labels)
    assert np.array_equal(zarr.open_array(path / "0", mode="r")[:], labels)


def test_what_no_command_can_do_is_said(opened: Any, qtbot: QtBot) -> None:
    """Of an image or a model that is in no file, nothing is copied, and why is shown."""
    _, dock = opened()
    assert copied(qtbot, dock, SCRIPT) == ""
    assert "is not in one file" in dock.settings.dialog.words.text()


def test_nothing_is_loaded_during_a_run(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields that belong to a run are not changed by a file while it goes on."""
    _, dock = opened()
    said: list[str] = []
    monkeypatch.setattr("napari_exactile.widget.saved.menu.show_warning", said.append)
    monkeypatch.setattr(type(dock), "running", True)
    monkeypatch.setattr(Latest, "ask", None)
    dock.settings.load(Path("a.toml"))
    assert said == ["A segmentation goes on: cancel it, or wait for its end, to load settings."]
    assert [entry(dock, text) for text in (SAVE, LOAD, COMMAND, SCRIPT)]
