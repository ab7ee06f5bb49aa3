"""What happens during a run, told in small values: whoever shows a run needs nothing else of it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile


@dataclass(frozen=True, slots=True)
class Measuring:
    """The whole image is being read for its statistics; `fraction` of it is done."""

    fraction: float


@dataclass(frozen=True, slots=True)
class PlaneStarted:
    """Plane `number` (from 1) of `planes` is next; tiles are counted anew from here on."""

    number: int
    planes: int


@dataclass(frozen=True, slots=True)
class Surveying:
    """Pass number `number` of `passes` over the image is under way, for operators that look at all of it."""

    number: int
    passes: int
    done: int
    tiles: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything has been checked; the arrays exist and the first tile is next."""

    tiles: int
    done: int


@dataclass(frozen=True, slots=True)
class TileStarted:
    """A tile is being computed."""

    index: int


@dataclass(frozen=True, slots=True)
class TileFinished:
    """The labels of one zone are in the array."""

    index: int
    zone: Box
    near_ties: int


@dataclass(frozen=True, slots=True)
class TileHalved:
    """The memory was not enough: from now on, zones are computed in pieces of at most `zone` pixels."""

    zone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checking:
    """Finished labels are being checked: `done` of `total` windows, or zones, are; comes after Finished."""

    done: int
    total: int
    what: Literal["windows", "zones"] = "windows"


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody has paused the run: nothing is under way until the next event."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over; `cancelled` says that tiles are left."""

    cancelled: bool


Event = (
    Measuring
    | PlaneStarted
    | Surveying
    | Ready
    | TileStarted
    | TileFinished
    | TileHalved
    | Checking
    | Paused
    | Finished
)


class Cancelled(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """Raised inside a run when it has been asked to stop."""


def checker(is_cancelled: Callable[[], bool]) -> Callable[[], None]:
    """Return a function that raises Cancelled once `is_cancelled()` is true."""

    def check() -> None:
        if is_cancelled():
            raise Cancelled

    return check


SYSTEM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "no more may be stored there: the quota is used up",
    errno.EROFS: "nothing can be written there",
    errno.EACCES: "access is denied",
    errno.EPERM: "access is denied",
    errno.ENOENT: "there is no such file or folder",
}


def words_of(error: Exception) -> str:
    """Return an error in words for people: those of the system come with a number otherwise."""
    if isinstance(error, OSError) and error.errno is not None:
        words = SYSTEM.get(error.errno, error.strerror or "")
        return f"{error.filename}: {words}" if error.filename else words
    return str(error) or type(error).__name__


class TileError(RuntimeError):
    """A tile could not be computed; the finished ones are kept. `index` and `zone` say which."""

    def __init__(self, index: int, zone: Box, reason: str) -> None:
        self.index, self.zone = index, zone
        where = " x ".join(f"{interval.start}..{interval.stop}" for interval in zone)
        super().__init__(f"tile {index + 1} (pixels {where}) failed: {reason}")

    @classmethod
    def of(cls, tile: Tile, error: Exception) -> TileError:
        """Return the failure of a tile for the reason that `error` names."""
        return cls(tile.index, tile.zone, words_of(error))
