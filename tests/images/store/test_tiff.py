"""Label files hold what was computed, and TIFF files are opened with what they say, or refused at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from counted_arrays import counting
from napari_exactile.images.read.open import open_image
from napari_exactile.images.store.tiff import open_tiff, save_labels


def some_labels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)


def test_saved_labels_come_back(tmp_path: Path) -> None:
    """Labels and their pixel size come back; the file is tiled, compressed, and names the classes."""
    labels, path = some_labels(700, 300), tmp_path / "labels.tif"
    save_labels(path, labels, ["background", "cell"], (0.65, 0.325))
    opened = open_tiff(path)
    np.testing.assert_array_equal(opened.array[:], labels)
    assert (opened.axes, opened.pixel_size) == ("yx", (0.65, 0.325))
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert "0 = background; 1 = cell" in file.ome_metadata
        assert not any(".part" in str(name) for name in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("axes", "shape", "kept"), [("tyx", (2, 20, 30), "tyx"), ("zyx", (2, 20, 30), "zyx"),
                                ("tzyx", (2, 3, 20, 30), "tzyx"), ("iyx", (2, 20, 30), "zyx"),
                                (None, (2, 20, 30), "zyx")]
)  # fmt: skip
def test_stacks_keep_their_axes(tmp_path: Path, axes: str | None, shape: tuple[int, ...], kept: str) -> None:
    """A stack over time comes back as one over time; axes that OME does not know become z."""
    labels, path = some_labels(*shape), tmp_path / "stack.tif"
    save_labels(path, labels, ["a", "b", "c"], axes=axes)
    opened = open_tiff(path)
    assert (opened.axes, opened.pixel_size) == (kept, None)
    np.testing.assert_array_equal(opened.array[:], labels)


def test_too_many_axes_are_refused(tmp_path: Path) -> None:
    """A stack that OME cannot describe is refused, and no file is made."""
    with pytest.raises(ValueError, match="at most three axes beside y and x, not 'abdeyx'"):
        save_labels(tmp_path / "labels.tif", some_labels(1, 1, 1, 1, 4, 4), [], axes="abdeyx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1100, 700), (2, 3, 600, 520)])
@pytest.mark.parametrize("known", [False, True])
def test_large_labels_have_levels(tmp_path: Path, shape: tuple[int, ...], known: bool) -> None:
    """Each level holds every second pixel of the one before, read tile by tile from any array."""
    path, labels = tmp_path / "labels.ome.tif", some_labels(*shape)
    stored = zarr.create_array(tmp_path / "labels", data=labels)
    coarser = (labels[..., ::2, ::2],) if known else ()
    save_labels(path, stored, ["a", "b"], (0.5, 0.5), coarser=coarser)
    with tifffile.TiffFile(path) as file:
        levels = file.series[0].levels
        assert len(levels) > 1
        for number, level in enumerate(levels):
            assert np.array_equal(level.asarray(), labels[..., :: 2**number, :: 2**number])
    opened = open_image(path)
    assert [one.shape for one in opened.levels] == [one.shape for one in levels]
    assert opened.pixel_size == (0.5, 0.5)


@pytest.mark.parametrize(("shape", "when"), [((1100, 600), 0.4), ((1100, 600), 1.0), ((40, 30), 1.0)])
def test_a_failed_write_leaves_no_file(tmp_path: Path, shape: tuple[int, int], when: float) -> None:
    """Where writing fails, even at the end, the file from before stays, and no part of the new one does."""

    def full_disk(fraction: float) -> None:
        assert (tmp_path / "labels.tif.part").exists()
        if fraction >= when:
            raise OSError("No space left on device")

    path = tmp_path / "labels.tif"
    path.write_bytes(b"from before")
    with pytest.raises(OSError, match="No space left"):
        save_labels(path, some_labels(*shape), ["a", "b"], on_progress=full_disk)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("labels.tif", b"from before")]


@pytest.mark.parametrize(
    ("metadata", "kwargs", "size"),
    [
        ({"PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 2}, {"ome": True}, (2, 0.325)),
        ({"PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0, "PhysicalSizeYUnit": "pixel"}, {"ome": True}, None),
        ({"PhysicalSizeX": 1.0}, {"ome": True}, None),
        ({"unit": "um"}, {"imagej": True, "resolution": (4, 2)}, (0.5, 0.25)),
        ({"unit": r"\u00B5m"}, {"imagej": True, "resolution": (4, 2)}, (0.5, 0.25)),
        ({"unit": "inch"}, {"imagej": True, "resolution": (4, 2)}, None),
        ({}, {"imagej": True}, None),
        (None, {}, None),
    ],
)  # fmt: skip
def test_pixel_sizes_are_micrometres(
    tmp_path: Path, metadata: dict[str, Any] | None, kwargs: dict[str, Any], size: tuple[float, float] | None
) -> None:
    """Sizes that OME or ImageJ wrote come out in micrometres; where the unit is not known, there is none."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.uint16), metadata=metadata, **kwargs)
    assert open_tiff(path).pixel_size == (size and pytest.approx(size))


@pytest.mark.parametrize(
    ("shape", "kwargs", "axes"),
    [
        ((20, 30, 3), {"photometric": "rgb"}, "yxc"),
        ((2, 20, 30), {"imagej": True}, "cyx"),
        ((2, 20, 30), {"ome": True, "metadata": {"axes": "TYX"}}, "tyx"),
        ((1, 30), {}, "yx"),
        ((1, 1), {}, "yx"),
    ],
)
def test_tiff_axes(tmp_path: Path, shape: tuple[int, ...], kwargs: dict[str, Any], axes: str) -> None:
    """An opened file says what its axes are; y and x stay, however short; a slice of it is numpy's."""
    image, path = counting(*shape), tmp_path / "image.tif"
    tifffile.imwrite(path, image, **({"photometric": "minisblack"} | kwargs))
    opened = open_tiff(path)
    assert (opened.axes, opened.array.shape) == (axes, shape)
    np.testing.assert_array_equal(opened.array[:], image)


@pytest.mark.parametrize("content", [b"", b"hello", b"II*\0\x08\0\0\0", b"II*\0\x08\0\0\0\x01\0"])
def test_what_is_no_tiff_is_refused(tmp_path: Path, content: bytes) -> None:
    """Files that are not TIFF or hold no image are refused in one sentence that names them."""
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^\S+image.tif cannot be opened as a TIFF file: .+$"):
        open_tiff(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A file that is not there, and a folder, are refused in the same words."""
    for path in (tmp_path / "none.tif", tmp_path):
        with pytest.raises(
            ValueError,
            match=f"{path.name} cannot be opened as a TIFF file: (there is no such file or folder|it is a "
            "folder)$",
        ):
            open_tiff(path)


@pytest.mark.parametrize("kwargs", [{}, {"tile": (32, 32)}, {"compression": "zlib"}])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, kwargs: dict[str, Any], share: float) -> None:
    """A file that was cut off is refused when it is opened, not after hours of computing."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 999, (100, 100)), **kwargs)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="as if it had been cut off"):
        open_tiff(path)


def test_the_file_is_closed_with_its_array(tmp_path: Path) -> None:
    """Once nobody has the array, the file can be replaced: no handle stays open."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, counting(9, 9))
    handles = Path("/proc/self/fd")
    if not handles.exists():
        pytest.skip("this system does not list open files")
    opened = open_tiff(path)
    assert str(path) in open_files(handles, os.readlink)
    del opened
    gc.collect()
    assert str(path) not in open_files(handles, os.readlink)


def open_files(handles: Path, target: Callable[[Path], str]) -> set[str]:
    """Return the paths of all open files; those that close meanwhile are left out."""
    found = set()
    for handle in handles.iterdir():
        try:
            found.add(target(handle))
        except OSError:
            continue
    return found
