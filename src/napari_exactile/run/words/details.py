"""All that is known of a model, in words: facts in pairs, a row per layer, and all as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari_exactile.geometry.words import times
from napari_exactile.models.load import Model
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused
from napari_exactile.network.traced.graph import Refusal
from napari_exactile.run.words.card import about
from napari_exactile.run.words.facts import Facts
from napari_exactile.run.words.summary import analysis_lines


@dataclass(frozen=True, slots=True)
class Details:
    """(name, value) pairs say what the model is, and what it needs; `rows` stand under the headings of
    layers, none for a refused model."""

    about: Facts
    facts: Facts
    rows: tuple[tuple[str, ...], ...]
    text: str


def details_of(model: Model, analysis: Derived | Refused) -> Details:
    """Return all that is known of a model; for hundreds of layers this takes seconds."""
    known = about(model, analysis)
    facts = tuple(_facts(analysis))
    rows = tuple(layer.cells for layer in analysis.layers) if isinstance(analysis, Derived) else ()
    lines = [f"{name:<17}{value}" for name, value in (*known, *facts)]
    return Details(known, facts, rows, "\n".join([*lines, "", analysis.explain()]))


def _facts(analysis: Derived | Refused) -> list[tuple[str, str]]:
    if isinstance(analysis, Refused):
        image = f"{times(analysis.shape)} px, channels: {analysis.channels}"
        return [("image", image), *_refusals(analysis)]
    _model, *facts, result = analysis_lines(analysis, "")
    return [*facts, *_anchors(analysis), result]


def _refusals(analysis: Refused) -> list[tuple[str, str]]:
    names = ("cannot be exact", *[""] * (len(analysis.refusals) - 1))
    lines = zip(names, map(str, analysis.refusals), strict=True)
    instead = [("instead", "it can be run approximately, with a radius of your own")]
    return [*lines, *(instead if analysis.way_out else [])]


def _anchors(analysis: Derived) -> list[tuple[str, str]]:
    """Say why the usual tiling is out of the question, where it is."""
    reasons = "; ".join(_grouped(analysis.anchors))
    return [("whole tiles", f"cannot be exact by themselves, because of {reasons}")] if reasons else []


def _grouped(refusals: Iterable[Refusal]) -> list[str]:
    """Return one phrase for all operators of a kind that have the same reason."""
    alike: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in refusals:
        alike.setdefault((refusal.operator, refusal.reason), []).append(refusal)
    return [
        f"the {operator.replace('_', ' ').strip()}{_places(found)}: {reason}"
        for (operator, reason), found in alike.items()
    ]


def _places(refusals: list[Refusal]) -> str:
    place = f" at '{refusals[0].place}'" if refusals[0].place else ""
    return place + (f" and {len(refusals) - 1} more" if len(refusals) > 1 else "")
