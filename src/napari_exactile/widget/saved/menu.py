"""The menu of the dock: settings saved and loaded, and what is chosen, copied as a command or a script."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox, QWidget

from napari_exactile.widget.choose.chooser import Chooser
from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.choose.region import RegionChooser
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.picking import pick_file
from napari_exactile.widget.help.shown_text import ShownText
from napari_exactile.widget.open.open_model import ModelOpener
from napari_exactile.widget.results.objects import EDGES, ObjectsFields
from napari_exactile.widget.saved.chosen_fields import by_file, set_fields, set_planes, unused
from napari_exactile.widget.saved.controls import LOOKS
from napari_exactile.widget.saved.more import MoreFields
from napari_exactile.widget.saved.told import Told

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.run.task.chosen import SettingsFile

SAVE, LOAD = "Save settings...", "Load settings..."
COMMAND, SCRIPT = "Copy as command", "Copy as script"
NAME = "exactile.toml"
COPIED = "Copied: it does exactly what Run does now, to the same image."


class Chosen(Protocol):
    """The parts of the dock in which something is chosen."""

    fields: Fields
    planner: Planner
    opener: ModelOpener

    @property
    def viewer(self) -> Any:
        """The window's viewer."""

    @property
    def running(self) -> bool:
        """Whether a run goes on: then nothing can be chosen."""

    def update_plan(self) -> None:
        """Choose anew."""


class SettingsMenu:
    """Adds its entries to a `menu`; while it is `choosing`, nothing is to be planned.

    All methods belong to the GUI thread.
    """

    def __init__(
        self, menu: QMenu, dock: Chosen, parts: tuple[Chooser, RegionChooser, ObjectsFields, MoreFields],
        parent: QWidget,
    ) -> None:  # fmt: skip
        self._dock, self._parent = dock, parent
        self._chooser, self._region, self._objects, self._more = parts
        self._asking = Latest()
        self.choosing = False
        self.dialog = ShownText(parent, "Copied", wraps=True)
        parent.destroyed.connect(self._asking.forget)
        self._more.on_forget(self._forget_more)
        first = menu.actions()[0] if menu.actions() else None
        entries = {SAVE: self.save, LOAD: self.load, COMMAND: self.copy_command, SCRIPT: self.copy_script}
        for text, call in entries.items():
            action = menu.addAction(text, lambda call=call: call())
            menu.insertAction(first, action)
        menu.insertSeparator(first)

    def leave(self) -> None:
        """Do nothing more: the dock is going away."""
        self._asking.forget()

    # --- out of the dock

    def save(self, path: Path | None = None) -> None:
        """Write what is chosen to `path`, or to a file that the person picks."""
        told = self._told_or_say()
        if told is None:
            return
        path = path or pick_file(self._parent, "Save settings", Path.home() / NAME, [("Settings", ".toml")])
        if path is not None:
            self._asking.ask(
                lambda: told.chosen().save(path),
                lambda _: show_info(f"The settings were saved as {path}."),
                lambda error: show_warning(f"The settings were not saved: {error}."),
            )

    def copy_command(self) -> None:
        """Put a line on the clipboard that does the same, and show it."""
        if told := self._told_or_say():
            self._asking.ask(told.command, self._show, self._show_failed)

    def copy_script(self) -> None:
        """Put a script on the clipboard that does the same, and show it."""
        if told := self._told_or_say():
            self._asking.ask(told.script, self._show, self._show_failed)

    def _show(self, text: str) -> None:
        QApplication.clipboard().setText(text)
        self.dialog.show_text(text, COPIED)

    def _show_failed(self, error: Exception) -> None:
        self.dialog.show_text("", f"Nothing was copied: {error}.", warning=True)

    def _told_or_say(self) -> Told | None:
        told = self.told()
        if told is None:
            show_warning("Choose an image and a model first: what Run would do is not known yet.")
        return told

    def told(self) -> Told | None:
        """Return what is chosen; None where that is nothing yet."""
        choice = self._chooser.choice
        if choice is None:
            return None
        joined = 1 if self._objects.connected.value == EDGES else len(choice.plane.spatial)
        smallest = self._objects.smallest.pixels
        says_axes = isinstance(self._dock.fields.channels.value, int)
        return Told(choice, joined if joined > 1 else None, smallest if smallest > 1 else None, says_axes)

    # --- into the dock

    def load(self, path: Path | None = None, any_content: bool = False) -> None:
        """Choose what a file says, at `path` or where the person picks one; another model is asked about."""
        if self._dock.running:
            show_warning("A segmentation goes on: cancel it, or wait for its end, to load settings.")
            return
        if path is None:
            name, _ = QFileDialog.getOpenFileName(
                self._parent, "Load settings", str(Path.home()), "Settings (*.toml);;All files (*)"
            )
            path = Path(name) if name else None
        if path is not None:
            known = dict(self._dock.opener.own), set(self._dock.planner.cards)
            self._asking.ask(
                lambda: _loaded(path, any_content, *known),
                lambda found: self._on_loaded(*found),
                lambda error: self._on_error(path, error),
            )

    def _on_error(self, path: Path, error: Exception) -> None:
        if type(error).__name__ != "OtherModelError":
            show_warning(f"The settings were not loaded: {error}.")
        elif self._takes_other(str(getattr(error, "source", "")), path):
            self.load(path, any_content=True)

    def _takes_other(self, model: str, path: Path) -> bool:
        """Ask whether a model may be used that is another than the file was saved with."""
        box = QMessageBox(self._parent)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Another model")
        box.setText(f"{Path(model).name} is not the model that {path.name} was saved with.")
        box.setInformativeText("Its file has changed since. Labels may be others. Use it all the same?")
        use = box.addButton("Use it", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.exec()
        return box.clickedButton() is use

    def _on_loaded(self, chosen: SettingsFile, model: Model | str | None) -> None:
        """Set the fields, once the model is there; a model that was loaded is offered first."""
        if self._dock.running:
            return
        self.choosing = True
        try:
            self._choose(chosen, model)
        finally:
            self.choosing = False
        self._dock.update_plan()
        show_info(f"The settings of {Path(chosen.name).name} are chosen.")

    def _choose(self, chosen: SettingsFile, model: Model | str | None) -> None:
        fields = self._dock.fields
        if isinstance(model, str):
            fields.model.value = model
        elif model is not None:
            self._dock.opener.take(Path(model.card.source), model)
        set_fields(fields, self._objects, chosen, self._chooser.devices)
        set_planes(self._dock.viewer, fields, chosen.around.plane)
        self._region.put(chosen.settings.region)
        self._look(chosen)
        self._chooser.more = by_file(chosen)
        self._more.show(Path(chosen.name).name, self._chooser.more, unused(chosen, self._chooser.devices))

    def _look(self, chosen: SettingsFile) -> None:
        """Give the classes of the model the names and colours that the file says."""
        facts = {} if chosen.model is None else chosen.model.facts
        if not facts.keys() & set(LOOKS):
            return
        card = self._dock.planner.cards[self._dock.fields.model.value]
        given = replace(card, **{name: facts[name] for name in LOOKS if name in facts})
        self._dock.planner.classes.keep(card, Classes.of(given, len(given.classes or card.classes)))

    def _forget_more(self) -> None:
        self._chooser.more = {}
        self._more.show("", {}, {})
        self._dock.update_plan()


def _loaded(
    path: Path, any_content: bool, own: dict[Path, str], names: set[str]
) -> tuple[SettingsFile, Model | str | None]:
    """Return what a file says, and its model: the name of one that is offered, or loaded, or None."""
    from napari_exactile.run.task.chosen import SettingsFile

    chosen = SettingsFile.load(path)
    if chosen.model is None:
        return chosen, None
    if not any_content:
        chosen.model.check(chosen.name)
    facts = {name: value for name, value in chosen.model.facts.items() if name not in LOOKS}
    source = chosen.model.source
    offered = own.get(Path(source), source if source in names else None)
    if offered is not None and not facts:
        return chosen, offered
    return chosen, replace(chosen.model, facts=facts).loaded(file=chosen.name, any_content=True)
