"""What happens during a run, told in small values: whoever shows a run needs nothing else of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_exactile.carried import Carried
from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile
from napari_exactile.geometry.words import spans
from napari_exactile.stopping import Cancelled
from napari_exactile.why import SYSTEM


@dataclass(frozen=True, slots=True)
class Measuring:
    """The whole image is being read for its statistics; `fraction` of it is done.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image = [], np.eye(32, dtype=np.float32)
    >>> _ = ex.segment(image, nn.Conv2d(1, 2, 3).eval(), normalization="z-score", on_event=seen.append)
    >>> [event.fraction for event in seen if isinstance(event, ex.Measuring)][-1]
    1.0
    """

    fraction: float


@dataclass(frozen=True, slots=True)
class StoreOpened:
    """The store of the results is open: `done` tiles were finished before, all others are next.

    `mended` says in sentences what was damaged and has been put right, or is computed anew.

    >>> import napari_exactile as ex
    >>> ex.StoreOpened(done=3)
    StoreOpened(done=3, mended=())
    """

    done: int
    mended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaneStarted:
    """Plane `number` (from 1) of `planes` is next; tiles are counted anew from here on.

    `what` each of them is called: a plane, or a volume.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, stack = [], np.zeros((2, 32, 32), np.float32)
    >>> _ = ex.segment(stack, nn.Conv2d(1, 2, 3).eval(), axes="tyx", on_event=seen.append)
    >>> [event for event in seen if isinstance(event, ex.PlaneStarted)]
    [PlaneStarted(number=1, planes=2, what='plane'), PlaneStarted(number=2, planes=2, what='plane')]
    """

    number: int
    planes: int
    what: str = "plane"


@dataclass(frozen=True, slots=True)
class Surveying:
    """Pass number `number` of `passes` over the image is under way, for operators that look at all of it.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, model = [], nn.Sequential(nn.InstanceNorm2d(1), nn.Conv2d(1, 2, 3)).eval()
    >>> _ = ex.segment(np.eye(32, dtype=np.float32), model, on_event=seen.append)
    >>> {(event.number, event.passes) for event in seen if isinstance(event, ex.Surveying)}
    {(1, 1)}
    """

    number: int
    passes: int
    done: int
    tiles: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything has been checked; the arrays exist and the first tile is next.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image, model = [], np.zeros((32, 32), np.float32), nn.Conv2d(1, 2, 1).eval()
    >>> _ = ex.segment(image, model, tile=16, on_event=seen.append)
    >>> [event for event in seen if isinstance(event, ex.Ready)]
    [Ready(tiles=4, done=0)]
    """

    tiles: int
    done: int


@dataclass(frozen=True, slots=True)
class TileStarted:
    """A tile is being computed.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image, model = [], np.zeros((32, 32), np.float32), nn.Conv2d(1, 2, 1).eval()
    >>> _ = ex.segment(image, model, tile=16, on_event=seen.append)
    >>> [event.index for event in seen if isinstance(event, ex.TileStarted)]
    [0, 1, 2, 3]
    """

    index: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """A row of tiles is under way together; with what is computed of them, `tiles` of the plane are done.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image, model = [], np.zeros((1024, 8192), np.float32), nn.Conv2d(1, 2, 1).eval()
    >>> _ = ex.segment(image, model, tile=2048, on_event=seen.append)
    >>> shares = [event.tiles for event in seen if isinstance(event, ex.Advanced)]
    >>> len(shares) > 1, shares == sorted(shares), 0 < shares[0] < shares[-1] < 4
    (True, True, True)
    """

    tiles: float


@dataclass(frozen=True, slots=True)
class TileShown:
    """A tile was computed by itself for the control's `show`, as somebody looks there; see `Control`.

    It is not done by that: its band gives it anew.

    >>> import napari_exactile as ex
    >>> ex.TileShown(index=3, zone=(ex.Interval(0, 64), ex.Interval(0, 64))).index
    3
    """

    index: int
    zone: Box


@dataclass(frozen=True, slots=True)
class TileFinished:
    """The labels of one zone are in the array.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image, model = [], np.zeros((16, 32), np.float32), nn.Conv2d(1, 2, 1).eval()
    >>> _ = ex.segment(image, model, tile=16, on_event=seen.append)
    >>> [event.zone[1] for event in seen if isinstance(event, ex.TileFinished)]
    [Interval(start=0, stop=16), Interval(start=16, stop=32)]
    """

    index: int
    zone: Box
    near_ties: int


@dataclass(frozen=True, slots=True)
class TileHalved:
    """The memory was not enough: from now on, zones are computed in pieces of at most `zone` pixels.

    >>> import napari_exactile as ex
    >>> ex.TileHalved(zone=(256, 256)).zone
    (256, 256)
    """

    zone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checking:
    """Finished labels are being checked: `done` of `total` windows, or zones, are; comes after Finished.

    >>> import napari_exactile as ex
    >>> ex.Checking(done=2, total=8)
    Checking(done=2, total=8, what='windows')
    """

    done: int
    total: int
    what: Literal["windows", "zones"] = "windows"


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody has paused the run: nothing is under way until the next event.

    >>> import napari_exactile as ex
    >>> control = ex.Control()
    >>> control.pause()
    >>> next(control.gate())
    Paused()
    """


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over; `cancelled` says that tiles are left.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> seen, image, model = [], np.zeros((32, 32), np.float32), nn.Conv2d(1, 2, 1).eval()
    >>> _ = ex.segment(image, model, on_event=seen.append)
    >>> [event for event in seen if isinstance(event, ex.Finished)]
    [Finished(cancelled=False)]
    """

    cancelled: bool


Event = (
    Measuring
    | StoreOpened
    | PlaneStarted
    | Surveying
    | Ready
    | TileStarted
    | TileShown
    | Advanced
    | TileFinished
    | TileHalved
    | Checking
    | Paused
    | Finished
)


def words_of(error: Exception) -> str:
    """Return an error in words for people: those of the system come with a number otherwise."""
    if isinstance(error, OSError) and error.errno is not None:
        words = SYSTEM.get(error.errno, error.strerror or type(error).__name__)
        return f"{error.filename}: {words}" if error.filename else words
    return str(error) or type(error).__name__


class TileError(Carried, RuntimeError):
    """A tile could not be computed; the finished ones are kept. `index` and `zone` say which.

    >>> import napari_exactile as ex
    >>> try:
    ...     raise ex.TileError(4, (ex.Interval(0, 64), ex.Interval(64, 128)), "the disk is full")
    ... except ex.TileError as error:
    ...     print(error.index, error.zone[1].start, error)
    4 64 tile 5 (pixels 0..64 x 64..128) failed: the disk is full
    """

    def __init__(self, index: int, zone: Box, reason: str) -> None:
        self.index, self.zone = index, zone
        where = spans(zone)
        super().__init__(f"tile {index + 1} (pixels {where}) failed: {reason}")

    @classmethod
    def of(cls, tile: Tile, error: Exception) -> TileError:
        """Return the failure of a tile for the reason that `error` names."""
        return cls(tile.index, tile.zone, words_of(error))


def failure(tile: Tile, error: Exception) -> Exception:
    """Return an error as that of a tile, unless it tells of one already or nobody wants to go on."""
    return error if isinstance(error, Cancelled | TileError) else TileError.of(tile, error)
