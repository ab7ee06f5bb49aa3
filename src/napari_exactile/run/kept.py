"""Whole tensors that one pass over the image leaves for later ones, in memory or in temporary files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np
import torch
import zarr

from napari_exactile.geometry.interval import Box, slices


@dataclass(frozen=True, slots=True)
class _InMemory:
    """A tensor in main memory."""

    tensor: torch.Tensor

    def write(self, index: Any, part: torch.Tensor) -> None:
        self.tensor[index] = part

    def read(self, index: Any) -> torch.Tensor:
        return self.tensor[index]


@dataclass(frozen=True, slots=True)
class _OnDisk:
    """A tensor in a temporary zarr array; numbers that numpy does not know lie there as float32."""

    folder: Path
    array: Any
    dtype: torch.dtype

    def write(self, index: Any, part: torch.Tensor) -> None:
        self.array[index] = part.to(_stored(self.dtype)).numpy()

    def read(self, index: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.array[index])).to(self.dtype)


def _stored(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype is torch.bfloat16 else dtype


class KeptTensors:
    """Tensors of the shape (1, channels, *space), written box by box, read in any boxes, then forgotten.

    At most `memory` bytes of them stay in memory, the rest lies in a temporary folder that goes away with
    this object. One thread at a time.
    """

    def __init__(self, memory: int) -> None:
        self._memory_left = memory
        self._tensors: dict[int, _InMemory | _OnDisk] = {}
        self._folder: Path | None = None

    def make(self, key: int, shape: Sequence[int], dtype: torch.dtype, chunk: Sequence[int]) -> None:
        """Make room for a tensor; `chunk` is the spatial shape of the boxes that it is written in."""
        size = prod(shape) * dtype.itemsize
        if size <= self._memory_left:
            self._memory_left -= size
            self._tensors[key] = _InMemory(torch.empty(tuple(shape), dtype=dtype))
            return
        folder = self._room() / str(key)
        array = zarr.create_array(
            folder,
            shape=tuple(shape),
            chunks=(1, shape[1], *(min(c, n) for c, n in zip(chunk, shape[2:], strict=True))),
            dtype=str(_stored(dtype)).removeprefix("torch."),
            compressors=None,
            overwrite=True,
        )
        self._tensors[key] = _OnDisk(folder, array, dtype)

    def _room(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="exactile-"))
            # Also when the program ends, or an error forgets this object.
            finalize(self, rmtree, self._folder, ignore_errors=True)
        return self._folder

    def __contains__(self, key: int) -> bool:
        return key in self._tensors

    def write(self, key: int, box: Box, part: torch.Tensor) -> None:
        """Write one box; the same box may be written again."""
        self._tensors[key].write((slice(None), slice(None), *slices(box)), part.cpu())

    def read(self, key: int, box: Box) -> torch.Tensor:
        """Return one box that has been written."""
        return self._tensors[key].read((slice(None), slice(None), *slices(box)))

    def forget(self, key: int) -> None:
        """Give the room of a tensor back."""
        gone = self._tensors.pop(key)
        if isinstance(gone, _InMemory):
            self._memory_left += gone.tensor.nbytes
        else:
            rmtree(gone.folder, ignore_errors=True)
