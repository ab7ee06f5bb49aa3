"""Walks against the best pass that a person can arrange, with the default and with a tuned allocator.

PYTHONPATH=tests/support .venv/bin/python bench/walks.py [--repeats 5] [CASE ...]

The tuned allocator keeps what is freed, as jemalloc does: glibc maps every tensor above 32 MB afresh
otherwise, and half of a plain pass on Linux is page faults. Each allocator needs a process of its own; within
one, all ways run in turn. The best pass is the fastest of four: each memory layout with each allocator.
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
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet

TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "68719476736"}
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "U-Net base 16, 1536 x 1536": (lambda: UNet(base=16, softmax=False), (1536, 1536)),
    "U-Net base 64, 1024 x 1024": (lambda: UNet(base=64, softmax=False), (1024, 1024)),
    "U-Net base 16, 512 x 8192": (lambda: UNet(base=16, softmax=False), (512, 8192)),
    "FC-DenseNet-56, 768 x 768": (lambda: FCDenseNet.named(56), (768, 768)),
}
Way = Callable[[], Any]


def ways_of(case: str) -> dict[str, Way]:
    """Every way gives labels."""
    make, shape = CASES[case]
    net = make().eval()
    randomise(net, 0)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    last, model = copy.deepcopy(net).to(memory_format=torch.channels_last), ex.load_model(net)
    run = partial(ex.segment, image, model, normalization="none", device="cpu", check=0)
    return {
        "pass": partial(one_pass, net, image),
        "pass, channels last": partial(one_pass, last, image, torch.channels_last),
        "napari-exactile, defaults": lambda: run().labels,
        "napari-exactile, trimmed": lambda: run(method="trimmed").labels,
    }


def one_pass(net: nn.Module, image: Any, layout: torch.memory_format = torch.contiguous_format) -> Any:
    with torch.inference_mode():
        return net(torch.from_numpy(image)[None, None].to(memory_format=layout))[0].argmax(0).numpy()


def peak(way: Way) -> float:
    """Return the most memory in MB that the process takes beyond what it has, looked at every 2 ms."""
    before, most, stop = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.002):
            most[0] = max(most[0], resident() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    way()
    stop.set()
    thread.join()
    return most[0]


def resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def measured(case: str, repeats: int) -> dict[str, Any]:
    """Return seconds, page faults, memory and ME of every way, in this process."""
    ways = ways_of(case)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    faults: dict[str, int] = {}
    for _ in range(1 + repeats):
        for name, way in ways.items():
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
            faults[name] = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    reference = ways["pass, channels last"]()
    return {
        name: {
            "first": seconds[name][0],
            "seconds": statistics.median(seconds[name][1:]),
            "faults": faults[name],
            "MB": peak(way),
            "ME": int((way() != reference).sum()),
        }
        for name, way in ways.items()
    }


def in_process(case: str, repeats: int, tuned: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--repeats", str(repeats), "--here", case]
    environment = os.environ | (TUNED if tuned else {})
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return told


def report(case: str, repeats: int) -> None:
    by = {words: in_process(case, repeats, words == "tuned") for words in ("default", "tuned")}
    passes = [one[name]["seconds"] for one in by.values() for name in one if name.startswith("pass")]
    best = min(passes)
    print(f"\n{case}: the best pass takes {best:.2f} s on {torch.get_num_threads()} threads")
    print(
        f"{'':<28}{'/ best, default':>16}{'tuned':>8}{'first call':>12}{'faults':>9}{'memory':>10}{'ME':>7}"
    )
    for name, one in by["default"].items():
        tuned = by["tuned"][name]["seconds"] / best
        print(
            f"{name:<28}{one['seconds'] / best:>16.2f}{tuned:>8.2f}{one['first'] / best:>12.2f}"
            f"{one['faults']:>9}{one['MB']:>7.0f} MB{one['ME']:>7}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    given = parser.parse_args()
    for case in given.cases:
        if given.here:
            print(json.dumps(measured(case, given.repeats)))
        else:
            report(case, given.repeats)


if __name__ == "__main__":
    main()
