"""The metadata of a label image, as version 0.5 of the OME-Zarr specification asks for it.

https://ngff.openmicroscopy.org/0.5/: sections "axes", "coordinateTransformations", "multiscales", "labels".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "0.5"
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a label image, a letter each, and where element 0 of level 0 lies along them.

    `scale` is the distance of elements and `translation` the place of the first one's centre, in `unit`
    along the spatial axes (None: in pixels of the image). Raises ValueError for axes that OME-Zarr has not.
    """

    names: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    unit: str | None = None

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
        return [self._described(name) for name in self.names]

    def _described(self, name: str) -> dict[str, str]:
        kind = {"type": TYPES[name]} if name in TYPES else {}
        unit = {"unit": self.unit} if self.unit and TYPES.get(name) == "space" else {}
        return {"name": name, **kind, **unit}

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


def label_metadata(
    name: str, axes: Axes, levels: int, halved: int, classes: Sequence[str], colors: Sequence[str],
    background: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the attributes of the group of a label image with so many `levels`, of the arrays "0", "1", ...

    Each level halves the last `halved` axes. `classes` are the names of the labels 0, 1, ..., `colors`
    theirs ("#rrggbb"); the label `background` is transparent.
    """
    whole = len(axes.names) - halved
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": axes.transformations([1] * whole + [2**level] * halved),
        }
        for level in range(levels)
    ]
    downscaling = {"description": "pixel i of a level is pixel 2 i of the level before", "method": "nearest"}
    scales = {
        "name": name, "axes": axes.described(), "datasets": datasets, "type": "nearest",
        "metadata": downscaling,
    }  # fmt: skip
    about = _image_label(classes, colors, background)
    return {"ome": {"version": VERSION, "multiscales": [scales], "image-label": about}}


def _image_label(classes: Sequence[str], colors: Sequence[str], background: int | None) -> dict[str, Any]:
    return {
        "version": VERSION,
        "colors": [
            {"label-value": label, "rgba": _rgba(color, 0 if label == background else 255)}
            for label, color in enumerate(colors)
        ],
        "properties": [{"label-value": label, "class": name} for label, name in enumerate(classes)],
    }


def _rgba(color: str, alpha: int) -> list[int]:
    return [*bytes.fromhex(color.removeprefix("#")), alpha]


def _rank(name: str) -> int:
    """Return where an axis stands: time, then channels and anything else, then space."""
    return {"time": 0, "space": 2}.get(TYPES.get(name, ""), 1)
