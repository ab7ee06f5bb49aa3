"""A file that a person picks in a window, written in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.form import Note


class FileWriter:
    """Writes files of one `kind`, such as "JSON (*.json)"; `note` says so, or why one was not written.

    Their names end in `suffix` where the person gives none. All methods belong to the GUI thread.
    """

    def __init__(self, parent: QWidget, note: Note, title: str, kind: str, suffix: str) -> None:
        self._parent, self._note, self._title = parent, note, title
        self._kind, self._suffix = kind, suffix
        self._writing = Latest()
        parent.destroyed.connect(self._writing.forget)

    def pick(self, suggested: str) -> Path | None:
        """Let the person pick a file; None where they think better of it."""
        name = f"{suggested}{self._suffix}"
        chosen, _ = QFileDialog.getSaveFileName(self._parent, self._title, name, self._kind)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix(self._suffix)

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Call `write` with the path in a thread."""
        self._note.say("Saving...")
        self._writing.ask(
            lambda: write(path),
            lambda _: self._note.say(f"Saved as {path}"),
            lambda error: self._note.say(f"Not saved: {error}", warning=True),
        )
