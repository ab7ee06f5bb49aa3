"""The metadata of images of labels or numbers, as version 0.5 of the OME-Zarr specification asks for it.

https://ngff.openmicroscopy.org/0.5/: sections "axes", "coordinateTransformations", "multiscales", "labels".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Metadata = dict[str, Any]

VERSION = "0.5"
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of an image, a letter each, and where element 0 of level 0 lies along them.

    `scale` is the distance of elements and `translation` the place of the first one's centre, in micrometres
    along the `measured` axes (none, or one value each). Raises ValueError for axes that OME-Zarr has not.
    """

    names: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    measured: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.scale) == len(self.translation):
            raise ValueError(f"the axes {self.names!r} need as many scales and translations")
        kinds = [_rank(name) for name in self.names]
        # At most one axis of time, one of channels or anything else, then two or three of space.
        if kinds.count(2) not in {2, 3} or kinds.count(0) > 1 or kinds.count(1) > 1 or kinds != sorted(kinds):
            raise ValueError(
                f"an OME-Zarr image has the axes t, c, z, y, x in this order, the first three optional; "
                f"the labels have {', '.join(self.names)}: write them as TIFF"
            )

    def described(self) -> list[dict[str, str]]:
        """Return the entries of "axes"."""
        measured = self.measured or (False,) * len(self.names)
        return [
            {"name": name}
            | ({"type": TYPES[name]} if name in TYPES else {})
            | ({"unit": "micrometer"} if known else {})
            for name, known in zip(self.names, measured, strict=True)
        ]

    def transformations(self, steps: Sequence[int]) -> list[dict[str, Any]]:
        """Return scale and translation of a level whose pixels are `steps` of level 0 wide, per axis.

        A pixel covers `steps` pixels of level 0 from its own on, and its centre is the centre of those.
        """
        scale = [float(size * step) for size, step in zip(self.scale, steps, strict=True)]
        moved = zip(self.translation, self.scale, steps, strict=True)
        translation = [float(start + size * (step - 1) / 2) for start, size, step in moved]
        return [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": translation},
        ]


@dataclass(frozen=True, slots=True)
class Class:
    """A class with its colour ("#rrggbb")."""

    name: str
    color: str


def label_metadata(multiscales: Metadata, classes: Sequence[Class], background: int | None) -> Metadata:
    """Return the attributes of the group of a label image; the label `background` is transparent."""
    return _attributes(multiscales, {"image-label": _image_label(classes, background)})


def image_metadata(
    multiscales: Metadata, classes: Sequence[Class] = (), background: int | None = None
) -> Metadata:
    """Return the attributes of the group of an image of numbers.

    Of `classes`, they are probabilities; that of the `background` is not shown at first.
    """
    window = {"start": 0.0, "end": 1.0, "min": 0.0, "max": 1.0}
    channels = [
        {
            "label": one.name, "color": one.color.removeprefix("#").upper(), "window": window,
            "active": place != background,
        }
        for place, one in enumerate(classes)
    ]  # fmt: skip
    return _attributes(multiscales, {"omero": {"channels": channels}} if channels else {})


def multiscales(name: str, axes: Axes, levels: int, halved: int) -> Metadata:
    """Return what is said of so many `levels`, "0", "1", ...: each halves the last `halved` axes."""
    whole = len(axes.names) - halved
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": axes.transformations([1] * whole + [2**level] * halved),
        }
        for level in range(levels)
    ]
    downscaling = {"description": "pixel i of a level is pixel 2 i of the level before", "method": "nearest"}
    return {
        "name": name, "axes": axes.described(), "datasets": datasets, "type": "nearest",
        "metadata": downscaling,
    }  # fmt: skip


def _attributes(multiscales: Metadata, more: Metadata) -> Metadata:
    return {"ome": {"version": VERSION, "multiscales": [multiscales], **more}}


def _image_label(classes: Sequence[Class], background: int | None) -> Metadata:
    return {
        "version": VERSION,
        "colors": [
            {"label-value": label, "rgba": _rgba(one.color, 0 if label == background else 255)}
            for label, one in enumerate(classes)
        ],
        "properties": [{"label-value": label, "class": one.name} for label, one in enumerate(classes)],
    }


def _rgba(color: str, alpha: int) -> list[int]:
    return [*bytes.fromhex(color.removeprefix("#")), alpha]


def channel_place(axes: str) -> int:
    """Return where the axis of channels belongs among others.

    >>> channel_place("tzyx"), channel_place("zyx")
    (1, 0)
    """
    return sum(_rank(name) == 0 for name in axes)


def _rank(name: str) -> int:
    """Return where an axis stands: time, then channels and anything else, then space."""
    return {"time": 0, "space": 2}.get(TYPES.get(name, ""), 1)
