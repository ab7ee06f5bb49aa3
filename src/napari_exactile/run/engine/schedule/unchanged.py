"""Whether the image and the network of a run stay what they are from the first tile to the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from napari_exactile.images.read.fingerprint import ChangedError, stamp_of
from napari_exactile.images.read.sample import checksum_of
from napari_exactile.images.source import LayeredSource
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.network.likeness import checksum
from napari_exactile.network.traced.forms import in_training, storage, unregistered, weights
from napari_exactile.torch_state import own_weights


@dataclass(frozen=True, slots=True)
class Change:
    """What is no longer what it was when a run began, and what to do to begin anew."""

    what: str
    remedy: str


class Unchanged:
    """Watches a source and a network from the first `change` on.

    Of a source it is the files under it, as far as they are known, or else its pixels: all of a small image,
    places of a large one. Of a network it is the tensors that labels depend on, registered as weights or not.
    Labels of which some are of one version and some of another are those of no pass over any image.
    """

    def __init__(self, source: Any, model: Model, analysis: Runnable) -> None:
        self._source, self._model, self._analysis = source, model, analysis
        self._files: str | None = None
        self._pixels: tuple[int | None, ...] = ()
        self._weights: dict[str, int] = {}

    def change(self) -> Change | None:
        """Return what is not what it was at the first call; None at that one.

        Raises ChangedError where, by then, the files are not what was opened.
        """
        if self._files is None:
            self._files, self._pixels = stamp_of(self._source), _pixels(self._source)
            self._weights = dict(_checksums(self._model, self._analysis))
            return None
        return self._change_of_image() or self._change_of_model()

    def check(self) -> None:
        """Raise ChangedError where there is a change, or the files are not what was opened."""
        if change := self.change():
            raise ChangedError(f"{change.what} has been changed meanwhile: {change.remedy}")

    def _change_of_image(self) -> Change | None:
        name = f"'{getattr(self._source, 'name', 'image')}'"
        try:
            same_files = stamp_of(self._source) == self._files
        except ChangedError:
            same_files = False
        if not same_files:
            return Change(name, "open it again and begin anew")
        pairs = zip(self._pixels, _pixels(self._source), strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            return Change(name, "leave its pixels as they are and begin anew")
        return None

    def _change_of_model(self) -> Change | None:
        now = dict(_checksums(self._model, self._analysis))
        changed = [name for name, before in self._weights.items() if now.get(name) != before]
        if not changed:
            return None
        return Change(
            f"the model '{self._model.name}' ({changed[0]})",
            "leave it as it is while it is used and begin anew",
        )


def _pixels(source: Any) -> tuple[int | None, ...]:
    """Return checksums of those images of which no file is known; None for what cannot be read."""
    if isinstance(source, LayeredSource):
        return tuple(one for part in source.sources for one in _pixels(part))
    if stamp_of(source):
        return ()
    try:
        return (checksum_of(source),)
    except Exception:  # a run says it better, if it reads there
        return (None,)


@own_weights()
def _checksums(model: Model, analysis: Runnable) -> list[tuple[str, int]]:
    """Return checksums of what labels depend on: parameters, tensors that outputs need, and the mode."""
    seen, mode = _Seen(), ("training mode", int(in_training(model.module)))
    if isinstance(analysis, Declared):
        named = [(name, tensor) for name, tensor in weights(model.module) if seen.is_new(tensor)]
    else:
        # Those of the network itself where it holds them.
        constants = list(analysis.frozen.traced.constants())
        named = list(_needed(model.module, constants, seen))
    return [*((name, checksum(tensor)) for name, tensor in named), mode]


def _needed(
    module: torch.nn.Module, constants: list[torch.Tensor], seen: _Seen
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor that outputs need once: what the network holds, then what it finds elsewhere."""
    used = {storage(constant) for constant in constants}
    for name, tensor in chain(weights(module), unregistered(module)):
        counts = isinstance(tensor, torch.nn.Parameter) or storage(tensor) in used
        if counts and seen.is_new(tensor):
            yield name, tensor
    # Of a network on a GPU, a copy in main memory was traced: nobody can change its constants.
    devices = {tensor.device.type for _name, tensor in weights(module)} or {"cpu"}
    for number, constant in enumerate(constants):
        if constant.device.type in devices and seen.is_new(constant):
            yield f"constant {number}", constant


class _Seen:
    """Knows which memory was looked at, so that none is read twice."""

    def __init__(self) -> None:
        self._parts: dict[int, list[tuple[int, int]]] = {}

    def is_new(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor is more than part of one that was asked for before."""
        start = int(tensor.storage_offset()) * tensor.itemsize
        pairs = zip(tensor.shape, tensor.stride(), strict=True)
        length = int(1 + sum((size - 1) * stride for size, stride in pairs)) * tensor.itemsize
        parts = self._parts.setdefault(storage(tensor), [])
        if any(first <= start and start + length <= stop for first, stop in parts):
            return False
        if length == tensor.numel() * tensor.itemsize:  # without gaps
            parts.append((start, start + length))
        return True
