"""The other images of a file, offered under the one that is picked, and opened where another is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image

from napari_exactile.images.about.chosen import Images
from napari_exactile.images.about.opened import opened_files
from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.draw.planes import data_of
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.open.image_reader import add_image_or_say

# Files that napari opens by itself, with the first of their images, and without a word.
NAPARI, ITS_ENDINGS = "napari", (".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class InFile:
    """An image of several in a file."""

    path: Path
    images: Images
    number: int


class SeriesChooser:
    """Offers the images of the file that a layer comes from, and opens the one that a person picks.

    `changed` is called when it has turned out that there are several; that is found out in the background
    for files that napari has opened. Other images of the same file are hidden, not removed.
    """

    def __init__(self, viewer: ViewerModel, fields: Fields, changed: Callable[[], None]) -> None:
        self._viewer, self._fields, self._changed = viewer, fields, changed
        self._latest, self._found = Latest(), dict[Path, Images | None]()
        self._asking: Path | None = None
        self._shown: InFile | None = None
        fields.series.changed.connect(self._pick)

    def offer(self, layer: Image | None) -> None:
        """Show what there is in the file of a layer; nothing where it is the only image."""
        if layer is not None:
            self._ask(layer)
        self._shown = self._of(layer) if layer is not None else None
        words, number = (self._shown.images.words, self._shown.number) if self._shown else ((), 0)
        self._fields.offer_series(words, number)

    def forget(self) -> None:
        """Ask no more: the dock is going away."""
        self._latest.forget()

    def _of(self, layer: Image) -> InFile | None:
        files = opened_files(data_of(layer))
        if files is None:
            path = _of_napari(layer)
            known = path and self._found.get(path)
            return InFile(path.resolve(), known, 0) if path and known and known.several else None
        if files.images is None or not files.images.several or files.images.alike:
            return None
        return InFile(files.path, files.images, files.series if isinstance(files.series, int) else 0)

    def _ask(self, layer: Image) -> None:
        """Find out what else there is in a file that napari has opened."""
        path = _of_napari(layer)
        if path is None or path in self._found or path == self._asking:
            return
        self._asking = path
        self._latest.ask(
            lambda: images_in(path), lambda found: self._learn(path, found),
            lambda _error: self._learn(path, None),
        )  # fmt: skip

    def _learn(self, path: Path, images: Images | None) -> None:
        self._found[path], self._asking = images, None
        if images is not None and images.several:
            self._changed()

    def _pick(self, number: int) -> None:
        """Show another image of the file, which may be there already."""
        shown = self._shown
        if shown is None or number == shown.number:
            return
        picked = next((one for one in self._of_file(shown) if self._number(one) == number), None)
        if picked is None:
            picked = self._opened(shown, number)
        if picked is not None:
            for layer in self._of_file(shown):
                layer.visible = self._number(layer) == number
            self._fields.image.value = picked
        self._changed()

    def _opened(self, shown: InFile, number: int) -> Image | None:
        """Open an image, and put its layers above those of the others, not above what is drawn on them."""
        layers, before = self._viewer.layers, self._of_file(shown)
        opened = add_image_or_say(self._viewer, shown.path, number)
        for layer in reversed(opened):
            layers.move(layers.index(layer), 1 + max(map(layers.index, before)))
        return next((one for one in opened if isinstance(one, Image)), None)

    def _of_file(self, shown: InFile) -> list[Image]:
        """Return the layers of all images of the same file."""
        layers = (layer for layer in self._viewer.layers if isinstance(layer, Image))
        return [layer for layer in layers if (found := self._of(layer)) and found.path == shown.path]

    def _number(self, layer: Image) -> int | None:
        found = self._of(layer)
        return found.number if found else None


def _of_napari(layer: Image) -> Path | None:
    """Return the file of a layer that napari has opened by itself."""
    source, path = layer.source, Path(layer.source.path or "")
    own = source.reader_plugin == NAPARI and path.name.lower().endswith(ITS_ENDINGS)
    return path if own and opened_files(data_of(layer)) is None else None


def images_in(path: Path) -> Images | None:
    """Return the images of a file; None for one that cannot be opened. Nothing of them is read."""
    from napari_exactile.images.read.open import open_image

    try:
        return open_image(path, allow_missing=True).images
    except (ValueError, OSError):
        return None
