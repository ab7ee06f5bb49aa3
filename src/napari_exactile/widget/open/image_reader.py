"""Images of any size as napari layers: nothing is read at opening but what shows their contrast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

from napari_exactile.images.about.zarr_folders import ZARR_FILES
from napari_exactile.widget.form.glossary import sentence

LayerData = tuple[Any, dict[str, Any], str]
SLIDES = (".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".btf", ".tf8")
"""Endings of files that are large by their kind; the manifest names these and the files of zarr."""


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return what opens a slide, or the zarr folder of a file such as zarr.json; None for several files.

    Imports nothing heavy.
    """
    return read if isinstance(path, str) else None


def read(path: str, series: int | str | None = None) -> list[LayerData]:
    """Return the layers of an image of any kind that `open_image` takes, with the labels beside it.

    Of several images in a file, `series` chooses one. Raises ValueError, in a sentence that names the file,
    for what is no image.
    """
    from napari_exactile.widget.open.image_layers import layers_of

    return layers_of(_meant(Path(path)), series)


def add_image(viewer: Viewer, path: str | Path, series: int | str | None = None) -> list[Layer]:
    """Open an image of any kind that `open_image` takes in a viewer, and return its layers.

    Raises ValueError as `read` does.
    """
    from napari.layers import Layer

    return [viewer.add_layer(Layer.create(*data)) for data in read(str(path), series)]


def open_file() -> None:
    """Let the person pick an image file of any size, and open it in the current viewer."""
    from qtpy.QtWidgets import QFileDialog

    slides = " ".join(f"*{ending}" for ending in SLIDES)
    kinds = f"Images (*.tif *.tiff {slides} *.npy *.zip zarr.json .zattrs);;All files (*)"
    _open(lambda window: QFileDialog.getOpenFileName(window, "Open a large image", "", kinds)[0])


def open_folder() -> None:
    """Let the person pick an OME-Zarr folder, and open it in the current viewer."""
    from qtpy.QtWidgets import QFileDialog

    _open(lambda window: QFileDialog.getExistingDirectory(window, "Open an OME-Zarr image or labels"))


def _open(pick: Callable[[Any], str]) -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    path, viewer = pick(QApplication.activeWindow()), napari.current_viewer()
    if path and viewer is not None:
        add_image_or_say(viewer, path)


def add_image_or_say(viewer: Viewer, path: str | Path, series: int | str | None = None) -> list[Layer]:
    """Open an image, and return its layers; what is wrong with it is shown, not raised."""
    from napari.utils.notifications import show_error

    try:
        return add_image(viewer, path, series)
    except ValueError as error:
        show_error(sentence(error))
        return []


def _meant(path: Path) -> Path:
    return path.parent if path.name in ZARR_FILES else path
