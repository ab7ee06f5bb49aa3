"""What an OME-Zarr announces and has not is refused by name, or the rest is read where that is allowed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import napari_exactile as ex
import ome_files
from command_line import MODEL, assert_refused, call
from image_files import pixels, write_ngff, zipped
from napari_exactile.images.about.chosen import NoSuchImageError
from napari_exactile.images.about.incomplete import IncompleteError
from slow_run import network

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGES = [pixels(60, 70), pixels(130, 150), pixels(100, 150)]


def converted(folder: Path, version: str = "0.4", series: list[str] | None = None, xml: int = 0) -> Path:
    """Write three series as bioformats2raw does, told by a list of groups, OME-XML, or their numbers."""
    path, new = folder / "a.zarr", version == "0.5"
    group = zarr.create_group(path, zarr_format=3 if new else 2)
    layout = {"bioformats2raw.layout": 3}
    group.attrs.update({"ome": {**layout, "version": version}} if new else layout)
    for name, image in zip(series or "012", IMAGES, strict=True):
        write_ngff(path / name, image, version, "yx")
    if series:
        group.create_group("OME").attrs.update({"ome": {"series": series}} if new else {"series": series})
    if xml:
        (path / "OME").mkdir(exist_ok=True)
        about = "".join(ome_files.image(f"Pos {number}", "") for number in range(xml))
        (path / "OME" / "METADATA.ome.xml").write_bytes(ome_files.ome(about, "all"))
    return path


def positions(folder: Path) -> Path:
    """Write an OME-TIFF of three images, of which the middle one is not there."""
    path = ome_files.positions(folder, ome_files.planes(3))
    (folder / "f1.ome.tif").unlink()
    return path


FORMS: dict[str, dict[str, Any]] = {
    "listed": {"series": ["0", "1", "2"]},
    "listed, 0.5": {"version": "0.5", "series": ["0", "1", "2"]},
    "described": {"xml": 3},
    "numbered": {},
}


def without(*gone: str, **form: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = converted(folder, **form)
        for one in gone:
            shutil.rmtree(path / one)
        return path

    return make


def damaged(folder: Path) -> Path:
    path = converted(folder, series=["0", "1", "2"])
    (path / "1" / ".zattrs").write_text("{")
    return path


def with_a_broken_array(folder: Path) -> Path:
    path = converted(folder)
    (path / "1" / "s0" / ".zarray").write_text("{}")
    return path


def in_zip(folder: Path) -> Path:
    return zipped(without("1", series=["0", "1", "2"])(folder))


GROUP, LEVEL = (
    "image 1{} is missing: its group '1' is not there",
    "its level '1/s0' that it names is not there",
)
INCOMPLETE: dict[str, tuple[Callable[[Path], Path], str, list[int]]] = {
    **{
        kind: (without("1", **form), GROUP.format(" 'Pos 1'" if "xml" in form else ""), [0, 2])
        for kind, form in FORMS.items()
    },
    "pixels": (without("1/s0", series=["0", "1", "2"]), f"image 1 is missing: {LEVEL}", [0, 2]),
    "pixels, 0.5": (without("1/s0", version="0.5"), f"image 1 is missing: {LEVEL}", [0, 2]),
    "first": (without("0"), "image 0 is missing: its group '0' is not there", [1, 2]),
    "last": (without("2", xml=3), "image 2 'Pos 2' is missing: its group '2' is not there", [0, 1]),
    "two": (without("0", "1", series=["0", "1", "2"]), "image 0 is missing: .*image 1 is missing", [2]),
    "array": (with_a_broken_array, "image 1 is missing: its level '1/s0' that it names is no array", [0, 2]),
    "of a name": (without("b", series=["a", "b", "c"]), "image 1 'b' is missing: its group 'b'", [0, 2]),
    "damaged": (damaged, "image 1 is missing: its group '1' cannot be read", [0, 2]),
    "zipped": (in_zip, GROUP.format(""), [0, 2]),
}  # fmt: skip


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_missing_series_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    """One that is announced and not there is told where none is chosen, and by all; another one opens."""
    make, words, there = INCOMPLETE[kind]
    path = make(tmp_path)
    for series in (None, "all"):
        with pytest.raises(
            IncompleteError, match=rf"^{path} is incomplete: .*{words}.*allow_missing"
        ) as caught:
            ex.open_image(path, series=series)
        assert "\n" not in str(caught.value)
    for number in there:
        opened = ex.open_image(path, series=number)
        np.testing.assert_array_equal(opened.array[...], IMAGES[number])
        assert (opened.number, opened.notes) == (number, ())
    (gone, *_others) = {0, 1, 2} - set(there)
    for allow_missing in (False, True):
        with pytest.raises(
            NoSuchImageError, match=f"has no image {gone}, though it announces one: it holds "
        ):
            ex.open_image(path, series=gone, allow_missing=allow_missing)


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_missing_series_can_be_allowed(tmp_path: Path, kind: str) -> None:
    """Then the largest of the others is read, or all of them, with their own numbers, and a note tells."""
    make, words, there = INCOMPLETE[kind]
    path = make(tmp_path)
    opened = ex.open_image(path, allow_missing=True)
    assert opened.number == max(there, key=lambda number: IMAGES[number].size)
    np.testing.assert_array_equal(opened.array[...], IMAGES[opened.number])
    notes = " ".join(opened.notes)
    assert f"'{opened.name}' is incomplete: image " in notes
    assert ("holds 2 images: " in notes) == (len(there) == 2)
    assert "()" not in notes
    every = ex.open_image(path, series="all", allow_missing=True)
    assert [one.number for one in every] == there
    for one in every:
        np.testing.assert_array_equal(one.array[...], IMAGES[one.number])
        assert re.search(words, " ".join(one.notes))


def test_all_of_a_tiff_tell_what_is_missing(tmp_path: Path) -> None:
    """Of an OME-TIFF, too, an image that is described and not there is told by all that are."""
    path = positions(tmp_path)
    every = ex.open_image(path, series="all", allow_missing=True)
    assert len(every) == 2
    told = "'f0.ome.tif' is incomplete: image 'Pos 1' is missing: f1.ome.tif is not there; it is left out"
    assert [one.notes[0] for one in every] == [told, told]


def test_nothing_is_computed_of_an_incomplete_zarr(tmp_path: Path) -> None:
    """`segment` and the command refuse it; allowed, the labels are those of the rest, and reports say so."""
    path = without("1", series=["0", "1", "2"])(tmp_path)
    with pytest.raises(IncompleteError):
        ex.segment(path, network(), series="all", output=tmp_path / "labels.ome.zarr")
    assert not list(tmp_path.glob("labels*"))
    command = ("segment", path, "--model", MODEL, "--device", "cpu")
    assert_refused(call(*command), "image 1 is missing: its group '1' is not there.*--allow-missing")
    words = "image 1 is missing: its group '1' is not there; it is left out"
    with pytest.warns(UserWarning, match="holds 2 images"), pytest.warns(UserWarning, match=words):
        result = ex.segment(path, network(), allow_missing=True)
    np.testing.assert_array_equal(result.labels, ex.segment(IMAGES[2], network()).labels)
    assert any("image 1 is missing" in note for note in result.report.notes)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("make", "gone"),
    [
        (without("1", series=["0", "1", "2"]), "image 1 is missing: its group '1' is not there"),
        (positions, "image 'Pos 1' is missing: f1.ome.tif is not there"),
    ],
    ids=["zarr", "tiff"],
)
def test_each_report_says_which_images_are_missing(
    tmp_path: Path, make: Callable[[Path], Path], gone: str
) -> None:
    """Each of several results goes its own way: all reports say what is not among them, that of one image
    which somebody has chosen does not, and the command says it once."""
    path, words = make(tmp_path), f"the image is incomplete: {gone}; it is left out"
    results = ex.segment(path, network(), series="all", allow_missing=True, output=tmp_path / "l.ome.zarr")
    assert [result.report.notes for result in results] == [(words,), (words,)]
    assert ex.segment(path, network(), series=0, allow_missing=True).report.notes == ()
    command = ("segment", path, "--model", MODEL, "--device", "cpu", "--series", "all", "--allow-missing")
    done = call(*command, "--out", tmp_path / "labels.tif")
    assert done.exit_code == 0
    assert done.stderr.count(f"Note: '{path.name}' is incomplete: {gone}") == 1
    assert done.stdout.count(words) == 2


def test_missing_levels_are_named(tmp_path: Path) -> None:
    """A smaller level that is named and not there is left out if that is allowed; the largest never is."""
    path, image = tmp_path / "a.zarr", pixels(2, 120, 160)
    write_ngff(path, image, "0.4")
    shutil.rmtree(path / "s1")
    with pytest.raises(IncompleteError, match="the level 's1' that it names is not there; put"):
        ex.open_image(path)
    opened = ex.open_image(path, allow_missing=True)
    assert [level.shape for level in opened.levels] == [image.shape]
    assert opened.notes == (
        "'a.zarr' is incomplete: the level 's1' that it names is not there; it is left out",
    )
    shutil.rmtree(path / "other")
    shutil.rmtree(path / "s0")
    with pytest.raises(ValueError, match="its level 's0' that it names is not there"):
        ex.open_image(path, allow_missing=True)


@pytest.mark.parametrize("datasets", [None, [], [{}], "0", [None], 3])
def test_images_without_levels_are_refused(tmp_path: Path, datasets: Any) -> None:
    """Metadata that name no level give a sentence that says so."""
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    group.attrs["multiscales"] = [{"version": "0.4", "datasets": datasets}]
    with pytest.raises(ValueError, match="as zarr: it does not say where its levels lie"):
        ex.open_image(tmp_path / "a.zarr")
