"""The button "?" at the dock's head: help for the person, and for those whom this one asks for help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QMenu, QPushButton

from napari_exactile.widget.choose.chooser import Chooser
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.form import same_letters
from napari_exactile.widget.help.mixed_units import MixedUnits
from napari_exactile.widget.help.shortcuts import ShortcutsDialog
from napari_exactile.widget.help.shown_text import ShownText
from napari_exactile.widget.help.window_facts import window_sections

if TYPE_CHECKING:
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.widget.run.runner import ShownRun

COPY, SHORTCUTS = "Copy diagnostics", "Shortcuts..."
COPIED = "Copied as text, to be sent to those whom you ask for help. It names no person, folder or file."


class Helped(Protocol):
    """What help is given with."""

    @property
    def viewer(self) -> ViewerModel:
        """The window's viewer."""

    @property
    def plan(self) -> Plan | None:
        """What would be carried out."""

    @property
    def run(self) -> ShownRun | None:
        """The last run."""


class HelpMenu:
    """The menu of `button`. All methods belong to the GUI thread."""

    def __init__(self, button: QPushButton, dock: Helped, chooser: Chooser) -> None:
        self._button, self._dock, self._chooser = button, dock, chooser
        self.dialog, self.shortcuts = ShownText(button, "Diagnostics"), ShortcutsDialog(button)
        self._asking, self._units = Latest(), MixedUnits(dock.viewer)
        button.destroyed.connect(self.leave)
        self.menu = QMenu(button)
        self.menu.aboutToShow.connect(lambda: same_letters(button, self.menu))
        self.menu.addAction(SHORTCUTS, self.shortcuts.open_beside)
        self.menu.addAction(COPY, self.copy)
        button.setMenu(self.menu)

    def leave(self) -> None:
        """Tell nothing any more: the dock is going away."""
        self._asking.forget()
        self._units.leave()

    def copy(self) -> None:
        """Put on the clipboard what those who are asked for help must know, and show it."""
        more = window_sections(self._dock.viewer, self._button)
        plan, run, choice = self._dock.plan, self._dock.run, self._chooser.choice
        folders = [choice.output.parent] if choice and choice.output else []

        def work() -> str:
            from napari_exactile.run.words.diagnostics import diagnostics

            return diagnostics(plan, _report(run), folders, more)

        self._asking.ask(work, self._show, self._show_failed)

    def _show(self, text: str) -> None:
        QApplication.clipboard().setText(text)
        self.dialog.show_text(text, COPIED)

    def _show_failed(self, error: Exception) -> None:
        self.dialog.show_text("", f"Nothing was copied: {error}", warning=True)


def _report(run: ShownRun | None) -> dict[str, Any] | None:
    """Return the report of a run; None where it has none, or where this cannot be read any more."""
    from napari_exactile.widget.results.result_actions import report_now

    if run is None:
        return None
    try:
        return report_now(run.labels)
    except (RuntimeError, ValueError, OSError):  # before its first tile, or its labels are gone
        return None
