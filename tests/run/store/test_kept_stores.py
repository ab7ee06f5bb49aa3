"""Stores of earlier versions open, verify and continue, to the byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import zarr

import napari_exactile as ex
from kept_stores import KEPT, STORES, Kept, Pooled, digests, pixels
from napari_exactile.images.store.journal import records_in
from napari_exactile.run.engine.events import Event, TileFinished

pytestmark = pytest.mark.usefixtures("one_thread")
NOTHING_YET = {"killed-in-a-pass"}
OLD = [pytest.param(folder, name, id=f"{folder.name}-{name}") for folder in STORES.iterdir() for name in KEPT]


def copied(folder: Path, name: str, target: Path) -> Path:
    """Return a copy that may be written, as folders in the repository may not."""
    return Path(shutil.copytree(folder / f"{name}.ome.zarr", target / f"{name}.ome.zarr"))


def verified(path: Path, kept: Kept) -> ex.Verification:
    return ex.verify(path, pixels(kept.shape, kept.planes), Pooled(kept.norm).eval(), seed=0)


@pytest.mark.parametrize(("folder", "name"), OLD)
def test_an_old_store_continues_to_the_byte(tmp_path: Path, folder: Path, name: str) -> None:
    """Only what was left is computed, and all is what the version that began it would have made."""
    path, kept, heard = copied(folder, name, tmp_path), KEPT[name], list[Event]()
    tiles = [record for record in records_in(path / "exactile" / "journal") if "tile" in record]
    result = kept.run(path, heard.append)
    computed = sum(isinstance(event, TileFinished) for event in heard)
    assert computed == result.report.tiles - len(tiles)
    assert digests(result) == json.loads((folder / "expected.json").read_text())[name]
    after = verified(path, kept)
    assert after.agrees
    assert after.tiles == after.all_tiles == result.report.tiles


@pytest.mark.parametrize(("folder", "name"), OLD)
def test_an_old_store_verifies_as_it_lies(tmp_path: Path, folder: Path, name: str) -> None:
    """Before anything is written, what is finished is whole and found right; nothing is changed."""
    path = copied(folder, name, tmp_path)
    before = content(path)
    assert verified(path, KEPT[name]).agrees
    assert content(path) == before


@pytest.mark.parametrize(("folder", "name"), [one for one in OLD if one.values[1] not in NOTHING_YET])
def test_damage_in_an_old_store_is_seen(tmp_path: Path, folder: Path, name: str) -> None:
    """One wrong label in a finished zone is found, so that agreement above means something."""
    path = copied(folder, name, tmp_path)
    level: Any = zarr.open_group(path)["0"]
    place = (*(0,) * (level.ndim - 2), 10, 10)
    level[place] = 1 - min(int(level[place]), 1)
    assert not verified(path, KEPT[name]).agrees


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "lock"}
