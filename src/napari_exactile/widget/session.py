"""What outlives the panel: closed and opened again, it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from magicgui.widgets.bases import ValueWidget
from napari.components import ViewerModel

from napari_exactile.widget.choose.known import KnownModels
from napari_exactile.widget.model.class_memory import ClassMemory

if TYPE_CHECKING:
    from napari_exactile.widget.run.runner import ShownRun


@dataclass(eq=False)
class Session:
    """What belongs to a viewer: models that were opened there, what was chosen last, and the last run.

    `opened` says under which name the model of a file is offered. `chosen` and `run` are left by a panel that
    is closed; the run goes on meanwhile.
    """

    models: KnownModels
    classes: ClassMemory
    viewer: Callable[[], Any]
    opened: dict[Path, str] = field(default_factory=dict)
    chosen: list[Any] = field(default_factory=list)
    run: ShownRun | None = None

    @classmethod
    def of(cls, viewer: ViewerModel, remembers: bool) -> Session:
        """Return the session of a viewer, which begins with its first panel."""
        own = getattr(viewer, "__wrapped__", viewer)  # plugins get a proxy, each time a new one
        if own not in _sessions:
            _sessions[own] = cls(KnownModels(), ClassMemory(remembers), ref(own))
        return _sessions[own]

    def keep(self, fields: Sequence[ValueWidget[Any]]) -> None:
        """Keep what was chosen in these fields."""
        self.chosen = [one.value for one in fields]

    def restore(self, fields: Sequence[ValueWidget[Any]]) -> None:
        """Choose the same again; what is gone, such as an image, is left as it is."""
        for one, value in zip(fields, self.chosen, strict=False):
            with suppress(TypeError, ValueError):
                one.value = value

    def leave(self, run: ShownRun | None) -> None:
        """Keep the run of a panel that goes away; it ends with the window of the viewer."""
        self.run, viewer = run, self.viewer()
        if viewer is not None:
            viewer.window._qt_window.destroyed.connect(self._end)

    def take_run(self) -> ShownRun | None:
        """Return the run that a panel has left, which belongs to whoever takes it."""
        run, self.run = self.run, None
        return run

    def _end(self) -> None:
        # A run holds its viewer, which would never be let go of otherwise.
        run, self.chosen = self.take_run(), []
        if run is not None:
            run.abandon()


_sessions: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()
