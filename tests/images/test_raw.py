"""Pixels that lie in a file as in an array are read as numpy reads them, and a file may become shorter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_exactile as ex
from drawn_indices import indices
from image_files import after, pixels
from napari_exactile.images.read import raw
from napari_exactile.images.read.fingerprint import ChangedError
from napari_exactile.images.read.raw import RawArray
from proofs import many
from slow_run import TILE, image, network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("gap", "largest"), [(4096, 2**23), (0, 64), (8, 100)])
@given(drawn=indices(), dtype=st.sampled_from(["u1", ">u2", "<f8"]), fortran=st.booleans())
@settings(max_examples=many(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_slices_are_numpys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gap: int, largest: int, drawn: Any, dtype: str,
    fortran: bool,
) -> None:  # fmt: skip
    """Whatever is taken of an array in a file, in few pieces or in many, is what numpy takes of it."""
    monkeypatch.setattr(raw, "GAP", gap)
    monkeypatch.setattr(raw, "LARGEST", largest)
    shape, index = drawn
    array, path = pixels(*shape, dtype=dtype), tmp_path / "a.raw"
    path.write_bytes(b"header" + array.tobytes("F" if fortran else "C"))
    found = RawArray(path, dtype, shape, 6, fortran=fortran)[index]
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array[index])


def test_what_no_slice_takes_is_numpys(tmp_path: Path) -> None:
    """Lists of places, masks and steps backwards give what numpy gives, too."""
    array, path = pixels(7, 9), tmp_path / "a.npy"
    np.save(path, array)
    opened = ex.open_image(path).array
    for index in (np.s_[::-1], np.s_[[0, 3], :], array > 100, np.s_[None, 2], np.s_[..., [1]]):
        np.testing.assert_array_equal(opened[index], array[index])
    np.testing.assert_array_equal(np.asarray(opened), array)
    with pytest.raises(IndexError, match="there is no element 7 of 7"):
        opened[7]


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_of_both_orders(tmp_path: Path, order: Any) -> None:
    """Arrays that were saved column by column open as those that were saved row by row."""
    array, path = pixels(20, 30), tmp_path / "a.npy"
    np.save(path, np.asarray(array, order=order))
    np.testing.assert_array_equal(ex.open_image(path).array[3:9, 4:], array[3:9, 4:])


def write_uncompressed(path: Path) -> None:
    tifffile.imwrite(path, image())


@pytest.mark.parametrize(("name", "write"), [("a.tif", write_uncompressed), ("a.npy", np.save)])
def test_a_file_that_is_cut_off_during_a_run_ends_it_with_a_sentence(
    tmp_path: Path, name: str, write: Any
) -> None:
    """An uncompressed TIFF or .npy that becomes shorter while it is read ends the run, not the process."""
    path = tmp_path / name
    write(path, image()) if write is np.save else write(path)
    with pytest.raises(ChangedError, match="was changed during the run"):
        ex.segment(path, network(), tile=TILE, on_event=after(2, lambda: os.truncate(path, 5000)))


def test_what_is_gone_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    """A part that a file does not hold any more is an error that names it; what it still holds is read."""
    path = tmp_path / "a.npy"
    np.save(path, pixels(100, 100))
    opened = ex.open_image(path).array
    os.truncate(path, 5000)
    np.testing.assert_array_equal(opened[:20], pixels(100, 100)[:20])
    with pytest.raises(OSError, match=r"a\.npy has become shorter since it was opened"):
        opened[:30]


@pytest.mark.parametrize("part", [np.s_[:, :], np.s_[5:, 5:]])
def test_arrays_that_somebody_has_mapped_are_read_with_care(tmp_path: Path, part: Any) -> None:
    """A mapped array, or a part of one, whose file becomes shorter is an error, too, not the end."""
    path = tmp_path / "a.npy"
    np.save(path, image())
    mapped = np.load(path, mmap_mode="r")[part]
    with pytest.raises((OSError, ValueError, RuntimeError), match=r"has become shorter|was changed"):
        ex.segment(mapped, network(), tile=TILE, on_event=after(2, lambda: os.truncate(path, 5000)))
