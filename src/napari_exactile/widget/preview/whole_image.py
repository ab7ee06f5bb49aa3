"""What is computed of the whole image when a button is pressed: an estimate of the error, and its plot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from napari.components import ViewerModel

from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.preview.fields import PreviewFields
from napari_exactile.widget.work.busy import busy
from napari_exactile.widget.work.long_work import LongWork

if TYPE_CHECKING:
    from pathlib import Path

    from napari_exactile.evaluate.estimate import Estimate
    from napari_exactile.evaluate.preview import ErrorPreview
    from napari_exactile.geometry.interval import Box
    from napari_exactile.geometry.tiling import Tiling
    from napari_exactile.widget.preview.plot import PlotDock

PLOT_TITLE = "Error against context"
# Windows of fewer points than this have no room for the plot below the picture.
LOW = 900


class Estimating:
    """Estimates the error of the whole image in the background; asked again meanwhile, it stops."""

    def __init__(self, fields: PreviewFields) -> None:
        self._fields, self._found = fields, ""
        self.work = LongWork("Estimating", self._say, fields.measuring)

    def begin(self, preview: ErrorPreview, tiling: Tiling, of: str) -> None:
        """Estimate the error of a tiling; `of` says what is measured, in words."""
        self._fields.estimating = True
        self._found = ""
        self.work.begin(
            lambda going: preview.estimate(tiling, going, going.tell), partial(self._show, of), self._failed,
            self.stop, "Measuring zones...",
        )  # fmt: skip

    def stop(self) -> None:
        """Leave what was found so far."""
        if self.work.going:
            self._fields.estimated.say(self._found)
        self.work.stop()
        self._fields.estimating = False

    def forget(self) -> None:
        """Stop, and deliver no answer: the fields may be gone."""
        self.work.forget()

    def _failed(self, error: Exception) -> None:
        self._fields.estimating = False
        self._fields.estimated.say(f"The estimate failed: {error}", warning=True)

    def _say(self, far: str) -> None:
        """Say what was found so far, and how far it is."""
        self._fields.estimated.say("\n".join(filter(None, [self._found, far])))

    def _show(self, of: str, estimate: Estimate) -> None:
        from napari_exactile.evaluate.words import estimate_sentence

        self._found = estimate_sentence(estimate, of)
        self.work.tell()


class Plotting:
    """Draws the error in a window against the context, in a dock below; matplotlib is loaded for that."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._opening = Latest()
        self.dock: PlotDock | None = None

    def load(
        self, loaded: Callable[[Callable[[], PlotDock]], None], failed: Callable[[Exception], None]
    ) -> None:
        """Load what makes the dock, in the background, and hand that over."""
        self._opening.ask(
            lambda: import_module("napari_exactile.widget.preview.plot").PlotDock, loaded, failed
        )

    def begin(
        self, make: Callable[[], PlotDock], title: str, folder: Path, preview: ErrorPreview, tiling: Tiling,
        window: Box,
    ) -> None:  # fmt: skip
        """Draw the errors of one window, one context after the other; files of it go to `folder` at first."""
        plot = self._dock(make)
        plot.begin(title, folder, lambda going: preview.sweep(tiling, window, going, going.tell))

    def stop(self) -> None:
        """Leave the plot as far as it is."""
        if self.dock is not None:
            self.dock.end()

    def forget(self) -> None:
        """Deliver no answer any more."""
        if self.dock is not None:
            self.dock.work.forget()
        self._opening.forget()

    def _dock(self, make: Callable[[], PlotDock]) -> PlotDock:
        """Return the dock of the plot, opened anew where the person closed it."""
        if self.dock is None or self.dock.parent() is None:
            with busy():
                self.dock = make()
                docked = self._viewer.window.add_dock_widget(self.dock, name=PLOT_TITLE, area="bottom")
            # Below, it would take a third of a small window, and leave two rows to the list of layers.
            window = docked.parentWidget()
            if window.height() < LOW:
                docked.setFloating(True)
                docked.resize(docked.sizeHint())
                docked.move(window.geometry().center() - docked.rect().center())
            self.dock.destroyed.connect(self._lose)
        return self.dock

    def _lose(self) -> None:
        self.dock = None
