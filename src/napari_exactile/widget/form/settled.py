"""While napari adds or removes layers, what would change ours waits until it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QTimer

Call = Callable[[], object]


class Settled:
    """Makes calls at once, or, while the list of layers changes, as soon as napari has come back from that.

    In the midst, dims, camera and units are still those of the layers before, visuals of new layers are
    missing, and those of layers that are cleared are not gone: what changes there can raise in napari's own
    call. All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer: ViewerModel | None = viewer
        self._depth = 0
        self._waiting: dict[Call, None] = {}
        self._expects_back = False
        for emitter, callback in self._connections():
            emitter.connect(callback)

    def call(self, call: Call) -> None:
        """Make a call, now or then; one that waits already is made once."""
        if self._depth:
            self._waiting[call] = None
        else:
            call()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let calls wait also in this block, which napari calls while it changes layers."""
        self._on_begin()
        try:
            yield
        finally:
            self._on_end()

    def leave(self) -> None:
        """Let go of the viewer; calls that wait are not made."""
        self._waiting.clear()
        for emitter, callback in self._connections():
            emitter.disconnect(callback)
        self._viewer, self._depth = None, 0

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        if self._viewer is None:
            return []
        events = self._viewer.layers.events
        begin, end = ("begin_batch", "inserting", "removing"), ("end_batch", "inserted", "removed")
        return [
            *((events[name], self._on_begin) for name in begin),
            *((events[name], self._on_end) for name in end),
        ]

    def _on_begin(self, event: Any = None) -> None:
        self._depth += 1
        if not self._expects_back:
            self._expects_back = True
            QTimer.singleShot(0, self._on_back)

    def _on_end(self, event: Any = None) -> None:
        self._depth = max(0, self._depth - 1)

    def _on_back(self) -> None:
        # Where a callback of somebody else has raised, the end was not told.
        self._depth, self._expects_back = 0, False
        waiting, self._waiting = self._waiting, {}
        for call in waiting:
            call()
