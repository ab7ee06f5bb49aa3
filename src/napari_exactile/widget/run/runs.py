"""The last run of the dock, and the one before it, which comes back where the last was refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_exactile.widget.choose.output import ask_about
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.run.told import Told

if TYPE_CHECKING:
    from napari_exactile.widget.choose.choice import Choice
    from napari_exactile.widget.run.runner import ShownRun


class Runs:
    """Makes runs of choices, of which one goes on at a time.

    All methods but `cancel` belong to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, overlay: TilingOverlay, footer: Footer, parent: QWidget, told: Told
    ) -> None:
        self._viewer, self._overlay, self._footer, self._parent = viewer, overlay, footer, parent
        self._told = told
        self.last: ShownRun | None = None
        self._before: ShownRun | None = None

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        return self.last is not None and self.last.running

    def continues(self, choice: Choice | None) -> bool:
        """Tell whether a run of this would continue the last: same pixels, same model, same settings."""
        last = self.last
        return last is not None and choice is not None and last.can_continue and last.key == choice.key

    def make(self, choice: Choice) -> bool:
        """Make a run that is the last from now on; return whether the person, and the store, allow it."""
        from napari_exactile.widget.run.runner import ShownRun

        overwrite = self._overwrites(choice)
        if overwrite is None:
            return False
        self._before = None if overwrite else self.last
        if self.last is not None:
            self.last.footer = None
        told = replace(self._told, ended=self._on_end)
        self.last = ShownRun(self._viewer, self._overlay, self._footer, choice, told, overwrite)
        return True

    def start(self) -> None:
        """Start the last one, or let it continue."""
        assert self.last is not None
        self.last.start()

    def cancel(self) -> None:
        """Stop the last one; what is done is kept. May be called from any thread."""
        if self.last is not None:
            self.last.cancel()

    def pause(self) -> None:
        """Pause the last one, or let it go on."""
        if self.last is not None and self.running:
            self.last.pause()

    def tell(self, image: Any, model: str, choice: Choice | None) -> None:
        """Say what the last one is of where something else is chosen now, or the image has changed."""
        if self.last is not None:
            self.last.tell(image, model, choice)

    def adopt(self, run: ShownRun | None) -> None:
        """Take the run that another panel has left, and show it."""
        self.last = run
        if run is not None:
            run.attach(self._footer, self._overlay, replace(self._told, ended=self._on_end))

    def leave(self) -> ShownRun | None:
        """Return the last one for the next panel: this one is going away, and the run goes on."""
        if self.last is not None:
            self.last.detach()
        return self.last

    def _overwrites(self, choice: Choice) -> bool | None:
        """Tell whether a store that is there is replaced; None where the person does not want either."""
        from napari_exactile.images.read.underlying import files_under
        from napari_exactile.images.store.guard import refuse_over
        from napari_exactile.run.store.state import state_of

        path = choice.output
        if path is None:
            return False
        try:
            refuse_over(path, files_under(choice.task.planes.whole), "the labels")
            state = state_of(path)
        except (OSError, ValueError) as error:
            self._footer.show_result(f"Not started: {error}", can_save=False)
            return None
        return ask_about(self._parent, path, state, state.apart_from(choice.task)) if state else False

    def _on_end(self) -> None:
        self._go_back()
        self._told.ended()

    def _go_back(self) -> None:
        """Return to the run before one that was refused: its results can still be saved and continued."""
        refused, before, self._before = self.last, self._before, None
        if refused is None or before is None or refused.begun or refused.can_continue:
            return
        if before.labels.plane.layer is refused.labels.plane.layer:
            self.last, before.footer = before, self._footer
            before.show_result(refused.summary())
