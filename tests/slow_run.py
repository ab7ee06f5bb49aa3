"""A program for tests that kill it: segments an image into a store, a little slower than it could."""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.run.events import Event, TileFinished

TILE, SHAPE, TILES = 68, (3 * 66 - 5, 4 * 66 + 7), 15


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()


def image() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 1000, SHAPE).astype(np.uint16)


def main(path: str, pause: float, probabilities: bool = False) -> None:
    def told(event: Event) -> None:
        if isinstance(event, TileFinished):
            print(event.index, flush=True)
            time.sleep(pause)

    torch.set_num_threads(1)
    pixels, net = image(), network()
    print("ready", flush=True)
    ex.segment(pixels, net, tile=TILE, output=path, on_event=told, probabilities=probabilities)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
