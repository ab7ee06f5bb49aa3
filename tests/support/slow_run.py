"""A program for tests that kill it: segments an image into a store, a little slower than it could."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.run.engine.events import Event, Surveying, TileFinished

TILE, SHAPE, TILES = 68, (3 * 66 - 5, 4 * 66 + 7), 15


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


def main(path: str, pause: float, probabilities: bool = False, net: nn.Module | None = None) -> None:
    def told(event: Event) -> None:
        if isinstance(event, TileFinished | Surveying):
            told = f"pass {event.number} {event.done}" if isinstance(event, Surveying) else event.index
            print(told, flush=True)
            time.sleep(pause)

    torch.set_num_threads(1)
    pixels, net = image(), net or network()
    print("ready", flush=True)
    ex.segment(pixels, net, tile=TILE, output=path, on_event=told, probabilities=probabilities)
    print("done", flush=True)


if __name__ == "__main__":
    if sys.argv[3:] == ["passes"]:
        main(sys.argv[1], float(sys.argv[2]), probabilities=True, net=looking_at_all())
    else:
        main(sys.argv[1], float(sys.argv[2]))


def until_ready() -> dict[str, Any]:
    """What `segment` is given so that it ends before its first tile, when everything else is known."""
    ready: list[bool] = []
    return {
        "on_event": lambda event: ready.append(True) if isinstance(event, ex.Ready) else None,
        "cancel": lambda: bool(ready),
    }
