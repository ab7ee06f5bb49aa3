"""Which layers can be segmented, which one is proposed, and the one that is selected in napari's list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.draw.own_layer import OWN, RESULT
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.glossary import sentence
from napari_exactile.widget.work.busy import busy

if TYPE_CHECKING:
    from napari_exactile.widget.open.samples import LayerData


class ImageChooser:
    """Offers the images of a viewer to the field for them; `follow` says which field.

    All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._fields: Fields | None = None
        self._loading = Latest()

    def choices(self, _field: Any = None) -> list[tuple[str, Image]]:
        """Return all that can be segmented, by name: also what a run gave, but nothing that we draw."""
        layers = self._viewer.layers
        return [(one.name, one) for one in layers if isinstance(one, Image) and OWN not in one.metadata]

    def follow(self, fields: Fields) -> None:
        """Offer, from now on, the image that is selected in the list of layers."""
        self._fields = fields
        fields.selected.changed.connect(lambda _clicked: self._take())
        fields.sample.changed.connect(lambda _clicked: self._load_sample())
        self._viewer.layers.selection.events.active.connect(self.offer)

    def leave(self) -> None:
        """Let go of the viewer."""
        self._loading.forget()
        self._viewer.layers.selection.events.active.disconnect(self.offer)

    def pick(self) -> None:
        """Choose the selected image or, if none is, the highest one; nothing that a run gave."""
        images = self._proposed
        if self._fields is not None and images:
            self._fields.image.value = self._selected or images[-1]

    def offer(self, _event: Any = None) -> None:
        """Offer the selected image, if that is another one than is chosen."""
        layer, fields = self._selected, self._fields
        if fields is None:
            return
        fields.selected.visible = layer is not None and layer is not fields.image.value
        if layer is not None:
            fields.selected.text = f"Segment '{layer.name}'"

    def _take(self) -> None:
        if self._fields is not None and self._selected is not None:
            self._fields.image.value = self._selected

    def _load_sample(self) -> None:
        """Make the sample, and what napari shows labels with, in the background: both take seconds."""
        assert self._fields is not None, "its button has been pressed"
        note = self._fields.image_note
        self._fields.sample.enabled = False
        note.say("Drawing the sample...")
        self._loading.ask(_sample, self._add_sample, lambda error: note.say(sentence(error), warning=True))

    def _add_sample(self, layers: list[LayerData]) -> None:
        assert self._fields is not None
        self._fields.sample.enabled = True
        with busy():
            for data, options, kind in layers:
                self._viewer.add_layer(Layer.create(data, options, kind))

    @property
    def _proposed(self) -> list[Image]:
        return [layer for _name, layer in self.choices() if RESULT not in layer.metadata]

    @property
    def _selected(self) -> Image | None:
        active = self._viewer.layers.selection.active
        return next((layer for layer in self._proposed if layer is active), None)


def _sample() -> list[LayerData]:
    from napari_exactile.widget.draw.layers import prepare_colors
    from napari_exactile.widget.open.samples import colonies_512

    layers = colonies_512()
    prepare_colors(int(layers[-1][0].max()) + 1)
    return layers
