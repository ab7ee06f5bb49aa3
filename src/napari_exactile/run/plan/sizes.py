"""What the makers of a model say of sizes and context, beside what its network needs."""

from __future__ import annotations

from collections.abc import Sequence

from napari_exactile.geometry.words import times
from napari_exactile.models.card import ModelCard
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused


def size_notes(card: ModelCard, analysis: Derived | Refused) -> tuple[str, ...]:
    """Return plain sentences that set declared sizes and halo beside F, context and radius.

    There are none where nothing is declared, or where the network cannot be exact.
    """
    if isinstance(analysis, Refused):
        return ()
    return (*_sizes(card, analysis.factor), *_halo(card, analysis))


def forbidden(card: ModelCard, shape: Sequence[int]) -> tuple[bool, ...]:
    """Return, for each axis, whether a model's makers do not allow images of this size: they are padded.

    >>> forbidden(ModelCard("a", "a", minimum=(64, 64), step=(16, 16)), (80, 70))
    (False, True)
    """
    if len(card.minimum) != len(shape):
        return (False,) * len(shape)
    axes = zip(shape, card.minimum, card.step, strict=True)
    return tuple(
        length < low or (length != low if step == 0 else bool((length - low) % step))
        for length, low, step in axes
    )


def _sizes(card: ModelCard, factor: Sequence[int]) -> tuple[str, ...]:
    free = max((*card.minimum, *card.step), default=1) == 1
    if free or len(card.minimum) != len(factor):
        return ()
    if 0 in card.step:
        return (
            f"its makers used it on {_times(card.minimum)} px only; its network takes any multiple of "
            f"{_times(factor)} px, which is what counts here",
        )
    allowed = _times(f"{low} + n * {step}" for low, step in zip(card.minimum, card.step, strict=True))
    stricter = any(step % f or low % f for low, step, f in zip(card.minimum, card.step, factor, strict=True))
    but = ": some of theirs are padded here" if stricter else ""
    return (f"its makers allow sizes of {allowed} px; tiles here are multiples of {_times(factor)} px{but}",)


def _halo(card: ModelCard, analysis: Derived) -> tuple[str, ...]:
    if not any(card.halo) or len(card.halo) != len(analysis.context):
        return ()
    needed = tuple(max(sides) for sides in analysis.context)
    rounded = "" if analysis.radius == needed else f", so {_times(analysis.radius)}"
    small = any(halo < need for halo, need in zip(card.halo, needed, strict=True))
    verdict = f"it needs {_times(needed)}{rounded}" if small else f"{_times(needed)} are enough{rounded}"
    return (f"its makers declare a halo of {_times(card.halo)} px; {verdict}",)


def _times(lengths: object) -> str:
    """Return "64 x 32", or "64" where all are the same."""
    words = [str(length) for length in lengths]  # type: ignore[attr-defined]
    return words[0] if len(set(words)) == 1 else times(words)
