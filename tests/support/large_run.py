"""A program for tests of memory: the command line on an image of a given side, and what it took at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import torch
import zarr

from napari_exactile.cli import app
from napari_exactile.images.objects import components


def main(folder: Path, side: int) -> None:
    torch.set_num_threads(1)
    components.BLOCK_PIXELS = 2**18
    image = zarr.create_array(folder / "image.zarr", shape=(side, side), chunks=(256, 256), dtype="uint16")
    chance = np.random.default_rng(0)
    for y in range(0, side, 256):
        rows = chance.integers(0, 1000, (4, side // 64)).astype(np.uint16)
        image[y : y + 256] = np.kron(rows, np.ones((64, 64), np.uint16))
    out = ("--out", folder / "a.ome.zarr", "--probabilities", "float32", "--tile", 514)
    wanted = ("--objects", folder / "a.tif", "--table", folder / "a.csv")
    arguments = ("segment", folder / "image.zarr", "--model", "large_run:network", *out, *wanted)
    app(map(str, arguments), standalone_mode=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def network() -> torch.nn.Module:
    """Return a network that finds squares of 64 pixels: their number, unlike the pixels', may cost memory."""
    net = torch.nn.Conv2d(1, 2, 9, padding=4).eval()
    with torch.no_grad():
        net.weight[0], net.weight[1] = -1 / 81, 1 / 81
        net.bias[:] = torch.tensor([0.2, 0.0])
    return net


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
