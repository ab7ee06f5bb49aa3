"""Importing the package costs nothing, and its public names are all there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import napari_exactile
from slow_run import looking_at_all

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
        "import napari_exactile.geometry.tiling, napari_exactile.run.plan.settings",
        "import napari_exactile.models.card",
        "import napari_exactile.cli",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    """The package, its geometry, settings and model cards, and the command line load nothing heavy."""
    assert loaded_after(code) == ""


def test_images_are_read_without_torch() -> None:
    """The image modules load numpy alone; readers of files are loaded when a file is opened."""
    assert loaded_after("import napari_exactile.images.store.tiff, napari_exactile.images.source") == "numpy"


@pytest.mark.parametrize("name", napari_exactile.__all__)
def test_public_names_resolve(name: str) -> None:
    """Every public name is there, and is the same thing each time."""
    assert getattr(napari_exactile, name) is getattr(napari_exactile, name)


def test_dir_lists_the_public_names() -> None:
    """`dir()` shows the public names, sorted."""
    assert dir(napari_exactile) == sorted(napari_exactile.__all__)


def test_unknown_names_raise_attribute_error() -> None:
    """Other names are refused as a module refuses them."""
    with pytest.raises(AttributeError, match=r"^No napari_exactile attribute nonsense$"):
        _ = napari_exactile.nonsense


# Where a window has loaded Mesa's drivers, importing the real one can end the process, too.
DEADLY = "import os; os._exit(86)"
EVERYTHING = """
import sys, warnings
import numpy as np
import napari_exactile as ex
from napari_exactile.cli import app
folder, *files = sys.argv[1:]
image = np.random.default_rng(0).random((60, 70), np.float32)
for path in files:
    model = ex.load_model(path)
    ex.segment(image, model, output=f"{folder}/{path.rpartition('/')[2]}.ome.zarr")
    ex.segment_whole(image, model)
    ex.verify(f"{folder}/{path.rpartition('/')[2]}.ome.zarr", image, model)
    print(ex.analyse(model, image.shape).context)
model = ex.load_model("colonies-demo")
ex.measure_context(model, (512, 512))
ex.tiling_error(image, model, tile=208, radius=32)
print("done", "triton" in sys.modules)
"""


def test_triton_is_not_imported(tmp_path: Path) -> None:
    """Analysis, runs, probe and preview of networks in all forms do without torch's compiler of kernels."""
    package = tmp_path / "absent/triton"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(DEADLY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(package.parent), *paths()])}
    files = [str(path) for path in saved(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVERYTHING, str(tmp_path), *files],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done False"


def test_triton_can_be_imported_afterwards(tmp_path: Path) -> None:
    """Whoever compiles networks in the same process finds it, and torch says that it is there."""
    package = tmp_path / "triton"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '3.0.0'")
    code = (
        "import napari_exactile as ex; ex.analyse('colonies-demo', (64, 64)); import sys;"
        "from torch.utils._triton import has_triton_package as has;"
        "print('triton' in sys.modules, has(), 'triton' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *paths()])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "True"]


def paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def saved(folder: Path) -> Iterator[Path]:
    """Save a network in every form that one file can have."""
    net = looking_at_all()
    scripted, exported = folder / "scripted.pt", folder / "exported.pt2"
    torch.jit.save(torch.jit.script(net), scripted)
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    plain = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(3, 1, 1)).eval()
    torch.export.save(
        torch.export.export(plain, (torch.rand(1, 1, 32, 40),), dynamic_shapes=(sizes,)), exported
    )
    yield from (scripted, exported)
