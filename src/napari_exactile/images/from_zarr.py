"""Images from zarr arrays and OME-Zarr groups (versions 2 and 3, OME-NGFF 0.4 and 0.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_exactile.images.opened import OpenedImage, micrometres

# The axes before OME-NGFF 0.3, which named none.
OLD_AXES = "tczyx"
LETTERS = {"time": "t", "channel": "c", "channels": "c"}


def open_zarr(path: Path) -> OpenedImage:
    """Open a zarr array, or the first image of an OME-Zarr group; chunks are read when they are asked for.

    Raises ValueError for folders that are not zarr, or hold no image or several, saying which to name.
    """
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except FileNotFoundError:
        raise ValueError(f"{path} is a folder without a zarr array or an OME-Zarr image") from None
    except Exception as error:
        raise _unreadable(path, error) from error
    if isinstance(node, zarr.Array):
        return OpenedImage(path.name, node, _array_axes(node))
    return _open_group(path, node)


def _open_group(path: Path, group: Any) -> OpenedImage:
    about = _ome(group)
    if "image-label" in about:
        raise ValueError(f"{path} holds labels, not an image")
    if "plate" in about or "well" in about:
        raise ValueError(f"{path} is a plate of many images: name one of them, such as its folder A/1/0")
    if about.get("multiscales"):
        try:
            return _multiscale(path.name, group, about)
        except Exception as error:
            raise _unreadable(path, error) from error
    return open_zarr(path / _only_image(path, group, about))


def _ome(group: Any) -> Mapping[str, Any]:
    """Return what OME-NGFF says of a group: since 0.5 under a name of its own."""
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)
    return about if isinstance(about, Mapping) else {}


def _only_image(path: Path, group: Any, about: Mapping[str, Any]) -> str:
    """Return the one member that can be meant: labels are beside an image, not one."""
    names: list[str] = sorted(name for name, _member in group.members() if name != "labels")
    if "bioformats2raw.layout" in about and "0" in names:
        return "0"  # the converter's series, of which the first is the image
    if len(names) != 1:
        several = f": name one of its members, {', '.join(names[:5])}" if names else ""
        raise ValueError(f"{path} is a zarr group without an image{several}")
    return names[0]


def _multiscale(name: str, group: Any, about: Mapping[str, Any]) -> OpenedImage:
    image = about["multiscales"][0]
    arrays = [group[str(dataset["path"])] for dataset in image["datasets"]]
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in image.get("axes", OLD_AXES)]
    scale = _scale(image["datasets"][0], len(axes), _scale(image, len(axes)))
    named = _letters([str(axis["name"]) for axis in axes])
    shape = arrays[0].shape
    return OpenedImage(
        name, arrays[0], named, _pixel_size(axes, scale), _channel_names(about, named, shape),
        tuple(array for array in arrays[1:] if array.ndim == len(shape)),
    )  # fmt: skip


def _scale(described: Mapping[str, Any], axes: int, before: Sequence[float] | None = None) -> list[float]:
    """Return the size of an element along each axis, from the transformations of an image or a level."""
    scale = list(before or [1.0] * axes)
    for transformation in described.get("coordinateTransformations", ()):
        if transformation.get("type") == "scale":
            scale = [a * b for a, b in zip(scale, transformation["scale"], strict=True)]
    return scale


def _pixel_size(axes: Sequence[Mapping[str, Any]], scale: Sequence[float]) -> tuple[float, ...] | None:
    """Return the size along the axes of space in micrometres; None where one has no unit of length."""
    space = [(axis, size) for axis, size in zip(axes, scale, strict=True) if axis["name"] in {*"zyx"}]
    try:
        return tuple(micrometres(size, str(axis["unit"])) for axis, size in space)
    except (KeyError, ValueError):
        return None


def _channel_names(about: Mapping[str, Any], axes: str | None, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the labels of the channels; none where not all of them have one."""
    try:
        names = tuple(str(channel["label"]) for channel in about["omero"]["channels"])
        return names if axes is not None and len(names) == shape[axes.index("c")] else ()
    except (KeyError, TypeError, ValueError):
        return ()


def _array_axes(array: Any) -> str | None:
    """Return the axes of a plain array, as zarr 3 names them, or xarray in zarr 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return _letters([str(name) for name in names]) if names and len(names) == array.ndim else None


def _letters(names: Sequence[str]) -> str | None:
    """Return a letter for each name; None where one is unknown, or two are the same."""
    found = [LETTERS.get(name.lower(), name.lower()) for name in names]
    known = all(len(letter) == 1 for letter in found) and len(set(found)) == len(found)
    return "".join(found) if known else None


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be opened as zarr: {' '.join(str(error).split()) or type(error).__name__}"
    )
