"""Compute the scores of one zone after the other on one device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.images.padding import read_padded
from napari_exactile.images.source import ImageSource
from napari_exactile.images.statistics import Normalization
from napari_exactile.network.analysis import Analysis
from napari_exactile.network.cone import Cone
from napari_exactile.network.hooks import module_calls
from napari_exactile.network.trace import dtype_of
from napari_exactile.run.settings import Method

Check = Callable[[], None]


class Executor:
    """Gives the network's scores for any zone, from an image that is read tile by tile.

    The thread that made it uses it. Weights are copied to `device`; the network itself stays as it is.
    """

    def __init__(
        self, source: ImageSource, normalization: Normalization, module: nn.Module, analysis: Analysis,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._source, self._normalization = source, normalization
        self._module, self._analysis, self._device = module, analysis, device
        self._dtype = dtype_of(module)

    def scores(self, zone: Box, radius: tuple[int, ...], method: Method, check: Check) -> torch.Tensor:
        """Return (1, classes, *zone) on the device; `check` is called often and may raise to stop.

        "trimmed" computes just what the zone depends on. "whole-tile" sends the zone with `radius` around it
        through the unchanged network and cuts the zone out: the tiling of the papers.
        """
        if method == "trimmed":
            return self._cone.run(self._image(self._cone.reads(zone)), zone, check)
        return self._through_network(self._tile(zone, radius), zone, check)

    def whole(self) -> torch.Tensor:
        """Return the reference: one forward pass of the unchanged network over the whole padded image."""
        shape = tuple(Interval(0, length) for length in self._source.shape)
        padded = tuple(Interval(0, length) for length in self._analysis.padded_shape)
        return self._through_network(padded, shape, lambda: None)

    def _tile(self, zone: Box, radius: tuple[int, ...]) -> Box:
        factor, shape = self._analysis.require().factor, self._analysis.padded_shape
        sides = zip(zone, factor, radius, shape, strict=True)
        return tuple(span.round_out(f).grow(r, r).clip(Interval(0, n)) for span, f, r, n in sides)

    def _through_network(self, tile: Box, zone: Box, check: Check) -> torch.Tensor:
        with torch.no_grad(), module_calls(self._module, lambda _path: check()):
            result: torch.Tensor = functional_call(self._module, self._weights, (self._image(tile),))
        index: Any = (..., *slices(zone, tile))
        return result[index]

    @cached_property
    def _cone(self) -> Cone:
        return Cone(self._analysis.graph.with_constants(self._placed))

    @cached_property
    def _weights(self) -> dict[str, torch.Tensor]:
        tensors = {**dict(self._module.named_parameters()), **dict(self._module.named_buffers())}
        return {name: self._placed(tensor) for name, tensor in tensors.items()}

    def _image(self, box: Box) -> torch.Tensor:
        """Return the normalised pixels of a box of the padded image: (1, channels, *box)."""
        dtype = np.float64 if self._dtype == torch.float64 else np.float32
        block = self._normalization.apply(read_padded(self._source, box), dtype)
        return self._placed(torch.from_numpy(block)[None].to(self._dtype))

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor on the device; images and weights alike with channels last in memory.

        On CPUs, convolutions are faster so. Tiles and reference must not differ in it: the last bits would.
        """
        if tensor.ndim == 4:
            return tensor.to(self._device, memory_format=torch.channels_last)
        return tensor.to(self._device)
