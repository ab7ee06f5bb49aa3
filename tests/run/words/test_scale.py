"""Pixels of another size than a model was trained on are told in scripts, commands and reports."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_exactile as ex
from command_line import MODEL, call, summary
from napari_exactile.models.card import COLONIES_DEMO

WORDS = "The model was trained at 0.65 µm per px; this image has 0.1: results may suffer. Rescale the image."
MATCH = "trained at 0.65 µm per px; this image has 0.1: results may suffer"


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (70, 90)).astype(np.uint16)


def written(path: Path, size: float) -> Path:
    about = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
    tifffile.imwrite(path, pixels(), ome=True, metadata=about)
    return path


def test_scripts_are_warned(tmp_path: Path) -> None:
    """Whether the file or the person says the size: a warning at the start, and a line in the report."""
    file, store = written(tmp_path / "image.ome.tif", 0.1), tmp_path / "labels.ome.zarr"
    with pytest.warns(UserWarning, match=MATCH) as caught:
        result = ex.segment(file, MODEL)
    assert caught[0].filename == __file__
    assert result.report.warnings[0] == WORDS
    with pytest.warns(UserWarning, match=MATCH):
        result = ex.segment(pixels(), MODEL, pixel_size=(0.1, 0.1), output=store)
    assert result.report.warnings[0] == WORDS
    assert json.loads((store / "exactile" / "report.json").read_text())["warnings"][0] == WORDS
    assert result.report.exact


def test_the_reference_and_the_comparisons_warn_too(tmp_path: Path) -> None:
    """One pass, the error of a radius and a sweep look at the same image with the same model."""
    file = written(tmp_path / "image.ome.tif", 0.1)
    with pytest.warns(UserWarning, match=MATCH) as caught:
        assert ex.segment_whole(file, MODEL).report.warnings[0] == WORDS
    with pytest.warns(UserWarning, match=MATCH) as caught:
        ex.tiling_error(file, MODEL, radius=16, tile=64)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=MATCH):
        ex.radius_sweep(file, MODEL, radii=[16], tile=64)


@pytest.mark.parametrize("size", [None, 0.65, 0.75])
def test_nothing_is_said_where_the_size_fits_or_is_not_known(size: float | None) -> None:
    """A quarter more or less is usual, and of an array without sizes nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = ex.segment(pixels(), MODEL, pixel_size=size and (size, size))
    assert not any("trained at" in words for words in result.report.warnings)


def test_the_distance_of_planes_does_not_count() -> None:
    """Models are trained at a size along y and x; planes of a volume or a stack are further apart."""
    card = replace(COLONIES_DEMO, axes="zyx")
    assert card.scale_warning((3, 0.65, 0.65)) == ""
    assert card.scale_warning((0.65, 0.1, 0.1)) == WORDS
    stack = np.stack([pixels()] * 2)
    report = ex.segment(stack, MODEL, axes="zyx", pixel_size=(3, 0.65, 0.65)).report
    assert not any("trained at" in words for words in report.warnings)
    with pytest.warns(UserWarning, match=MATCH):
        assert ex.segment(stack, MODEL, axes="zyx", pixel_size=(0.65, 0.1, 0.1)).report.warnings[0] == WORDS


@pytest.mark.parametrize("out", ["labels.tif", "labels.ome.zarr"])
def test_the_command_warns(tmp_path: Path, out: str) -> None:
    """Before it begins, on stderr, and at the end among what was found."""
    file = written(tmp_path / "image.ome.tif", 0.1)
    result = call("segment", file, "--model", MODEL, "--out", tmp_path / out)
    assert f"Warning: {WORDS}" in result.stderr
    assert WORDS in " ".join(result.stdout.split())
    fits = call(
        "segment", file, "--model", MODEL, "--out", tmp_path / out, "--overwrite", "--pixel-size", "0.65"
    )
    assert "trained at" not in fits.stdout + fits.stderr


def test_the_preview_warns(tmp_path: Path) -> None:
    """What a radius gets wrong on such an image may be quite another thing on a fitting one."""
    file = written(tmp_path / "image.ome.tif", 0.1)
    result = call("preview", file, "--model", MODEL, "--radius", 16, "--tile", 64)
    assert f"Warning: {WORDS}" in result.stderr
    assert MATCH in " ".join(summary(result)["warning"].split())
