"""Whole tensors that one pass over the image leaves for later ones, in memory or in files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np
import torch
import zarr
from zarr.codecs import Crc32cCodec

from napari_exactile.geometry.interval import Box, slices

# Ends the names of tensors that are not complete.
PART = ".part"


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
    """A tensor in a zarr array; numbers that numpy does not know lie there as float32.

    Where there is room, a `copy` in memory is what is read: boxes that overlap several chunks would read all
    of these.
    """

    folder: Path
    array: Any
    dtype: torch.dtype
    copy: torch.Tensor | None

    def write(self, index: Any, part: torch.Tensor) -> None:
        self.array[index] = part.to(_stored(self.dtype)).numpy()
        if self.copy is not None:
            self.copy[index] = part

    def read(self, index: Any) -> torch.Tensor:
        if self.copy is not None:
            # Laid out in memory as below: the last bits of what follows may depend on it.
            return self.copy[index].clone(memory_format=torch.contiguous_format)
        return torch.from_numpy(np.ascontiguousarray(self.array[index])).to(self.dtype)

    def is_whole(self, check: Callable[[], None]) -> bool:
        """Return whether every chunk is there, and as it was written; fill the copy."""
        if not self._has_all:
            return False
        for place in np.ndindex(self.array.cdata_shape):
            check()
            index = tuple(
                slice(n * size, (n + 1) * size) for n, size in zip(place, self.array.chunks, strict=True)
            )
            try:
                found = torch.from_numpy(self.array[index])
            except Exception:  # a damaged file can make a codec raise anything
                return False
            if self.copy is not None:
                self.copy[index] = found.to(self.dtype)
        return True

    @property
    def _has_all(self) -> bool:
        try:
            return bool(self.array.nchunks_initialized == self.array.nchunks)
        except Exception:  # as above
            return False


def _stored(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype is torch.bfloat16 else dtype


class KeptTensors:
    """Tensors of the shape (1, channels, *space), written box by box, read in any boxes, then forgotten.

    At most `memory` bytes of them stay in memory, the rest lies in a temporary folder that goes away with
    this object. With a `folder` of their own, all of them lie there, too, each with checksums and under its
    name once it is complete, so that a later run can `recall` it. One thread at a time.
    """

    def __init__(self, memory: int, folder: Path | None = None) -> None:
        self._memory_left, self._folder, self._stays = memory, folder, folder is not None
        self._tensors: dict[int, _InMemory | _OnDisk] = {}

    def make(self, key: int, shape: Sequence[int], dtype: torch.dtype, chunk: Sequence[int]) -> None:
        """Make room for a tensor; `chunk` is the spatial shape of the boxes that it is written in."""
        copy = self._in_memory(shape, dtype)
        if copy is not None and not self._stays:
            self._tensors[key] = _InMemory(copy)
            return
        whole, folder = self._room() / str(key), self._room() / f"{key}{PART}"
        rmtree(whole, ignore_errors=True)  # of an attempt that was given up
        array = zarr.create_array(
            folder,
            shape=tuple(shape),
            chunks=(1, shape[1], *(min(c, n) for c, n in zip(chunk, shape[2:], strict=True))),
            dtype=str(_stored(dtype)).removeprefix("torch."),
            compressors=Crc32cCodec() if self._stays else None,
            # A chunk that is not there is then a lost one.
            config={"write_empty_chunks": self._stays},
            overwrite=True,
        )
        self._tensors[key] = _OnDisk(folder, array, dtype, copy)

    def _in_memory(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor | None:
        """Return a tensor, or None where that would be too much memory."""
        size = prod(shape) * dtype.itemsize
        if size > self._memory_left:
            return None
        self._memory_left -= size
        return torch.empty(tuple(shape), dtype=dtype)

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

    def complete(self, key: int) -> None:
        """Hear that all of a tensor is written; may be called twice."""
        one = self._tensors[key]
        if isinstance(one, _OnDisk) and one.folder.suffix == PART:
            folder = one.folder.rename(one.folder.with_suffix(""))
            self._tensors[key] = replace(one, folder=folder, array=_opened(folder))

    def recall(self, key: int, shape: Sequence[int], dtype: torch.dtype, check: Callable[[], None]) -> bool:
        """Take over a tensor that an earlier run has completed, if it is there and undamaged.

        All of it is read; `check` is called often and may raise to stop.
        """
        if key in self._tensors:
            return True
        folder = self._room() / str(key)
        try:
            array = _opened(folder)
            wanted = tuple(shape), str(_stored(dtype)).removeprefix("torch.")
            if (array.shape, str(array.dtype)) != wanted:
                return False
        except Exception:  # there is none, or its description is damaged
            return False
        one = _OnDisk(folder, array, dtype, self._in_memory(array.shape, dtype))
        if one.is_whole(check):
            self._tensors[key] = one
        else:
            self._gone(one.copy)
        return key in self._tensors

    def forget(self, key: int) -> None:
        """Give the room of a tensor back."""
        gone = self._tensors.pop(key)
        if isinstance(gone, _InMemory):
            self._gone(gone.tensor)
        else:
            self._gone(gone.copy)
            rmtree(gone.folder, ignore_errors=True)

    def _gone(self, tensor: torch.Tensor | None) -> None:
        self._memory_left += 0 if tensor is None else tensor.nbytes

    def keep_only(self, keys: Collection[int]) -> None:
        """Give the room of all other tensors back, also of those that an earlier run has left."""
        for key in set(self._tensors).difference(keys):
            self.forget(key)
        if self._folder is None or not self._folder.exists():
            return
        names = set(map(str, keys))
        for folder in self._folder.iterdir() if names else (self._folder,):
            if folder.name not in names:
                rmtree(folder, ignore_errors=True)


def _opened(folder: Path) -> Any:
    return zarr.open_array(folder, mode="r+")
