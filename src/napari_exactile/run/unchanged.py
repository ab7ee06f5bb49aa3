"""Whether the image and the network of a run stay what they are from the first tile to the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import torch

from napari_exactile.images.fingerprint import ChangedError, stamp_of
from napari_exactile.images.sample import checksum_of
from napari_exactile.images.source import LayeredSource
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Analysis
from napari_exactile.network.forms import in_training, storage, weights


@dataclass(frozen=True, slots=True)
class Change:
    """What is no longer what it was when a run began, and what to do to begin anew."""

    what: str
    remedy: str


class Unchanged:
    """Watches a source and a network from the first `change` on.

    Of a source it is the files under it, as far as they are known, or else its pixels: all of a small image,
    places of a large one. Of a network it is the weights that labels depend on. Labels of which some are of
    one version and some of another are those of no pass over any image.
    """

    def __init__(self, source: Any, model: Model, analysis: Analysis) -> None:
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


def _checksums(model: Model, analysis: Analysis) -> list[tuple[str, int]]:
    """Return checksums of what labels depend on: parameters, buffers that the outputs need, and the mode."""
    used = None if analysis.bound is None else _used(analysis)
    tensors = [
        (name, _checksum(tensor))
        for name, tensor in weights(model.module)
        if used is None or isinstance(tensor, torch.nn.Parameter) or storage(tensor) in used
    ]
    return [*tensors, ("training mode", int(in_training(model.module)))]


def _used(analysis: Analysis) -> set[int]:
    found: set[int] = set()

    def look(constant: torch.Tensor) -> torch.Tensor:
        found.add(storage(constant))
        return constant

    analysis.graph.with_constants(look)
    return found


def _checksum(tensor: torch.Tensor) -> int:
    plain = tensor.detach().cpu().contiguous()
    return crc32(plain.reshape(-1).view(torch.uint8).numpy().data)
