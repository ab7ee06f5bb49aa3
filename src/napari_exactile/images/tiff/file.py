"""A TIFF file that has been opened, with the files that belong with it, and the images in them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from threading import get_ident
from typing import Any

from napari_exactile.geometry.words import part_of
from napari_exactile.images.about.chosen import Images
from napari_exactile.images.about.incomplete import LEFT_OUT, Missing
from napari_exactile.images.about.opened import FileVersion
from napari_exactile.images.about.units import Said
from napari_exactile.images.tiff.forms import all_series, shape_and_axes
from napari_exactile.images.tiff.lengths import lengths_of
from napari_exactile.images.tiff.ome_xml import OmeImage, metadata_file, ome_images, places
from napari_exactile.images.tiff.parts import broken_chain, missing_planes
from napari_exactile.why import WhyError, why

# Kinds of slides whose other images are pictures of the glass and of its label.
SLIDES = {"svs", "ndpi", "bif", "qpi", "philips", "avs", "scn"}
# The endings of files that describe images in other files, and hold none.
COMPANION = ".companion.ome"

LOOK = "look whether the image is as it should be, or save it anew"


class TiffFiles:
    """The files of a TIFF, and the series of pages in them, each of them an image.

    `file` is what tifffile has opened, `series` those that are images of their own, `notes` what was odd at
    opening it. Raises OSError, TiffFileError or ValueError for what cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._own, self._unfollowed = path, [FileVersion.of(path)], ""
        with _complaints() as complaints:
            self.file = self._opened()
            try:
                self._ome = ome_images(self.file.ome_metadata or "")
                self._folder = Path(self.file.filehandle.dirname)
                self._versions = self._looked_at()
                self.series = _images_among(all_series(self.file))
            except Exception as error:
                self.file.close()
                raise WhyError(self._unreadable() or why(error)) from error
        self._places = self._placed()
        self.notes = tuple(dict.fromkeys(f"'{path.name}' {_said_of(words)}" for words in complaints))

    def _opened(self) -> Any:
        """Open the file, by the words of the file that describes it where it has none of its own."""
        import tifffile

        if self.path.name.lower().endswith(COMPANION):
            return self._described(self.path)
        file = tifffile.TiffFile(self.path)
        other = metadata_file(file.ome_metadata or "")
        if other is None:
            return file
        if (self.path.parent / other).is_file():
            file.close()
            return self._described(self.path.parent / other, self.path)
        self._unfollowed = f"{other}, which describes what it is a part of, is not there"
        return file

    def _described(self, companion: Path, first: Path | None = None) -> Any:
        """Open a file, by default any of them, by what another one says of it."""
        import tifffile

        self._own.append(FileVersion.of(companion))
        xml = companion.read_text(encoding="utf-8")
        there = (companion.parent / name for image in ome_images(xml) for name in image.files)
        first = first or next((one for one in there if one.is_file()), None)
        if first is None:
            raise WhyError("none of the files that it describes is there; put them beside it")
        return tifffile.TiffFile(first, omexml=xml.strip())

    def _looked_at(self) -> dict[Path, FileVersion]:
        """Return the versions of the files of all images: before tifffile looks at them."""
        versions = list(self._own)
        for path in {self._folder / name for image in self._ome for name in image.files}:
            with suppress(OSError):
                versions.append(FileVersion.of(path))
        return {version.path: version for version in versions}

    def _unreadable(self) -> str:
        """Return which of the other files ends in the middle of its header, or is no TIFF; "" for none."""
        import tifffile

        for name in dict.fromkeys(name for image in self._ome for name in image.files):
            try:
                tifffile.TiffFile(self._folder / name).close()
            except FileNotFoundError:
                continue
            except Exception as error:
                return f"{name}, which holds planes of it, cannot be read: {why(error)}"
        return ""

    def _placed(self) -> list[int | None]:
        """Return which of the images that OME-XML describes each series is."""
        if any(one.kind != "ome" for one in self.series):
            return [None] * len(self.series)
        return places(self._ome, [(str(one.name or ""), _sizes(one)) for one in self.series])

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def images(self) -> Images:
        """What images there are."""
        forms = [shape_and_axes(one) for one in self.series]
        pixels = [prod(n for n, axis in zip(*form, strict=True) if axis != "S") for form in forms]
        names = tuple(str(one.name or "") for one in self.series)
        lost = tuple(map(str, self.missing_images()))
        return Images(self.path.name, names, tuple(shape for shape, _axes in forms), tuple(pixels), lost=lost)

    def described(self, number: int) -> OmeImage | None:
        """Return what OME-XML says of one image."""
        place = self._places[number]
        return None if place is None else self._ome[place]

    def lengths(self, number: int) -> Mapping[str, Said]:
        """Return what is said of the lengths of a pixel of one image."""
        if (image := self.described(number)) is not None:
            return image.lengths
        return {} if self.file.is_ome else lengths_of(self.file)

    def missing(self, number: int, pages: Sequence[Any]) -> Iterator[Missing]:
        """Yield what one image should have and has not, with its `pages`."""
        if self._unfollowed:
            yield Missing(self._unfollowed, "it is read by itself")
        yield from filter(None, map(broken_chain, self._files(pages)))
        image = self.described(number)
        why = self._not_there(image) if image else ""
        yield from filter(None, [missing_planes(pages, self.series[number], why), self._left_out(number)])

    def missing_images(self) -> Iterator[Missing]:
        """Yield the images that OME-XML describes, and of which there is no plane."""
        known = {place for place in self._places if place is not None}
        for place, image in enumerate(self._ome if known else ()):
            if place not in known:
                words = f"image '{image.name}' is missing{self._not_there(image)}"
                yield Missing(words, LEFT_OUT)

    def _not_there(self, image: OmeImage) -> str:
        """Return which files of an image are not there, to be added to what is missing."""
        files = [name for name in image.files if not (self._folder / name).is_file()]
        return f": {', '.join(files)} {'is' if len(files) == 1 else 'are'} not there" if files else ""

    def _left_out(self, number: int) -> Missing | None:
        """Return what the file announces, where tifffile could not make that of its pages and took a part."""
        series = self.series[number]
        there, announced = prod(series.shape) // prod(series.keyframe.shape), 1
        if series.kind == "shaped":
            announced = prod(_shaped(series.keyframe)) // prod(series.keyframe.shape)
        elif self.file.is_ome and series.kind not in {"ome", "mmstack", "ndtiff"}:
            there, announced = len(self.file.pages), sum(image.planes for image in self._ome)
        elif self.file.is_imagej and series.kind != "imagej":
            there, announced = len(self.file.pages), int(self.file.imagej_metadata.get("images", 1))
        if announced <= there:
            return None
        words = f"{part_of(announced - there, announced, 'plane')} that it announces are missing"
        return Missing(words, "they are left out")

    def _files(self, pages: Sequence[Any]) -> list[Any]:
        """Return the files of tifffile that hold pages, the opened one first."""
        parents = (page.parent for page in pages if page is not None)
        return list({id(one): one for one in (self.file, *parents)}.values())

    def versions(self, pages: Sequence[Any]) -> tuple[FileVersion, ...]:
        """Return the versions of all files that an image with these `pages` is made of."""
        paths = [Path(file.filehandle.path).resolve() for file in self._files(pages)]
        every = dict.fromkeys([*(version.path for version in self._own), *paths])
        return tuple(self._versions.get(path) or FileVersion.of(path) for path in every)


def _images_among(series: Sequence[Any]) -> list[Any]:
    """Return those series that are images of their own: of a slide, only what was scanned in full."""
    if not series:
        raise WhyError("it holds no image; save it again")
    largest = max(series, key=lambda one: one.size)
    if largest.kind not in SLIDES:
        return list(series)
    scanned = [one for one in series if one.kind == "scn" and len(one.levels) > 1]
    return scanned or [largest]


def _shaped(page: Any) -> Sequence[int]:
    """Return the shape that tifffile's own description of a page says."""
    try:
        shape: Sequence[int] = json.loads(page.shaped_description)["shape"]
    except (ValueError, KeyError, TypeError):
        return ()
    return shape


def _sizes(series: Any) -> tuple[int, int]:
    shape, axes = shape_and_axes(series)
    return shape[axes.index("Y")], shape[axes.index("X")]


def _said_of(complaint: str) -> str:
    """Return in words of our own what tifffile has warned of; its words are in the log.

    >>> _said_of("OME series expected 2 frames, got 3").partition(":")[0]
    'announces 2 planes and holds 3'
    """
    if planes := re.search(r"expected (\d+) frames, got (\d+)", complaint):
        return f"announces {planes[1]} planes and holds {planes[2]}: {LOOK}"
    return f"is not quite what its format demands: {LOOK}"


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Yield a list of what tifffile warns of in this thread meanwhile, without the names of its objects."""
    heard, thread, logger = list[str](), get_ident(), logging.getLogger("tifffile")

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words = " ".join(record.getMessage().rpartition(">")[2].split())
            if record.thread == thread and "not stitched" not in words:  # that is said in words of our own
                heard.append(words)

    listener = Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
