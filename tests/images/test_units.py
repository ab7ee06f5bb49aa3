"""Lengths come out in micrometres whatever the unit; what is no known length is left out, with a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from napari_exactile.images.about.units import micrometres
from napari_exactile.images.read.from_labels import open_labels
from slow_run import network

OME = {
    "Å": 1e-4, "pm": 1e-6, "nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "dam": 1e7,
    "km": 1e9, "Mm": 1e12, "in": 25400.0, "thou": 25.4, "li": 25400 / 12, "pt": 25400 / 72, "ft": 304800.0,
    "yd": 914400.0, "mi": 1609344e3, "ua": 149597870700e6, "pc": 3.0856775814913673e22,
}  # fmt: skip
OME_ZARR = {
    "angstrom": 1e-4, "picometer": 1e-6, "nanometer": 1e-3, "micrometer": 1.0, "inch": 25400.0,
    "foot": 304800.0, "megameter": 1e12,
}  # fmt: skip
IMAGEJ_AND_PEOPLE = {
    "micron": 1.0, "Microns": 1.0, "um": 1.0, "\u03bcm": 1.0, r"\u00B5m": 1.0, "\u212b": 1e-4,
    "A\u030a": 1e-4, "nanometres": 1e-3, "Inches": 25400.0,
}  # fmt: skip
UNITS = OME | OME_ZARR | IMAGEJ_AND_PEOPLE


@pytest.mark.parametrize("unit", UNITS)
def test_units_of_length_are_known(unit: str) -> None:
    """A length in any unit that OME, OME-Zarr or ImageJ has is one in micrometres, to the last digits."""
    assert micrometres(2.5, unit) == pytest.approx(2.5 * UNITS[unit], rel=1e-14)


def imagej(path: Path, **metadata: Any) -> ex.OpenedImage:
    """Write a hyperstack with ImageJ's words for lengths, and open it."""
    about = {"axes": "ZYX", "spacing": 2.0, **metadata}
    image = np.zeros((4, 40, 50), np.uint16)
    tifffile.imwrite(path, image, imagej=True, resolution=(1 / 0.325, 1 / 0.65), metadata=about)
    return ex.open_image(path)


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({"unit": "um"}, (2.0, 0.65, 0.325)),
        ({"unit": "um", "zunit": "nm"}, (0.002, 0.65, 0.325)),
        ({"unit": "nm", "yunit": "um", "zunit": "um"}, (2.0, 0.65, 0.000325)),
        ({"unit": "um", "yunit": "nm"}, (2.0, 0.00065, 0.325)),
        ({"unit": "mm", "zunit": r"\u00B5m"}, (2.0, 650.0, 325.0)),
        ({"unit": "um", "zunit": "parsnip"}, (0.65, 0.325)),
    ],
)
def test_each_axis_of_imagej_has_its_unit(
    tmp_path: Path, metadata: dict[str, Any], size: tuple[float, ...]
) -> None:
    """ImageJ's `yunit` and `zunit` are those of y and z; where they are not there, `unit` holds."""
    assert imagej(tmp_path / "a.tif", **metadata).pixel_size == pytest.approx(size)


def ome(path: Path, **sizes: Any) -> ex.OpenedImage:
    tifffile.imwrite(path, np.zeros((4, 8, 9), np.uint16), ome=True, metadata={"axes": "ZYX", **sizes})
    return ex.open_image(path)


def in_unit(unit: str, **sizes: float) -> dict[str, Any]:
    return {
        name: value
        for axis, size in sizes.items()
        for name, value in ((f"PhysicalSize{axis}", size), (f"PhysicalSize{axis}Unit", unit))
    }


def test_ome_sizes_in_any_unit(tmp_path: Path) -> None:
    """Ångström and inches, which OME allows, give a size as micrometres do."""
    path = tmp_path / "a.ome.tif"
    assert ome(path, **in_unit("Å", X=5, Y=10)).pixel_size == pytest.approx((0.001, 0.0005))
    assert ome(path, **in_unit("in", X=0.001, Y=0.002, Z=0.01)).pixel_size == pytest.approx((254, 50.8, 25.4))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda path: imagej(path, unit="furlong"), "0.65 furlong along y, 0.325 furlong along x"),
        (lambda path: imagej(path, unit="um", zunit="parsnip"), "2.0 parsnip along z"),
        (lambda path: ome(path, **in_unit("furlong", X=1, Y=1)), "1 furlong along y, 1 furlong along x"),
        (lambda path: ome(path, PhysicalSizeX=0, PhysicalSizeY=1), "0 µm along x"),
    ],
)
def test_what_is_no_length_is_told(tmp_path: Path, made: Any, words: str) -> None:
    """A size in a unit that is not known, or of nothing, is left out, and a note says so."""
    opened = made(tmp_path / "a.ome.tif")
    (note,) = opened.notes
    assert note.startswith("'a.ome.tif' gives pixels of ")
    assert words in note
    assert note.endswith("it is left out; where it matters, say it in micrometres")


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_what_was_never_a_length_is_not(tmp_path: Path, unit: str) -> None:
    """Sizes in pixels, and along stages whose scale is not known, were never meant as lengths: no note."""
    opened = ome(tmp_path / "a.ome.tif", **in_unit(unit, X=1, Y=1))
    assert (opened.pixel_size, opened.notes) == (None, ())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("X", "x, not along y"),
        ("Y", "y, not along x"),
        ("ZX", "z and x, not along y"),
        ("Z", "z, not along x"),
    ],
)
def test_sizes_of_some_axes_are_told(tmp_path: Path, said: str, words: str) -> None:
    """A size that is left out, as that of another axis is missing, is told; one of y and x alone is used."""
    opened = ome(tmp_path / "a.ome.tif", **in_unit("µm", **dict.fromkeys(said, 2.0)))
    assert opened.pixel_size is None
    assert opened.notes == (f"'a.ome.tif' gives the size of its pixels along {words}: it is left out",)
    whole = ome(tmp_path / "a.ome.tif", **in_unit("µm", X=2.0, Y=2.0))
    assert (whole.pixel_size, whole.notes) == ((2.0, 2.0), ())


def ngff(path: Path, scale: Any, units: list[str], **step: Any) -> Path:
    """Write a plane with such a scale along y and x, as OME-Zarr 0.5, and another step."""
    group = zarr.create_group(path, zarr_format=3)
    group.create_array("0", data=np.random.default_rng(1).integers(0, 255, (40, 50)).astype(np.uint8))
    axes = [{"name": a, "type": "space", "unit": unit} for a, unit in zip("yx", units, strict=True)]
    steps = [{"type": "scale", "scale": scale}, *([step] if step else [])]
    dataset = {"path": "0", "coordinateTransformations": steps}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    return path


@pytest.mark.parametrize("nothing", [0.0, float("nan"), float("inf")])
def test_no_distance_is_not_copied_on(tmp_path: Path, nothing: float) -> None:
    """A scale of 0, of no number, or of infinity is left out with a note; labels are then one pixel apart."""
    path = ngff(tmp_path / "a.zarr", [nothing, 0.5], ["micrometer", "micrometer"])
    opened = ex.open_image(path)
    assert opened.pixel_size is None
    assert opened.notes == (f"'a.zarr' gives its elements a distance of {nothing:g} along y: it is left out",)
    with pytest.warns(UserWarning, match="a distance of"):
        ex.segment(path, network(), output=tmp_path / "labels.ome.zarr")
    (labels,) = open_labels(tmp_path / "labels.ome.zarr")
    place = labels.place
    assert (place.scale, place.measured) == ((1.0, 0.5), (False, True))


@pytest.mark.parametrize(
    "scale", [["1", "2"], None, [None, 0.5], [0.5], [1, 2, 3], "12", [[1], [2]], [True, 0.5], [10**400, 1]]
)
def test_scales_that_are_no_numbers_are_left_out(tmp_path: Path, scale: Any) -> None:
    """The image opens without a size; a note says what its file gives instead of a number for each axis."""
    opened = ex.open_image(ngff(tmp_path / "a.zarr", scale, ["micrometer", "micrometer"]))
    assert opened.pixel_size is None
    (note,) = opened.notes
    assert note.startswith(f"'a.zarr' gives a scale of {json.dumps(scale)[:20]}")
    assert note.endswith("which is not a number for each of its axes y, x: it is left out")
    assert opened.place is not None
    assert opened.place.scale[0] == 1.0


@pytest.mark.parametrize("translation", [["1", "2"], None, [1], [None, 1.0]])
def test_translations_that_are_no_numbers_are_left_out(tmp_path: Path, translation: Any) -> None:
    """The size is known all the same."""
    step = {"type": "translation", "translation": translation}
    opened = ex.open_image(ngff(tmp_path / "a.zarr", [2, 3], ["micrometer", "micrometer"], **step))
    assert opened.pixel_size == (2, 3)
    assert opened.notes[0].startswith("'a.zarr' gives a translation of ")
    assert opened.place is not None
    assert opened.place.translation[0] == 0.0


def test_axes_that_count_backwards_are_told(tmp_path: Path) -> None:
    """A scale below 0 keeps its place, but says no size of a pixel; nor does one of some axes alone."""
    opened = ex.open_image(ngff(tmp_path / "a.zarr", [-2, 3], ["micrometer", "micrometer"]))
    assert opened.pixel_size is None
    assert opened.place is not None
    assert opened.place.scale == (-2, 3)
    assert "counts backwards along y, where its scale is below 0" in opened.notes[0]
    opened = ex.open_image(ngff(tmp_path / "b.zarr", [2, 3], ["micrometer", ""]))
    assert opened.notes == ("'b.zarr' gives the size of its pixels along y, not along x: it is left out",)


def test_zarr_units_of_length(tmp_path: Path) -> None:
    """Every axis of an OME-Zarr has its own unit; one that is not known is told."""
    assert ex.open_image(ngff(tmp_path / "a.zarr", [2, 0.01], ["angstrom", "inch"])).pixel_size == (
        pytest.approx((2e-4, 254))
    )
    opened = ex.open_image(ngff(tmp_path / "b.zarr", [2, 3], ["furlong", "micrometer"]))
    assert opened.pixel_size is None
    assert "1 furlong along y" in opened.notes[0]
