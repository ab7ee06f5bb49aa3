"""Images from files of numpy arrays, mapped into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_exactile.images.opened import FileVersion, OpenedImage, remember


def open_npy(path: Path) -> OpenedImage:
    """Open a .npy file, which names no axes; pixels are read when they are asked for.

    Raises ValueError for what is not a readable array.
    """
    try:
        version, array = FileVersion.of(path), np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        if "greater than file size" in reason:
            reason = "it ends before its pixels do, as if it had been cut off"
        raise ValueError(f"{path} cannot be opened as a numpy array: {reason}") from error
    image = OpenedImage(path.name, array, None)
    remember(array, version)
    return image
