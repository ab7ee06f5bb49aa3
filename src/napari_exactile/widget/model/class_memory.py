"""What people have made of the classes of models, also in earlier sessions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from napari_exactile.models.card import ModelCard
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.form.remembered import forget, keep, kept


class ClassMemory:
    """What people have made of the classes, per model; kept for the next session if it `remembers`."""

    def __init__(self, remembers: bool) -> None:
        self._remembers = remembers
        self._made: dict[str, Classes] = {}

    def of(self, card: ModelCard, count: int) -> Classes:
        """Return the `count` classes of a model: as they were made, otherwise as its card has them."""
        key = _key(card)
        if key not in self._made and self._remembers and (stored := _read(kept(key))):
            self._made[key] = stored
        made = self._made.get(key)
        return made if made is not None and len(made.names) == count else Classes.of(card, count)

    def keep(self, card: ModelCard, classes: Classes) -> None:
        """Remember what was made of a model's classes; what its card says already is not kept."""
        key = _key(card)
        as_given = classes == Classes.of(card, len(classes.names))
        if as_given:
            self._made.pop(key, None)
        else:
            self._made[key] = classes
        if self._remembers:
            forget(key) if as_given else keep(key, asdict(classes))


def _key(card: ModelCard) -> str:
    # Files are often called "model": where one came from tells it from another.
    return f"classes/{quote(card.source or card.name, safe='')}"


def _read(stored: Any) -> Classes | None:
    """Return what was stored; None where it is no longer understood."""
    try:
        return Classes(tuple(stored["names"]), tuple(stored["colors"]), stored["background"])
    except (TypeError, KeyError, ValueError):
        return None
