"""The button "..." beside the models: open a file or a folder that holds one, or one that was used before."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMenu, QMessageBox, QPushButton

from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.form import Note, same_letters
from napari_exactile.widget.form.remembered import keep, kept
from napari_exactile.widget.open.model_files import PATTERNS

if TYPE_CHECKING:
    from napari_exactile.models.load import Model

RECENT, MOST = "recent models", 8


class ModelOpener:
    """Loads models from files in the background, and hands them over by `opened`; errors go to the note.

    `names` tells which names are taken: another file's model gets a number behind its own, which `own` keeps
    for that file. Strings such as
    "package.module:factory" are never loaded, only files and folders that exist.
    """

    def __init__(
        self, button: QPushButton, note: Note, names: Callable[[], Collection[str]],
        opened: Callable[[Model], None], own: dict[Path, str], *, remembers: bool,
    ) -> None:  # fmt: skip
        self._button, self._note, self._names, self._opened = button, note, names, opened
        self._recent = RecentModels(remembers)
        self.own = own
        self._latest = Latest()
        button.destroyed.connect(self.forget)
        self.menu = QMenu(button)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self.fill_menu)
        button.setMenu(self.menu)

    def fill_menu(self) -> None:
        """Offer a file, a folder, and what was opened before and is still there."""
        same_letters(self._button, self.menu)
        self.menu.clear()
        self.menu.addAction("Open model file...", self._pick_file)
        self.menu.addAction("Open model folder...", self._pick_folder)
        recent = self._recent.there()
        if recent:
            self.menu.addSeparator()
        for path in recent:
            # An ampersand would be taken for a shortcut.
            action = self.menu.addAction(path.name.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(lambda _checked=False, path=path: self.open(path))

    def open(self, path: Path, *, trust_code: bool = False) -> None:
        """Load the model at `path`; what was picked before stays until it is there, and if it fails."""
        path = path.absolute()
        self._note.say(f"Opening {path.name}...")
        self._latest.ask(
            lambda: _load(path, trust_code),
            lambda model: self.take(path, model),
            lambda error: self._on_error(path, error),
        )

    def forget(self) -> None:
        """Hand over nothing that is still being loaded: the dock is going away."""
        self._latest.forget()

    def take(self, path: Path, model: Model) -> None:
        """Hand over a model that was loaded from a path, under a name that no other has."""
        self._note.say()
        self._recent.add(path)
        name = self.own.get(path) or self._free(model.name)
        self.own[path] = name
        if name != model.name:
            title = f"{model.card.title}{name.removeprefix(model.name)}"
            model = replace(model, card=replace(model.card, name=name, title=title))
        self._opened(model)

    def _free(self, name: str) -> str:
        """Return `name`, with a number behind it where another model is called so."""
        taken, number, free = self._names(), 1, name
        while free in taken:
            number += 1
            free = f"{name} {number}"
        return free

    def _on_error(self, path: Path, error: Exception) -> None:
        if not _needs_consent(error):
            self._note.say(_sentence(error, path), warning=True)
        elif self._consents(", ".join(getattr(error, "names", ())) or path.name):
            self.open(path, trust_code=True)
        else:
            self._note.say(f"{path.name} was not opened: its Python code is not trusted.")

    def _consents(self, file: str) -> bool:
        """Ask whether code that comes with a model may run; to do nothing means no."""
        box = QMessageBox(self._button.window())
        box.setWindowTitle("Run its code?")
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText(
            f"This package brings its own Python code ({file}). Importing it runs that code with your "
            "rights. Only do so if you trust where it comes from."
        )
        box.addButton("Import it", QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(cancel)
        box.setEscapeButton(cancel)
        box.exec()
        return box.clickedButton() not in {None, cancel}

    def _pick_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self._button.window(), "Open a model", "", f"Models ({' '.join(PATTERNS)});;All files (*)"
        )
        if name:
            self.open(Path(name))

    def _pick_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self._button.window(), "Open the folder of a model")
        if name:
            self.open(Path(name))


class RecentModels:
    """The last files and folders whose models could be opened, the newest first."""

    def __init__(self, remembers: bool) -> None:
        self._remembers = remembers
        stored = kept(RECENT) if remembers else None
        words = stored if isinstance(stored, list) else []
        self._paths = [Path(path) for path in words if isinstance(path, str)]

    def there(self) -> list[Path]:
        """Return those that still exist."""
        return [path for path in self._paths if path.exists()]

    def add(self, path: Path) -> None:
        """Put a path first."""
        self._paths = [path, *(other for other in self._paths if other != path)][:MOST]
        if self._remembers:
            keep(RECENT, [str(path) for path in self._paths])


def _load(path: Path, trust_code: bool) -> Model:
    # Imported late, and called by its module's name: the first import takes seconds.
    from napari_exactile.models import load

    if not path.exists():
        raise ValueError("there is no such file or folder")
    return load.load_model(path, trust_code=True) if trust_code else load.load_model(path)


def _needs_consent(error: Exception) -> bool:
    return any(kind.__name__ == "NeedsConsentError" for kind in type(error).__mro__)


def _sentence(error: Exception, path: Path) -> str:
    """Return which file cannot be opened, and why: torch's errors go on with where in its code they arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].replace(str(path), path.name) if lines else type(error).__name__
    return reason if reason.startswith(path.name) else f"{path.name} cannot be opened: {reason}"
