"""Images that are normalised as one: measured together, and then each by the same values."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Measuring, words_of
from napari_exactile.run.engine.passes.measuring import asked_steps, measured
from napari_exactile.run.many.events import MeasuringAll
from napari_exactile.run.many.joined import JoinedSource
from napari_exactile.run.many.one import OneOfMany
from napari_exactile.run.task.chosen import SettingsFile
from napari_exactile.stopping import Cancelled


def check_together(chosen: SettingsFile) -> None:
    """Raise ValueError where several images cannot be normalised together."""
    if is_missing(chosen.settings.ignore):
        raise ValueError(
            "pixels without a value are replaced image by image: leave out --together, or ignore, and say "
            "what they become (normalization 'nan 0; z-score')"
        )


def measured_together(
    images: Sequence[OneOfMany], control: Control
) -> Generator[MeasuringAll, None, tuple[SettingsFile, dict[int, str]]]:
    """Measure all images as one; return what is chosen with these values, and which images failed, and why.

    Images that cannot be opened, or have other channels than the first, do not count. Raises ValueError for
    pixels that cannot be used, and Cancelled.
    """
    sources, failed = {}, {}
    for number, one in enumerate(images):
        control.hold()
        try:
            sources[number] = one.task().planes.whole
        except Cancelled:
            raise
        except Exception as error:
            failed[number] = words_of(error)
    first = images[0]
    if not sources:
        return first.chosen, failed
    joined = JoinedSource(list(sources.values()))
    asked = replace(first.chosen.settings, together=False)
    making = measured(joined, first.model, asked, control.check)
    known = None
    while known is None:
        try:
            event = next(making)
        except StopIteration as end:
            known = end.value
        else:
            yield from [MeasuringAll(event.fraction)] if isinstance(event, Measuring) else []
    steps = known.steps if asked_steps(first.model.card, asked) else ()
    settings = replace(asked, normalization=tuple(steps) or "none")
    return replace(first.chosen, settings=settings), failed
