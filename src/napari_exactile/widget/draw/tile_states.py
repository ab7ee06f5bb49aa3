"""How far each tile of a tiling has come, for whoever draws it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from napari_exactile.widget.draw.tile_shapes import TileStatus


class TileStates:
    """The status of each tile; none before `begin` and after `clear`. `version` tells changes apart."""

    def __init__(self) -> None:
        self._all: npt.NDArray[np.uint8] | None = None
        self.version = 0

    @property
    def known(self) -> bool:
        """Whether there is a status."""
        return self._all is not None

    def begin(self, tiles: int) -> None:
        """So many tiles are waiting."""
        self._all = np.full(tiles, TileStatus.WAITING.value, dtype=np.uint8)
        self.version += 1

    def update(self, changes: Mapping[int, TileStatus]) -> None:
        """Change the status of tiles that exist; of others it is ignored."""
        if self._all is None:
            return
        for index, status in changes.items():
            if 0 <= index < len(self._all):
                self._all[index] = status.value
        self.version += 1

    def clear(self) -> None:
        """There is no status any more."""
        self._all = None

    def part(self, first: int, count: int) -> npt.NDArray[np.uint8]:
        """Return the status of `count` tiles from the `first` on; raises ValueError where there is none."""
        if self._all is None:
            raise ValueError("the tiles have no status")
        return self._all[first : first + count]
