"""The entry "Batch..." of the dock's menu: many images by what is chosen, with the command line's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari import Viewer
from napari.layers import Layer
from qtpy.QtCore import QModelIndex
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_exactile.geometry.words import counted
from napari_exactile.widget.batch.progress import ImageLine, lines_of
from napari_exactile.widget.batch.window import GO_ON, RUN, STOP, BatchWindow
from napari_exactile.widget.form.background import Going, Latest
from napari_exactile.widget.form.glossary import sentence
from napari_exactile.widget.work.busy import busy

if TYPE_CHECKING:
    from napari_exactile.run.many.batch import Batch, ManyRun
    from napari_exactile.widget.saved.told import Told

BATCH = "Batch..."
NOTHING = (
    "Open one of the images in the dock first, with a model: what is chosen there is done to all of them."
)
BUSY = "A segmentation goes on in the dock: wait for its end, or cancel it."


class BatchDialog:
    """The window, and what its parts do; `told` is what is chosen in the dock, None where nothing is yet.

    Closed, the window loses nothing, and a batch goes on. All methods belong to the GUI thread.
    """

    def __init__(
        self, menu: QMenu, viewer: Viewer, told: Callable[[], Told | None], busy_now: Callable[[], bool],
        parent: QWidget,
    ) -> None:  # fmt: skip
        self._viewer, self._told, self._busy = viewer, told, busy_now
        self.window, self.paths = BatchWindow(parent), list[Path]()
        self._finding, self._running, self._opening = Latest(), Latest(), Latest()
        self.many: ManyRun | None = None
        self.going = False
        self._control: Going | None = None
        parent.destroyed.connect(self.leave)
        first = menu.actions()[0] if menu.actions() else None
        menu.insertAction(first, menu.addAction(BATCH, self.open))
        self._connect()

    def open(self) -> None:
        """Show the window, in front."""
        self._look()
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def leave(self) -> None:
        """Stop, and tell nothing any more: the dock is going away. What is done is kept."""
        for latest in (self._finding, self._running, self._opening):
            latest.forget()

    # --- which images, and where to

    def add(self, paths: list[Path]) -> None:
        """Add files, folders or plates."""
        self.paths += [path for path in paths if path not in self.paths]
        out = self.window.out
        if paths and not out.text():
            out.setText(str(paths[0].absolute().parent / "labels"))
        self._look()

    def clear(self) -> None:
        """Forget all images."""
        self.paths.clear()
        self._look()

    def _pick_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self.window, "Add images")
        self.add([Path(name) for name in names])

    def _pick_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self.window, "Add a folder of images, or a plate")
        self.add([Path(name)] if name else [])

    def _pick_out(self) -> None:
        name = QFileDialog.getExistingDirectory(self.window, "Labels to", self.window.out.text())
        if name:
            self.window.out.setText(name)

    def _look(self) -> None:
        """Find out what is meant, in a thread, and show it or what is wrong with it."""
        if self.going:
            return
        self.many = None
        self.window.run.setText(RUN)
        self.window.run.setEnabled(False)
        told = self._told() if self.paths else None
        if not self.paths or told is None:
            self.window.model.fill(())
            self._finding.forget()
            self.window.words.say("Add files, or a folder." if not self.paths else NOTHING)
            return
        make = self._batch(told)
        self._finding.ask(make, self._found, self._cannot)

    def _batch(self, told: Told) -> Callable[[], Batch]:
        """Return what makes a batch of what is chosen by now; all that is slow is done when it is called."""
        paths, out = list(self.paths), self.window.out.text().strip()
        together, objects = self.window.together.isChecked(), self.window.objects.isChecked()

        def make() -> Batch:
            from napari_exactile.run.many.batch import Batch

            if not out:
                raise ValueError("choose the folder for labels and table")
            return Batch.of(paths, out, told.for_many(together, objects))

        return make

    def _found(self, batch: Batch) -> None:
        told = self._told()
        if told is None or self.going:
            return
        names = [image.name for image in batch.images]
        self.window.model.fill(names)
        self.window.words.say(f"{counted(len(names), 'image')}, by {told.choice.task.model.card.short_title}")
        self.many = batch.run(told.choice.task.model)
        self.window.run.setEnabled(True)

    def _cannot(self, error: Exception) -> None:
        self.window.model.fill(())
        self.window.words.say(sentence(error), warning=True)

    # --- running

    def start_or_stop(self) -> None:
        """Begin, stop, or continue: what is done by then is skipped."""
        if self.going:
            self.window.words.say("Stopping...")
            self.window.run.setEnabled(False)
            assert self._control is not None, "it goes on"
            self._control.control.cancel()
        elif self._busy():
            self.window.words.say(BUSY, warning=True)
        elif told := self._told():  # the choice may be another than when the images were added
            model = told.choice.task.model
            self._finding.ask(
                self._batch(told), lambda batch: self._start(batch.run(model)), self._cannot
            )  # fmt: skip
        else:
            self.window.words.say(NOTHING, warning=True)

    def _start(self, many: ManyRun) -> None:
        if self.going:
            return
        self.many, self.going = many, True
        if len(many.batch.images) != len(self.window.model.lines):  # there are others by now
            self.window.model.fill([image.name for image in many.batch.images])
        self._lock(True)
        self.window.words.say("Begins...")

        def steps(going: Going) -> Iterator[Any]:
            yield from lines_of(many, going.control)

        self._control = self._running.follow(steps, self._show, self._failed, self._ended)

    def _show(self, told: tuple[str, dict[int, ImageLine]]) -> None:
        words, lines = told
        self.window.model.change(lines)
        ended = len(self.many.rows) if self.many else 0
        total = len(self.window.model.lines)
        if self.window.run.isEnabled():
            self.window.words.say(words or f"{ended:,} of {counted(total, 'image')} ended")

    def _failed(self, error: Exception) -> None:
        from napari_exactile.run.engine.events import words_of

        self._lock(False)
        self.going = False
        self.window.words.say(sentence(words_of(error)), warning=True)

    def _ended(self) -> None:
        if not self.going or self.many is None:
            return
        self.going = False
        self._lock(False)
        summary = self.many.summary
        left = sum(row.state == "stopped" for row in summary.rows)
        self.window.run.setText(GO_ON if left or summary.failed else RUN)
        parts = [f"{counted(len(summary.rows) - left - len(summary.failed), 'image')} done"]
        parts += [f"{len(summary.failed):,} failed"] if summary.failed else []
        parts += [f"{left:,} left"] if left else []
        words = f"{', '.join(parts)}. The table is {summary.path}"
        self.window.words.say(words, warning=bool(summary.failed))

    def _lock(self, locked: bool) -> None:
        window = self.window
        fields = window.files, window.folder, window.clear, window.out, window.pick
        for part in (*fields, window.together, window.objects):
            part.setEnabled(not locked)
        window.run.setText(STOP if locked else RUN)
        window.run.setEnabled(True)

    # --- results

    def open_result(self, index: QModelIndex) -> None:
        """Open an image with its labels, as far as there are some, in the viewer."""
        if self.many is None or not index.isValid():
            return
        image, out = self.many.batch.images[index.row()], self.many.batch.outs[index.row()]
        self._opening.ask(
            lambda: _layers(image, out), self._add, lambda e: self.window.words.say(sentence(e), warning=True)
        )

    def _add(self, layers: list[Any]) -> None:
        with busy():
            for data in layers:
                self._viewer.add_layer(Layer.create(*data))

    def _connect(self) -> None:
        window = self.window
        window.files.clicked.connect(lambda _checked: self._pick_files())
        window.folder.clicked.connect(lambda _checked: self._pick_folder())
        window.clear.clicked.connect(lambda _checked: self.clear())
        window.pick.clicked.connect(lambda _checked: self._pick_out())
        window.out.textChanged.connect(lambda _text: self._look())
        for box in (window.together, window.objects):
            box.toggled.connect(lambda _checked: self._look())
        window.run.clicked.connect(lambda _checked: self.start_or_stop())
        window.shut.clicked.connect(window.close)
        window.view.doubleClicked.connect(self.open_result)


def _layers(image: Any, out: Path) -> list[Any]:
    """Return what layers are made from: those of the image, and of its labels if there are some."""
    from napari_exactile.widget.open.image_layers import layers_of

    labels = layers_of(out) if out.exists() else []
    return [*layers_of(image.path, image.series), *labels]
