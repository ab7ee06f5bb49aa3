"""What happens in the background to the labels of a run that has ended: saving, another threshold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_exactile.widget.choose.output import folder_beside
from napari_exactile.widget.choose.place import as_file
from napari_exactile.widget.form.background import Going, Latest
from napari_exactile.widget.form.picking import pick_file
from napari_exactile.widget.results.label_files import KINDS, TIFF, write
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.work.long_work import LongWork

if TYPE_CHECKING:
    from napari_exactile.widget.run.runner import ShownRun


SAVING, STOPPED = "Saving", "stopped"


class Saver:
    """Writes labels and says in the footer how that goes; asked again meanwhile, it stops."""

    def __init__(self, parent: QWidget, footer: Footer) -> None:
        self._parent, self._footer, self._thresholding = parent, footer, Latest()
        self.work = LongWork(SAVING, footer.show_saving, footer.saving)
        parent.destroyed.connect(self.stop)

    @property
    def saving(self) -> bool:
        """Whether a file is being written."""
        return self.work.going

    def save(self, run: ShownRun, path: Path | None) -> None:
        """Write the labels of `run` to `path`, or to a file that the person picks; or stop writing."""
        if self.saving:
            self.work.cancel()
            return
        if path is None:
            proposed = folder_beside(run.labels.plane.layer) / f"{as_file(run.labels.name)}{TIFF}"
            path = pick_file(self._parent, "Save labels", proposed, KINDS)
            if path is None:
                return
        target = path if path.suffix else path.with_suffix(TIFF)
        self.work.begin(
            partial(_steps, run, target), lambda _: self._saved(run), lambda error: self._failed(run, error),
            lambda: self._failed(run, STOPPED),
        )  # fmt: skip

    def stop(self) -> None:
        """Write no more: the dock is going away."""
        self.work.forget()
        self._thresholding.forget()

    def rethreshold(self, run: ShownRun, threshold: float) -> None:
        """Label anew with another threshold, from the probabilities that `run` has kept."""

        def failed(error: Exception) -> None:
            run.labels.threshold.unlock()
            self._failed(run, error)

        run.labels.threshold.expect(threshold)
        self._thresholding.ask(run.labels.threshold.write, run.labels.refresh, failed)

    def _saved(self, run: ShownRun) -> None:
        self.work.stop()
        run.keep(True)
        run.show_result()

    def _failed(self, run: ShownRun, reason: Exception | str) -> None:
        run.show_result()
        self._footer.show_words(f"Not saved: {reason}")


def _steps(run: ShownRun, target: Path, going: Going) -> Iterator[None]:
    """Write the file, in the worker's thread; it yields once the file is there."""

    def on_progress(fraction: float) -> None:
        going.tell(SAVING, fraction)
        going()

    write(run.labels, target, on_progress)
    yield
