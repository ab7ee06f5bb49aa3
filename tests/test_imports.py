"""Importing the package costs nothing, and its public names are all there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_exactile

HEAVY = ("torch", "dask", "zarr", "tifffile", "scipy", "napari", "qtpy", "numpy")


def loaded_after(code: str) -> str:
    """Run `code` in a fresh interpreter and return which heavy packages it has loaded."""
    report = f"import sys; print('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.rsplit("loaded:", 1)[1].strip()


@pytest.mark.parametrize(
    "code",
    [
        "import napari_exactile",
        "import napari_exactile; dir(napari_exactile); napari_exactile.__all__",
        "import napari_exactile.geometry.tiling, napari_exactile.run.settings, napari_exactile.models.card",
        "import napari_exactile.cli",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    """The package, its geometry, settings and model cards, and the command line load nothing heavy."""
    assert loaded_after(code) == ""


def test_images_are_read_without_torch() -> None:
    """The image modules load numpy alone; readers of files are loaded when a file is opened."""
    assert loaded_after("import napari_exactile.images.tiff, napari_exactile.images.source") == "numpy"


@pytest.mark.parametrize("name", napari_exactile.__all__)
def test_public_names_resolve(name: str) -> None:
    """Every public name is there, and is the same thing each time."""
    assert getattr(napari_exactile, name) is getattr(napari_exactile, name)


def test_dir_lists_the_public_names() -> None:
    """`dir()` shows the public names, sorted."""
    assert dir(napari_exactile) == sorted(napari_exactile.__all__)


def test_unknown_names_raise_attribute_error() -> None:
    """Other names are refused as a module refuses them."""
    with pytest.raises(AttributeError, match=r"^module 'napari_exactile' has no attribute 'nonsense'$"):
        _ = napari_exactile.nonsense
