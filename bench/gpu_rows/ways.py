"""The ways to segment one image with one network, each from the pixels in main memory to labels there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import napari_exactile as ex
from gpu_rows.bench import Bench
from gpu_rows.networks import LARGE, SMALL, analysed, network
from napari_exactile.models.random_weights import randomise

TILE, ZONES = 512, (320, 1024, 2048)
QUICK_TILE, QUICK_ZONES = 128, (64,)
REDUCED = {"TF32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Labels = NDArray[np.uint8]


class Ways:
    """One image of `side` x `side` pixels and one network; `told` is what the last run said of itself."""

    def __init__(self, bench: Bench, name: str, side: int) -> None:
        self._bench, self._name, self._side = bench, name, side
        self._analysis = analysed(name, bench.quick, (side, side))
        self._model = ex.load_model(network(name, bench.quick), name=name, channels=1)
        self._image = np.random.default_rng(0).integers(0, 4000, (side, side)).astype(np.uint16)
        self._nets: dict[tuple[torch.memory_format, torch.dtype], nn.Module] = {}
        self.told: dict[str, Any] = {}

    def named(self) -> dict[str, Callable[[], Labels]]:
        """Return all ways by their names."""
        quick, tile = self._bench.quick, QUICK_TILE if self._bench.quick else TILE
        ways: dict[str, Callable[[], Labels]] = {
            "one pass": partial(self._pass, torch.contiguous_format),
            "one pass, channels last": partial(self._pass, torch.channels_last),
            f"papers' tiling, {tile}": partial(self._usual, tile),
            "ours, automatic": self._ours,
        }
        for zone in QUICK_ZONES if quick else ZONES:
            side = zone + 2 * self._radius
            ways[f"ours, zone {zone}"] = partial(self._ours, tile=side, method="trimmed")
        ways["ours, skewed"] = partial(self._ours, method="skewed")
        ways[f"ours, whole-tile, {tile}"] = partial(self._ours, tile=self._tile(tile), method="whole-tile")
        ways["MONAI sliding window, 0.25"] = partial(self._monai, tile, 0.25, "constant")
        ways["MONAI sliding window, 0.5, gaussian"] = partial(self._monai, tile, 0.5, "gaussian")
        if self._bench.cuda:
            for kind in REDUCED:
                ways[f"one pass, channels last, {kind}"] = partial(self._pass, torch.channels_last, kind)
        return ways

    @property
    def _radius(self) -> int:
        return max(self._analysis.radius or (0,))

    def _tile(self, tile: int) -> int:
        """Return a tile that leaves as much of a zone as 512 px leave a U-Net, where this one leaves none."""
        smallest = QUICK_ZONES[0] if self._bench.quick else ZONES[0]
        return tile if tile > 2 * self._radius else smallest + 2 * self._radius

    def _net(self, layout: torch.memory_format, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Return the same network on the device, and not the one that the program may be using."""
        if (layout, dtype) not in self._nets:
            net = (SMALL if self._bench.quick else LARGE)[self._name]().eval().requires_grad_(False)
            randomise(net, 0)
            self._nets[layout, dtype] = net.to(self._bench.device, dtype, memory_format=layout)
        return self._nets[layout, dtype]

    def _normalised(self, layout: torch.memory_format) -> Tensor:
        """Return the image on the device."""
        pixels = torch.from_numpy(self._image.astype(np.float32)).to(self._bench.device)[None, None]
        return ((pixels - pixels.mean()) / pixels.std(correction=0)).to(memory_format=layout)

    def _pass(self, layout: torch.memory_format, kind: str = "float32") -> Labels:
        dtype = REDUCED.get(kind, torch.float32)
        with plain("tf32" if kind in REDUCED else "ieee"):
            return answer(self._net(layout, dtype)(self._normalised(layout).to(dtype)))

    def _usual(self, tile: int) -> Labels:
        """Tile as the papers do: a zone with a radius around it, cut off at the image's edge."""
        last, radius, side = torch.channels_last, self._radius, self._side
        zone, net = self._tile(tile) - 2 * radius, self._net(last)
        labels, image = np.empty((side, side), np.uint8), self._normalised(last)
        self.told = {"tile": self._tile(tile)}
        with plain("ieee"):
            for top in range(0, side, zone):
                for left in range(0, side, zone):
                    y, x = max(0, top - radius), max(0, left - radius)
                    part = image[..., y : top + zone + radius, x : left + zone + radius]
                    scores = net(part.contiguous(memory_format=last))
                    inner = scores[..., top - y : top - y + zone, left - x : left - x + zone]
                    labels[top : top + zone, left : left + zone] = answer(inner)
        return labels

    def _monai(self, tile: int, overlap: float, mode: str) -> Labels:
        from monai.inferers import sliding_window_inference

        last = torch.channels_last
        with plain("ieee"):
            image, net = self._normalised(last), self._net(last)
            return answer(sliding_window_inference(image, tile, 4, net, overlap=overlap, mode=mode))

    def _ours(self, **settings: Any) -> Labels:
        kind = "cuda" if self._bench.cuda else "cpu"
        result = ex.segment(self._image, self._model, device=kind, **settings)
        report = result.report
        self.told = {
            "zone": " x ".join(map(str, report.zone)),
            "tiles": report.tiles,
            "redundancy": report.redundancy,
            "without analysis, s": report.seconds,
        }
        return result.labels  # type: ignore[return-value]


def answer(scores: Tensor) -> Labels:
    """Return labels as a script for one image would make them."""
    return scores.argmax(1)[0].to(torch.uint8).cpu().numpy()


@contextmanager
def plain(precision: str) -> Iterator[None]:
    """Compute without gradients, in float32 as it is ("ieee") or as TF32."""
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision
    cudnn.conv.fp32_precision = matmul.fp32_precision = precision
    try:
        with torch.no_grad():
            yield
    finally:
        cudnn.conv.fp32_precision, matmul.fp32_precision = before
