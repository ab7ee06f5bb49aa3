"""The door to whatever computes: a run hands bands of zones through it and gets events and results back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.plan.bands import Band
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one plane of an image before an engine begins with it.

    `passes` is what passes over the image have found for operators that look at all of it, the first ones
    first; what is kept between passes lies in `folder`, if there is one.
    """

    normalization: Normalization | None = None
    passes: tuple[Statistics, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Results in main memory for one box of the output: labels, and numbers if they are kept."""

    box: Box
    labels: NDArray[Any] | None
    numbers: NDArray[Any] | None


@dataclass(frozen=True, slots=True)
class Computed:
    """A tile is computed, and all pieces of it have been delivered."""

    index: int
    near_ties: int


@dataclass(frozen=True, slots=True)
class Going:
    """More of the tiles under way is computed, as much as `tiles` of them together: a place to pause."""

    tiles: float


Deliver = Callable[[Piece], object]


class Engine(Protocol):
    """Computes one plane of a task, wherever that is done; one thread at a time uses it.

    Everything follows from the task: neither the order of bands nor where a run was cut changes a result.
    """

    @property
    def normalization(self) -> Normalization | None:
        """What the pixels are normalised by; None before the image has been measured."""
        ...

    @property
    def prepared(self) -> bool:
        """Whether all is known of the whole image that its zones depend on."""
        ...

    @property
    def odd(self) -> tuple[str, ...]:
        """What looks like a mistake in the results so far, in sentences."""
        ...

    def measure(self, check: Check, /) -> Iterator[Event]:
        """Read the whole image once, for its statistics and to find pixels that cannot be used.

        Does nothing where that has been done. Raises ValueError for such pixels, and Cancelled.
        """
        ...

    def survey(self, check: Check, /) -> Iterator[Event]:
        """Do what is left of the passes over the image; it has been measured.

        Raises TileError where a tile of a pass fails, and Cancelled.
        """
        ...

    def open(self) -> AbstractContextManager[object]:
        """Hold what computing takes, such as threads that read ahead, as long as this lasts."""
        ...

    def submit(
        self, band: Band, upcoming: Sequence[Band], deliver: Deliver, check: Check, /
    ) -> Iterator[Event | Computed | Going]:
        """Compute a band, tile by tile: tell that one has started, and then that it is computed.

        Nothing is computed before it is asked for; each piece of a tile is delivered as soon as it is there,
        in the same thread, and may come again where the memory was not enough. Of `upcoming` bands, the first
        may be read ahead. Raises TileError, and Cancelled. It is prepared and open.
        """
        ...

    def glimpse(self, tile: Tile, check: Check, /) -> Piece | None:
        """Return the results of a tile by itself, also while a band is computed; its band gives them anew.

        None where it has none, or the memory is not enough. Raises as `submit` does.
        """
        ...

    def forget(self) -> None:
        """Let go of what was kept between passes; for a plane that is complete."""
        ...


class Engines(Protocol):
    """Makes the engine of one plane of a task; `surveyed` hears of each pass that is done, by its number."""

    def __call__(
        self, task: Task, number: int, known: Known, surveyed: Callable[[int, Statistics], None], /
    ) -> Engine:
        """Return the engine; nothing is read before it is asked to."""
        ...
