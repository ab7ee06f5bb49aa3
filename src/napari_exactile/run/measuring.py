"""Read an image once for what its normalisation must know, step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator

from napari_exactile.images import statistics
from napari_exactile.images.normalization import Normalization, steps_of
from napari_exactile.images.source import ImageSource
from napari_exactile.models.card import ModelCard
from napari_exactile.run.events import Cancelled, Event, Measuring
from napari_exactile.run.settings import Settings


def measured(
    source: ImageSource, card: ModelCard, settings: Settings, is_cancelled: Callable[[], bool]
) -> Generator[Event, None, Normalization]:
    """Return the normalisation that a model or a person asks for, with the values of this image.

    Raises ValueError for pixels that cannot be used, and Cancelled.
    """
    choice = settings.normalization
    steps = steps_of(card.normalization if choice == "model" else choice)
    measuring = statistics.measure(source, steps, settings.ignore)
    while True:
        try:
            fraction = next(measuring)
        except StopIteration as found:
            known: Normalization = found.value
            return known
        if is_cancelled():
            raise Cancelled
        yield Measuring(fraction)
