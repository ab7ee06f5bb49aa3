"""Time, memory and error of the ways to segment an image in tiles, this program's and others', in one table.

PYTHONPATH=tests/support .venv/bin/python bench/others.py [--device cuda]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference  # type: ignore[attr-defined]
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import napari_exactile as ex
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.run.check.metrics import difference
from peak_memory import peak_of

SIDE, TILE, RADIUS = 1536, 512, 96
REPEATS = 5
Way = Callable[[], tuple[Any, Any]]


class Ways:
    """One image and one network, segmented by every way; each gives labels and probabilities."""

    def __init__(self, device: str) -> None:
        self.device, self.computing = device, 0.0
        self.net = randomised(UNet(base=16, softmax=False).eval())
        self.model = ex.load_model(self.net, name="U-Net base 16, random weights")
        self.image = np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16)
        # The same weights in memory as the program lays them out, and on the device.
        self.plain = randomised(UNet(base=16, softmax=False).eval()).to(device)
        self.last = randomised(UNet(base=16, softmax=False).eval()).to(
            device, memory_format=torch.channels_last
        )

    def all(self) -> dict[str, Way]:
        run, usual = self.exactile, self.usual
        ways: dict[str, Way] = {
            "one pass": self.one_pass,
            "one pass, channels last": partial(self.one_pass, last=True),
            "usual tiling, ten-line loop": usual,
            "usual tiling, loop, channels last": partial(usual, last=True),
            "MONAI sliding window, overlap 0.25": partial(self.monai, overlap=0.25, mode="constant"),
            "MONAI sliding window, 0.5, gaussian": partial(self.monai, overlap=0.5, mode="gaussian"),
            "napari-exactile, whole-tile, 512": partial(run, tile=TILE, method="whole-tile"),
            "napari-exactile, trimmed, 512": partial(run, tile=TILE),
            "napari-exactile, defaults": run,
        }
        if self.device == "cuda":  # faster, and not exact
            ways["usual tiling, loop, bfloat16"] = self.reduced(torch.bfloat16)
            ways["usual tiling, loop, TF32"] = self.tf32
            ways["usual tiling, loop, compiled"] = partial(usual, net=torch.compile(self.plain))
        return ways

    def normalised(self) -> Tensor:
        image = (self.image - self.image.mean()) / self.image.std()
        return torch.from_numpy(image.astype(np.float32))[None, None].to(self.device)

    def one_pass(self, last: bool = False) -> tuple[Any, Any]:
        with torch.no_grad():
            scores = (self.last if last else self.plain)(self.laid_out(self.normalised(), last))
            return answer(scores)

    def usual(self, last: bool = False, net: Any = None) -> tuple[Any, Any]:
        """Tile as the papers do: a zone with a radius around it, cut off at the image's edge."""
        image, zone = self.normalised(), TILE - 2 * RADIUS
        labels, chances = np.empty((SIDE, SIDE), np.int64), np.empty((2, SIDE, SIDE), np.float32)
        net = net or (self.last if last else self.plain)
        with torch.no_grad():
            for top in range(0, SIDE, zone):
                for left in range(0, SIDE, zone):
                    y, x = max(0, top - RADIUS), max(0, left - RADIUS)
                    tile = image[..., y : top + zone + RADIUS, x : left + zone + RADIUS]
                    scores = net(self.laid_out(tile, last))
                    part = scores[..., top - y : top - y + zone, left - x : left - x + zone]
                    into = (slice(top, top + zone), slice(left, left + zone))
                    labels[into], chances[:, *into] = answer(part)
        return labels, chances

    def monai(self, overlap: float, mode: str) -> tuple[Any, Any]:
        with torch.no_grad():
            return answer(
                sliding_window_inference(self.normalised(), TILE, 1, self.plain, overlap=overlap, mode=mode)
            )

    def exactile(self, **settings: Any) -> tuple[Any, Any]:
        result = ex.segment(self.image, self.model, device=self.device, probabilities=True, **settings)
        self.computing = result.report.redundancy
        return result.labels, result.probabilities

    def reduced(self, dtype: torch.dtype) -> Way:
        return torch.autocast(self.device, dtype)(self.usual)

    def tf32(self) -> tuple[Any, Any]:
        torch.backends.cudnn.allow_tf32 = True
        try:
            return self.usual()
        finally:
            torch.backends.cudnn.allow_tf32 = False

    @staticmethod
    def laid_out(image: Tensor, last: bool) -> Tensor:
        return image.to(memory_format=torch.channels_last) if last else image.contiguous()


def randomised(net: UNet) -> UNet:
    randomise(net, 0)
    return net


def answer(scores: Tensor) -> tuple[Any, Any]:
    """Return labels and probabilities as a script for one image would make them."""
    scores = scores.float()
    return scores.argmax(1)[0].cpu().numpy(), F.softmax(scores, 1)[0].cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    ways = Ways(parser.parse_args().device)
    torch.backends.cudnn.allow_tf32 = False
    seconds: dict[str, list[float]] = {name: [] for name in ways.all()}
    for _ in range(1 + REPEATS):  # all ways in turn, so that a busy machine slows all alike
        for name, way in ways.all().items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    report(ways, {name: statistics.median(each[1:]) for name, each in seconds.items()})


def report(ways: Ways, seconds: dict[str, float]) -> None:
    once, reference = counted(ways, "one pass"), ways.one_pass()
    whole, usual = seconds["one pass"], seconds["usual tiling, ten-line loop"]
    print(
        f"{SIDE} x {SIDE} px on {ways.device}, {torch.get_num_threads()} threads, a pass takes {whole:.1f} s"
    )
    print(f"{'':<36}/ usual  / pass   Mpx/s   memory  computing      ME     RMSE")
    for name, way in ways.all().items():
        t, peak = seconds[name], peak_of(way, torch.device(ways.device))
        apart = difference(*way(), *reference)
        ratios = f"{name:<36}{t / usual:>7.2f}{t / whole:>8.2f}{SIDE**2 / t / 1e6:>8.2f}{peak / 1e6:>6.0f} MB"
        print(
            f"{ratios}{counted(ways, name) / once:>11.2f}{apart.misclassified:>8}{apart.rmse:>9.1e}",
            flush=True,
        )


def counted(ways: Ways, name: str) -> float:
    """Return the multiply-accumulates; where the program plans them, it knows (bench/passes.py compares)."""
    with FlopCounterMode(display=False) as counter:
        ways.all()[name]()
    return ways.computing * counted(ways, "one pass") if "exactile" in name else counter.get_total_flops()


if __name__ == "__main__":
    main()
