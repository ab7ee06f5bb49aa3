"""Send tiles of an image through the unchanged network, one after the other, on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from napari_exactile.geometry.interval import Box, full_box, moved, slices
from napari_exactile.geometry.tiling import tile_around
from napari_exactile.images.framed import FramedSource
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.source import ImageSource
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.network.refused import WAY_OUT
from napari_exactile.network.traced.forms import on_device, unfused
from napari_exactile.network.traced.graph import NotExactError
from napari_exactile.network.traced.hooks import module_calls
from napari_exactile.network.traced.outputs import check_size, pick
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.run.engine.pipeline import ReadAhead
from napari_exactile.run.plan.methods import Method
from napari_exactile.stopping import Check
from napari_exactile.torch_state import own_weights
from napari_exactile.torchscript import is_script


class TileExecutor:
    """Gives the network's scores for zones in whole tiles, from an image that is read tile by tile.

    The thread that made it uses it; `read` alone may be called from any. Weights are copied to `device`; the
    network itself stays as it is.
    """

    def __init__(
        self, source: ImageSource, normalization: Normalization, module: nn.Module, analysis: Runnable,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.analysis = analysis
        self._source = FramedSource(source, analysis.frame)
        self._normalization = normalization
        self._module, self._device = module, device
        self._dtype = dtype_of(module)
        self._take: Callable[[Box], torch.Tensor] = self.read

    @contextmanager
    def reading_ahead(self) -> Iterator[ReadAhead[torch.Tensor]]:
        """Let another thread read what is expected, as long as this lasts."""
        with ReadAhead(self.read) as ahead:
            self._take = ahead.take
            try:
                yield ahead
            finally:
                self._take = self.read

    def reads(self, zone: Box, radius: tuple[int, ...], method: Method) -> Box | None:
        """Return the box of the padded image that `scores` reads for a zone; None where it reads none."""
        return None if self.analysis.part(zone) is None else method.reads(self, zone, radius)

    def scores(self, zone: Box, radius: tuple[int, ...], method: Method, check: Check) -> torch.Tensor:
        """Return (1, classes, *part) on the device, where part is the zone's of the output.

        `check` is called often and may raise to stop. The zone must have a part.
        """
        part = self.analysis.part(zone)
        assert part is not None, "there is no output in this zone"
        found: torch.Tensor = method.scores(self, zone, radius, part, check)
        return found

    def read_trimmed(self, zone: Box) -> Box | None:
        """Raise NotExactError: what a zone depends on is known of networks that can be exact."""
        raise NotExactError(self.analysis.refusals, WAY_OUT)

    def trimmed(self, zone: Box, part: Box, check: Check) -> torch.Tensor:
        """Raise NotExactError, as `read_trimmed` does."""
        raise NotExactError(self.analysis.refusals, WAY_OUT)

    def whole(self) -> torch.Tensor:
        """Return the reference: one forward pass of the unchanged network over the whole image.

        The image is padded along the axes where the analysis says so.
        """
        padded, part = full_box(self.analysis.frame.taken), full_box(self.analysis.grid.shape)
        return self.through_network(padded, part, lambda: None)

    def tile(self, zone: Box, radius: tuple[int, ...]) -> Box:
        """Return the tile around a zone: with its radius, on multiples of F."""
        return tuple(map(tile_around, zone, self.analysis.factor, radius, self.analysis.frame.taken))

    def through_network(
        self, tile: Box, part: Box, check: Check, *, resizing: AbstractContextManager[None] | None = None
    ) -> torch.Tensor:
        """Return the `part` of the output that sending the whole `tile` through the unchanged network gives.

        The tile must start on an element of the output: on a multiple of F, it always does. `resizing` is
        around the pass.
        """
        check()
        image = self._image(tile)
        followed = module_calls(self._module, lambda _path: check())
        with own_weights(check), torch.no_grad(), followed, resizing or nullcontext():
            result = pick(self._network(image), self.analysis.output, image)
        if isinstance(self.analysis, Declared):
            check_size(result, image)  # nothing is known of it but what one tile of zeros has shown
        strides = self.analysis.grid.stride
        first = (int(-side.start / stride) for side, stride in zip(tile, strides, strict=True))
        index: Any = (..., *slices(moved(part, first)))
        return result[index]

    @cached_property
    def _network(self) -> Callable[[torch.Tensor], Any]:
        """The unchanged network on the device."""
        if is_script(self._module):
            return unfused(on_device(self._module, self._device))
        weights = self._weights
        return lambda image: functional_call(self._module, weights, (image,), tie_weights=False)

    @cached_property
    def _weights(self) -> dict[str, torch.Tensor]:
        # By module: of one with two names, torch would swap the weights twice and give back its own copies.
        return {
            f"{path}{'.' * bool(path)}{name}": self._placed(tensor)
            for path, module in self._module.named_modules()
            for tensors in (module._parameters, module._buffers)
            for name, tensor in tensors.items()
            if tensor is not None
        }

    def read(self, box: Box) -> torch.Tensor:
        """Return the normalised pixels of a box of the padded image, (1, channels, *box), in main memory."""
        dtype = np.float64 if self._dtype == torch.float64 else np.float32
        pixels = self._source.read(box)
        block = self._normalization.apply(pixels, dtype)
        image = laid_out(torch.from_numpy(block)[None].to(self._dtype))
        if pixels.dtype.kind == "f" or self._dtype == torch.float16:
            self._refuse_endless(image)
        return image.pin_memory() if self._device.type == "cuda" else image

    def _refuse_endless(self, image: torch.Tensor) -> None:
        """Raise ValueError for pixels that the network's type cannot hold once they are normalised."""
        if not image.isfinite().all():
            name, kind = self._source.name, str(self._dtype).removeprefix("torch.")
            raise ValueError(
                f"'{name}' has pixels that are no finite numbers in {kind} once they are normalised: choose "
                "another normalisation, or clip them (normalisation: clip LOW HIGH; z-score)"
            )

    def _image(self, box: Box) -> torch.Tensor:
        # From pinned memory, the copy runs beside what the GPU still computes.
        return self._take(box).to(self._device, non_blocking=True)

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        return laid_out(tensor.to(self._device))


def laid_out(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor as images and weights alike lie in memory: with channels last.

    On CPUs, convolutions are faster so. Tiles and reference must not differ in it: the last bits would.
    """
    # Not `contiguous`: images of one channel are both, and convolutions go by the strides.
    return tensor.to(tensor.device, memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
