"""What is damaged among the pixels and kept tensors of a store that nobody is writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from napari_exactile.geometry.words import counted, spans
from napari_exactile.images.store.files import OWN, Fault
from napari_exactile.images.store.shards import Zone
from napari_exactile.images.store.store import LabelStore
from napari_exactile.network.declared import Declared
from napari_exactile.run.engine.events import Checking, Event
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.store.planes import KEPT, kept_folder
from napari_exactile.run.store.reading import StoreReading
from napari_exactile.run.store.records import Plane
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check

# One zone at a time is written: that of a run which was killed has no line in the journal yet.
IN_FLIGHT = 1


@dataclass(frozen=True, slots=True)
class Damage:
    """A finished zone that is not what was written: its box in the labels of its plane, and the levels."""

    zone: Zone
    levels: tuple[int, ...]

    def describe(self) -> str:
        """Return where it is, in words."""
        plane = f"plane {', '.join(map(str, self.zone.plane))}, " if self.zone.plane else ""
        box = spans(self.zone.box)
        levels = ", ".join(map(str, self.levels))
        return f"{plane}labels {box}, level{'s' if len(self.levels) > 1 else ''} {levels}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A store that is looked at, and what it is a store of; `check` may raise to stop."""

    store: LabelStore
    task: Task
    reading: StoreReading
    on_event: Callable[[Event], None]
    check: Check

    def damaged(self) -> Iterator[Damage]:
        """Yield the finished zones that are not as they were written."""
        planes = self.reading.records.tiles.items()
        tiles = [(plane, tile) for plane, tiles in planes for tile in tiles.values()]
        for number, (plane, tile) in enumerate(tiles):
            self.check()
            self.on_event(Checking(number, len(tiles), "zones"))
            if (zone := tile.zone(plane)) and (levels := self.store.wrong_levels(zone)):
                yield Damage(zone, levels)
        self.on_event(Checking(len(tiles), len(tiles), "zones"))

    def begun(self) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
        """Return what is wrong with zones that are not finished, or else a note of what a crash leaves."""
        count = sum(map(self._holds_something, self._unfinished()))
        if not count:
            return (), ()
        words = f"there {{be}} something in {counted(count, 'unfinished zone')}"
        if count <= IN_FLIGHT and not self.reading.ended:
            return (), (f"{words.format(be='is')}, as a killed run leaves it: it is computed anew",)
        return (Fault(words, "what is there {be} computed anew"),), ()

    def _unfinished(self) -> Iterator[tuple[Plane, int]]:
        for plane in self.task.planes.indices:
            done = self.reading.records.tiles.get(plane, {})
            yield from ((plane, number) for number in range(len(self.task.plan)) if number not in done)

    def _holds_something(self, tile: tuple[Plane, int]) -> bool:
        self.check()
        plane, number = tile
        box = self.task.in_arrays(self.task.plan.tiling.tile(number).zone)
        return box is not None and self.store.holds_something(plane, box)

    def kept(self) -> Iterator[Fault]:
        """Yield the tensors, kept for a pass that comes next, that are not as they were written."""
        if isinstance(self.task.given, Declared):
            return  # its zones need no passes before them
        for plane, one in self.reading.known.items():
            if len(one.tiles) == len(self.task.plan) or not one.passes:
                continue
            folder = kept_folder(self.store.path, plane)
            tensors = KeptTensors(0, folder)
            for index in self.task.plan.schedule.passes[len(one.passes)].given:
                if (folder / str(index)).is_dir():
                    continue  # of an earlier version, whose passes are done again
                node = self.task.given.graph.nodes[index]
                if not tensors.recall(index, node.shape, node.dtype, self.check):
                    name = "/".join((OWN, KEPT, *map(str, (*plane, index))))
                    yield Fault(
                        f"{name} {{be}} damaged or missing", "the passes that give it {are} done again"
                    )
