"""Pixels that can only be decoded all at once, kept in a temporary file from the first time on."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.why import UnreadError, why


class CachedArray:
    """An array that `decode` writes, into a temporary file, when its first pixel is asked for.

    `decode` is called once with an array to fill. The file is gone with this object. May be sliced from any
    thread; raises OSError where the disk has no room.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], decode: Callable[[NDArray[Any]], object]
    ) -> None:
        self.shape, self.dtype, self.ndim, self.size = shape, dtype, len(shape), prod(shape)
        self._decode = decode
        self._lock = Lock()
        self._pixels: NDArray[Any] | None = None

    def __getitem__(self, index: Any) -> NDArray[Any]:
        with self._lock:  # whoever comes second waits for the one that decodes
            if self._pixels is None:
                self._pixels = self._filled()
        part: NDArray[Any] = np.asarray(self._pixels[index])
        return part

    def _filled(self) -> NDArray[Any]:
        needed, free = prod(self.shape) * self.dtype.itemsize, shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            folder = tempfile.gettempdir()
            words = f"decoding takes {needed:,} bytes in {folder}, which has {free:,}"
            raise UnreadError(f"{words}; make room there, or set TMPDIR to a folder on another disk")
        # Whether the program ends well or not, no file stays behind; the mapping outlives its handle.
        with tempfile.TemporaryFile(prefix="exactile-") as file:
            if hasattr(os, "posix_fallocate"):  # a mapped file that finds no room ends the process
                os.posix_fallocate(file.fileno(), 0, needed)
            pixels: NDArray[Any] = np.memmap(file, self.dtype, "w+", shape=self.shape)
        try:
            self._decode(pixels)
        except Exception as error:  # a codec raises what it wants
            raise UnreadError(why(error)) from error
        return pixels
