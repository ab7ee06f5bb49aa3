"""Images of several parts: all of them are watched, and what is missing is refused by name, or told."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_exactile as ex
import ome_files
from image_files import after, age, pixels
from napari_exactile.images.about.incomplete import IncompleteError
from napari_exactile.images.about.opened import opened_files
from napari_exactile.images.read.fingerprint import ChangedError, fingerprint
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine.events import Measuring
from napari_exactile.run.store.report_file import earlier_report
from ome_files import planes
from slow_run import network

pytestmark = pytest.mark.usefixtures("one_thread")


# --- all files are watched ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [{}, {"tile": (16, 16), "compression": "zlib"}])
def test_planes_in_several_files_are_one_image(tmp_path: Path, kind: dict[str, Any]) -> None:
    """A volume whose planes lie in files of their own opens as a whole, and all of its files are known."""
    path = ome_files.volume(tmp_path, planes(4), **kind)
    opened = ex.open_image(path)
    assert (opened.axes, opened.notes) == ("zyx", ())
    np.testing.assert_array_equal(opened.array[...], planes(4))
    files = opened_files(opened.array)
    assert files is not None
    assert {version.path.name for version in files.versions} == {f"f{n}.ome.tif" for n in range(4)}


def test_a_file_that_was_rewritten_is_measured_again(tmp_path: Path) -> None:
    """What was measured of a volume is not used again once any of its files is another one."""
    path, net, pixels = ome_files.volume(tmp_path, planes(4)), network(), planes(4)
    age(tmp_path)
    first = ex.segment(path, net, axes="zyx", together=True).report.normalization
    again: list[Any] = []
    ex.segment(path, net, axes="zyx", together=True, on_event=again.append)
    assert not [event for event in again if isinstance(event, Measuring)]
    pixels[2] = pixels[2] // 8 + 40000
    inside = ome_files.image("A", "".join(ome_files.in_file(n, place=n) for n in range(4)), SizeZ=4)
    age(ome_files.write(tmp_path, 2, pixels[2], inside), -30)
    second = ex.segment(path, net, axes="zyx", together=True).report.normalization
    assert first != second == ex.segment(pixels, net, axes="zyx", together=True).report.normalization


def test_fingerprints_know_all_files(tmp_path: Path) -> None:
    """The fingerprint of a volume is another one once its last file was touched."""
    path = ome_files.volume(tmp_path, planes(3))
    age(tmp_path)
    before = fingerprint(ArraySource(ex.open_image(path).array))
    assert before is not None
    assert before == fingerprint(ArraySource(ex.open_image(path).array))
    age(tmp_path / "f2.ome.tif", -30)
    assert fingerprint(ArraySource(ex.open_image(path).array)) not in {before, None}


@pytest.mark.parametrize("stored", [False, True])
def test_a_file_that_is_rewritten_during_a_run_is_told(tmp_path: Path, stored: bool) -> None:
    """A run over a volume fails where any of its files changes meanwhile, and says which image it was."""
    path, last = ome_files.volume(tmp_path, planes(3)), tmp_path / "f2.ome.tif"
    more = {"output": tmp_path / "labels.ome.zarr"} if stored else {}
    with pytest.raises(ChangedError, match=r"'f0\.ome\.tif' was changed during the run"):
        ex.segment(path, network(), on_event=after(2, lambda: os.utime(last, (1e9, 1e9))), **more)
    if stored:
        assert not earlier_report(tmp_path / "labels.ome.zarr")["exact"]


def test_a_store_is_not_continued_with_another_file(tmp_path: Path) -> None:
    """A store belongs to all files of its image, by name, time and size, wherever they lie."""
    folder, stop = tmp_path / "in", [False]
    folder.mkdir()
    path, out = ome_files.volume(folder, planes(3)), tmp_path / "labels.ome.zarr"
    ex.segment(
        path, network(), output=out, cancel=lambda: stop[-1], on_event=after(1, lambda: stop.append(True))
    )
    moved = folder.rename(tmp_path / "moved")
    os.utime(moved / "f1.ome.tif", (1e9, 1e9))
    with pytest.raises(ValueError, match="begun with another image file"):
        ex.segment(moved / path.name, network(), output=out)


def test_a_file_is_watched_whose_pixels_lie_elsewhere(tmp_path: Path) -> None:
    """Of an image whose planes all lie in another file, that one is read, and both are watched."""
    path = ome_files.positions(tmp_path, planes(2))
    opened = ex.open_image(path, series=1)
    np.testing.assert_array_equal(opened.array[...], planes(2)[1])
    os.utime(tmp_path / "f1.ome.tif", (1e9, 1e9))
    with pytest.raises(ChangedError, match=r"f1\.ome\.tif has been changed since it was opened"):
        ex.segment(opened, network())


# --- what is missing ----------------------------------------------------------------------------------------


def without_a_companion(folder: Path) -> Path:
    path = ome_files.volume(folder, planes(4))
    (folder / "f2.ome.tif").unlink()
    return path


def without_the_first(folder: Path) -> Path:
    ome_files.volume(folder, planes(4)).unlink()
    return folder / "f1.ome.tif"


def without_an_image(folder: Path) -> Path:
    path = ome_files.positions(folder, planes(2))
    (folder / "f1.ome.tif").unlink()
    return path


def announcing_more(folder: Path) -> Path:
    return ome_files.one_file(folder / "a.ome.tif", planes(1), SizeT=5)


def announcing_absent_pages(folder: Path) -> Path:
    inside = '<TiffData IFD="0" PlaneCount="5"/>'
    return ome_files.one_file(folder / "a.ome.tif", planes(2), inside, SizeT=5)


def not_saying_where(folder: Path) -> Path:
    return ome_files.one_file(folder / "a.ome.tif", planes(1), "", SizeT=5)


def next_pages(content: bytes) -> list[int]:
    """Return where in a small TIFF the place of the page after each one stands."""
    found, (at,) = [], struct.unpack_from("<I", content, 4)
    while at:
        (tags,) = struct.unpack_from("<H", content, at)
        found.append(at + 2 + 12 * tags)
        (at,) = struct.unpack_from("<I", content, found[-1])
    return found


def ended(path: Path, pages: int, then: int = 0) -> Path:
    """Let the chain of pages of a TIFF end, or go on at byte `then`, after so many."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, next_pages(content)[pages - 1], then)
    path.write_bytes(content)
    return path


def pages(folder: Path, **kind: Any) -> Path:
    path = folder / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=kind.pop("bigtiff", False)) as file:
        for plane in planes(5):
            file.write(plane, contiguous=False, metadata=None, **kind)
    return path


def cut_behind_a_page(**kind: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = pages(folder, **kind)
        with tifffile.TiffFile(path) as file:
            third = file.pages[2]
            end = third.dataoffsets[-1] + third.databytecounts[-1]
        os.truncate(path, end)
        return path

    return make


def going_in_circles(folder: Path) -> Path:
    path = pages(folder)
    with tifffile.TiffFile(path) as file:
        first = file.pages[0].offset
    return ended(path, 4, then=first)


def imagej_with_fewer_pages(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", planes(5), imagej=True, compression="zlib")
    return ended(folder / "a.tif", 2)


def imagej_cut_off(folder: Path) -> Path:
    path = folder / "a.tif"
    tifffile.imwrite(path, planes(5), imagej=True)
    os.truncate(path, path.stat().st_size // 2)
    return path


def described_with_fewer_pages(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", planes(5), compression="zlib")
    return ended(folder / "a.tif", 2)


def at_byte_0(number: int, **kind: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = pages(folder, **kind)
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[number].tags["StripOffsets"].overwrite(0)
        return path

    return make


def described_elsewhere(folder: Path) -> Path:
    only = '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:all"/>'
    for number, plane in enumerate(planes(2)):
        ome_files.write(folder, number, plane, only)
    return folder / "f0.ome.tif"


INCOMPLETE: dict[str, tuple[Callable[[Path], Path], str, list[float]]] = {
    "companion": (without_a_companion, r"planes \(z 2\) is missing: f2\.ome\.tif is not there", [0, 0, 1, 0]),
    "first": (without_the_first, r"4 planes \(z 0\) is missing: f0\.ome\.tif is not there", [1, 0, 0, 0]),
    "image": (without_an_image, r"image 'Pos 1' is missing: f1\.ome\.tif is not there", [0]),
    "planes": (announcing_more, r"4 of 5 planes \(t 1, t 2, t 3, t 4\) are missing", [0, 1, 1, 1, 1]),
    "pages": (announcing_absent_pages, r"3 of 5 planes \(t 2, t 3, t 4\) are missing", [0, 0, 1, 1, 1]),
    "nowhere": (not_saying_where, r"4 of 5 planes that it announces are missing", [0]),
    "chain": (cut_behind_a_page(), r"the chain of pages of a\.tif is cut off behind 3 pages", [0] * 3),
    "chain, compressed": (cut_behind_a_page(compression="zlib"), r"is cut off behind 3 pages", [0] * 3),
    "chain, BigTIFF": (cut_behind_a_page(bigtiff=True), r"is cut off behind 3 pages", [0] * 3),
    "circle": (going_in_circles, r"the chain of pages of a\.tif is cut off behind 4 pages", []),
    "ImageJ": (imagej_with_fewer_pages, r"3 of 5 planes \(c 2, c 3, c 4\) are missing", [0, 0, 1, 1, 1]),
    "ImageJ, cut off": (imagej_cut_off, r"4 of 5 planes that it announces are missing", [0]),
    "tifffile": (described_with_fewer_pages, r"4 of 5 planes that it announces are missing", [0]),
    "byte 0": (at_byte_0(1), r"1 of 5 planes \(i 1\) lies at byte 0 of the file", [0, 1, 0, 0, 0]),
    "byte 0, first": (at_byte_0(0), r"1 of 5 planes \(i 0\) lies at byte 0 of the file", [1, 0, 0, 0, 0]),
    "byte 0, compressed": (at_byte_0(4, compression="zlib"), r"planes \(i 4\) lies at", [0, 0, 0, 0, 1]),
    "description": (described_elsewhere, r"a\.companion\.ome, which describes what it is .* not there", [0]),
}  # fmt: skip


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_what_is_missing_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    """A file that lacks what it announces is not opened: the sentence names the file, and what is missing."""
    make, words, _zeros = INCOMPLETE[kind]
    path = make(tmp_path)
    with pytest.raises(IncompleteError, match=rf"^{path} is incomplete: .*{words}.*allow_missing") as caught:
        ex.open_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_what_is_missing_can_be_allowed(tmp_path: Path, kind: str) -> None:
    """Where it is allowed, missing planes are 0, others are as they were, and a note tells."""
    make, words, zeros = INCOMPLETE[kind]
    path = make(tmp_path)
    opened = ex.open_image(path, allow_missing=True)
    pixels = np.asarray(opened.array[...])
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    if zeros:
        assert [float((plane == 0).mean()) for plane in pixels] == zeros
    told = [note for note in opened.notes if note.startswith(f"'{path.name}' is incomplete: ")]
    assert any(re.search(words, note) for note in told)


def test_the_report_says_what_was_missing(tmp_path: Path) -> None:
    """Labels of an incomplete image say so, in memory, in a store, and on the command line."""
    path = without_a_companion(tmp_path)
    with pytest.warns(UserWarning, match="is incomplete"):
        result = ex.segment(path, network(), allow_missing=True, output=tmp_path / "labels.ome.zarr")
    words = "the image is incomplete: 1 of 4 planes (z 2) is missing: f2.ome.tif is not there; it reads as 0"
    assert result.report.notes == (words,)
    assert earlier_report(tmp_path / "labels.ome.zarr")["notes"] == [words]
    with pytest.warns(UserWarning, match="is incomplete"):
        assert ex.verify(tmp_path / "labels.ome.zarr", model=network()).agrees


def test_a_description_of_files_opens_them(tmp_path: Path) -> None:
    """Files that lie beside the one that describes them open as their image, and so does that one itself."""
    path, companion = described_elsewhere(tmp_path), tmp_path / "a.companion.ome"
    inside = ome_files.image("A", ome_files.in_file(0) + ome_files.in_file(1, place=1), SizeZ=2)
    companion.write_bytes(ome_files.ome(inside, "all"))
    for one in (path, tmp_path / "f1.ome.tif", companion):
        opened = ex.open_image(one)
        assert (opened.axes, opened.pixel_size) == ("zyx", (0.5, 0.5))
        np.testing.assert_array_equal(opened.array[...], planes(2))
        files = opened_files(opened.array)
        assert files is not None
        assert companion in {version.path for version in files.versions}


@pytest.mark.parametrize(
    ("plane", "kind", "words"),
    [
        (
            planes(1)[0, :32],
            {},
            r"f1\.ome\.tif holds planes of 32 x 72 uint16 among planes of 64 x 72 uint16",
        ),
        (planes(1)[0].astype(np.float32), {}, r"f1\.ome\.tif holds planes of 64 x 72 float32 among"),
        (planes(1)[0], {"tile": (16, 16)}, r"f1\.ome\.tif holds .*cut into \(16, 16\), not \(64, 72\)"),
        (None, {}, r"f1\.ome\.tif, which holds planes of it, cannot be read"),
    ],
)
def test_another_file_in_its_place_is_refused(
    tmp_path: Path, plane: Any, kind: dict[str, Any], words: str
) -> None:
    """A companion that holds something else than was announced, or nothing, is refused by name."""
    path = ome_files.volume(tmp_path, planes(3))
    if plane is None:
        (tmp_path / "f1.ome.tif").write_bytes(b"II*\0")
    else:
        ome_files.write(tmp_path, 1, plane, "", **kind)
    with pytest.raises(ValueError, match=words):
        ex.open_image(path)


def test_more_than_was_announced_is_told(tmp_path: Path) -> None:
    """Pages that no image has are left out, with a note."""
    opened = ex.open_image(ome_files.one_file(tmp_path / "a.ome.tif", planes(3), SizeT=2))
    assert opened.array.shape == (2, 64, 72)
    words = "look whether the image is as it should be, or save it anew"
    assert opened.notes == (f"'a.ome.tif' announces 2 planes and holds 3: {words}",)


def test_pages_in_the_middle_are_looked_at(tmp_path: Path) -> None:
    """A page in the middle of a file that lies beyond its end is refused as the last one is."""
    path = pages(tmp_path, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[2].tags["StripOffsets"].overwrite(10**6)
    with pytest.raises(ValueError, match="as if it had been cut off"):
        ex.open_image(path)


def test_whole_files_have_no_notes(tmp_path: Path) -> None:
    """Files of every kind that are whole are opened as before."""
    for kind in ({}, {"imagej": True}, {"ome": True}, {"compression": "zlib"}, {"rowsperstrip": 5}):
        tifffile.imwrite(tmp_path / "a.tif", pixels(5, 20, 30), photometric="minisblack", **kind)
        assert ex.open_image(tmp_path / "a.tif").notes == ()
