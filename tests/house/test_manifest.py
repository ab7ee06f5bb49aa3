"""What napari finds of the plugin: its commands, samples and menus, without loading torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
from napari import Viewer
from npe2 import PluginManifest

OPEN_THE_DOCK = """
import sys
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
app = QApplication([])
import napari.qt.threading, napari.layers, magicgui.widgets, superqt.utils
viewer = ViewerModel()
from napari_exactile.widget.dock import ExactileDock
dock = ExactileDock(viewer, remembers=False)
print(sorted({"torch", "dask.array", "zarr"} & set(sys.modules)))
"""


def test_every_command_of_the_manifest_can_be_imported() -> None:
    """The manifest is valid, and each command names something that exists."""
    manifest = PluginManifest.from_file(str(files("napari_exactile") / "napari.yaml"))
    manifest.validate_imports()
    assert {command.id.split(".")[1] for command in manifest.contributions.commands or ()} == {
        "dock", "colonies_512", "colonies_2048", "colonies_8192", "open_model",
        "read_image", "open_image_file", "open_image_folder",
    }  # fmt: skip


def test_samples_come_with_labels_and_class_names(make_napari_viewer: Callable[..., Viewer]) -> None:
    """File > Open Sample gives an image and its true labels, with names, pixel size and units."""
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample("napari-exactile", "colonies_512")
    assert image.data.shape == labels.data.shape == (512, 512)
    assert image.data.dtype == np.uint16
    assert list(labels.features["class"]) == ["background", "colony"]
    assert tuple(image.scale) == (0.65, 0.65)
    assert {str(unit) for unit in image.units} == {"micrometer"}


def test_the_large_sample_has_no_seams(make_napari_viewer: Callable[..., Viewer]) -> None:
    """The sample of 8192 pixels is that of 2048, mirrored: its labels are mirrored with it."""
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample("napari-exactile", "colonies_8192")
    assert image.data.shape == labels.data.shape == (8192, 8192)
    for data in (image.data, labels.data):
        np.testing.assert_array_equal(data[:2048], data[2048:4096][::-1])
        np.testing.assert_array_equal(data[:2048, :2048], data[4096:6144, 4096:6144])


def test_the_dock_is_in_the_segment_menu_and_the_palette(make_napari_viewer: Callable[..., Viewer]) -> None:
    """Layers > Segment has an entry that opens the dock; commands in a menu are in the palette too."""
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    entries = get_app_model().menus.get_menu("napari/layers/segment")
    mine = [entry.command for entry in entries if "napari-exactile" in getattr(entry, "command", entry).id]
    assert mine
    get_app_model().commands.execute_command(mine[0].id).result()
    assert any("Exact segmentation" in name for name in viewer.window.dock_widgets)


def test_model_files_are_told_apart_without_torch(tmp_path: Path) -> None:
    """napari asks of each file whether it holds a model: that loads neither torch nor napari nor Qt."""
    code = f"""
import sys
from napari_exactile.widget.open import image_reader
from napari_exactile.widget.model_reader import get_reader
image_reader.get_reader("a.svs")
path = {str(tmp_path / "model.pt")!r}
open(path, "wb").write(b"PK\\x03\\x04")
print(get_reader(path) is not None, sorted({{"torch", "napari", "qtpy", "numpy"}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True []"


def test_the_dock_opens_without_torch() -> None:
    """Opening the dock loads no torch, dask or zarr of its own accord."""
    run = subprocess.run([sys.executable, "-c", OPEN_THE_DOCK], capture_output=True, text=True, check=True)
    assert run.stdout.strip().splitlines()[-1] == "[]"
