"""What a person paints on the labels of a run in memory, which are then no longer those that it gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import QMessageBox, QWidget
from superqt.utils import qdebounced

from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.run.result_layers import changes_of

if TYPE_CHECKING:
    from napari_exactile.run.engine.edited import Fingerprint
    from napari_exactile.run.engine.schedule.series import Series

LOOK_MS = 300


class Edits:
    """Notices edits, and marks the series that `series` gives as `edited` or, where they are undone, not.

    Strokes are noticed at once; whatever else changes pixels, such as undo or a script, when it is shown, or
    by `look`. `on_change` is called in the GUI thread whenever labels have changed, also for the second time.
    All methods but `look` belong to it.
    """

    def __init__(self, series: Callable[[], Series], on_change: Callable[[], None]) -> None:
        self._series, self._on_change = series, on_change
        self._layers: list[Labels | Image] = []
        self._shown: list[Any] = []
        self._before: Fingerprint | None = None
        self._seen: tuple[bool, Fingerprint | None] = False, None
        self._kept = False
        self._looking = Latest()
        self._look_soon = qdebounced(self._look_again, timeout=LOOK_MS)

    def follow(
        self, arrays: Sequence[tuple[Labels | Image, Any]], before: Fingerprint | None, kept: bool
    ) -> None:
        """From now on, labels are unedited where they are as `before`; `kept`: they are edited in any case.

        They are in the `arrays` of layers, which may show others by now.
        """
        self.leave()
        self._layers, self._shown = [layer for layer, _ in arrays], [data for _, data in arrays]
        self._before, self._kept = before, kept
        self._series().edited = edited = kept or bool(self.swapped)
        self._seen = edited, before
        for emitter, callback in self._connections():
            emitter.connect(callback)

    def leave(self) -> None:
        """Notice no more edits: the dock goes away."""
        self._look_soon.cancel()
        self._looking.forget()
        for emitter, callback in self._connections():
            emitter.disconnect(callback)
        self._layers, self._shown = [], []

    def look(self) -> Fingerprint | None:
        """Read all labels, in any thread, and mark them as what they are; return what tells them apart."""
        from napari_exactile.run.engine.edited import fingerprint

        found = fingerprint(self._series())
        self._series().edited = self._kept or bool(self.swapped) or found != self._before
        return found

    @property
    def swapped(self) -> list[Labels | Image]:
        """The layers that show other arrays than those of the run."""
        pairs = zip(self._layers, self._shown, strict=True)
        return [layer for layer, data in pairs if layer.data is not data]

    def take_back(self) -> None:
        """Notice no more edits, and let the layers show the arrays of the run again."""
        pairs = list(zip(self._layers, self._shown, strict=True))
        self.leave()
        for layer, data in pairs:
            if layer.data is not data:
                layer.data = data

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        return [
            *((emitter, self._on_stroke) for layer in self._layers for emitter in changes_of(layer)),
            *((layer.events.set_data, self._on_shown) for layer in self._layers),
        ]

    def _on_stroke(self, event: Any = None) -> None:
        self._series().edited, self._seen = True, (True, None)
        self._on_change()
        self._look_soon()  # it may have changed nothing

    def _on_shown(self, event: Any = None) -> None:
        self._look_soon()

    def _look_again(self) -> None:
        if self._layers:
            self._looking.ask(self.look, self._tell, lambda _error: None)

    def _tell(self, found: Fingerprint | None) -> None:
        (was_edited, before), edited = self._seen, self._series().edited
        self._seen = edited, found
        # Of a stroke it was told at once, before anything was read.
        if edited != was_edited or found != before is not None:
            self._on_change()


def ask_to_lose(parent: QWidget, words: str, action: str) -> bool:
    """Ask whether edits may be lost by an action, whose name is on its button."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Labels edited by hand")
    box.setText("The labels were edited by hand since they were computed.")
    box.setInformativeText(words)
    go_on = box.addButton(action, QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(box.addButton("Keep the edits", QMessageBox.ButtonRole.RejectRole))
    box.exec()
    return box.clickedButton() is go_on
