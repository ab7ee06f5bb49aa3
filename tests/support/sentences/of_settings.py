"""Settings that no run can have, and those that do not fit the image or each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from command_line import MODEL, call
from sentences.given import SIZE, network, segmented, tiff
from sentences.table import Row, Rows

ROWS = Rows("settings")
BOX = "a region is a pair of start and stop in pixels for each axis, such as ((0, 512), (100, 600))"


def setting(**values: Any) -> Callable[[], Any]:
    return lambda: ex.Settings(**values)


ROWS.add(
    tile_text=(setting(tile="x"), "a tile is a whole number of pixels or \"auto\", not 'x'"),
    tile_half=(setting(tile=2.5), 'a tile is a whole number of pixels or "auto", not 2.5'),
    tile_zero=(setting(tile=0), "a tile needs at least 1 px, not 0"),
    radius_text=(setting(radius="large"), "a radius is a whole number of pixels or \"auto\", not 'large'"),
    radius_negative=(setting(radius=-1), "a radius is at least 0 px, not -1"),
    factor_negative=(
        setting(factor=0, method="approximate", radius=4),
        "tiles are multiples of at least 1 px, not 0",
    ),
    factor_alone=(
        setting(factor=8),
        'a factor is for the method "approximate": leave it out, as it follows from the model',
    ),
    approximate_alone=(
        setting(method="approximate"),
        'the method "approximate" needs a radius of your own in pixels, such as 64',
    ),
    method=(
        setting(method="cone"),
        "method is one of auto, trimmed, skewed, whole-tile, approximate, not 'cone'",
    ),
    region_of_text=(setting(region="all"), f"{BOX}, not 'all'"),
    region_of_numbers=(setting(region=(0, 512)), f"{BOX}, not (0, 512)"),
    region_without_a_start=(
        setting(region=np.s_[:512, 0:4]),
        f"{BOX}, not (slice(None, 512, None), slice(0, 4, None))",
    ),
    region_backwards=(
        setting(region=((9, 4), (0, 4))),
        "an interval cannot stop (4) before it starts (9): give its start first",
    ),
    memory_text=(
        setting(memory_limit="lots"),
        "the memory limit is a number of bytes, such as 4e9, not 'lots'",
    ),
    memory_zero=(setting(memory_limit=0), "the memory limit is at least 1 byte, not 0"),
    scratch_negative=(setting(scratch_limit=-1), "the scratch limit is at least 0 bytes, not -1"),
    threshold_text=(setting(threshold="half"), "a threshold is a number between 0 and 1, not 'half'"),
    threshold_large=(setting(threshold=2), "a threshold lies between 0 and 1, not at 2"),
    ignore_text=(setting(ignore="black"), "the value to ignore is a number or nan, not 'black'"),
    ignore_infinite=(setting(ignore=np.inf), "the value to ignore is a number or nan, not inf"),
    device=(setting(device="gpu"), "device is one of auto, cpu, cuda, not 'gpu'"),
    device_of_apple=(
        setting(device="mps"),
        "Apple's GPU (mps) is not offered: its arithmetic has not been shown to be exact. Use the CPU",
    ),
    padding=(setting(padding="reflect"), "padding is one of auto, always, not 'reflect'"),
    probabilities=(
        setting(probabilities="float64"),
        "the type of probabilities is one of float32, float16, not 'float64'",
    ),
    output_kind=(
        setting(output_kind="labels"),
        "the kind of output is one of auto, classes, logits, probabilities, values, not 'labels'",
    ),
    normalization=(
        setting(normalization="zscore"),
        "normalization is one of model, z-score, min-max, percentile, none, or steps such as fixed 120 35, "
        "not 'zscore'",
    ),
    normalization_of_numbers=(
        setting(normalization=(1, 2)),
        "normalization is a name or a sequence of steps such as ZScore(), not (1, 2)",
    ),
    normalization_of_words=(
        setting(normalization="fixed a b"),
        "normalization takes numbers such as 120 or 0.5, not 'a'",
    ),
    normalization_joint=(
        setting(normalization="joint clip 0 9"),
        "only what is measured can be joint: z-score, min-max or percentile",
    ),
    normalization_nan_later=(
        setting(normalization="z-score; nan 0"),
        "say what NaN becomes first, as in 'nan 0; z-score', not 'z-score; nan 0'",
    ),
    percentiles=(
        setting(normalization="percentile 99 1"),
        "percentiles rise from 0 to 100, not from 99.0 to 1.0",
    ),
    deviation=(
        setting(normalization="fixed 1 0"),
        "pixels cannot be divided by a standard deviation of 0: give one above 0",
    ),
)


def run(image: Any = None, channels: int = 1, **settings: Any) -> Callable[[], Any]:
    return lambda: segmented(np.ones(SIZE, np.float32) if image is None else image, channels, **settings)


def with_nan(value: float) -> Any:
    image = np.zeros(SIZE, np.float32)
    image[3, 5] = value
    return image


ROWS.add(
    region_outside=(
        run(region=((0, 99), (0, 4))),
        "the region 0..99 along axis 0 does not lie in the image, which has 60 px there: choose one that "
        "does",
    ),
    region_of_other_axes=(
        run(region=((0, 9),)),
        "a region of 0..9 does not fit an image of 2 axes: give start and stop for each",
    ),
    radius_too_small=(
        run(radius=0),
        "a radius of 0 px is too small: this model needs 1 px. Leave it out, or choose the method "
        '"whole-tile" to see the '
        "error that it makes",
    ),
    tile_too_small=(
        run(tile=2),
        "a tile of 2 px is too small: the context takes 1 px on every side, so the smallest tile is 3 px",
    ),
    nan_pixels=(
        run(with_nan(np.nan)),
        "'image' has NaN pixels, first at y 3, x 5. Nothing was created. Leave them out (ignore: nan), or "
        "put a value in their place (normalisation: nan 0; z-score)",
    ),
    infinite_pixels=(
        run(with_nan(np.inf)),
        "'image' has infinite pixels, first at y 3, x 5. Nothing was created. Bring them into a range "
        "(normalisation: clip 0 4095; z-score, say)",
    ),
    all_ignored=(
        run(ignore=1, normalization="z-score"),
        "all pixels of 'image' are 1, which is ignored, so that nothing is left: ignore another value, or "
        "none",
    ),
    values_for_other_channels=(
        run(normalization="fixed 1,2,3 1,1,1"),
        "normalization has 3 values, but the channels of 'image' are 1: give one value, or one for each",
    ),
    pixel_size_of_text=(
        run(pixel_size="x"),
        "a pixel size is micrometres along the last axes, such as (0.5, 0.5), not 'x'",
    ),
    rows_of_different_lengths=(
        run([[1, 2], [3]]),
        "'image' is no image: its rows have different lengths; give it as an array of y and x",
    ),
    plan_of_text=(
        lambda: ex.plan_tiles(ex.analyse(network(), SIZE), tile="large"),  # type: ignore[arg-type]
        "a tile is a whole number of pixels or \"auto\", not 'large'",
    ),
    plan_by_an_unknown_method=(
        lambda: ex.plan_tiles(ex.analyse(network(), SIZE), method="cone"),  # type: ignore[arg-type]
        "method is one of auto, trimmed, skewed, whole-tile, approximate, not 'cone'",
    ),
    plan_of_a_walk_without_memory=(
        lambda: ex.plan_tiles(ex.analyse(network(), SIZE), method="skewed", memory=100),
        'the method "skewed" needs more memory than there is for this image: choose "trimmed"',
    ),
    shape_of_text=(
        lambda: ex.analyse(network(), "large"),  # type: ignore[arg-type]
        "a shape is a number of pixels for each axis, such as (512, 512), not 'large'",
    ),
    pixel_size=(
        run(pixel_size=(0, 1)),
        "a pixel size is micrometres along the last axes, such as (0.5, 0.5), not (0, 1)",
    ),
    masked=(
        run(np.ma.masked_equal(np.zeros(SIZE), 0)),
        "'image' has masked pixels, which a network cannot leave out: fill them with a value, as "
        "image.filled(0) does, and pass ignore=0 to leave that value out of what is measured",
    ),
    cancelled=(
        lambda: segmented(np.ones(SIZE), cancel=lambda: True),
        "the run was cancelled before its first tile, so there are no labels: run it again",
    ),
)


# --- arguments of another kind than is wanted


def loaded(**facts: Any) -> Callable[[], Any]:
    return lambda: ex.load_model(network(), **facts)


def objects(**more: Any) -> Callable[[], Any]:
    return lambda: ex.find_objects([[1, 0]], **more)


ROWS.add(
    channels=(
        loaded(channels="x"), "channels is a whole number such as 3, not 'x': give such a one",
    ),
    names_of_classes=(
        loaded(classes=2),
        "classes is a list of texts such as ('background', 'cell'), not 2: give such a one",
    ),
    model_threshold=(loaded(threshold="x"), "threshold is a number such as 0.5, not 'x': give such a one"),
    trust_in_code=(loaded(trust_code="no"), "trust_code is True or False, not 'no': give such a one"),
    output=(
        run(output=3), "output is the path of a file or folder, not 3: name one",
    ),
    plan_of_a_model=(
        lambda: ex.plan_tiles("net.pt"),  # type: ignore[arg-type]
        "tiles are planned for what analyse() returns, not 'net.pt': call it first",
    ),
    factor_of_measuring=(
        lambda: ex.measure_context(network(), SIZE, factor="a"),
        "a factor is a number of pixels for each axis, such as (512, 512), not 'a'",
    ),
    test_of_a_name=(
        lambda: ex.check_model("net.pt"),  # type: ignore[arg-type]
        "a test is one of what load_model() returns, not of 'net.pt': call it first",
    ),
    image_of_a_number=(
        lambda: ex.open_image(3),  # type: ignore[call-overload]
        "an image is opened by its path, not by 3: name its file or folder",
    ),
    classes_of_objects=(
        objects(classes=3), "classes are a list of texts such as ('background', 'cell'), not 3",
    ),
    size_of_objects=(
        objects(pixel_size=3),
        "a pixel size is a number of micrometres for each axis, such as (0.5, 0.5), not 3",
    ),
    axes_of_objects=(objects(axes=3), "axes are a text such as 'zyx', not 3"),
    objects_to_a_name=(
        objects(out="a.tif"),
        "objects are written to an array (out), not to 'a.tif': make one, or leave it out",
    ),
    seed=(
        lambda: ex.verify("a.ome.zarr", seed=-1), "a seed is at least 0, not -1",
    ),
    store_of_a_number=(
        lambda: ex.verify(3), "a store is the path of a file or folder, not 3: name one",  # type: ignore[arg-type]
    ),
)  # fmt: skip


def command(*options: object) -> Callable[[Path], Any]:
    return lambda folder: call("segment", tiff(folder / "a.tif"), "--model", MODEL, *options)


for _name, _options, _words in [
    ("option_tile", ("--tile", "x"), "--tile takes a number of pixels or auto, not 'x'"),
    ("option_memory", ("--memory-limit", "much"), "--memory-limit takes bytes such as 2GB, not 'much'"),
    ("option_pixel_size", ("--pixel-size", "a"), "--pixel-size takes micrometres such as 0.5, not 'a'"),
]:
    ROWS.append(Row("settings", _name, _words, command(*_options)))
