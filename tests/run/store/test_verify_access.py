"""Whoever may read a store can verify it, side by side, but never while a run writes it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import napari_exactile as ex
from integer_runs import pixels, unet
from napari_exactile.images.store.lock import InUseError
from napari_exactile.images.store.store import LabelStore
from verified_stores import unet_store

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return unet_store(tmp_path)


def test_a_store_that_is_being_written_waits(store: Path) -> None:
    """While a run has the store, it cannot be verified."""
    opened = LabelStore(store)
    with pytest.raises(InUseError, match="is being written by another run"):
        ex.verify(store, model=unet())
    opened.close()
    assert ex.verify(store, model=unet()).agrees


def test_many_verify_but_no_run_writes_meanwhile(store: Path) -> None:
    """Readers share a store; a run that would write it is told what goes on."""
    reading = LabelStore(store, read_only=True)
    assert ex.verify(store, model=unet()).agrees
    with pytest.raises(InUseError, match=r"a\.ome\.zarr is being verified: wait until it ends"):
        LabelStore(store)
    reading.close()
    LabelStore(store).close()


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nobody may write in a folder, and root, who may everything, becomes nobody for a while."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody reaches: others, pytest's own too, are for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
@pytest.mark.parametrize("has_lock", [True, False])
def test_a_read_only_store(open_folder: Path, store: Path, has_lock: bool) -> None:
    """A store that cannot be written is verified all the same, a copy without its lock file, too."""
    shutil.copytree(store, open_folder / "a.ome.zarr")
    if not has_lock:
        (open_folder / "a.ome.zarr" / "exactile" / "lock").unlink()
    with (open_folder / "a.ome.zarr" / "exactile" / "journal").open("ab") as journal:
        journal.write(b"0123 cut o")
    image = pixels(100, 150)
    with without_rights(open_folder):
        with pytest.raises(PermissionError):
            LabelStore(open_folder / "a.ome.zarr")
        found = ex.verify(open_folder / "a.ome.zarr", image, unet(), windows=3)
    assert (found.agrees, found.tiles, len(found.check.windows)) == (True, 20, 3)


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_read_only_store_that_is_being_written(open_folder: Path, store: Path) -> None:
    """Who may only read is told, too, which process writes."""
    shutil.copytree(store, open_folder / "a.ome.zarr")
    opened = LabelStore(open_folder / "a.ome.zarr")
    with without_rights(open_folder), pytest.raises(InUseError, match="is being written by another run in"):
        ex.verify(open_folder / "a.ome.zarr", pixels(100, 150), unet())
    opened.close()
