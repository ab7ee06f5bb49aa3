"""The objects of a labelled image: their labels, and a table of what was measured of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.words import counted

SPATIAL = "zyx"
"""Objects extend along these axes; along others, such as t, every plane has objects of its own."""

_SIZES = {1: ("length", "um", "µm"), 2: ("area", "um2", "µm²"), 3: ("volume", "um3", "µm³")}


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Objects 1, 2, ... in the order of their first pixels (C order), and what is known of each.

    `labels` holds their numbers, 0 where there is none; `values` the label that each has as a class, `pixels`
    how many there are. `centroids` (objects, axes) and `boxes` (objects, axes, 2; half-open) are in pixels,
    the centre of the first pixel being 0. `axes` names the axes, `classes` the labels. `pixel_size` is in
    micrometres along the spatial axes (z, y, x), None where it is not known. Raises ValueError where these do
    not fit each other.

    >>> import napari_exactile as ex
    >>> objects = ex.find_objects([[1, 0, 2], [1, 0, 2]], classes=["background", "cell", "debris"])
    >>> len(objects), objects.boxes[0].tolist(), objects.summary()
    (2, [[0, 2], [0, 1]], ('cell: 1 object, mean area 2 px', 'debris: 1 object, mean area 2 px'))
    """

    labels: Any
    values: NDArray[np.int64]
    pixels: NDArray[np.int64]
    centroids: NDArray[np.float64]
    boxes: NDArray[np.int64]
    axes: str
    classes: tuple[str, ...] = ()
    pixel_size: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.centroids.shape != (len(self), len(self.axes)):
            raise ValueError(f"{len(self)} objects have not centroids of shape {self.centroids.shape}")
        if self.pixel_size is not None and len(self.pixel_size) != len(spatial(self.axes)):
            raise ValueError(
                f"a pixel has a size along {', '.join(spatial(self.axes))}, not {self.pixel_size!r}: give "
                "one for each"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def sizes(self) -> NDArray[np.float64] | None:
        """Area in square (or volume in cubic) micrometres of each object; None without a pixel size."""
        return None if self.pixel_size is None else self.pixels.astype(np.float64) * prod(self.pixel_size)

    def class_name(self, value: int) -> str:
        """Return the name of a class."""
        return self.classes[value] if 0 <= value < len(self.classes) else f"class {value}"

    def table(self) -> dict[str, NDArray[Any]]:
        """Return columns: id, class, pixels, the size if known, the centroid, and the bounding box.

        The size is called area_um2 (length_um, volume_um3), the centroid by its axes, and the bounding box
        x_start, x_stop and so on.
        """
        names = {value: self.class_name(value) for value in np.unique(self.values).tolist()}
        columns: dict[str, NDArray[Any]] = {
            "id": np.arange(1, len(self) + 1),
            "class": np.array([names[value] for value in self.values.tolist()], dtype=str),
            "pixels": self.pixels,
        }
        if self.sizes is not None:
            size, unit, _ = self._size_words()
            columns[f"{size}_{unit}"] = self.sizes
        columns |= {axis: self.centroids[:, number] for number, axis in enumerate(self.axes)}
        for side, end in enumerate(("start", "stop")):
            columns |= {f"{axis}_{end}": self.boxes[:, n, side] for n, axis in enumerate(self.axes)}
        return columns

    def to_csv(self, path: Path) -> None:
        """Write the table as CSV with one row per object; raises OSError where that cannot be done."""
        columns = self.table()
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))

    def summary(self) -> tuple[str, ...]:
        """Return one line per class: how many objects it has, and their mean size."""
        return tuple(self._class_words(value) for value in np.unique(self.values).tolist())

    def _class_words(self, value: int) -> str:
        found = self.values == value
        count, pixels = int(found.sum()), float(self.pixels[found].mean())
        size, _, unit = self._size_words()
        mean = f"{short(pixels)} px" if self.sizes is None else f"{short(self.sizes[found].mean())} {unit}"
        objects = counted(count, "object")
        return f"{self.class_name(value)}: {objects}, mean {size} {mean}"

    def _size_words(self) -> tuple[str, str, str]:
        return _SIZES[len(spatial(self.axes))]


def short(value: float) -> str:
    """Return a size in about four digits.

    >>> short(13260.4), short(12.3456), short(0.000123)
    ('13,260', '12.35', '0.000123')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def spatial(axes: Sequence[str]) -> tuple[str, ...]:
    """Return those of the axes along which objects extend.

    >>> spatial("tyx")
    ('y', 'x')
    """
    return tuple(axis for axis in axes if axis in SPATIAL)
