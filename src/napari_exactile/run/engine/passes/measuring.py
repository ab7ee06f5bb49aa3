"""Read an image for what its normalisation must know: once, as long as its file stays the same."""

from __future__ import annotations

from collections.abc import Generator

import torch

from napari_exactile.images.making import Making
from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.steps import Normalization, Step
from napari_exactile.images.read.fingerprint import fingerprint
from napari_exactile.images.source import ImageSource
from napari_exactile.models.card import ModelCard
from napari_exactile.models.load import Model
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.run.engine.events import Event, Measuring
from napari_exactile.run.engine.passes.measured_values import MeasuredValues
from napari_exactile.run.plan.settings import Settings
from napari_exactile.stopping import Check

VALUES = MeasuredValues()


def asked_steps(card: ModelCard, settings: Settings) -> tuple[Step, ...]:
    """Return the steps of normalisation that a model or a person asks for."""
    choice = settings.normalization
    return steps_of(card.normalization if choice == "model" else choice)


def measured(
    source: ImageSource, model: Model, settings: Settings, check: Check
) -> Generator[Event, None, Normalization]:
    """Return the normalisation that a model or a person asks for, with the values of this image.

    Nothing is read of files that have been measured in the same way and have not changed since. Raises
    ValueError for pixels that cannot be used, and Cancelled.
    """
    card, largest = model.card, statistics.LARGEST
    if dtype_of(model.module) == torch.float64:
        largest = torch.finfo(torch.float64).max
    steps, ignore, pixels = asked_steps(card, settings), settings.ignore, fingerprint(source)
    known = None if pixels is None else VALUES.of_pixels(pixels, steps, ignore)
    if known is None:
        measuring = statistics.measure(source, steps, ignore, largest)
        known = yield from _read(Making(measuring), check)
        # While it was being read, somebody may have written to the file.
        if pixels is not None and fingerprint(source) == pixels:
            VALUES.keep(pixels, steps, ignore, known)
    VALUES.tell(source, steps, ignore, known)
    return known


def last_measured(source: ImageSource, card: ModelCard, settings: Settings) -> Normalization | None:
    """Return what `measured` last gave for these arrays, to be shown; None where it has not."""
    return VALUES.last_of(source, asked_steps(card, settings), settings.ignore)


def _read(measuring: Making[float, Normalization], check: Check) -> Generator[Event, None, Normalization]:
    for fraction in measuring:
        check()
        yield Measuring(fraction)
    return measuring.made
