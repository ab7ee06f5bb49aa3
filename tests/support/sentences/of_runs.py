"""Runs that a network, a machine or a change meanwhile does not let come to their end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from command_line import call
from image_files import pixels
from napari_exactile.images.store.lock import Lock
from napari_exactile.images.store.tiff import save_labels
from sentences.given import (
    SIZE,
    constant,
    image,
    network,
    segmented,
    store,
    tiff,
)
from sentences.table import Rows

ROWS = Rows("runs")


def model(change: Callable[[Any], Any], channels: int = 2) -> Any:
    """A network of one convolution and what is done to its output."""
    from torch import nn

    class Changed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, channels, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return change(self.layer(x))

    return Changed().eval()


def run(network: Any, **settings: Any) -> Any:
    return ex.segment(pixels(*SIZE), network, device="cpu", **settings)


# --- what a network gives


@ROWS.says(
    "the network returns whole numbers (int64), not a score for each class: let it return what comes before "
    "argmax, or .float() of what it compares"
)
def network_of_whole_numbers(folder: Path) -> Any:
    labels = model(lambda scores: scores.cumsum(-1).argmax(1, keepdim=True))
    return run(labels, method="approximate", radius=8)


@ROWS.says(
    "the network returns the numbers of classes (argmax), not a score for each class: let it return what "
    "comes before "
    'argmax, or choose the output kind "values" to keep them'
)
def network_of_numbers_of_classes(folder: Path) -> Any:
    return run(model(lambda scores: scores.argmax(1, keepdim=True).float()))


@ROWS.says(
    'a network with one output channel has no classes to choose from: choose the output kind "logits", '
    '"probabilities" or "values"'
)
def classes_of_one_channel(folder: Path) -> Any:
    return run(network(classes=1), output_kind="classes")


@ROWS.says(
    "tile 1 (pixels ...) failed: the network gives NaN there, which is no score of a class; look at its "
    "weights, or normalise the image"
)
def network_of_nan(folder: Path) -> Any:
    return run(model(lambda scores: scores * float("nan")))


@ROWS.says("tile 1 (pixels ...) failed: values up to ... do not fit into float16: keep them as float32")
def values_beyond_their_type(folder: Path) -> Any:
    large = model(lambda scores: scores * 1e9, channels=1)
    return run(large, output_kind="values", probabilities="float16")


@ROWS.says(
    "tile 1 (pixels ...) failed: 'image' has pixels that are no finite numbers in float32 once they are "
    "normalised: choose another normalisation, or clip them (normalisation: clip LOW HIGH; z-score)"
)
def pixels_beyond_their_type(folder: Path) -> Any:
    return segmented(np.full(SIZE, 3e38, np.float32), normalization="fixed 0 0.001")


@ROWS.says(
    "objects are found in labels, and this model gives values, or a label per channel: leave out --objects "
    "and --table"
)
def objects_of_values(folder: Path) -> Any:
    return call(
        "segment", tiff(folder / "a.tif"), "--model", "colonies-demo", "--output-kind", "values", "--objects",
        folder / "o.tif",
    )  # fmt: skip


@ROWS.says(
    "The preview compares labels on the image's own grid, and this model's output has another one: choose a "
    "model that gives a label for each pixel"
)
def preview_of_another_grid(folder: Path) -> Any:
    return ex.tiling_error(pixels(*SIZE), model(lambda scores: scores[..., ::2, ::2]), radius=0)


@ROWS.says(
    "The preview compares one label per pixel, and this model gives values, or a label per channel: choose "
    "a model of classes"
)
def preview_of_values(folder: Path) -> Any:

    return ex.tiling_error(pixels(*SIZE), ex.load_model(network(classes=1), kind="values"), radius=0)


# --- how it is tiled


def valid() -> Any:
    from torch import nn

    return nn.Conv2d(1, 2, 9).eval()


@ROWS.says(
    "the network gives no output for that region of the image, only in 4..56 x 4..66 px: choose a region "
    "there"
)
def region_without_output(folder: Path) -> Any:
    return run(valid(), region=((0, 4), (0, 70)))


@ROWS.says(
    "a radius of 0 px is too small: this model needs 8 px. As its output is smaller than the image, tiles "
    "with less would leave gaps: leave the radius out"
)
def radius_that_leaves_gaps(folder: Path) -> Any:
    return run(valid(), radius=0, tile=20, method="whole-tile")


@ROWS.says(
    'the method "whole-tile" cannot be exact for this model, whatever the radius: .... Choose "trimmed"'
)
def whole_tiles_of_stretched_corners(folder: Path) -> Any:
    from torch import nn

    return run(model(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)), method="whole-tile")


@ROWS.says('only `segment` has the method "approximate", which tries the model: call that')
def plan_of_an_approximate_run(folder: Path) -> Any:
    return ex.plan_tiles(ex.analyse(network(), SIZE), method="approximate", radius=4)


# --- where labels go


@ROWS.says("{folder}/a.ome.zarr is being written by another run in this program: wait until it ends")
def store_that_is_written(folder: Path) -> Any:
    path = store(folder)
    held = Lock(path / "exactile" / "lock")
    try:
        return constant(image(), path)
    finally:
        held.release()


@ROWS.says("{folder}/a.ome.zarr holds photos beside labels: move that away, or choose another name")
def photos_beside_labels(folder: Path) -> Any:
    path = store(folder)
    (path / "photos").mkdir()
    return constant(image(), path, overwrite=True)


@ROWS.says(
    "labels in {folder}/a.ome.zarr can take up to ... GB, but only ... GB are free there: choose another disk"
)
def labels_larger_than_the_disk(folder: Path) -> Any:
    huge = np.broadcast_to(np.uint8(1), (10**8, 10**8))
    return constant(huge, folder / "a.ome.zarr", tile=10**7)


@ROWS.says("the labels would lie in the image {folder}/a.zarr: choose a name outside")
def labels_in_the_image(folder: Path) -> Any:
    import zarr

    zarr.create_array(folder / "a.zarr", data=image())
    return constant(folder / "a.zarr", folder / "a.zarr" / "l.ome.zarr")


@ROWS.says(
    "the labels would replace the folder {folder}/a, in which the image {folder}/a/a.npy lies: choose "
    "another name"
)
def labels_around_the_image(folder: Path) -> Any:
    (folder / "a").mkdir()
    np.save(folder / "a" / "a.npy", image())
    return constant(folder / "a" / "a.npy", folder / "a")


@ROWS.says(
    "an OME-Zarr image has the axes t, c, z, y, x in this order, the first three optional; the labels have "
    "z, t, y, x: write them as TIFF"
)
def store_of_axes_in_another_order(folder: Path) -> Any:
    return constant(pixels(2, 2, *SIZE), folder / "a.ome.zarr", axes="ztyx")


@ROWS.says(
    "an OME-TIFF holds stacks of at most three axes beside y and x, not 'abdeyx': segment a part of the stack"
)
def tiff_of_too_many_axes(folder: Path) -> Any:
    return save_labels(folder / "a.tif", np.zeros((1, 1, 1, 1, 4, 4), np.uint8), [], axes="abdeyx")


# --- what changes meanwhile


@ROWS.says(
    "{folder}/a.ome.zarr cannot be continued: 'image' was changed during the run, so labels may be of "
    "either version of it. Begin anew and overwrite it"
)
def image_that_was_changed(folder: Path) -> Any:
    changing = image()

    def change(event: Any) -> None:
        if isinstance(event, ex.TileFinished):
            changing[...] = 7

    with suppress(ex.ChangedError):
        constant(changing, folder / "a.ome.zarr", on_event=change)
    return constant(image(), folder / "a.ome.zarr")


@ROWS.says(
    "{folder}/a.ome.zarr was removed during the run, and the labels in it with it: nothing is kept, run again"
)
def store_that_was_removed(folder: Path) -> Any:
    import shutil

    def remove(event: Any) -> None:
        if isinstance(event, ex.TileFinished):
            shutil.rmtree(folder / "a.ome.zarr", ignore_errors=True)

    return constant(image(), folder / "a.ome.zarr", on_event=remove)
