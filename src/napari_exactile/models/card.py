"""What a model says of itself, without its weights; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from napari_exactile.geometry.words import counted
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.steps import Known, Step
from napari_exactile.models.facts import check_facts

# "classes": the best class of each pixel; "threshold": yes where a channel exceeds the threshold, each by
# itself; "values": the numbers themselves, of a regression or an embedding.
Kind = Literal["classes", "threshold", "values"]

# Okabe and Ito's colours that the overlay of tiles does not use.
CLASS_COLORS = ("#009E73", "#CC79A7", "#56B4E9", "#999999", "#E5C494", "#8DA0CB")

# Networks are commonly trained on images enlarged and shrunk by about so much.
TOLERATED = 0.25


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts about a model: its names, what it takes, what it gives.

    `axes` are the spatial axes that it takes ("x", "yx", "zyx"; None: not known). `normalization` is a name
    or the steps that make pixels into what it takes. `classes` are the class names in the order of the labels
    (empty: not known before the first trace), `colors` theirs ("#rrggbb"; empty: chosen), `background` is
    the class that is shown transparent, None if all are shown. `kind` says what the output is (None: as its
    last operators tell, or else yes and no for one channel and classes for several), `probabilities` whether
    it is probabilities already, or logits (None: as its last operators tell); `postprocessing` are steps that
    follow it, for values. `pixel_size` is in micrometres, along y and x. `output` names the tensor to segment
    by where the network returns several: its position, key or field (None: "out" or the first that has the
    size of the image). `halo` is the context that its makers declare, `minimum` and `step` the sizes that
    they allow, per spatial axis (a step of 0: just that size). `source` is where it came from, `notes` say
    what came with it and is not used.
    """

    name: str
    title: str
    summary: str = ""
    axes: str | None = None
    channels: int = 1
    channel_names: tuple[str, ...] = ()
    normalization: str | tuple[Step, ...] = "z-score"
    kind: Kind | None = None
    classes: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    probabilities: bool | None = None
    threshold: float = 0.5
    postprocessing: tuple[Known, ...] = ()
    background: int | None = 0
    pixel_size: float | None = None
    output: int | str | None = None
    halo: tuple[int, ...] = ()
    minimum: tuple[int, ...] = ()
    step: tuple[int, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    citation: str = ""
    licence: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""

    def __post_init__(self) -> None:
        check_facts({one.name: getattr(self, one.name) for one in fields(self)})
        if self.channels < 1:
            raise ValueError(f"a model takes at least one channel, not {self.channels}")
        if self.axes not in {None, "x", "yx", "zyx"}:
            raise ValueError(f"the axes of a model are one of x, yx and zyx, not {self.axes!r}")
        if self.kind is not None and self.kind not in get_args(Kind):
            raise ValueError(f"kind is one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        if self.channel_names and len(self.channel_names) != self.channels:
            raise ValueError(
                f"{counted(self.channels, 'channel has', 'channels have')} not the names "
                f"{', '.join(self.channel_names)}: give one name for each"
            )
        steps_of(self.normalization)

    @property
    def short_title(self) -> str:
        """The title without what stands in brackets behind it."""
        return self.title.split(" (")[0]

    def scale_warning(self, sizes: Sequence[float] | None) -> str:
        """Return what is wrong with pixels of these sizes for this model; "" where nothing is known to be.

        `sizes` are in micrometres, along the last axes of an image; those along y and x count.

        >>> COLONIES_DEMO.scale_warning((0.1, 0.1)).split("; ")[1]
        'this image has 0.1: results may suffer. Rescale the image.'
        >>> COLONIES_DEMO.scale_warning((2, 0.7, 0.7)), COLONIES_DEMO.scale_warning(None)
        ('', '')
        """
        trained, sizes = self.pixel_size, tuple(sizes or ())[-2:]
        if not trained or not sizes or not all(sizes):
            return ""
        other = max(sizes, key=lambda size: abs(size - trained))
        if abs(other - trained) <= TOLERATED * trained:
            return ""
        return (
            f"The model was trained at {trained:.3g} µm per px; this image has {other:.3g}: results may "
            "suffer. Rescale the image."
        )

    def class_names(self, count: int) -> tuple[str, ...]:
        """Return `count` class names, inventing "class 0", "class 1", ... where the card gives none."""
        return self.classes if len(self.classes) == count else tuple(f"class {i}" for i in range(count))

    def class_colors(self, count: int) -> tuple[str, ...]:
        """Return a colour for each of `count` classes, in turn where the card gives none.

        The background comes last: its colour is for when it is shown after all.
        """
        if len(self.colors) == count:
            return self.colors
        turn = sorted(range(count), key=lambda index: index == self.background)
        chosen = {index: CLASS_COLORS[place % len(CLASS_COLORS)] for place, index in enumerate(turn)}
        return tuple(chosen[index] for index in range(count))


COLONIES_DEMO = ModelCard(
    name="colonies-demo",
    title="Colonies demo (trained on synthetic images)",
    summary="trained on synthetic images - phase contrast - 2 classes",
    axes="yx",
    classes=("background", "colony"),
    probabilities=True,
    pixel_size=0.65,
    architecture={"levels": 4, "convolutions": 2, "kernel": 3, "base": 8},
    weights="colonies_demo.safetensors",
)

BUNDLED = {card.name: card for card in (COLONIES_DEMO,)}
