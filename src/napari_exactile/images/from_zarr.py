"""Images from zarr arrays and OME-Zarr groups (versions 2 and 3, OME-NGFF 0.4 and 0.5), zipped or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from napari_exactile.images.opened import FileVersion, OpenedImage, Place, remember
from napari_exactile.images.units import Said, micrometres, wrong_sizes

# The axes before OME-NGFF 0.3, which named none.
OLD_AXES = "tczyx"
LETTERS = {"time": "t", "channel": "c", "channels": "c"}


def open_zarr(path: Path) -> OpenedImage:
    """Open a zarr array, or the first image of an OME-Zarr group; chunks are read when they are asked for.

    It may lie in a zip file as it is. Raises ValueError for folders and zip files that are not zarr, or hold
    no image or several, saying which to name.
    """
    import zarr

    zipped = path.is_file()
    try:
        version = FileVersion.of(path) if zipped else None
        node = _in_zip(path) if zipped else zarr.open(path, mode="r")
    except FileNotFoundError:
        kind = "zip file" if zipped else "folder"
        raise ValueError(f"{path} is a {kind} without a zarr array or an OME-Zarr image") from None
    except Exception as error:
        raise _unreadable(path, error) from error
    image = _open_node(path, node)
    if version is not None:
        remember(image.array, version)
    return image


def _in_zip(path: Path) -> Any:
    """Return what is in a zip file, or in the only folder in it; it is closed when nobody has its arrays."""
    import zarr

    with ZipFile(path) as file:
        names = [name for name in file.namelist() if not name.startswith("__MACOSX/")]
    tops = {name.partition("/")[:2] for name in names}
    ((folder, slash),) = tops if len(tops) == 1 else {("", "")}
    store = zarr.storage.ZipStore(path, mode="r")
    try:
        return zarr.open(store, mode="r", path=folder if slash else "")
    except Exception:
        store.close()
        raise


def _open_node(path: Path, node: Any) -> OpenedImage:
    import zarr

    if isinstance(node, zarr.Array):
        return OpenedImage(path.name, node, _array_axes(node))
    return _open_group(path, node)


def _open_group(path: Path, group: Any) -> OpenedImage:
    about = ome_of(group)
    if "image-label" in about:
        raise ValueError(f"{path} holds labels, not an image")
    if "plate" in about or "well" in about:
        raise ValueError(f"{path} is a plate of many images: name one of them, such as its folder A/1/0")
    if about.get("multiscales"):
        try:
            return _multiscale(path.name, group, about)
        except Exception as error:
            raise _unreadable(path, error) from error
    name = _only_image(path, group, about)
    return _open_node(path / name, group[name])


def ome_of(group: Any) -> Mapping[str, Any]:
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
    arrays = levels_of(group, image)
    axes = axes_of(image)
    place, named = place_of(image, axes), _letters([str(axis["name"]) for axis in axes])
    return OpenedImage(
        name, arrays[0], named, _pixel_size(axes, place), _channel_names(about, named, arrays[0].shape),
        tuple(arrays[1:]), tuple(_wrong_scales(name, image, axes)), place,
    )  # fmt: skip


def levels_of(group: Any, image: Mapping[str, Any]) -> list[Any]:
    """Return the arrays of a multiscale image, the largest first."""
    arrays = [group[str(dataset["path"])] for dataset in image["datasets"]]
    return [array for array in arrays if array.ndim == arrays[0].ndim]


def axes_of(image: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is said of each axis of a multiscale image, its name at least."""
    return [axis if isinstance(axis, Mapping) else {"name": axis} for axis in image.get("axes", OLD_AXES)]


def place_of(image: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Place:
    """Return where level 0 lies: its own transformations come before those of the whole image.

    Elements that would all lie in one place are one apart. Raises KeyError, TypeError or ValueError where
    transformations are not as they should be.
    """
    scale, translation = _transformed(image, len(axes))
    found = [
        (size, start, _micrometres(axis)) if _is_distance(size) and isfinite(start) else (1.0, 0.0, None)
        for size, start, axis in zip(scale, translation, axes, strict=True)
    ]
    return Place(
        tuple(size * (unit or 1.0) for size, _start, unit in found),
        tuple(start * (unit or 1.0) for _size, start, unit in found),
        tuple(unit is not None for _size, _start, unit in found),
    )


def _transformed(image: Mapping[str, Any], axes: int) -> tuple[list[float], list[float]]:
    """Return scale and translation of level 0 along each axis, in the units of the file."""
    scale, translation = [1.0] * axes, [0.0] * axes
    for described in image["datasets"][0], image:
        for step in described.get("coordinateTransformations", ()):
            if step.get("type") == "scale":
                scale = [a * b for a, b in zip(scale, step["scale"], strict=True)]
                translation = [a * b for a, b in zip(translation, step["scale"], strict=True)]
            elif step.get("type") == "translation":
                translation = [a + b for a, b in zip(translation, step["translation"], strict=True)]
    return scale, translation


def _is_distance(size: float) -> bool:
    return isfinite(size) and size != 0  # what counts backwards is below 0


def _micrometres(axis: Mapping[str, Any]) -> float | None:
    """Return the micrometres of an axis's unit; None for what is not a length."""
    try:
        return micrometres(1.0, str(axis["unit"])) if axis["name"] in {*"zyx"} else None
    except (KeyError, ValueError):
        return None


def _wrong_scales(name: str, image: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield notes on elements at no distance of each other, and on units of length that are not known."""
    scale, _translation = _transformed(image, len(axes))
    for size, axis in zip(scale, axes, strict=True):
        if not _is_distance(size):
            yield f"'{name}' gives its elements a distance of {size:g} along {axis['name']}: it is left out"
    units = {str(axis["name"]): str(axis.get("unit", "")) for axis in axes if axis["name"] in {*"zyx"}}
    yield from wrong_sizes({axis: Said(1, unit) for axis, unit in units.items()}, name)


def _pixel_size(axes: Sequence[Mapping[str, Any]], place: Place) -> tuple[float, ...] | None:
    """Return the size along the axes of space in micrometres; None where one has no unit of length."""
    space = [number for number, axis in enumerate(axes) if axis["name"] in {*"zyx"}]
    known = all(place.measured[number] and 0 < place.scale[number] < inf for number in space)
    return tuple(place.scale[number] for number in space) if known else None


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
