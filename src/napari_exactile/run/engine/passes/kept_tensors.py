"""Whole tensors that one pass over the image leaves for later ones, in memory or in files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from math import prod
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize
from zlib import crc32

import torch

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.network.skewed.memory import new_memory
from napari_exactile.record import Record

# So many bytes have a checksum: a cancelled look at a file stops as soon.
BLOCK = 16 << 20


class TensorRecord(Record, frozen=True, kw_only=True):
    """What a file of raw numbers holds; it is written once they are complete.

    Rows along the axis `first` are blocks, and every 16 MB have a checksum.
    """

    shape: tuple[int, ...]
    first: int
    dtype: str
    checksums: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A tensor (1, channels, *space), in memory or, with a `file`, in raw numbers that are mapped.

    In memory, channels come last and the axis `first` before the others: rows along it are blocks.
    """

    tensor: torch.Tensor
    first: int
    file: Path | None

    @classmethod
    def of(
        cls, flat: torch.Tensor, shape: Sequence[int], first: int, file: Path | None = None
    ) -> _Kept:  # fmt: skip
        """Return the tensor that lies in flat memory."""
        space = list(shape[2:])
        length = space.pop(first)
        rows = flat.view(length, *space, shape[1])
        return cls(rows.movedim(0, first).movedim(-1, 0)[None], first, file)

    @property
    def flat(self) -> torch.Tensor:
        """The numbers in the order in which they lie."""
        return self.tensor[0].movedim(0, -1).movedim(self.first, 0).view(-1)

    def blocks(self) -> Iterator[int]:
        """Yield the checksums of its blocks."""
        for block in torch.split(self.flat.view(torch.uint8), BLOCK):
            yield crc32(block.numpy().data)

    def is_as(self, told: TensorRecord, check: Callable[[], None]) -> bool:
        """Return whether all of it is as it was written."""
        for now, before in zip(self.blocks(), told.checksums, strict=True):
            check()
            if now != before:
                return False
        return True


class KeptTensors:
    """Tensors of the shape (1, channels, *space), written box by box, read in any boxes, then forgotten.

    At most `memory` bytes of them stay in memory, the rest lies in files of raw numbers in a temporary folder
    that goes away with this object. With a `folder` of their own, all of them lie there, with checksums once
    they are complete, so that a later run can `recall` them. One thread at a time.
    """

    def __init__(self, memory: int, folder: Path | None = None) -> None:
        self._memory_left, self._folder, self._stays = memory, folder, folder is not None
        self._tensors: dict[int, _Kept] = {}

    def make(self, key: int, shape: Sequence[int], dtype: torch.dtype, first: int = 0) -> None:
        """Make room for a tensor whose rows along axis `first` are blocks; OSError where there is none."""
        size = prod(shape) * dtype.itemsize
        if not self._stays and size <= self._memory_left:
            self._memory_left -= size
            self._tensors[key] = _Kept.of(new_memory((prod(shape),), dtype), shape, first)
            return
        file = self._room() / str(key)
        _described(file).unlink(missing_ok=True)  # of an attempt that was given up
        _allocate(file, size)
        self._tensors[key] = _Kept.of(_mapped(file, shape, dtype), shape, first, file)

    def _room(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="exactile-"))
            # Also when the program ends, or an error forgets this object.
            finalize(self, rmtree, self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def __contains__(self, key: int) -> bool:
        return key in self._tensors

    def whole(self, key: int) -> torch.Tensor:
        """Return all of a tensor: who writes into it writes what is kept."""
        return self._tensors[key].tensor

    def write(self, key: int, box: Box, part: torch.Tensor) -> None:
        """Write one box, if it was not made where it is kept; the same box may be written again."""
        there = self.read(key, box)
        if there.data_ptr() != part.data_ptr():
            there.copy_(part)

    def read(self, key: int, box: Box) -> torch.Tensor:
        """Return one box that has been written: a view."""
        index: Any = (..., *slices(box))
        return self._tensors[key].tensor[index]

    def complete(self, key: int) -> None:
        """Hear that all of a tensor is written."""
        one = self._tensors[key]
        if self._stays and one.file is not None:
            shape, dtype = tuple(one.tensor.shape), str(one.tensor.dtype)
            told = TensorRecord(shape=shape, first=one.first, dtype=dtype, checksums=tuple(one.blocks()))
            _described(one.file).write_text(json.dumps(told.as_json()))

    def recall(self, key: int, shape: Sequence[int], dtype: torch.dtype, check: Callable[[], None]) -> bool:
        """Take over a tensor that an earlier run has completed, if it is there and undamaged.

        All of it is read; `check` is called often and may raise to stop.
        """
        if key in self._tensors:
            return True
        if self._folder is None:
            return False
        file = self._folder / str(key)
        try:
            told = TensorRecord.of(json.loads(_described(file).read_text()))
            size, there = prod(shape) * dtype.itemsize, file.stat().st_size
        except (OSError, ValueError):  # there is none, or its description is damaged
            return False
        wanted = tuple(shape), str(dtype), size, -(-size // BLOCK), True
        known_axis = 0 <= told.first < len(shape) - 2
        if (told.shape, told.dtype, there, len(told.checksums), known_axis) != wanted:
            return False
        one = _Kept.of(_mapped(file, shape, dtype), shape, told.first, file)
        if one.is_as(told, check):
            self._tensors[key] = one
        return key in self._tensors

    def forget(self, key: int) -> None:
        """Give the room of a tensor back."""
        gone = self._tensors.pop(key)
        if gone.file is None:
            self._memory_left += gone.tensor.nbytes
        else:
            _remove(gone.file)

    def keep_only(self, keys: Collection[int]) -> None:
        """Give the room of all other tensors back, also of those that an earlier run has left."""
        for key in set(self._tensors).difference(keys):
            self.forget(key)
        if self._folder is None or not self._folder.exists():
            return
        if not keys:
            rmtree(self._folder, ignore_errors=True)
            return
        for file in self._folder.iterdir():
            if file.stem not in set(map(str, keys)):
                _remove(file)


def _described(file: Path) -> Path:
    return file.with_suffix(".json")


def _remove(file: Path) -> None:
    """Remove a file, or what an earlier version left in a folder; what cannot be removed goes later."""
    with suppress(OSError):
        _described(file).unlink(missing_ok=True)
        rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)


def _allocate(file: Path, size: int) -> None:
    """Make a file of so many bytes that are there: writing into what is mapped and not there would crash."""
    if file.is_dir():
        rmtree(file)
    with file.open("wb") as made:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, size)
            return
        if disk_usage(file.parent).free < size:
            raise OSError(ENOSPC, os.strerror(ENOSPC), str(file))
        made.truncate(size)


def _mapped(file: Path, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.from_file(str(file), shared=True, size=prod(shape), dtype=dtype)
