"""What a model says of itself, without its weights; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Normalization = Literal["z-score", "none"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts about a model: its names, what it takes, what it gives.

    `classes` are the class names in the order of the labels (empty: not known before the first trace),
    `background` is the class that is shown transparent, None if all are shown. `probabilities` says that
    the network's outputs are probabilities already, not logits. `pixel_size` is in micrometres.
    `output` names the tensor to segment by where the network returns several: its position, key or field
    (None: "out" or the first that has the size of the image).
    """

    name: str
    title: str
    summary: str = ""
    channels: int = 1
    classes: tuple[str, ...] = ()
    normalization: Normalization = "z-score"
    probabilities: bool = False
    background: int | None = 0
    pixel_size: float | None = None
    output: int | str | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"a model takes at least one channel, not {self.channels}")
        if self.normalization not in get_args(Normalization):
            raise ValueError(f"normalization is one of {get_args(Normalization)}, not {self.normalization!r}")

    @property
    def short_title(self) -> str:
        """The title without what stands in brackets behind it."""
        return self.title.split(" (")[0]

    def class_names(self, count: int) -> tuple[str, ...]:
        """Return `count` class names, inventing "class 0", "class 1", ... where the card gives none."""
        return self.classes if len(self.classes) == count else tuple(f"class {i}" for i in range(count))


COLONIES_DEMO = ModelCard(
    name="colonies-demo",
    title="Colonies demo (trained on synthetic images)",
    summary="trained on synthetic images - phase contrast - 2 classes",
    classes=("background", "colony"),
    probabilities=True,
    pixel_size=0.65,
    architecture={"levels": 4, "convolutions": 2, "kernel": 3, "base": 8},
    weights="colonies_demo.safetensors",
)

BUNDLED = {card.name: card for card in (COLONIES_DEMO,)}
