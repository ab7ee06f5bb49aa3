"""Names and colours of a model's classes: the card's own, or what a person has made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_exactile.models.card import CLASS_COLORS, ModelCard
from napari_exactile.widget.form.remembered import forget, keep, kept

if TYPE_CHECKING:
    from napari_exactile.network.analysis import Runnable
    from napari_exactile.run.plan.settings import OutputKind


@dataclass(frozen=True, slots=True)
class Classes:
    """A name and a colour ("#rrggbb") for each label, and the class that is shown transparent, if any."""

    names: tuple[str, ...]
    colors: tuple[str, ...]
    background: int | None

    def __post_init__(self) -> None:
        if len(self.names) != len(self.colors) or not self.names:
            raise ValueError(f"{len(self.names)} classes have not {len(self.colors)} colours")
        if not all(isinstance(name, str) and name for name in self.names):
            raise ValueError(f"each class has a name, other than in {self.names}")
        if wrong := [color for color in self.colors if not re.fullmatch("#[0-9a-fA-F]{6}", color)]:
            raise ValueError(f"a colour is written like #009E73, not {wrong[0]!r}")
        if self.background is not None and not 0 <= self.background < len(self.names):
            raise ValueError(f"there is no class {self.background} among {len(self.names)}")

    @classmethod
    def of(cls, card: ModelCard, count: int) -> Classes:
        """Return what a card says of `count` classes; where it gives no colours, some are chosen."""
        background = card.background if card.background is None or card.background < count else None
        return cls(card.class_names(count), card.class_colors(count), background)

    @property
    def values(self) -> tuple[tuple[str, ...], int | None, tuple[str, ...]]:
        """Names, background and colours, as a labels layer is made from them."""
        return self.names, self.background, self.colors

    def of_channel(self, index: int) -> Classes:
        """Return no and yes for one channel of a network that decides on each by itself."""
        name, color = self.names[index], self.colors[index]
        return Classes((f"not {name}", name), (color, color), 0)

    @property
    def colormap(self) -> DirectLabelColormap:
        """The colours of a labels layer."""
        return class_colors(self.names, self.background, self.colors)

    def show_in(self, layer: Labels) -> None:
        """Give a layer these names and colours."""
        layer.features = {"index": range(len(self.names)), "class": list(self.names)}
        layer.colormap = self.colormap


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


def label_count(card: ModelCard, analysis: Runnable, output: OutputKind = "auto") -> int:
    """Return how many classes have a name: the labels, or the channels that are decided each by itself."""
    from napari_exactile.run.task.meaning import decision_of

    return decision_of(card, analysis, output=output).named


def _key(card: ModelCard) -> str:
    # Files are often called "model": where one came from tells it from another.
    return f"classes/{quote(card.source or card.name, safe='')}"


def _read(stored: Any) -> Classes | None:
    """Return what was stored; None where it is no longer understood."""
    try:
        return Classes(tuple(stored["names"]), tuple(stored["colors"]), stored["background"])
    except (TypeError, KeyError, ValueError):
        return None


UNFINISHED_COLOR = (0.5, 0.5, 0.5, 0.45)


def class_colors(
    names: Sequence[str], background: int | None, given: Sequence[str] = ()
) -> DirectLabelColormap:
    """Return one colour per class, those `given` or ours, background transparent, and a grey veil for what
    is not done yet."""
    colors: dict[int | None, Any] = {None: "transparent", len(names): UNFINISHED_COLOR}
    shown = [index for index in range(len(names)) if index != background]
    colors |= {index: CLASS_COLORS[i % len(CLASS_COLORS)] for i, index in enumerate(shown)}
    colors |= dict(enumerate(given))
    if background is not None:
        colors[background] = "transparent"
    return DirectLabelColormap(color_dict=colors)
