"""What was chosen, as a value: everything that a run needs, and what tells it from another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_exactile.images.planes import plane_words
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.draw.planes import Plane

if TYPE_CHECKING:
    from napari_exactile.run.task.task import Task


def result_name(plane: Plane, task: Task) -> str:
    """Return what labels are called: by image, model and, if it is one of several, the plane."""
    which = "" if len(task.planes.indices) > 1 else plane_words(task.planes)
    return f"{plane.layer.name} - {', '.join(filter(None, [task.model.name, which]))}"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Everything that a run needs: a task, the layers that it is of, and what shows its labels."""

    plane: Plane
    task: Task
    classes: Classes
    output: Path | None = None

    @property
    def name(self) -> str:
        """What its result is called: by image, model and, if it is one of several, the plane."""
        return result_name(self.plane, self.task)

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what must stay the same for a run to be continued: pixels, model, settings, and place."""
        task = self.task
        return self.plane.stack_identity, task.planes.indices, task.model, task.settings, self.output

    def apart_from(self, image: Any, model: str, now: Choice | None) -> str:
        """Return in words in what this is not what is chosen now: another `image`, `model`, or the rest.

        Nothing where it is the same, as far as that is known: while a model is analysed, nothing is chosen.
        """
        card, parts = self.task.model.card, []
        if image is not self.plane.layer:
            parts.append(f"'{self.plane.layer.name}'")
        if model != card.name:
            parts.append(f"by {card.short_title}")
        if parts or now is None:
            return ", ".join(parts)
        if now.task.planes.indices != self.task.planes.indices:
            return plane_words(self.task.planes)
        before, after = self.task.settings, now.task.settings
        if before.region != after.region:
            return "another part of it"
        return "other settings" if before != after else ""
