"""A program for tests that kill it: segments an image into a store, a little slower than it could."""

from __future__ import annotations

import sys
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.network.skewed.course import FAST, Thrift
from napari_exactile.run.engine.events import Event, Surveying, TileFinished
from napari_exactile.run.plan.settings import MethodName

TILE, SHAPE, TILES = 68, (3 * 66 - 5, 4 * 66 + 7), 15
# Of such an image, a walk makes some ten columns at once.
SMALL = Thrift(30_000, 1, 1.0)


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()


def looking_at_all() -> nn.Module:
    """Return a network that normalises over the whole image, three times: it takes four passes."""
    torch.manual_seed(3)
    first, second, third = nn.Conv2d(1, 4, 3, padding=1), *(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
    norms = nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)
    pairs = zip((first, second, third), norms, strict=True)
    layers = (layer for conv, norm in pairs for layer in (conv, norm, nn.ReLU()))
    return nn.Sequential(*layers, nn.Conv2d(4, 3, 1)).eval()


def image() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 1000, SHAPE).astype(np.uint16)


def main(path: str, pause: float, method: MethodName | None = None) -> None:
    """With a `method`, segment by a network that looks at all of the image, in small strips if it walks."""

    def told(event: Event) -> None:
        if isinstance(event, TileFinished | Surveying):
            told = f"pass {event.number} {event.done}" if isinstance(event, Surveying) else event.index
            print(told, flush=True)
            time.sleep(pause)

    torch.set_num_threads(1)
    pixels, net = image(), network() if method is None else looking_at_all()
    print("ready", flush=True)
    with patch("napari_exactile.run.plan.bands.FAST", FAST if method is None else SMALL):
        ex.segment(
            pixels, net, tile=TILE, output=path, on_event=told, probabilities=method is not None,
            method=method or "auto",
        )  # fmt: skip
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])  # type: ignore[arg-type]


def until_ready() -> dict[str, Any]:
    """What `segment` is given so that it ends before its first tile, when everything else is known."""
    ready: list[bool] = []
    return {
        "on_event": lambda event: ready.append(True) if isinstance(event, ex.Ready) else None,
        "cancel": lambda: bool(ready),
    }
