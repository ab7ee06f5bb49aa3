"""How far each image of many is, in words; nothing here knows a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_exactile.geometry.words import part_of

if TYPE_CHECKING:
    from napari_exactile.run.engine.control import Control
    from napari_exactile.run.many.batch import ManyRun
    from napari_exactile.run.many.rows import ImageRow

# Seconds between two looks of the window at what is under way.
LOOK = 0.2


@dataclass(frozen=True, slots=True)
class ImageLine:
    """A line of the table: an image, how far it is, and what came of it."""

    name: str
    progress: str = ""
    result: str = ""
    done: int = 0
    tiles: int = 0

    def after(self, event: Any) -> ImageLine:
        """Return the line after something has happened to the image."""
        from napari_exactile.run.engine import events

        match event:
            case events.Ready(tiles, done):
                return replace(self, done=done, tiles=tiles, progress=part_of(done, tiles, "tile"))
            case events.TileFinished():
                done = self.done + 1
                return replace(self, done=done, progress=part_of(done, self.tiles, "tile"))
        return replace(self, progress=self._words(event) or self.progress)

    def _words(self, event: Any) -> str:
        """Return how far the image is by an event that counts no tile as done; "" where it does not say."""
        from napari_exactile.run.engine import events

        match event:
            case events.Measuring(fraction):
                return f"Measuring: {fraction:.0%}".replace("%", " %")
            case events.Surveying(number, passes, done, tiles):
                return f"Pass {number} of {passes}: {part_of(done, tiles, 'tile')}"
            case events.Advanced(tiles):
                return part_of(max(self.done, int(tiles)), self.tiles, "tile")
            case events.Checking(done, total):
                return f"Checking: {part_of(done, total, 'window')}"
        return ""

    def ended(self, row: ImageRow) -> ImageLine:
        """Return the line of an image that has ended."""
        words = {"done": "Done", "skipped": "Done before", "stopped": "Stopped", "failed": "Failed"}
        return replace(self, progress=words[row.state], result=result_words(row))


def result_words(row: ImageRow) -> str:
    """Return what came of an image: why it failed, or how exact it is, and how many objects there are."""
    if row.failed or not row.shape:
        return row.message.removeprefix(f"{row.image} ")
    objects = [f"{count:,} {name}" for name, count in (row.objects or {}).items()]
    ties = f"{row.near_ties:,} near-ties" if row.near_ties else "no near-ties"
    facts = ", ".join(["exact" if row.exact else "NOT EXACT", ties, *objects, f"{row.seconds:.1f} s"])
    return f"{facts}. {row.message}" if row.message else facts


def lines_of(run: ManyRun, control: Control) -> Iterator[tuple[str, dict[int, ImageLine]]]:
    """Do what is left, and yield from time to time what is new: words on all images, and lines by number."""
    from napari_exactile.run.many.events import ImageEnded, ImageStarted, ImageStep, MeasuringAll

    names = [image.name for image in run.batch.images]
    lines, new, words, looked = [ImageLine(name) for name in names], dict[int, ImageLine](), "", 0.0
    for event in run.steps(control):
        match event:
            case MeasuringAll(fraction):
                words = f"Measuring all images: {fraction:.0%}".replace("%", " %")
            case ImageStarted(number, name):
                words, lines[number] = "", ImageLine(name, "Begins")
                new[number] = lines[number]
            case ImageStep(number, step):
                new[number] = lines[number] = lines[number].after(step)
            case ImageEnded(number, row):
                new[number] = lines[number] = lines[number].ended(row)
        if perf_counter() - looked > LOOK:
            yield words, new
            new, looked = {}, perf_counter()
    yield words, new
