"""A file that a person picks in a window, written in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QWidget

from napari_exactile.widget.choose.place import as_file
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.form import Note
from napari_exactile.widget.form.picking import pick_file


class FileWriter:
    """Writes files of one kind, which is called `kind`; `note` says so, or why one was not written.

    Their names end in `suffix`. All methods belong to the GUI thread.
    """

    def __init__(self, parent: QWidget, note: Note, title: str, kind: str, suffix: str) -> None:
        self._parent, self._note, self._title = parent, note, title
        self._kind = kind, suffix
        self._writing = Latest()
        parent.destroyed.connect(self._writing.forget)

    def pick(self, folder: Path, suggested: str) -> Path | None:
        """Let the person pick a file, at first in `folder`; None where they think better of it."""
        proposed = folder / f"{as_file(suggested)}{self._kind[1]}"
        return pick_file(self._parent, self._title, proposed, [self._kind])

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Call `write` with the path in a thread."""
        self._note.say("Saving...")
        self._writing.ask(
            lambda: write(path),
            lambda _: self._note.say(f"Saved as {path}"),
            lambda error: self._note.say(f"Not saved: {error}", warning=True),
        )
