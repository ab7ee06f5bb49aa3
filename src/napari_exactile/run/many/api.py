"""The public function for many images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from napari_exactile.models.load import Model, load_model
from napari_exactile.run.engine.control import Control
from napari_exactile.run.file.records import Around
from napari_exactile.run.many.batch import Batch
from napari_exactile.run.many.events import ManyEvent
from napari_exactile.run.many.named import NAMES
from napari_exactile.run.many.rows import Summary
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.chosen import SettingsFile

AnyPath = str | PathLike[str]


def segment_many(
    images: AnyPath | Sequence[AnyPath],
    model: Any,
    output: str | Path,
    *,
    names: str = NAMES,
    overwrite: bool = False,
    on_event: Callable[[ManyEvent], None] = lambda event: None,
    cancel: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Summary:
    """Segment many images by one model into a folder, and write a table, `summary.csv`, beside their labels.

    `images` are files, folders, patterns such as "day1/*.tif", and OME-Zarr plates or wells, all fields of
    which are meant. Labels are named by the pattern `names`, in which {name} is an image's name, {number} its
    place in the row and {folder} its folder's name; they become stores (.ome.zarr), which continue, or files
    (.tif). `options` are those of `segment` (settings, axes, series, plane, grey, pixel_size, check, ...),
    and `jobs`, how many images at once, `count_objects`, whether objects are counted, with `connectivity` and
    `min_size`. With `together`, all images are normalised as one.

    What fails is in its row, and the others go on. Run again, images that are done are skipped where neither
    they, nor model or settings have changed. When `cancel()` is true, what is left is "stopped".

    Raises ValueError before anything is written: for what means no image, two images with one name, and a
    folder that cannot be written to.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     for name in ("a", "b"):
    ...         np.save(Path(folder, name + ".npy"), np.zeros((40, 50), np.uint8))
    ...     summary = ex.segment_many(folder, "colonies-demo", Path(folder, "labels"), check=False)
    >>> [(row.output, row.state, row.exact) for row in summary.rows]
    [('a_labels.ome.zarr', 'done', True), ('b_labels.ome.zarr', 'done', True)]
    """
    loaded: Model = load_model(model)
    around = {name: value for name, value in options.items() if name in Around.names()}
    settings = {name: value for name, value in options.items() if name not in around}
    chosen = SettingsFile(Settings(**settings), None, Around.of(_plain(around)))
    run = Batch.of(images, output, chosen, names, overwrite).run(loaded)
    for event in run.steps(Control(is_cancelled=cancel)):
        on_event(event)
    return run.summary


def _plain(around: dict[str, Any]) -> dict[str, Any]:
    """Return options as records have them: a single plane may be a number."""
    plane = around.get("plane")
    return around | ({"plane": [plane]} if isinstance(plane, int) else {})
