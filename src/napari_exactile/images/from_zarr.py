"""Images from zarr arrays and OME-Zarr groups (versions 2 and 3, OME-NGFF 0.4 and 0.5), zipped or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from math import inf, isfinite, prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from napari_exactile.images.chosen import Images, Wanted
from napari_exactile.images.gaps import gap_words
from napari_exactile.images.ome_xml import ome_images
from napari_exactile.images.opened import FileVersion, OpenedFiles, OpenedImage, Place, remember
from napari_exactile.images.units import Said, micrometres, wrong_sizes
from napari_exactile.images.zarr_gaps import count_gaps

# The axes before OME-NGFF 0.3, which named none.
OLD_AXES = "tczyx"
LETTERS = {"time": "t", "channel": "c", "channels": "c"}
# Members of a group beside its images.
NO_IMAGES = {"labels", "OME"}


def open_zarr(path: Path, wanted: Wanted = None) -> OpenedImage:
    """Open a zarr array, or an image of an OME-Zarr group; chunks are read when they are asked for.

    Of several images, it is the `wanted` one, by default the largest. It may lie in a zip file as it is.
    Chunks that are not stored are the fill value, and told. Raises ValueError for folders and zip files that
    are not zarr, or hold no image, or arrays of which one must be named.
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
    member = _named(node, wanted)
    where, named = (path, wanted) if member is None else (path / str(wanted), None)
    members = _members(where, node if member is None else member)
    images = _images(where.name, members)
    number = images.chosen(named)
    image = _opened(where, members[number], images.called(number))
    versions = () if version is None else (version,)
    series = number if member is None else wanted
    remember(image.array, OpenedFiles(path.resolve(), versions, None, series, images))
    count_gaps(image.array)
    notes = (
        *filter(None, [images.note(number) if named is None else ""]),
        *image.notes,
        *([f"of '{image.name}', {words}"] if (words := gap_words(image.array)) else []),
    )
    return replace(image, notes=notes, number=number, images=images)


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


@dataclass(frozen=True, slots=True)
class _Member:
    """An image in a zarr: an array by itself, or a multiscale image of a group."""

    name: str
    node: Any
    multiscale: Mapping[str, Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its pixels; empty where they cannot be found."""
        try:
            node = self.node if self.multiscale is None else levels_of(self.node, self.multiscale)[0]
            return tuple(node.shape)
        except Exception:  # what is wrong with it is said when it is opened
            return ()


def _images(file: str, members: Sequence[_Member]) -> Images:
    shapes = tuple(member.shape for member in members)
    alike = len({id(member.node) for member in members}) == 1
    return Images(file, tuple(member.name for member in members), shapes, tuple(map(prod, shapes)), alike)


def _named(node: Any, wanted: Wanted) -> Any:
    """Return the member of this name of a group that says nothing of images; None where there is none."""
    import zarr

    plain = isinstance(node, zarr.Group) and not {"multiscales", "bioformats2raw.layout"} & set(ome_of(node))
    return node.get(wanted) if plain and isinstance(wanted, str) and wanted not in NO_IMAGES else None


def _members(path: Path, node: Any) -> list[_Member]:
    """Return the images in a node of a zarr; raise ValueError where there is none, or one must be named."""
    import zarr

    if isinstance(node, zarr.Array):
        return [_Member("", node)]
    about = ome_of(node)
    if "image-label" in about:
        raise ValueError(f"{path} holds labels, not an image")
    if "plate" in about or "well" in about:
        raise ValueError(f"{path} is a plate of many images: name one of them, such as its folder A/1/0")
    if about.get("multiscales"):
        return [_Member(str(one.get("name") or ""), node, one) for one in about["multiscales"]]
    if "bioformats2raw.layout" in about and (found := _converted(path, node)):
        return found
    name = _only_member(path, node)
    return _members(path / name, node[name])


def _converted(path: Path, group: Any) -> list[_Member]:
    """Return the series that a converter has written, by the names that its OME-XML gives them."""
    xml = path / "OME" / "METADATA.ome.xml"
    described = ome_images(xml.read_text(encoding="utf-8")) if xml.is_file() else ()
    numbers = list(takewhile(lambda number: group.get(number) is not None, map(str, count())))
    # Several multiscale images of one series are forms of the same.
    first = [_members(path / number, group[number])[0] for number in numbers]
    known = [one.name for one in described] if len(described) == len(first) else [""] * len(first)
    return [
        replace(one, name=name or one.name or number)
        for one, name, number in zip(first, known, numbers, strict=True)
    ]


def ome_of(group: Any) -> Mapping[str, Any]:
    """Return what OME-NGFF says of a group: since 0.5 under a name of its own."""
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)
    return about if isinstance(about, Mapping) else {}


def _only_member(path: Path, group: Any) -> str:
    """Return the one member that can be meant: labels are beside an image, not one."""
    names: list[str] = sorted(name for name, _member in group.members() if name not in NO_IMAGES)
    if len(names) != 1:
        several = f": name one of its members, {', '.join(names[:5])}" if names else ""
        raise ValueError(f"{path} is a zarr group without an image{several}")
    return names[0]


def _opened(path: Path, member: _Member, name: str) -> OpenedImage:
    if member.multiscale is None:
        return OpenedImage(name, member.node, _array_axes(member.node))
    try:
        return _multiscale(name, member.node, member.multiscale)
    except Exception as error:
        raise _unreadable(path, error) from error


def _multiscale(name: str, group: Any, image: Mapping[str, Any]) -> OpenedImage:
    arrays = levels_of(group, image)
    axes, about = axes_of(image), ome_of(group)
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
