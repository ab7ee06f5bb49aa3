"""Names and colours of the classes of labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_exactile.models.card import ModelCard

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


def label_count(card: ModelCard, analysis: Runnable, output: OutputKind = "auto") -> int:
    """Return how many classes have a name: the labels, or the channels that are decided each by itself."""
    from napari_exactile.run.task.meaning import decision_of

    return decision_of(card, analysis, output=output).named
