"""What the XML of an OME-TIFF says: its images, the files that hold their planes, the size of a pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from napari_exactile.images.about.units import Said


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image: its name, what it says of the length of a pixel, its channels, and how many planes it has.

    `sizes` are those of y and x, `channels` the names of all channels that have one. `files` are the names of
    the files that hold planes, where the XML names them.
    """

    name: str
    sizes: tuple[int, int]
    planes: int
    lengths: Mapping[str, Said]
    channels: tuple[str, ...]
    files: tuple[str, ...]


def ome_images(xml: str) -> tuple[OmeImage, ...]:
    """Return the images that OME-XML describes; none of what cannot be understood."""
    try:
        root = ElementTree.fromstring(xml)
        return tuple(
            _image(image, pixels) for image in _all(root, "Image") for pixels in _all(image, "Pixels")
        )
    except (ElementTree.ParseError, KeyError, ValueError):
        return ()


def metadata_file(xml: str) -> str | None:
    """Return the name of the file that describes this one's image, where the XML says no more than that."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    return next((only.get("MetadataFile") for only in _all(root, "BinaryOnly")), None)


def _image(image: ElementTree.Element, pixels: ElementTree.Element) -> OmeImage:
    about, channels = pixels.attrib, list(_all(pixels, "Channel"))
    samples = int(channels[0].get("SamplesPerPixel", 1)) if channels else 1
    size_z, size_c, size_t = (int(about[f"Size{axis}"]) for axis in "ZCT")
    names = [channel.get("Name") for channel in channels]
    files = (uuid.get("FileName") for data in _all(pixels, "TiffData") for uuid in _all(data, "UUID"))
    return OmeImage(
        image.get("Name", ""),
        (int(about["SizeY"]), int(about["SizeX"])),
        size_z * size_t * max(1, size_c // samples),
        dict(_lengths(about)),
        tuple(name for name in names if name is not None) if None not in names else (),
        tuple(dict.fromkeys(name for name in files if name)),
    )


def _lengths(about: Mapping[str, str]) -> Iterator[tuple[str, Said]]:
    for axis in "zyx":
        name = f"PhysicalSize{axis.upper()}"
        if name in about:
            yield axis, Said(about[name], about.get(f"{name}Unit", "µm"))


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the children of this name, whichever version of OME's schema they are of."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def places(images: Sequence[OmeImage], found: Sequence[tuple[str, tuple[int, int]]]) -> list[int | None]:
    """Return the place among the images of each of those that were `found`, by name and size, in order.

    Images of which no plane was found are passed over.
    """
    first, matched = 0, list[int | None]()
    for name, sizes in found:
        left = range(first, len(images))
        at = next((n for n in left if (images[n].name, images[n].sizes) == (name, sizes)), None)
        matched.append(at)
        first = first if at is None else at + 1
    return matched
