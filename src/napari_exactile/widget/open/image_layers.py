"""From an opened image, and the labels beside it, to what napari makes layers of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from napari_exactile.images.about.opened import OpenedImage, opened_files, remember
from napari_exactile.images.overview import Overview
from napari_exactile.images.read.cached import CachedArray
from napari_exactile.images.read.from_labels import OpenedLabels, open_labels
from napari_exactile.images.read.open import open_image
from napari_exactile.images.view import View
from napari_exactile.widget.draw.class_colors import class_colors
from napari_exactile.widget.form.glossary import sentence
from napari_exactile.widget.open.overview_filling import fill, full_range

LayerData = tuple[Any, dict[str, Any], str]

# More channels than these stay an axis with a slider.
MOST_LAYERS = 8
CHANNEL_COLORS = ("magenta", "green", "cyan", "yellow", "red", "blue", "gray", "bop orange")
# Windows from which the contrast is taken, along each axis, and their side.
WINDOWS, SIDE = 5, 128
LITTLE = 2**22


def layers_of(path: Path, series: int | str | None = None) -> list[LayerData]:
    """Return layers for the image at `path`, one for each channel, and for the labels beside it.

    Pixels are read in a few windows, for the contrast, where there is no small level. Raises ValueError for
    what is no image, and OSError where its pixels cannot be had.
    """
    labels = open_labels(path) if path.is_dir() else []
    if labels and _holds_labels_only(path):
        return [_labels_layer(one) for one in labels]
    image = open_image(path, series=series)
    for note in image.notes:
        show_warning(sentence(note))
    return [*_image_layers(image), *(_labels_layer(one) for one in labels)]


def _holds_labels_only(path: Path) -> bool:
    import zarr

    from napari_exactile.images.read.zarr_members import ome_of

    return "image-label" in ome_of(zarr.open_group(path, mode="r"))


def _image_layers(image: OpenedImage) -> list[LayerData]:
    known = image.axes is not None and {*"yx"} <= set(image.axes)
    axes = (known and image.axes) or _guessed_axes(image.array)
    levels = _shown(image.levels, axes)
    place, shown = image.place or image.placed(axes), axes
    split = _split_axis(image.array, axes)
    rgb = _is_rgb(image.array, axes)
    if rgb:
        shown = axes[:-1]
    kept = [number for number in range(len(shown)) if number != split]
    about = {
        "scale": [place.scale[number] for number in kept],
        "translate": [place.translation[number] for number in kept],
        "units": ["um" if place.measured[number] else "pixel" for number in kept],
        "axis_labels": [shown[number] for number in kept],
    }
    if split is None:
        own = {"name": image.name, "rgb": rgb, **about}
        return [_layer(levels, image, axes, own)]
    return list(_channel_layers(image, axes, levels, split, about))


def _channel_layers(
    image: OpenedImage, axes: str, levels: Sequence[Any], split: int, about: dict[str, Any]
) -> Iterator[LayerData]:
    """Yield a layer for each channel; numpy's views keep coarse levels that are still being filled."""
    count = image.array.shape[split]
    colors = CHANNEL_COLORS if count > 1 else ("gray",)
    rest = axes[:split] + axes[split + 1 :]
    for number in range(count):
        parts = [_channel(level, split, number) for level in levels]
        files = opened_files(image.array)
        if files is not None:
            remember(parts[0], replace(files, part=("channel", number)))
        own = {"name": _name(image, number, count), "colormap": colors[number], "blending": "additive"}
        yield _layer(parts, image, rest, {**own, **about})


def _name(image: OpenedImage, number: int, count: int) -> str:
    if image.channels:
        return f"{image.name}: {image.channels[number]}"
    return f"{image.name}: channel {number}" if count > 1 else image.name


def _channel(level: Any, axis: int, number: int) -> Any:
    parts = tuple(number if n == axis else slice(None) for n in range(level.ndim))
    return level[parts] if type(level) is np.ndarray else View(level, parts)


def _layer(levels: Sequence[Any], image: OpenedImage, axes: str, about: dict[str, Any]) -> LayerData:
    multiscale, smallest = len(levels) > 1, levels[min(len(image.levels), len(levels)) - 1]
    limits = {} if about.get("rgb") else {"contrast_limits": _limits(smallest, axes)}
    return (list(levels) if multiscale else levels[0]), {"multiscale": multiscale, **about, **limits}, "image"


def _shown(levels: Sequence[Any], axes: str) -> list[Any]:
    """Return levels, and more where the last one is too large to be shown at once."""
    overview = Overview.of(levels[-1], (axes.index("y"), axes.index("x")))
    fill(overview)
    return [*map(_native, levels), *overview.levels]


def _native(level: Any) -> Any:
    """Return a level in the byte order that can be drawn."""
    if np.dtype(level.dtype).isnative:
        return level
    view = View(level, (slice(None),) * level.ndim)
    files = opened_files(level)
    if files is not None:
        remember(view, files)
    return view


def _is_rgb(array: Any, axes: str) -> bool:
    return axes.endswith("c") and array.shape[-1] in {3, 4} and array.dtype in ("uint8", "uint16")


def _split_axis(array: Any, axes: str) -> int | None:
    """Return the axis of the channels where each becomes a layer of its own."""
    if "c" not in axes or _is_rgb(array, axes) or array.shape[axes.index("c")] > MOST_LAYERS:
        return None
    return axes.index("c")


def _guessed_axes(array: Any) -> str:
    """Return y and x last, or before the colours; other axes have no names that mean anything."""
    colors = array.ndim > 2 and array.shape[-1] in {3, 4} and array.dtype == np.uint8
    known = "yxc" if colors else "yx"
    if array.ndim < len(known):
        raise ValueError(f"an array of shape {tuple(array.shape)} is no image: it has no y and x")
    return "ijklmnopqrs"[: array.ndim - len(known)] + known


def _limits(level: Any, axes: str) -> tuple[float, float]:
    """Return the smallest and the largest pixel of a small level, or of some windows of a large one."""
    if np.dtype(level.dtype) == np.uint8 or isinstance(level, CachedArray):
        return full_range(level.dtype)
    found = [window[np.isfinite(window)] for window in _windows(level, axes)]
    values = np.concatenate(found)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if low < high else (min(low, 0.0), max(high, 1.0))


def _windows(level: Any, axes: str) -> Iterator[NDArray[Any]]:
    if level.size <= LITTLE:
        yield np.asarray(level[...]).ravel()
        return
    y, x = axes.index("y"), axes.index("x")
    for place in np.ndindex(WINDOWS, WINDOWS):
        index: list[Any] = [length // 2 for length in level.shape]
        for axis, number in zip((y, x), place, strict=True):
            start = max(0, level.shape[axis] - SIDE) * number // (WINDOWS - 1)
            index[axis] = slice(start, start + SIDE)
        yield np.asarray(level[tuple(index)]).ravel()


def _labels_layer(labels: OpenedLabels) -> LayerData:
    """Return a layer with the colours of the classes, and their names as features.

    Little labels are a copy in memory, which can be painted on; others show what is in the file.
    """
    place, levels = labels.place, _levels_of_labels(labels)
    about: dict[str, Any] = {
        "name": labels.name, "scale": place.scale, "translate": place.translation, "axis_labels": labels.axes,
        "units": ["um" if known else "pixel" for known in place.measured], "opacity": 0.5,
    }  # fmt: skip
    if labels.colors:
        about["colormap"] = _colormap(labels)
    if labels.properties:
        about["features"] = _features(labels)
    multiscale = len(levels) > 1
    return (levels if multiscale else levels[0]), {"multiscale": multiscale, **about}, "labels"


def _levels_of_labels(labels: OpenedLabels) -> list[Any]:
    if len(labels.levels) == 1 and labels.levels[0].size <= LITTLE:
        return [np.asarray(labels.levels[0][...])]
    axes = "".join(name[0] for name in labels.axes)
    return _shown(labels.levels, axes)


def _colormap(labels: OpenedLabels) -> DirectLabelColormap:
    """Return the colours that the file gives; what it leaves out is grey, as tiles that are not done are."""
    ours = class_colors([], None).color_dict
    return DirectLabelColormap(color_dict={**ours, None: ours[0], 0: "transparent", **labels.colors})


def _features(labels: OpenedLabels) -> dict[str, list[Any]]:
    names = sorted({name for known in labels.properties.values() for name in known})
    columns = {name: [known.get(name, "") for known in labels.properties.values()] for name in names}
    return {"index": list(labels.properties), **columns}
