"""What a file does not store is its fill value, and counted: in a note, in the report, or as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from image_files import pixels
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.gaps import gap_words
from napari_exactile.images.read import zarr_gaps
from napari_exactile.images.read.zarr_gaps import count_gaps
from napari_exactile.images.source import ArraySource
from napari_exactile.images.tiff import parts as tiff_parts
from napari_exactile.images.view import View
from napari_exactile.run.store.report_file import earlier_report
from slow_run import network

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE, CHUNK = (105, 133), (10, 10)
CHUNKS = 11 * 14


def half_written(path: Path, fill: int = 0, **kind: Any) -> Any:
    """Write a zarr whose chunks in the lower half and one above are not stored; return all its pixels."""
    array = zarr.create_array(path, shape=SHAPE, chunks=CHUNK, dtype="uint16", fill_value=fill, **kind)
    image = pixels(*SHAPE) + 1000
    image[50:], image[10:20, 20:30] = fill, fill
    array[...] = image
    return image


MISSING = 6 * 14 + 1
WORDS = f"{MISSING} of {CHUNKS} chunks are not stored and read as"

ZARRS: dict[str, dict[str, Any]] = {
    "zarr 3": {},
    "zarr 2": {"zarr_format": 2},
    "other names": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "shards": {"shards": (20, 40)},
    "shards of one chunk": {"shards": CHUNK},
}


@pytest.mark.parametrize("kind", ZARRS)
@pytest.mark.parametrize("fill", [0, 7])
def test_chunks_that_are_not_stored_are_counted(tmp_path: Path, kind: str, fill: int) -> None:
    """A zarr says in a note how many chunks it does not store, in shards too, and what they read as."""
    image = half_written(tmp_path / "a.zarr", fill, **ZARRS[kind])
    opened = ex.open_image(tmp_path / "a.zarr")
    assert opened.notes == (f"of 'a.zarr', {WORDS} {fill}",)
    np.testing.assert_array_equal(opened.array[...], image)


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("codecs", [("big", True), ("little", False)])
def test_shards_are_read_as_they_tell(tmp_path: Path, location: Any, codecs: tuple[Any, bool]) -> None:
    """The index of a shard is found wherever and however it lies in it."""
    endian, checked = codecs
    checks = [zarr.codecs.Crc32cCodec()] if checked else []
    inside = [zarr.codecs.BytesCodec(endian=endian), *checks]
    codec = zarr.codecs.ShardingCodec(chunk_shape=CHUNK, index_codecs=inside, index_location=location)
    array = zarr.create(
        store=tmp_path / "a.zarr",
        shape=(40, 80),
        chunks=(20, 40),
        dtype="uint16",
        fill_value=0,
        codecs=[codec],
    )
    array[:10, :10] = 1
    count_gaps(array)
    assert gap_words(array) == "31 of 32 chunks are not stored and read as 0"


def test_whole_images_have_no_note(tmp_path: Path) -> None:
    """Nothing is said where all chunks are stored."""
    zarr.create_array(tmp_path / "a.zarr", data=pixels(*SHAPE) + 1, chunks=CHUNK)
    assert ex.open_image(tmp_path / "a.zarr").notes == ()


@pytest.mark.parametrize("stored", [False, True])
def test_the_report_has_a_line(tmp_path: Path, stored: bool) -> None:
    """A run over such an image, opened by anyone, says so in its report, which stays exact."""
    image = half_written(tmp_path / "a.zarr")
    array = zarr.open_array(tmp_path / "a.zarr", mode="r")
    more: dict[str, Any] = {"output": tmp_path / "labels.ome.zarr"} if stored else {}
    result = ex.segment(array, network(), **more)
    assert (result.report.exact, result.report.notes) == (True, (f"{WORDS} 0",))
    np.testing.assert_array_equal(result.labels[...], ex.segment_whole(image, network()).labels)
    assert ex.segment_whole(array, network()).report.notes == (f"{WORDS} 0",)
    if stored:
        assert earlier_report(tmp_path / "labels.ome.zarr")["notes"] == [f"{WORDS} 0"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a list of all chunks."""
    monkeypatch.setattr(zarr_gaps, "LISTING_SECONDS", -1)
    monkeypatch.setattr(tiff_parts, "LISTING_SECONDS", -1)
    monkeypatch.setattr(tiff_parts, "LOT", 1)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ZARRS)
def test_what_takes_long_to_list_is_counted_as_it_is_read(tmp_path: Path, kind: str) -> None:
    """A run counts the chunks that it reads, each once, and the report says of how many."""
    half_written(tmp_path / "a.zarr", **ZARRS[kind])
    opened = ex.open_image(tmp_path / "a.zarr")
    assert opened.notes == ()
    report = ex.segment(opened, network(), tile=60).report
    assert report.notes == (f"{WORDS} 0",)


@pytest.mark.usefixtures("slow")
def test_a_part_counts_what_it_touches(tmp_path: Path) -> None:
    """What was not read is not counted, and planes of a stack count by themselves."""
    half_written(tmp_path / "a.zarr")
    array = ex.open_image(tmp_path / "a.zarr").array
    source = ArraySource(View(array, (slice(None, None, 2), slice(None))))
    source.read((Interval(0, 20), Interval(20, 30)))
    assert gap_words(array) == "1 of 4 chunks that were read is not stored and reads as 0"


def sparse(path: Path, nodata: str | None = None, **kind: Any) -> Any:
    """Write a TIFF of which every third tile is neither stored nor counted; return its pixels."""
    image, fill = pixels(64, 80) + 1000, int(nodata or 0)

    def tiles() -> Iterator[Any]:
        for number in range(20):
            y, x = number // 5 * 16, number % 5 * 16
            if number % 3 == 1:
                image[y : y + 16, x : x + 16] = fill
                yield None
            else:
                yield image[y : y + 16, x : x + 16]

    tags = [(42113, "s", 0, nodata, True)] if nodata else []
    options: dict[str, Any] = {"shape": (64, 80), "dtype": "uint16", "tile": (16, 16), "metadata": None}
    tifffile.imwrite(path, tiles(), extratags=tags, **options, **kind)
    return image


@pytest.mark.parametrize("nodata", [None, "7"])
@pytest.mark.parametrize("kind", [{}, {"compression": "zlib"}, {"bigtiff": True}])
def test_tiles_that_are_not_stored_are_counted(
    tmp_path: Path, kind: dict[str, Any], nodata: str | None
) -> None:
    """So does a TIFF of its tiles, which read as its value for no data, or 0."""
    image = sparse(tmp_path / "a.tif", nodata, **kind)
    opened = ex.open_image(tmp_path / "a.tif")
    words = f"7 of 20 tiles are not stored and read as {nodata or 0}"
    assert opened.notes == (f"of 'a.tif', {words}",)
    np.testing.assert_array_equal(opened.array[...], image)
    assert ex.segment(opened, network()).report.notes == (words,)


@pytest.mark.usefixtures("slow")
def test_tiles_are_counted_as_they_are_read(tmp_path: Path) -> None:
    """Where a TIFF has too many pages to look at all of their tiles, these are counted as they are read."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(3):
            tiles = (None if n % 4 == 1 else pixels(16, 16) for n in range(8))
            options: dict[str, Any] = {"shape": (32, 64), "dtype": "uint16", "tile": (16, 16)}
            file.write(tiles, metadata=None, contiguous=False, compression="zlib", **options)
    opened = ex.open_image(tmp_path / "a.tif")
    assert opened.notes == ()
    report = ex.segment(opened, network(), axes="tyx").report
    assert report.notes == ("6 of 24 chunks are not stored and read as 0",)


def overwritten(*tags: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        tifffile.imwrite(path, pixels(20, 30), metadata=None)
        with tifffile.TiffFile(path, mode="r+") as file:
            for tag in tags:
                file.pages[0].tags[tag].overwrite(0)

    return write


def test_a_plane_that_is_not_stored_is_none_of_the_header(tmp_path: Path) -> None:
    """A plane of one strip without a place and a length is the fill value, not what the file begins with."""
    overwritten("StripOffsets", "StripByteCounts")(tmp_path / "a.tif")
    opened = ex.open_image(tmp_path / "a.tif")
    assert opened.notes == ("of 'a.tif', 1 of 1 strip is not stored and reads as 0",)
    assert not np.asarray(opened.array[...]).any()
