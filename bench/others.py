"""Ways to segment an image, this program's and others', against the best pass that a person can arrange.

PYTHONPATH=tests/support .venv/bin/python bench/others.py [--repeats 5] [--ours] [CASE ...]      (needs MONAI)

A default and a tuned allocator, which keeps what is freed as jemalloc does: glibc maps every tensor above
32 MB afresh otherwise, and half of a plain pass is page faults. Each allocator needs a process of its own;
within one, all ways run in turn. The best pass is the fastest of four: each memory layout with each
allocator.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference  # type: ignore[attr-defined]
from monai.networks.nets import DynUNet, SegResNet  # type: ignore[attr-defined]
from torch import nn

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.skewed.memory import release

TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "68719476736"}
# What others take at once, along each axis of a plane or a volume, and the least zone of the papers' tiling.
WINDOW, ZONE = {2: 512, 3: 96}, 128


def unet(base: int) -> nn.Module:
    return UNet(base=base, softmax=False)


def dynunet() -> nn.Module:
    """nnU-Net's plain 2D U-Net at half of its width: 22 instance norms in sequence."""
    widths = [16, 32, 64, 128, 256, 256]
    return DynUNet(2, 1, 3, [3] * 6, [1, *[2] * 5], [2] * 5, filters=widths, norm_name="instance")


def segresnet() -> nn.Module:
    return SegResNet(spatial_dims=3, init_filters=8, out_channels=2, blocks_down=(1, 2, 2), blocks_up=(1, 1))


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "U-Net base 16, 1536 x 1536": (partial(unet, 16), (1536, 1536)),
    "U-Net base 64, 1024 x 1024": (partial(unet, 64), (1024, 1024)),
    "U-Net base 16, 512 x 8192": (partial(unet, 16), (512, 8192)),
    "FC-DenseNet-56, 768 x 768": (lambda: FCDenseNet.named(56), (768, 768)),
    "DynUNet base 16, 1024 x 1024": (dynunet, (1024, 1024)),
    "DynUNet base 16, 160 x 224": (dynunet, (160, 224)),
    "SegResNet, 96 x 96 x 96": (segresnet, (96, 96, 96)),
    "SegResNet, 160 x 160 x 160": (segresnet, (160, 160, 160)),
}
Way = Callable[[], Any]


def ways_of(case: str) -> dict[str, Way]:
    """Every way gives labels; the first one is what the others are compared with."""
    make, shape = CASES[case]
    net = make().eval()
    randomise(net, 0)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    model, volume = ex.load_model(net), len(shape) == 3
    run = partial(ex.segment, image, model, normalization="none", device="cpu", check=0)
    # In three dimensions torch's norms are wrong with channels last: nobody should arrange that.
    last = copy.deepcopy(net) if volume else copy.deepcopy(net).to(memory_format=torch.channels_last)
    layout = torch.contiguous_format if volume else torch.channels_last
    passes = {"pass": partial(one_pass, net, image)}
    if not volume:
        passes = {"pass, channels last": partial(one_pass, last, image, layout)} | passes
    radius, window = max(ex.analyse(net, shape).radius), WINDOW[len(shape)]
    tiled: dict[str, Way] = {}
    if window - 2 * radius >= ZONE:
        tiled[f"papers' tiling, tile {window}"] = partial(usual, last, image, layout, window, radius)
    for overlap, mode in ((0.25, "constant"), (0.5, "gaussian")):
        tiled[f"MONAI's windows, {overlap}, {mode}"] = partial(
            monai, last, image, layout, window, overlap, mode
        )
    return passes | tiled | {
        "napari-exactile": lambda: run().labels,
        "napari-exactile, trimmed": lambda: run(method="trimmed").labels,
    }  # fmt: skip


def as_tensor(image: Any, layout: torch.memory_format) -> torch.Tensor:
    return torch.from_numpy(image)[None, None].to(memory_format=layout)


def one_pass(net: nn.Module, image: Any, layout: torch.memory_format = torch.contiguous_format) -> Any:
    with torch.inference_mode():
        return net(as_tensor(image, layout))[0].argmax(0).numpy()


def usual(net: nn.Module, image: Any, layout: torch.memory_format, tile: int, radius: int) -> Any:
    """Tile as the papers do: a zone with a radius around it, cut off at the image's edge."""
    zone, labels = tile - 2 * radius, np.empty(image.shape, np.int64)
    with torch.inference_mode():
        for corner in product(*(range(0, length, zone) for length in image.shape)):
            starts = [max(0, place - radius) for place in corner]
            stops = [place + zone + radius for place in corner]
            part = np.ascontiguousarray(image[tuple(map(slice, starts, stops))])
            scores = net(as_tensor(part, layout))[0].argmax(0).numpy()
            own = [
                slice(place - start, place - start + zone)
                for place, start in zip(corner, starts, strict=True)
            ]
            labels[tuple(slice(place, place + zone) for place in corner)] = scores[tuple(own)]
    return labels


def monai(
    net: nn.Module, image: Any, layout: torch.memory_format, window: int, overlap: float, mode: str
) -> Any:  # fmt: skip
    with torch.inference_mode():
        scores = sliding_window_inference(
            as_tensor(image, layout), window, 1, net, overlap=overlap, mode=mode
        )
        return scores[0].argmax(0).numpy()


def peak(way: Way) -> tuple[float, Any]:
    """Return the most memory in MB that the process takes beyond what it has, looked at every 2 ms, and what
    the way gives."""
    release()
    before, most, stop = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.002):
            most[0] = max(most[0], resident() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    labels = way()
    stop.set()
    thread.join()
    return most[0], labels


def resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def measured(case: str, repeats: int, ours: bool) -> dict[str, Any]:
    """Return seconds, page faults, memory and ME of every way, in this process."""
    ways = {
        name: way for name, way in ways_of(case).items() if not ours or name.startswith(("pass", "napari"))
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    faults: dict[str, int] = {}
    for _ in range(1 + repeats):
        for name, way in ways.items():
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
            faults[name] = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    looked = {name: peak(way) for name, way in ways.items()}
    reference = next(iter(looked.values()))[1]
    return {
        name: {
            "first": seconds[name][0],
            "seconds": statistics.median(seconds[name][1:]),
            "faults": faults[name],
            "MB": megabytes,
            "ME": int((labels != reference).sum()),
        }
        for name, (megabytes, labels) in looked.items()
    }


def in_process(case: str, repeats: int, tuned: bool, ours: bool) -> dict[str, Any]:
    more = ["--ours"] if ours else []
    command = [sys.executable, __file__, "--repeats", str(repeats), *more, "--here", case]
    environment = os.environ | (TUNED if tuned else {})
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return told


def report(case: str, repeats: int, ours: bool) -> None:
    by = {words: in_process(case, repeats, words == "tuned", ours) for words in ("default", "tuned")}
    passes = [one[name]["seconds"] for one in by.values() for name in one if name.split(",")[0] == "pass"]
    best = min(passes)
    print(f"\n{case}: the best pass takes {best:.2f} s on {torch.get_num_threads()} threads")
    print(
        f"{'':<36}{'/ best, default':>16}{'tuned':>8}{'first call':>12}{'faults':>9}{'memory':>10}{'ME':>7}"
    )
    for name, one in by["default"].items():
        tuned = by["tuned"][name]["seconds"] / best
        print(
            f"{name:<36}{one['seconds'] / best:>16.2f}{tuned:>8.2f}{one['first'] / best:>12.2f}"
            f"{one['faults']:>9}{one['MB']:>7.0f} MB{one['ME']:>7}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help="passes and this program alone: others take long")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for case in given.cases:
        if given.here:
            print(json.dumps(measured(case, given.repeats, given.ours)))
        else:
            report(case, given.repeats, given.ours)


if __name__ == "__main__":
    main()
