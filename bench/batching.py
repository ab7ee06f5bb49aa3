"""Tiles of one shape computed together against one by one: time, and whether the bits are the same.

Every tile runs through the network as a run does it, on the CPU with channels last; `--device cuda` on a GPU.
All ways take turns, so that the times of one line can be compared on a machine that does other things too.

    .venv/bin/python bench/batching.py
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.unet import UNet
from napari_exactile.torch_state import exact_arithmetic

SIDES, BATCHES, ROUNDS = (256, 384, 512), (1, 2, 4), 7


def main() -> None:
    name = sys.argv[sys.argv.index("--device") + 1] if "--device" in sys.argv else "cpu"
    device, most = torch.device(name), max(BATCHES)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    networks = {"colonies-demo": ex.load_model("colonies-demo").module, "U-Net, base 16": UNet(base=16)}
    print(
        f"{'':16}{'tile':>6}{'one by one':>12}"
        + "".join(f"{f'{n} together':>14}{'bits':>8}" for n in BATCHES[1:])
    )
    with exact_arithmetic(), torch.no_grad():
        for title, module in networks.items():
            net = module.eval().to(device, memory_format=torch.channels_last)
            for side in SIDES:
                tiles = torch.randn(most, 1, side, side, device=device)
                tiles = tiles.contiguous(memory_format=torch.channels_last)
                print(f"{title:16}{side:6}" + line(net, tiles), flush=True)


def line(net: nn.Module, tiles: torch.Tensor) -> str:
    """Return the time of a tile one by one, and those of batches against it."""
    seconds: dict[int, list[float]] = {count: [] for count in BATCHES}
    results = {count: scores(net, tiles, count) for count in BATCHES}  # warms up
    for _ in range(ROUNDS):
        for count in BATCHES:
            start = time.perf_counter()
            scores(net, tiles, count)
            seconds[count].append(time.perf_counter() - start)
    one = median(seconds[1])
    words = f"{one / len(tiles) * 1000:9.1f} ms"
    for count in BATCHES[1:]:
        same = "same" if torch.equal(results[count], results[1]) else f"{difference(results, count):.0e}"
        words += f"{median(seconds[count]) / one:14.2f}{same:>8}"
    return words


def scores(net: nn.Module, tiles: torch.Tensor, count: int) -> torch.Tensor:
    """Return the scores of all tiles, so many at a time."""
    found = torch.cat([net(tiles[start : start + count]) for start in range(0, len(tiles), count)])
    if tiles.is_cuda:
        torch.cuda.synchronize()
    return found


def difference(results: dict[int, torch.Tensor], count: int) -> float:
    return float((results[count] - results[1]).abs().max())


if __name__ == "__main__":
    main()
