"""Saves a picture only where it shows something else than the one that is there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

# A picture stays as it was where fewer pixels differ by more than this: seconds that a run took are no news.
FEW, MUCH = 0.002, 40


def keep(picture: Image.Image, path: Path, *, anew: bool = False) -> None:
    """Save a picture, unless the one that is there shows the same; `anew` says that it does not."""
    if not anew and path.exists() and is_like(picture, Image.open(path)):
        print(f"{path.name}: as before")
        return
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    path.write_bytes(buffer.getvalue())
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def is_like(one: Image.Image, other: Image.Image) -> bool:
    """Tell whether two pictures are of one size and differ in few pixels."""
    if one.size != other.size:
        return False
    apart = np.asarray(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).max(-1)
    return float((apart > MUCH).mean()) < FEW
