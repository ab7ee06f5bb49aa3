"""Images from TIFF files of any size: plain, BigTIFF, OME-TIFF and the pyramids of slide scanners."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.cached import CachedArray
from napari_exactile.images.opened import FileVersion, OpenedImage, micrometres, remember
from napari_exactile.images.tifffile_forms import all_series, array_of, shape_and_axes

# What is decoded at once, in bytes: windows of files in larger pieces would decode them over and over.
LARGEST_SEGMENT = 1 << 24


def open_tiff(path: Path) -> OpenedImage:
    """Open the first series of a TIFF at full resolution; pixels are read when they are asked for.

    In files of scanners that begin with a picture of the whole glass, the largest series is the slide.
    Axes of length 1 are dropped, except y and x; samples and channels are both called "c". The file is closed
    when nobody has its arrays any more. Raises ValueError for what is not a readable TIFF.
    """
    import tifffile

    if path.suffix.lower() == ".vsi":
        raise ValueError(
            f"{path} holds a thumbnail only, and its slide lies in .ets files, which cannot be opened: "
            "export it as OME-TIFF"
        )
    try:
        version, file = FileVersion.of(path), tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError) as error:
        raise _unreadable(path, error) from error
    try:
        image = _first_image(file, path.name)
    except Exception as error:
        file.close()
        raise _unreadable(path, error) from error
    _close_after(file, image.levels)
    remember(image.array, version)
    return image


def _first_image(file: Any, name: str) -> OpenedImage:
    # The XML of Leica's SCN files lists the picture of the glass first, and then the areas that were scanned.
    every = all_series(file)
    series = max(every, key=lambda one: one.size) if file.is_scn else every[0]
    _refuse_truncated(file, series)
    _refuse_unknown_compression(series.keyframe)
    axes = shape_and_axes(series)[1].lower().replace("s", "c")
    arrays = [_array(file, level) for level in series.levels]
    notes = _notes(file, name, series, isinstance(arrays[0], CachedArray))
    return OpenedImage(
        name, arrays[0], axes, _pixel_size(file, axes), _channel_names(file, axes, arrays[0].shape),
        tuple(arrays[1:]), tuple(notes),
    )  # fmt: skip


def _array(file: Any, level: Any) -> Any:
    """Return what slices one resolution: mapped where pixels lie as in an array, else piece by piece."""
    page, (shape, _axes) = level.keyframe, shape_and_axes(level)
    in_one_piece = level.dataoffset is not None and page.is_contiguous and not level.is_multifile
    if in_one_piece and page.dtype is not None:
        dtype = np.dtype(file.byteorder + page.dtype.char)
        return np.memmap(file.filehandle.path, dtype, "r", level.dataoffset, shape)
    if _segment_bytes(page) > LARGEST_SEGMENT:
        return CachedArray(shape, level.dtype, lambda out: file.asarray(series=level, squeeze=True, out=out))
    return array_of(level)


def _segment_bytes(page: Any) -> int:
    """Return the bytes of the pixels of one tile or strip."""
    return int(np.prod(page.chunks, dtype=np.int64)) * int(page.dtype.itemsize)


def _notes(file: Any, name: str, series: Any, cached: bool) -> Iterator[str]:
    """Yield what a person should know of a file before it is read."""
    if cached:
        yield _cost(name, series)
    if file.is_bif:
        yield f"'{name}' is read as its tiles lie in the file: where they overlap on the slide, pixels repeat"
    others = sum(len(one.levels) > 1 for one in all_series(file)) - 1 if file.is_scn else 0
    if others > 0:
        yield f"'{name}' has several scanned areas: only the largest one is read"


def _cost(name: str, series: Any) -> str:
    segment, whole = _segment_bytes(series.keyframe) / 1e6, series.nbytes / 1e6
    return (
        f"'{name}' has strips or tiles of {segment:.0f} MB, which can only be decoded as a whole: that takes "
        f"as much memory, and a temporary file of {whole:.0f} MB. Tiles of 512 px would be read one by one"
    )


def _refuse_truncated(file: Any, series: Any) -> None:
    """Raise ValueError where the file ends before its pixels do, as after a broken copy."""
    ends = [series.dataoffset + series.nbytes] if series.dataoffset is not None else []
    for page in filter(None, (series.pages[0], series.pages[-1])):
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        ends += [offset + count for offset, count in segments]
    if max(ends, default=0) > file.filehandle.size:
        raise ValueError("it ends before its pixels do, as if it had been cut off")


def _refuse_unknown_compression(page: Any) -> None:
    """Raise ValueError where no codec is installed for a compression: no window could be read."""
    import tifffile

    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        name = getattr(page.compression, "name", page.compression)
        raise ValueError(f"no codec for its compression ({name}) is installed, neither is one in imagecodecs")


def _close_after(file: Any, arrays: Sequence[Any]) -> None:
    """Close the file once all its arrays are gone: they read from it as long as somebody has one."""
    alive = set(map(id, arrays))

    def gone(which: int) -> None:
        alive.discard(which)
        if not alive:
            file.close()

    for array in arrays:
        weakref.finalize(array, gone, id(array))


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = error.strerror if isinstance(error, OSError) else None
    return ValueError(f"{path} cannot be opened as a TIFF file: {reason or error}")


def _pixel_size(file: Any, axes: str) -> tuple[float, ...] | None:
    """Return the size along (z,) y, x in micrometres from what OME, ImageJ or a scanner wrote."""
    try:
        if file.ome_metadata:
            return _ome_pixel_size(_ome_pixels(file), "zyx" if "z" in axes else "yx")
        if file.imagej_metadata:
            return _imagej_pixel_size(file, "z" in axes)
        return _svs_pixel_size(file) if file.is_svs else _resolution(file.pages[0])
    except (KeyError, ValueError, TypeError, ZeroDivisionError):
        return None  # the pixels can be read all the same


def _ome_pixels(file: Any) -> Any:
    import tifffile

    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    return (image[0] if isinstance(image, list) else image)["Pixels"]


def _ome_pixel_size(pixels: Any, space: str) -> tuple[float, ...]:
    if f"PhysicalSize{space[0].upper()}" not in pixels:
        space = "yx"
    names = [f"PhysicalSize{axis.upper()}" for axis in space]
    return tuple(micrometres(pixels[name], pixels.get(f"{name}Unit", "µm")) for name in names)


def _imagej_pixel_size(file: Any, volume: bool) -> tuple[float, ...]:
    """ImageJ writes the pixels per unit as a fraction, and the distance of planes as it is."""
    unit = file.imagej_metadata["unit"].replace(r"\u00B5", "µ")
    tags = file.pages[0].tags
    plane = tuple(_per_unit(tags[f"{axis}Resolution"].value, unit) for axis in "YX")
    spacing = file.imagej_metadata.get("spacing") if volume else None
    return plane if spacing is None else (micrometres(abs(spacing), unit), *plane)


def _svs_pixel_size(file: Any) -> tuple[float, ...]:
    import tifffile

    size = micrometres(tifffile.tifffile.svs_description_metadata(file.pages[0].description)["MPP"], "um")
    return size, size


def _resolution(page: Any) -> tuple[float, ...] | None:
    """Take pixels per centimetre, as microscopes and scanners write them; those per inch are for printers."""
    if "ResolutionUnit" not in page.tags or page.tags["ResolutionUnit"].value != 3:
        return None
    return tuple(_per_unit(page.tags[f"{axis}Resolution"].value, "cm") for axis in "YX")


def _per_unit(fraction: tuple[int, int], unit: str) -> float:
    return micrometres(fraction[1] / fraction[0], unit)


def _channel_names(file: Any, axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names that OME gives the channels; none where it does not name all of them."""
    try:
        found = _ome_pixels(file)["Channel"] if file.ome_metadata and "c" in axes else []
        channels = found if isinstance(found, list) else [found]
        names = tuple(str(channel["Name"]) for channel in channels)
    except (KeyError, ValueError, TypeError):
        return ()
    return names if names and len(names) == shape[axes.index("c")] else ()
