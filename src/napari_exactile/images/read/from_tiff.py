"""Images from TIFF files of any size: plain, BigTIFF, OME-TIFF and the pyramids of slide scanners."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.about.chosen import NoSuchImageError, Wanted
from napari_exactile.images.about.incomplete import IncompleteError
from napari_exactile.images.about.opened import OpenedFiles, OpenedImage, remember
from napari_exactile.images.about.units import pixel_size, sizes_left_out
from napari_exactile.images.gaps import GAPS, gap_words
from napari_exactile.images.read.cached import CachedArray
from napari_exactile.images.read.raw import RawArray
from napari_exactile.images.read.zarr_gaps import count_as_read
from napari_exactile.images.tiff.file import TiffFiles
from napari_exactile.images.tiff.forms import array_of, pages_of, shape_and_axes
from napari_exactile.images.tiff.ome_xml import OmeImage
from napari_exactile.images.tiff.parts import Parts, parts_of
from napari_exactile.why import CUT_OFF, WhyError, why

# What is decoded at once, in bytes: windows of files in larger pieces would decode them over and over.
LARGEST_SEGMENT = 1 << 24


def open_tiff(path: Path, wanted: Wanted = None, allow_missing: bool = False) -> OpenedImage:
    """Open an image of a TIFF at full resolution; pixels are read when they are asked for.

    Of several, it is the `wanted` one, by default the largest; of slides, only what was scanned counts. Axes
    of length 1 are dropped, except y and x; samples and channels are both called "c". What the file announces
    and has not is refused by name, unless `allow_missing` has it read as the fill value. The file is closed
    when nobody has its arrays any more. Raises ValueError for what is not a readable TIFF.
    """
    if path.suffix.lower() == ".vsi":
        raise ValueError(
            f"{path} holds a thumbnail only, and its slide lies in .ets files, which cannot be opened: "
            "export it as OME-TIFF"
        )
    try:
        files = TiffFiles(path)
    except Exception as error:  # a file that is cut off in the middle of its header can raise anything
        raise _unreadable(path, error) from error
    try:
        image = _image(files, wanted, allow_missing)
    except (IncompleteError, NoSuchImageError):
        files.close()
        raise
    except Exception as error:
        files.close()
        raise _unreadable(path, error) from error
    _close_after(files, image.levels)
    return image


def _image(files: TiffFiles, wanted: Wanted, allow_missing: bool) -> OpenedImage:
    number = files.images.chosen(wanted)
    series, name = files.series[number], files.images.called(number)
    _refuse_unknown_compression(series.keyframe)
    pages = [next(iter(series))] if _lies_together(series) else pages_of(series)
    parts = parts_of(pages, series)
    _refuse_truncated(series)
    missing = (*files.missing(number, pages), *parts.missing)
    missing += tuple(files.missing_images()) if wanted is None else ()
    if missing and not allow_missing:
        raise IncompleteError(files.path, missing)
    axes = shape_and_axes(series)[1].lower().replace("s", "c")
    arrays = [_array(files.file, level) for level in series.levels]
    told, versions = tuple(map(str, missing)), files.versions(pages)
    remember(arrays[0], OpenedFiles(files.path.resolve(), versions, None, number, files.images, told))
    _note_gaps(arrays[0], parts)
    lengths = files.lengths(number)
    said = {axis: lengths[axis] for axis in "zyx" if axis in axes and axis in lengths}
    notes = (
        *filter(None, [files.images.note(number) if wanted is None else ""]),
        *(f"'{name}' is incomplete: {words}" for words in told),
        *([] if missing else files.notes),
        *([f"of '{name}', {words}"] if (words := gap_words(arrays[0])) else []),
        *_notes(files.file, series, isinstance(arrays[0], CachedArray), name),
        *sizes_left_out(said, "zyx", name),
    )
    channels = _channel_names(files.described(number), axes, arrays[0].shape)
    return OpenedImage(
        name, arrays[0], axes, pixel_size(said, "zyx"), channels, tuple(arrays[1:]), notes, None, number,
        files.images,
    )  # fmt: skip


def _note_gaps(array: Any, parts: Parts) -> None:
    """Keep what is not stored; where that is not known by now, it is counted as it is read."""
    if parts.gaps is not None:
        GAPS.keep(array, parts.gaps)
    else:
        count_as_read(array)


def _array(file: Any, level: Any) -> Any:
    """Return what slices one resolution: byte by byte where pixels lie as in an array, else in pieces."""
    page, (shape, _axes) = level.keyframe, shape_and_axes(level)
    if _lies_together(level) and page.dtype is not None:
        dtype = np.dtype(page.parent.byteorder + page.dtype.char)
        return RawArray(Path(page.parent.filehandle.path), dtype, shape, level.dataoffset)
    if _segment_bytes(page) > LARGEST_SEGMENT:
        return CachedArray(shape, level.dtype, lambda out: file.asarray(series=level, squeeze=True, out=out))
    return array_of(level)


def _lies_together(level: Any) -> bool:
    """Tell whether pixels lie in the file as in an array; one strip that is not stored has no place there."""
    page, first = level.keyframe, next(iter(level))
    together = level.dataoffset and page.is_contiguous and not level.is_multifile
    return bool(together and first is not None and first.databytecounts[0])


def _segment_bytes(page: Any) -> int:
    """Return the bytes of the pixels of one tile or strip."""
    return int(np.prod(page.chunks, dtype=np.int64)) * int(page.dtype.itemsize)


def _notes(file: Any, series: Any, cached: bool, name: str) -> Iterator[str]:
    """Yield what a person should know of a file before it is read."""
    if cached:
        yield _cost(name, series)
    if file.is_bif:
        yield f"'{name}' is read as its tiles lie in the file: where they overlap on the slide, pixels repeat"


def _cost(name: str, series: Any) -> str:
    segment, whole = _segment_bytes(series.keyframe) / 1e6, series.nbytes / 1e6
    return (
        f"'{name}' has strips or tiles of {segment:.0f} MB, which can only be decoded as a whole: that takes "
        f"as much memory, and a temporary file of {whole:.0f} MB. Tiles of 512 px would be read one by one"
    )


def _refuse_truncated(series: Any) -> None:
    """Raise WhyError where the file ends before pixels that lie together do, as after a broken copy."""
    if series.dataoffset and series.dataoffset + series.nbytes > series.keyframe.parent.filehandle.size:
        raise WhyError(CUT_OFF)


def _refuse_unknown_compression(page: Any) -> None:
    """Raise WhyError where no codec is installed for a compression: no window could be read."""
    import tifffile

    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        name = getattr(page.compression, "name", page.compression)
        words = f"no codec for its compression ({name}) is installed, neither is one in imagecodecs"
        raise WhyError(f"{words}; save it with another one, such as deflate or zstd")


def _close_after(file: TiffFiles, arrays: Sequence[Any]) -> None:
    """Close the file once all its arrays are gone: they read from it as long as somebody has one."""
    alive = set(map(id, arrays))

    def gone(which: int) -> None:
        alive.discard(which)
        if not alive:
            file.close()

    for array in arrays:
        weakref.finalize(array, gone, id(array))


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be opened as a TIFF file: {why(error)}")


def _channel_names(image: OmeImage | None, axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names that OME gives the channels; none where it does not name all of them."""
    names = image.channels if image and "c" in axes else ()
    return names if names and len(names) == shape[axes.index("c")] else ()
