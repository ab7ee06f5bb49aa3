"""What a run gives, and the layers that show it: read, edited by hand, or written with another threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_exactile.images.store.store import refuse_gone
from napari_exactile.widget.run.edits import Edits
from napari_exactile.widget.run.result_layers import ResultLayers, remove_layers_over
from napari_exactile.widget.run.threshold import Threshold
from napari_exactile.widget.run.words import inexact_words

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.task.task import Task
    from napari_exactile.widget.choose.choice import Choice
    from napari_exactile.widget.draw.classes import Classes
    from napari_exactile.widget.draw.layers import Written
    from napari_exactile.widget.model.class_memory import ClassMemory
    from napari_exactile.widget.run.computation import Computation


class RunLabels:
    """The labels of a run, or what it gives instead, and its layers, which a person may delete at any time.

    `path` is the store that holds them; None where they are in memory. `on_edit` is called when they were
    changed after the run. All methods but `look` belong to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, choice: Choice, computation: Computation, on_edit: Callable[[], None]
    ) -> None:
        self._viewer, self._computation, self._on_edit = viewer, computation, on_edit
        self.plane, self.path, self.image_name = choice.plane, choice.output, choice.plane.layer.name
        name = f"{inexact_words(choice.task.plan)}{choice.name}"
        self._shown = ResultLayers(viewer, choice.plane, choice.task, name, choice.classes)
        self._edits = Edits(lambda: self._known, self._on_edits)
        self.threshold = Threshold(lambda: self._known, choice.task.decision, self._shown)

    @property
    def task(self) -> Task:
        """What is computed; in a store, with the zones that this was begun with."""
        return self._computation.task

    @property
    def series(self) -> Series | None:
        """The labels of all planes; None before a store is open."""
        return self._computation.series

    @property
    def _known(self) -> Series:
        assert self.series is not None, "labels in memory have one from the beginning"
        return self.series

    @property
    def written(self) -> Written | None:
        """What is written, once there is something."""
        return self._computation.written

    @property
    def layer(self) -> Labels | Image | None:
        """The layer that shows the result, or the first of several; None before there is one."""
        return self._shown.first

    @property
    def layers(self) -> list[Labels | Image]:
        """All layers that show the result."""
        return self._shown.all

    @property
    def left(self) -> list[Labels | Image]:
        """Those that nobody has deleted."""
        return self._shown.left

    @property
    def classes(self) -> Classes:
        """Names and colours of the labels."""
        return self._shown.classes

    @property
    def name(self) -> str:
        """The name of the labels layer when it is complete."""
        return self._shown.name

    @property
    def pixels(self) -> Any:
        """The finest of the arrays that the layers show; raises ValueError where it is not the run's."""
        return self._shown.pixels(self._edits.swapped)

    @property
    def edited(self) -> bool:
        """Whether labels in memory were edited since, as far as that was noticed; see `look`."""
        return self.series is not None and self.series.edited

    @property
    def spoilt(self) -> str:
        """Why nobody knows what the labels are of; empty where it is known."""
        return "" if self.series is None else self.series.spoilt

    def look(self) -> Any:
        """Find out whether labels in memory were edited; call it in a thread. Return what tells them apart.

        Raises StoreGoneError where labels on disk are gone.
        """
        if self.path is None:
            return self._edits.look()
        refuse_gone(self.path)
        return None

    # --- a run goes on

    def begin(self) -> None:
        """A run writes from now on: let the layers show its arrays, and notice no edits."""
        self._edits.take_back()

    def show(self) -> None:
        """Show what is written, unless the person has just removed everything that it could lie on."""
        assert self.written is not None
        if self.layers or self.plane.layer in self._viewer.layers:
            self._shown.show(self._known, self.written)

    def redraw(self) -> None:
        """Show new pixels."""
        self._shown.refresh()

    def spoil(self, reason: str) -> None:
        """Say why nobody knows what the labels are of."""
        if self.series is not None:
            self.series.spoilt = reason

    # --- it is over

    def finish(self) -> None:
        """Name the layers as what they are, and let those in memory be painted on."""
        if self.series is not None:
            self._shown.finish(self.series, on_disk=self.path is not None)

    def follow_edits(self) -> None:
        """Notice from now on what is painted on labels in memory."""
        if self.path is None:
            computed = self._computation
            self._edits.follow(self._shown.arrays, computed.fingerprint, computed.keeps_edits)

    def add_probabilities(self) -> None:
        """Add the probabilities beside the labels, where they were kept."""
        self._shown.add_probabilities()

    def refresh(self, before: Any) -> None:
        """Show labels that were written with another threshold, which are unedited as they were `before`."""
        self._edits.take_back()
        for layer in self.left:
            layer.refresh()
        self.threshold.unlock()
        self._edits.follow(self._shown.arrays, before, kept=False)
        self._on_edits()

    def show_classes(self, memory: ClassMemory) -> None:
        """Give the labels the names and colours in `memory`, also where they are saved later."""
        self._shown.show_classes(memory, self.task)

    def remove(self) -> None:
        """Remove the layers, and all others over the store: what they show is gone."""
        self._shown.remove()
        if self.path is not None:
            remove_layers_over(self._viewer, self.path)

    def leave(self) -> None:
        """Notice no more edits."""
        self._edits.leave()

    def _on_edits(self) -> None:
        self._shown.mark(self._known)
        self._on_edit()
