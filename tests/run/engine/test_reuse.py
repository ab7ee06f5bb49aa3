"""What was measured of an image is used again while its file stays the same, and never otherwise."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from docks import lively_model
from image_files import age
from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.parse import parse_steps
from napari_exactile.images.normalize.steps import Affine, Clip, Linear, Normalization, Percentiles, ZScore
from napari_exactile.images.normalize.words import as_text, measured_words
from napari_exactile.images.read.fingerprint import ChangedError, fingerprint
from napari_exactile.images.source import ArraySource, LayeredSource
from napari_exactile.images.view import View
from napari_exactile.run.engine.events import Measuring
from napari_exactile.run.engine.passes import measured_values, measuring
from napari_exactile.run.engine.passes.measured_values import MeasuredValues


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test know what another has measured."""
    monkeypatch.setattr(measuring, "VALUES", MeasuredValues())


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The images that are measured, one entry each time."""
    done: list[Any] = []
    original = statistics.measure

    def noted(source: Any, *rest: Any) -> Any:
        done.append(source)
        return original(source, *rest)

    monkeypatch.setattr(statistics, "measure", noted)
    return done


def pixels(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 4000, (120, 90)).astype(np.uint16)


def write_tiff(path: Path, image: Any) -> None:
    tifffile.imwrite(path, image, tile=(32, 32))
    age(path)


def write_npy(path: Path, image: Any) -> None:
    np.save(path, image)
    age(path)


def write_zarr(path: Path, image: Any) -> None:
    zarr.create_array(path, data=image, chunks=(1, 32, 32)[-image.ndim :], overwrite=True)
    age(path)


FILES: dict[str, Callable[[Path, Any], None]] = {
    "a.tif": write_tiff,
    "a.npy": write_npy,
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", FILES)
def test_a_second_run_does_not_measure_again(tmp_path: Path, name: str, passes: list[Any]) -> None:
    """The same file, opened anew, is not read again for its statistics, and gives the same labels."""
    path, model = tmp_path / name, lively_model("lively")
    FILES[name](path, pixels())
    heard: list[Any] = []
    first = ex.segment(path, model, tile=92, axes="yx")
    second = ex.segment(path, model, tile=92, axes="yx", on_event=heard.append)
    assert len(passes) == 1
    assert not [event for event in heard if isinstance(event, Measuring)]
    assert first.report.normalization == second.report.normalization
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_measured_again(tmp_path: Path, name: str, passes: list[Any]) -> None:
    """Other pixels in the same file, in as many bytes, are measured by themselves."""
    path, model = tmp_path / name, lively_model("lively")
    FILES[name](path, pixels())
    ex.segment(path, model, tile=92, axes="yx")
    FILES[name](path, pixels(1))
    age(path, -30)  # written later, but for some time too
    changed = ex.segment(path, model, tile=92, axes="yx")
    assert len(passes) == 2
    assert changed.report.normalization == ex.segment(pixels(1), model, tile=92).report.normalization


def test_a_file_that_has_just_been_written_is_measured_again(tmp_path: Path, passes: list[Any]) -> None:
    """While a file could change within one tick of the disk's clock, nothing is concluded from its time."""
    tifffile.imwrite(tmp_path / "a.tif", pixels())
    for _ in range(2):
        ex.segment(tmp_path / "a.tif", lively_model("lively"), tile=92)
    assert len(passes) == 2


def test_painting_in_place_is_noticed(passes: list[Any]) -> None:
    """An array in memory is measured each time: it may have been painted on."""
    image, model = pixels(), lively_model("lively")
    before = ex.segment(image, model, tile=92).report.normalization
    image[50, 50] += 1
    after = ex.segment(image, model, tile=92).report.normalization
    assert (len(passes), before != after) == (2, True)


@pytest.mark.parametrize(
    "other", [{"ignore": 7}, {"normalization": "min-max"}, {"normalization": "clip 0 9; z-score"}]
)
def test_other_settings_are_measured_again(tmp_path: Path, other: dict[str, Any], passes: list[Any]) -> None:
    """What is ignored, and each step, belongs to what was measured; the tile does not."""
    path, model = tmp_path / "a.tif", lively_model("lively")
    write_tiff(path, pixels())
    ex.segment(path, model, tile=92)
    ex.segment(path, model, tile=96)
    assert len(passes) == 1
    ex.segment(path, model, tile=92, **other)
    assert len(passes) == 2


def test_a_file_that_changes_meanwhile_is_not_known(tmp_path: Path, passes: list[Any]) -> None:
    """Values of a file that is written to while it is measured are not used again."""
    path, model = tmp_path / "a.npy", lively_model("lively")
    write_npy(path, pixels())

    def write(event: Any) -> None:
        if isinstance(event, Measuring):
            age(path, 5)

    for _ in range(2):
        with pytest.raises(ChangedError):
            ex.segment(path, model, tile=92, on_event=write)
    assert len(passes) == 2


def test_planes_channels_and_layers_are_told_apart(tmp_path: Path) -> None:
    """Fingerprints differ between parts of a file, and agree between two openings of the same part."""
    write_zarr(tmp_path / "a.zarr", np.stack([pixels(), pixels(1)]))
    first, second = (ex.open_image(tmp_path / "a.zarr").array for _ in range(2))
    part = (slice(None), slice(None))
    sources = [
        ArraySource(first), ArraySource(first, 0),
        ArraySource(first, None, (0,)), ArraySource(first, None, (1,)),
        ArraySource(View(first, (0, *part))), ArraySource(View(first, (1, *part))),
        LayeredSource((ArraySource(View(first, (0, *part))), ArraySource(View(first, (1, *part))))),
    ]  # fmt: skip
    found = [fingerprint(source) for source in sources]
    assert None not in found
    assert len(set(found)) == len(found)
    assert fingerprint(ArraySource(second)) == found[0]
    assert fingerprint(ArraySource(pixels())) is None
    assert fingerprint(LayeredSource((ArraySource(first), ArraySource(np.zeros(first.shape))))) is None
    assert fingerprint(object()) is None


# --- what is known ----------------------------------------------------------------------------------------

FOUND = Normalization((Affine((3.0,), (2.0,)),))


def test_what_was_asked_for_least_lately_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many images are known, and no more."""
    monkeypatch.setattr(measured_values, "MOST", 2)
    values = MeasuredValues()
    for name in "abc":
        values.keep(name, (), None, FOUND)
    assert [values.of_pixels(name, (), None) for name in "abc"] == [None, FOUND, FOUND]


def test_arrays_are_not_kept_alive() -> None:
    """What was measured of an array goes with it, and is not taken for that of another one in its place."""
    values, image = MeasuredValues(), np.zeros((9, 9))
    values.tell(ArraySource(image), (), None, FOUND)
    assert values.last_of(ArraySource(image), (), None) == FOUND
    assert values.last_of(ArraySource(image), (), 0) is None
    assert values.last_of(ArraySource(np.zeros((9, 9))), (), None) is None
    gone = weakref.ref(image)
    del image
    gc.collect()
    assert gone() is None


# --- words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [
    (Affine((1 / 3, 1e-7), (2 / 3, 1e22)),), (Clip(-1.5, 1e-9), Affine((0.1,), (0.3,))), (Clip(0, 255),),
])  # fmt: skip
def test_values_are_typed_to_the_last_bit(steps: Any) -> None:
    """The text of measured values means exactly these values."""
    text = as_text(steps)
    assert text is not None
    assert parse_steps(text) == steps


@pytest.mark.parametrize("steps", [(), (Linear((2.0,), (1.0,)),), (Clip(None, 3.0), Affine((1.0,), (1.0,)))])
def test_what_cannot_be_typed_has_no_text(steps: Any) -> None:
    """Steps for which there are no words are not offered."""
    assert as_text(steps) is None


def test_only_what_was_measured_is_told() -> None:
    """Steps with values of their own are left out; extremes are called so."""
    asked = (Clip(0, 9), Percentiles(), ZScore())
    found = (Clip(0, 9), Affine((1.0, 2.0), (3.0, 4.0)), Affine((0.5,), (0.25,)))
    assert measured_words(asked, found) == (
        "minimum 1, 2; maximum 4, 6 (one per channel); then mean 0.5; std 0.25"
    )
    assert measured_words((Clip(0, 9),), (Clip(0, 9),)) == ""
