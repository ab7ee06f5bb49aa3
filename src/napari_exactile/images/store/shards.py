"""How the arrays of a store are cut: into shards for those who write, into chunks for those who look."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from napari_exactile.geometry.interval import Box
from napari_exactile.images.pyramid import level_shapes

# Zones share a shard, 2 x 2 or more of them, until it is this large: a slide takes a few thousand files.
# It is written again for each of its zones, so those of many channels share less.
SHARD_PIXELS, SHARD_NUMBERS = 2**20, 2**22
# Channels share a shard as long as it holds no more numbers than this: 64 MB of float32.
MOST_NUMBERS = 2**24
# What viewers read at once: chunks inside a shard are as near to this as divides it.
CHUNK_SIDE = 256
# Zones smaller than this have no chunks of their own.
TINY = 64


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """The array of level 0: (*leading, *shape) of `dtype`, filled with `unfinished`, in zones of size `zone`.

    `leading` are the axes of a stack and, if a zone covers several, that of the channels, which is number
    `channel` of them; planes of the stack have shards of their own. `axes` are the letters of all axes.
    Lengths are in labels. Raises ValueError where these do not fit each other.
    """

    leading: tuple[int, ...]
    shape: tuple[int, ...]
    zone: tuple[int, ...]
    axes: str
    dtype: str
    unfinished: float
    channel: int | None = None

    def __post_init__(self) -> None:
        if len(self.zone) != len(self.shape) or len(self.axes) != len(self.leading) + len(self.shape):
            raise ValueError(f"axes {self.axes!r} and zone {self.zone} do not fit labels of {self.shape}")
        if min(*self.leading, *self.shape, *self.zone) < 1:
            raise ValueError(f"labels of {(*self.leading, *self.shape)} in zones of {self.zone} are empty")
        if self.channel is not None and not 0 <= self.channel < len(self.leading):
            raise ValueError(f"axis {self.channel} of {self.axes!r} cannot be that of channels")
        if np.dtype(self.dtype).kind == "u" and not 0 <= self.unfinished <= np.iinfo(self.dtype).max:
            raise ValueError(f"{self.dtype} cannot hold the label {self.unfinished}")

    @property
    def shard(self) -> tuple[int, ...]:
        """Shape of a shard: along the spatial axes that of a zone, or of a few that are small."""
        count, channels = 1, 1 if self.channel is None else self.leading[self.channel]
        enough = min(SHARD_PIXELS, SHARD_NUMBERS // channels)
        while prod(self.zone) * count ** len(self.zone) < enough:
            count *= 2  # so that the larger shards of one image hold whole shards of another
        sides = tuple(length * count for length in self.zone)
        together = max(1, MOST_NUMBERS // prod(sides))
        before = (min(n, together) if axis == self.channel else 1 for axis, n in enumerate(self.leading))
        return (*before, *sides)

    @property
    def chunk(self) -> tuple[int, ...]:
        """Shape of the chunks inside a shard; only tiny zones share one."""
        sides = zip(self.zone, self.shard[len(self.leading) :], strict=True)
        space = (_chunk_side(zone if zone >= TINY else shard) for zone, shard in sides)
        return (*(1,) * len(self.leading), *space)

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Spatial shapes of all levels."""
        return level_shapes(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all levels before they are compressed: the most that they can take."""
        size = np.dtype(self.dtype).itemsize * prod(self.leading)
        return size * sum(prod(shape) for shape in self.levels)


def _chunk_side(length: int) -> int:
    """Return the largest divisor up to CHUNK_SIDE, or all of it where that is tiny, as of a prime.

    >>> _chunk_side(832), _chunk_side(100), _chunk_side(521)
    (208, 100, 521)
    """
    side = next(side for side in range(min(length, CHUNK_SIDE), 0, -1) if length % side == 0)
    return side if side * 8 > CHUNK_SIDE else length


@dataclass(frozen=True, slots=True)
class Zone:
    """A finished zone: its place in the stack, its box in the labels, and the checksum of what it holds."""

    plane: tuple[int, ...]
    box: Box
    checksum: int
