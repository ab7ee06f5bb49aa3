"""Images from TIFF files of any size: plain, BigTIFF, OME-TIFF and the pyramids of slide scanners."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.cached import CachedArray
from napari_exactile.images.opened import FileVersion, OpenedImage, remember
from napari_exactile.images.raw import RawArray
from napari_exactile.images.tifffile_forms import all_series, array_of, shape_and_axes
from napari_exactile.images.units import Said, pixel_size, wrong_sizes

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
    lengths = _lengths(file)
    said = {axis: lengths[axis] for axis in "zyx" if axis in axes and axis in lengths}
    notes = *_notes(file, name, series, isinstance(arrays[0], CachedArray)), *wrong_sizes(said, name)
    return OpenedImage(
        name, arrays[0], axes, pixel_size(said, "zyx"), _channel_names(file, axes, arrays[0].shape),
        tuple(arrays[1:]), notes,
    )  # fmt: skip


def _array(file: Any, level: Any) -> Any:
    """Return what slices one resolution: byte by byte where pixels lie as in an array, else in pieces."""
    page, (shape, _axes) = level.keyframe, shape_and_axes(level)
    if _lies_together(level) and page.dtype is not None:
        dtype = np.dtype(file.byteorder + page.dtype.char)
        return RawArray(Path(file.filehandle.path), dtype, shape, level.dataoffset)
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


def _lengths(file: Any) -> dict[str, Said]:
    """Return what OME, ImageJ or a scanner wrote of the length of a pixel along z, y and x."""
    try:
        if file.ome_metadata:
            return _ome_lengths(_ome_pixels(file))
        if file.imagej_metadata:
            return _imagej_lengths(file.imagej_metadata, file.pages[0].tags)
        return _svs_lengths(file) if file.is_svs else _resolution(file.pages[0].tags)
    except (KeyError, ValueError, TypeError):
        return {}  # the pixels can be read all the same


def _ome_pixels(file: Any) -> Any:
    import tifffile

    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    return (image[0] if isinstance(image, list) else image)["Pixels"]


def _ome_lengths(pixels: Any) -> dict[str, Said]:
    names = {axis: f"PhysicalSize{axis.upper()}" for axis in "zyx"}
    return {
        axis: Said(pixels[name], str(pixels.get(f"{name}Unit", "µm")))
        for axis, name in names.items()
        if name in pixels
    }


def _imagej_lengths(about: Any, tags: Any) -> dict[str, Said]:
    """ImageJ writes the pixels per unit as a fraction, and the distance of planes as it is.

    The unit is that of x, and of other axes that have none of their own. Inches are the printer's.
    """
    units = {axis: str(about.get(f"{axis}unit", about["unit"])) for axis in "zy"} | {"x": str(about["unit"])}
    if units["x"] in {"inch", "inches", "in"}:
        return {}
    found = {axis: Said(_each(tags[f"{axis.upper()}Resolution"].value), units[axis]) for axis in "yx"}
    return found | ({"z": Said(abs(about["spacing"]), units["z"])} if "spacing" in about else {})


def _svs_lengths(file: Any) -> dict[str, Said]:
    import tifffile

    size = Said(tifffile.tifffile.svs_description_metadata(file.pages[0].description)["MPP"], "um")
    return {"y": size, "x": size}


def _resolution(tags: Any) -> dict[str, Said]:
    """Take pixels per centimetre, as microscopes and scanners write them; those per inch are for printers."""
    if "ResolutionUnit" not in tags or tags["ResolutionUnit"].value != 3:
        return {}
    return {axis: Said(_each(tags[f"{axis.upper()}Resolution"].value), "cm") for axis in "yx"}


def _each(fraction: tuple[int, int]) -> float:
    """Return the length of a pixel of so many per unit."""
    return fraction[1] / fraction[0] if fraction[0] else inf


def _channel_names(file: Any, axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names that OME gives the channels; none where it does not name all of them."""
    try:
        found = _ome_pixels(file)["Channel"] if file.ome_metadata and "c" in axes else []
        channels = found if isinstance(found, list) else [found]
        names = tuple(str(channel["Name"]) for channel in channels)
    except (KeyError, ValueError, TypeError):
        return ()
    return names if names and len(names) == shape[axes.index("c")] else ()
