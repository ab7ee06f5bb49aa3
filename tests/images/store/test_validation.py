"""Stores are valid OME-Zarr 0.5, in the eyes of another implementation of the specification."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import napari_exactile as ex
from slow_run import TILE, image, network
from stored_kinds import EVERY

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="ome-zarr-models is not made for it yet"),
]


def check(path: Path) -> None:
    """Raise what the validator finds in the group, its arrays and their metadata."""
    from ome_zarr_models.v05 import Image, ImageLabel

    group = zarr.open_group(path, mode="r")
    found = group.attrs["ome"]
    assert isinstance(found, dict)
    kind: Any = ImageLabel if "image-label" in found else Image
    kind.from_zarr(group)


@EVERY
def test_every_kind_of_store_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Callable[[], Any],
    pixels: Callable[[], np.ndarray], settings: dict[str, Any],
) -> None:  # fmt: skip
    """Labels, probabilities and values, with and without stacks, units and channels, pass the validator."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)
    path = tmp_path / "a.ome.zarr"
    ex.segment(pixels(), model(), tile=TILE, output=path, pixel_size=(0.5, 0.25), **settings)
    for group in (path, *path.glob("probabilities")):
        check(group)


def test_the_validator_would_find_faults(tmp_path: Path) -> None:
    """Axes in another order, and levels that are not there, are refused."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(image(), network(), tile=TILE, output=path, probabilities=True)
    group = zarr.open_group(path / "probabilities", mode="r+")
    ome: Any = group.attrs["ome"]
    (scales,) = ome["multiscales"]
    group.attrs["ome"] = ome | {"multiscales": [scales | {"axes": scales["axes"][::-1]}]}
    with pytest.raises(ValueError, match="axes"):
        check(path / "probabilities")
    missing = scales["datasets"][0] | {"path": "9"}
    group.attrs["ome"] = ome | {"multiscales": [scales | {"datasets": [missing]}]}
    with pytest.raises(ValueError, match="9"):
        check(path / "probabilities")
