"""Measured values as people read them, and as they type them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_exactile.images.normalize.steps import (
    Affine,
    Clip,
    Fill,
    Known,
    Percentiles,
    PerChannel,
    Step,
    ZScore,
)


def measured_words(asked: Sequence[Step], found: Sequence[Known]) -> str:
    """Return in words what was measured for the steps that were `asked`; "" where nothing was.

    >>> measured_words((ZScore(),), (Affine((120.25, 80.0), (35.0, 20.0)),))
    'mean 120.25, 80; std 35, 20 (one per channel)'
    >>> measured_words((Percentiles(1, 99.8),), (Affine((3.0,), (200.0,)),))
    'percentile 1: 3; percentile 99.8: 203'
    """
    # What NaN became was not asked for as a step.
    pairs = zip(asked, found[len(found) - len(asked) :], strict=True)
    return "; then ".join(
        _words(step, known)
        for step, known in pairs
        if isinstance(step, ZScore | Percentiles) and isinstance(known, Affine)
    )


def _words(step: ZScore | Percentiles, known: Affine) -> str:
    several = " (one per channel)" if len(known.mean) > 1 else ""
    if isinstance(step, ZScore):
        return f"mean {_listed(known.mean)}; std {_listed(known.std)}{several}"
    high = tuple(low + span for low, span in zip(known.mean, known.std, strict=True))
    if (step.low, step.high) == (0, 100):
        return f"minimum {_listed(known.mean)}; maximum {_listed(high)}{several}"
    low, top = (f"percentile {number:g}" for number in (step.low, step.high))
    return f"{low}: {_listed(known.mean)}; {top}: {_listed(high)}{several}"


def _listed(values: PerChannel) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def as_text(steps: Sequence[Known]) -> str | None:
    """Return steps as `parse_steps` takes them, to the last bit; None where they cannot be typed.

    >>> as_text((Clip(0.0, 255.0), Affine((120.25, 80.0), (35.0, 20.0))))
    'clip 0.0 255.0; fixed 120.25,80.0 35.0,20.0'
    """
    texts = [_text(step) for step in steps]
    return "; ".join(filter(None, texts)) if texts and all(texts) else None


def _text(step: Known) -> str | None:
    match step:
        case Affine(mean, std):
            return f"fixed {','.join(map(repr, mean))} {','.join(map(repr, std))}"
        case Fill(value):
            return f"nan {','.join(map(repr, value))}"
        case Clip(float() | int() as low, float() | int() as high):
            return f"clip {low!r} {high!r}"
    return None
