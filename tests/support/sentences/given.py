"""What rows of the table have in common: small files, networks, stores and damage to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import napari_exactile as ex
from image_files import pixels
from napari_exactile.images.store.journal import write_lines

SIZE = (60, 70)


def network(channels: int = 1, classes: int = 2) -> Any:
    """A network of one convolution."""
    from torch import nn

    return nn.Conv2d(channels, classes, 3, padding=1).eval()


def segmented(image: Any, channels: int = 1, **settings: Any) -> Any:
    """What `segment` makes of an image, or of the file at a path, with that network."""
    return ex.segment(image, network(channels), device="cpu", **settings)


def opened(path: Path, content: bytes | None = None, **more: Any) -> Any:
    """What opening a file comes to, with this content."""
    if content is not None:
        path.write_bytes(content)
    return ex.open_image(path, **more)


def tiff(path: Path, *shape: int, **kind: Any) -> Path:
    """Write a TIFF."""
    tifffile.imwrite(path, pixels(*(shape or SIZE)), **{"metadata": None} | kind)
    return path


def cut(path: Path, length: int) -> Path:
    """Cut a file to so many bytes; below 0: so many bytes off its end."""
    path.write_bytes(path.read_bytes()[:length])
    return path


def say(path: Path, change: Callable[[Any], Any]) -> Path:
    """Change what a file of JSON says."""
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
    return path


def store(folder: Path, **settings: Any) -> Path:
    """A store of finished labels, whose image and model can be named again: `image()` and `network()`."""
    path = folder / "a.ome.zarr"
    constant(settings.pop("image", image()), path, **settings)
    return path


def constant(image: Any, path: Path | None, **settings: Any) -> Any:
    """Segment with weights that are the same each time."""
    return ex.segment(image, constant_network(), device="cpu", output=path, **{"tile": 40} | settings)


def constant_network() -> Any:
    """The network of that."""
    import torch

    found = network()
    with torch.no_grad():
        for number, weight in enumerate(found.parameters()):
            weight.fill_(0.1 + number)
    return found


def image() -> Any:
    """The image of that."""
    return pixels(*SIZE)


def verified(path: Path, **more: Any) -> Any:
    """What `verify` finds in a store."""
    return ex.verify(path, image(), constant_network(), windows=1, seed=0, **more)


def without_journal(path: Path, change: Callable[[Any], Any]) -> Path:
    """Change what a store says of its run, where its journal says nothing of that, as in those of old."""
    say(path / "exactile" / "run.json", change)
    write_lines(path / "exactile" / "journal", [])
    return path


__all__ = ["SIZE", "np"]
