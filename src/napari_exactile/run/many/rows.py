"""What is known of each image of many: a row in the table, and what a later run knows it again by."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from napari_exactile.images.store.guard import partial_of
from napari_exactile.record import Count, Number, Record
from napari_exactile.run.task.identity import Identity, differing

TABLE, KNOWN = "summary.csv", "summary.json"
State = Literal["done", "skipped", "stopped", "failed"]


class ImageRow(Record, frozen=True, kw_only=True):
    """What came of an image of many.

    `state` is "done", "skipped" (finished before, and nothing has changed), "stopped" or "failed", of which
    `message` says why. `pixels` counts those of each class, `sizes` are the same in `unit` (um2, um3), where
    the size of a pixel is known; `objects` counts those, where they were asked for. `exact` is false where
    the report says so, or the check of random windows.

    >>> import napari_exactile as ex
    >>> ex.ImageRow(image="a.tif", output="a_labels.ome.zarr", state="failed", message="it is empty").failed
    True
    """

    image: str
    output: str
    state: State
    message: str = ""
    shape: tuple[int, ...] = ()
    pixel_size: tuple[Number, ...] | None = None
    tiles: Count = 0
    seconds: Number = 0
    near_ties: Count = 0
    exact: bool | None = None
    pixels: dict[str, Count] = field(default_factory=dict)
    sizes: dict[str, Number] = field(default_factory=dict)
    unit: str = ""
    objects: dict[str, Count] | None = None
    # How pixels of an object touch, and how many it has at least.
    counted_by: tuple[int, int] | None = None
    identity: Identity | UnsetType = UNSET

    @property
    def failed(self) -> bool:
        """Whether there are no labels to rely on: it failed, or its check did."""
        return self.state == "failed"

    def is_of(self, now: Identity) -> bool:
        """Tell whether the labels were made of the same image in the same way."""
        return isinstance(self.identity, Identity) and not differing(self.identity, now)

    def cells(self) -> dict[str, Any]:
        """Return what stands in the table, by its columns."""
        numbers = (self.tiles, round(self.seconds, 3), self.near_ties) if self.shape else ("", "", "")
        known: dict[str, Any] = {
            "image": self.image,
            "labels": self.output,
            "state": self.state,
            "shape": " x ".join(map(str, self.shape)),
            "pixel_size_um": " x ".join(f"{size:g}" for size in self.pixel_size or ()),
            **dict(zip(("tiles", "seconds", "near_ties"), numbers, strict=True)),
            "exact": {None: "", True: "yes", False: "no"}[self.exact],
        }
        known |= {f"pixels of {name}": count for name, count in self.pixels.items()}
        known |= {f"{self.unit} of {name}": f"{size:.10g}" for name, size in self.sizes.items()}
        known |= {f"objects of {name}": count for name, count in (self.objects or {}).items()}
        return known | {"message": self.message}


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows of a run over many images, and the table that they stand in.

    >>> import napari_exactile as ex
    >>> row = ex.ImageRow(image="a.tif", output="a_labels.ome.zarr", state="done", exact=True)
    >>> summary = ex.Summary((row,))
    >>> summary.failed, summary.as_text().splitlines()[1].split(",")[:3]
    ((), ['a.tif', 'a_labels.ome.zarr', 'done'])
    """

    rows: tuple[ImageRow, ...]
    path: Path | None = None

    @property
    def failed(self) -> tuple[ImageRow, ...]:
        """The rows of images that failed."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def stopped(self) -> bool:
        """Whether images are left."""
        return any(row.state == "stopped" for row in self.rows)

    def as_text(self) -> str:
        """Return the table as CSV; what is not known of an image is empty."""
        cells = [row.cells() for row in self.rows]
        columns = list(dict.fromkeys(name for row in cells for name in row if name != "message"))
        text = StringIO()
        writer = csv.DictWriter(text, [*columns, "message"], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
        return text.getvalue()


def write_summary(folder: Path, rows: Sequence[ImageRow], before: Mapping[str, ImageRow]) -> Path:
    """Write the table, and what a later run knows finished images by; raises OSError."""
    known = dict(before) | {row.output: row for row in rows if row.state in {"done", "skipped"}}
    _write(folder / KNOWN, json.dumps([row.as_json() for row in known.values()], indent=1) + "\n")
    return _write(folder / TABLE, Summary(tuple(rows)).as_text())


def known_rows(folder: Path) -> dict[str, ImageRow]:
    """Return what earlier runs finished in a folder, by the names of the labels; nothing that is damaged."""
    try:
        content = json.loads((folder / KNOWN).read_bytes())
    except (OSError, ValueError):
        return {}
    return {row.output: row for row in _rows(content)}


def _rows(content: Any) -> Iterable[ImageRow]:
    for one in content if isinstance(content, list) else ():
        try:
            yield ImageRow.of(one)
        except ValueError:  # of another version: it is done again
            continue


def _write(path: Path, text: str) -> Path:
    partial = partial_of(path)
    partial.write_text(text, encoding="utf-8", newline="")
    os.replace(partial, path)
    return path
