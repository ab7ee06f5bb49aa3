"""The images in a zarr: arrays, multiscale images of groups, and the series that a converter has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from napari_exactile.images.about.chosen import NAMED, Images, Wanted
from napari_exactile.images.about.incomplete import LEFT_OUT, Missing
from napari_exactile.images.tiff.ome_xml import OmeImage, ome_images
from napari_exactile.why import FileRefusedError, WhyError, why

# Members of a group beside its images.
NO_IMAGES = {"labels", "OME"}
# Groups with larger numbers than this are none of several series that are numbered from 0 on.
MOST_SERIES = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """An image in a zarr: an array by itself, or a multiscale image of a group.

    Where its pixels are not there, `lost` says what is not.
    """

    name: str
    node: Any
    multiscale: Mapping[str, Any] | None = None
    lost: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its pixels; empty where they are lost."""
        if self.lost:
            return ()
        node = self.node
        return tuple((node if self.multiscale is None else _array(node, _paths(self.multiscale)[0])).shape)

    @property
    def levels(self) -> list[Any]:
        """The arrays of a multiscale image that are there, the largest first."""
        assert self.multiscale is not None
        found = [_array(self.node, path) for path in _paths(self.multiscale)]
        return [array for array in found if array is not None and array.ndim == found[0].ndim]

    @property
    def missing_levels(self) -> tuple[Missing, ...]:
        """The smaller levels that are named and not there."""
        paths = [] if self.multiscale is None else _paths(self.multiscale)
        return tuple(
            Missing(f"the level {_not_there(self.node, path)}", LEFT_OUT)
            for path in paths
            if _array(self.node, path) is None
        )


def levels_of(group: Any, image: Mapping[str, Any]) -> list[Any]:
    """Return the arrays of a multiscale image, the largest first; raise ValueError where one is not there."""
    arrays = {path: _array(group, path) for path in _paths(image)}
    lost = [path for path, array in arrays.items() if array is None]
    if lost:
        raise WhyError(f"the level {_not_there(group, lost[0])}")
    largest, *_smaller = arrays.values()
    return [array for array in arrays.values() if array.ndim == largest.ndim]


def _paths(image: Mapping[str, Any]) -> list[str]:
    """Return the paths of the levels that an image names, the largest first."""
    try:
        paths = [str(dataset["path"]) for dataset in image["datasets"]]
    except (KeyError, TypeError):
        paths = []
    if not paths:
        raise WhyError("it does not say where its levels lie (datasets, path)")
    return paths


def _array(group: Any, path: str) -> Any:
    import zarr

    try:
        found = group.get(path)
    except Exception:  # a node that cannot be understood can raise anything: no array is there
        return None
    return found if isinstance(found, zarr.Array) else None


def _not_there(group: Any, path: str) -> str:
    """Return the name of a level whose array is not there, or what else is wrong with it."""
    try:
        there = group.get(path) is not None
    except Exception:
        there = True
    return (
        f"'{_place(group, path)}' that it names {'is no array that can be read' if there else 'is not there'}"
    )


def _place(group: Any, path: str) -> str:
    return "/".join(filter(None, (group.path, path)))


def images_among(file: str, members: Sequence[Member]) -> Images:
    """Return what images there are, and which of those that are announced are not."""
    shapes, lost = tuple(member.shape for member in members), tuple(map(str, lost_among(members)))
    alike = len({id(member.node) for member in members}) == 1
    return Images(
        file, tuple(member.name for member in members), shapes, tuple(map(prod, shapes)), alike,
        frozenset(number for number, member in enumerate(members) if member.lost), lost,
    )  # fmt: skip


def lost_among(members: Sequence[Member]) -> tuple[Missing, ...]:
    """Return the images that are announced and not there; of many, the first ones are named."""
    lost = [(number, member) for number, member in enumerate(members) if member.lost]
    named = [Missing(_lost_words(number, member), LEFT_OUT) for number, member in lost[:NAMED]]
    more = len(lost) - len(named)
    return (*named, *([Missing(f"{more:,} more images are missing", "they are left out")] if more else ()))


def _lost_words(number: int, member: Member) -> str:
    name = f" '{member.name}'" if member.name not in {"", str(number)} else ""
    return f"image {number}{name} is missing: {member.lost}"


def named_member(node: Any, wanted: Wanted) -> Any:
    """Return the member of this name of a group that says nothing of images; None where there is none."""
    import zarr

    plain = isinstance(node, zarr.Group) and not {"multiscales", "bioformats2raw.layout"} & set(ome_of(node))
    return node.get(wanted) if plain and isinstance(wanted, str) and wanted not in NO_IMAGES else None


def members_of(path: Path, node: Any) -> list[Member]:
    """Return the images in a node of a zarr; raise ValueError where there is none, or one must be named."""
    import zarr

    if isinstance(node, zarr.Array):
        return [Member("", node)]
    about = ome_of(node)
    if "image-label" in about:
        raise FileRefusedError(f"{path} holds labels, not an image: open the image that they are of")
    if "plate" in about or "well" in about:
        raise FileRefusedError(
            f"{path} is a plate of many images: name one of them, such as its folder A/1/0"
        )
    if about.get("multiscales"):
        return [_multiscale(node, one) for one in about["multiscales"]]
    if "bioformats2raw.layout" in about and (found := _converted(path, node)):
        return found
    name = _only_member(path, node)
    return members_of(path / name, node[name])


def _multiscale(group: Any, image: Mapping[str, Any]) -> Member:
    """Return a multiscale image, which is lost without its largest level."""
    try:
        path = _paths(image)[0]
        lost = "" if _array(group, path) is not None else f"its level {_not_there(group, path)}"
        return Member(str(image.get("name") or ""), group, image, lost)
    except (ValueError, AttributeError) as error:
        return Member("", group, None, str(error))


def _converted(path: Path, group: Any) -> list[Member]:
    """Return the series that a converter has written, by the names that its OME-XML gives them."""
    described = _described(group)
    series = _announced(group, described)
    known = [one.name for one in described] if len(described) == len(series) else [""] * len(series)
    found = [_series(path, group, one) for one in series]
    return [
        replace(one, name=name or one.name or own)
        for one, name, own in zip(found, known, series, strict=True)
    ]  # fmt: skip


def _announced(group: Any, described: Sequence[OmeImage]) -> list[str]:
    """Return the groups of all series: as a list names them, or as many as described, or up to the last."""
    import zarr
    from zarr.core.sync import sync

    about = group.get("OME")
    listed = ome_of(about).get("series") if isinstance(about, zarr.Group) else None
    if isinstance(listed, list) and listed:
        return list(dict.fromkeys(map(str, listed)))
    numbers = {str(number) for number in range(MOST_SERIES)} & sync(_names(group))
    count = max(map(int, numbers), default=-1) + 1
    return [str(number) for number in range(max(count, len(described)))]


async def _names(group: Any) -> set[str]:
    return {name.rstrip("/") async for name in group.store.list_dir(group.path)}


def _described(group: Any) -> tuple[OmeImage, ...]:
    """Return what OME-XML says of the series, wherever the zarr lies; nothing where there is none."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    key = _place(group, "OME/METADATA.ome.xml")
    try:
        found = sync(group.store.get(key, default_buffer_prototype()))
        return () if found is None else ome_images(found.to_bytes().decode())
    except (OSError, UnicodeDecodeError, KeyError):
        return ()


def _series(path: Path, group: Any, name: str) -> Member:
    """Return one series; several multiscale images of it are forms of the same."""
    node = None
    try:
        node = group.get(name)
        if node is not None:
            return members_of(path / name, node)[0]
        return Member("", None, None, f"its group '{name}' is not there")
    except Exception as error:  # a group that is damaged can raise anything
        return Member(
            "", node, None, f"its group '{name}' cannot be read: {why(error, 'its files are damaged')}"
        )


def ome_of(group: Any) -> Mapping[str, Any]:
    """Return what OME-NGFF says of a group: since 0.5 under a name of its own."""
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)
    return about if isinstance(about, Mapping) else {}


def _only_member(path: Path, group: Any) -> str:
    """Return the one member that can be meant: labels are beside an image, not one."""
    names: list[str] = sorted(name for name, _member in group.members() if name not in NO_IMAGES)
    if len(names) != 1:
        members = f"name one of its members, {', '.join(names[:5])}"
        several = f": {members}" if names else ": choose a folder that holds one"
        raise FileRefusedError(f"{path} is a zarr group without an image{several}")
    return names[0]
