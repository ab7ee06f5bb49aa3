"""The dock's fields, in sections: what a person can choose, and the notes that explain each choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    FloatSpinBox,
    PushButton,
    RadioButtons,
    SpinBox,
)
from magicgui.widgets.bases import ValueWidget
from qtpy.QtWidgets import QLabel, QRadioButton, QWidget

from napari_exactile.geometry.words import member
from napari_exactile.widget.choose.meaning_fields import AUTOMATIC, MeaningFields
from napari_exactile.widget.choose.normalization_fields import TYPED, NormalizationFields
from napari_exactile.widget.draw.planes import channel_choices
from napari_exactile.widget.form.form import Form, Note, beside, more_button
from napari_exactile.widget.model.legend import Legend

Choices = Callable[[Any], list[tuple[str, Any]]]

WHOLE, VIEW, DRAWN = "Whole image", "Current view", "Drawn rectangle"
DRAW = "Draw rectangle"
ONE_PLANE, ALL_PLANES = "Plane in view", "All planes"
SEGMENT = f"""{WHOLE}: every pixel of the image, wherever the view is
{VIEW}: what is in sight when Run is pressed
{DRAWN}: what lies under the last rectangle that you draw
A part is exact relative to the whole image: its statistics and edges count"""
IN_MEMORY, ON_DISK = "In memory", "On disk"


class Section(Protocol):
    """Fields of a part of the dock, which has its own."""

    def add_to(self, form: Form, /) -> None:
        """Add them to the dock's form."""


class Fields:
    """All fields with their defaults; `on_change` is called after each change that matters to the plan.

    Fields are magicgui widgets: their `.value` can be set by scripts as by people. `widget` holds them.
    """

    def __init__(
        self, images: Choices, models: Choices, on_change: Callable[[], None], sections: Sequence[Section]
    ) -> None:
        self._images_in_file: tuple[str, ...] = ()
        self._make_image_fields(images)
        self._make_model_fields(models)
        self._make_tile_fields()
        self._make_advanced_fields()
        self.widget = self._arranged(sections)
        for field in self.plan_fields():
            if field not in self.normalizing.values:
                field.changed.connect(lambda _value: on_change())
        self.normalizing.on_change(on_change)

    def _make_image_fields(self, images: Choices) -> None:
        self.help = more_button("Help, and what to send to those whom you ask for it", "?")
        self.image = ComboBox(choices=images, nullable=True, tooltip="The Image layer to segment")
        self.series = ComboBox(
            choices=self._series_choices, tooltip="Which image of the file; another one is opened beside it"
        )  # fmt: skip
        self.selected = PushButton(visible=False, tooltip="Segment the image that is selected in the list")
        self.image_note = Note()
        self.sample = PushButton(text="Load sample", tooltip="Open a synthetic image of colonies")
        kinds = [WHOLE, VIEW, DRAWN]
        self.region = RadioButtons(choices=kinds, value=WHOLE, orientation="vertical", tooltip=SEGMENT)
        self.draw = PushButton(
            text=DRAW, visible=False, tooltip="Draw the part to segment; the last rectangle counts"
        )  # fmt: skip
        self.channels = ComboBox(
            choices=self._channel_choices, value="automatic",
            tooltip="Where the channels of the image lie, or what of its colours a model of one channel "
            "is to see as grey",
        )  # fmt: skip
        self.planes = RadioButtons(
            choices=[ONE_PLANE, ALL_PLANES], value=ONE_PLANE, orientation="vertical",
            tooltip="Of a stack or time series: the plane in view, or every plane as an image of its own",
        )  # fmt: skip
        self.together = CheckBox(
            text="Normalise together", value=False,
            tooltip="Measure all planes as one image, instead of each by itself",
        )  # fmt: skip
        self.output_note = Note()
        self.image.changed.connect(lambda _layer: self._forget_image())

    def _series_choices(self, _field: Any) -> list[tuple[str, int]]:
        return [(words, number) for number, words in enumerate(self._images_in_file or ("0",))]

    def offer_series(self, words: tuple[str, ...], number: int) -> None:
        """Let the person pick among the images of the file, which are called so; `number` is shown."""
        self.series_row.setVisible(len(words) > 1)
        with self.series.changed.blocked():
            if words != self._images_in_file:
                self._images_in_file = words
                self.series.reset_choices()
            self.series.value = number

    def _channel_choices(self, _field: Any) -> list[tuple[str, Any]]:
        return channel_choices(self.image.value)

    def _forget_image(self) -> None:
        """Forget what was said of the image before: it says nothing of the next."""
        with self.together.changed.blocked():
            self.together.value = False
        with self.channels.changed.blocked():
            self.channels.reset_choices()
            self.channels.value = "automatic"

    def offer_channels(self, offered: bool) -> None:
        """Let the person say where the channels lie, where there is something to say."""
        self.channels_row.setVisible(offered)

    def offer_planes(self, stack: tuple[int, ...], axes: int = 2) -> None:
        """Let the person choose among the planes of a stack, or the volumes if each has so many axes."""
        self.planes_row.setVisible(bool(stack))
        self._name_planes(member(axes))
        self.together.enabled = bool(stack) and self.planes.value == ALL_PLANES

    def _name_planes(self, what: str) -> None:
        """Call the planes what they are; the values of the field stay."""
        names = ONE_PLANE.replace("Plane", what.capitalize()), ALL_PLANES.replace("plane", what)
        if tuple(button.text() for button in self.planes.native.findChildren(QRadioButton)) != names:
            with self.planes.changed.blocked():
                self.planes.choices = list(zip(names, (ONE_PLANE, ALL_PLANES), strict=True))
            self.planes_row.findChild(QLabel).setText(f"{what.capitalize()}s")

    def _make_model_fields(self, models: Choices) -> None:
        self.model = ComboBox(choices=models, tooltip="The network that labels the pixels")
        self.open_model, self.open_note = more_button("Open the model of a file or folder"), Note()
        self.model_note, self.exact_note = Note(), Note()
        self.approximate = CheckBox(
            text="Accept approximate labels", value=False, visible=False,
            tooltip="Run the model in tiles all the same; how far its labels are from exact ones is unknown",
        )  # fmt: skip
        self.chosen_radius = SpinBox(
            value=64, min=0, max=65536, step=16,
            tooltip="Context on every side of a zone, in pixels: more of it approximates better",
        )  # fmt: skip
        self.factor = FloatSpinBox(
            value=0, min=0, max=1024, step=1,
            tooltip="Sizes of approximate tiles are multiples of it, in pixels; 0: automatic",
        )  # fmt: skip
        self.factor.native.setDecimals(0)
        self.factor.native.setSuffix(" px")
        self.factor.native.setSpecialValueText(AUTOMATIC)
        self.meaning = MeaningFields()
        self.threshold, self.threshold_row = self.meaning.threshold, self.meaning.threshold_row
        kind = self.meaning.kind, self.meaning.kind_note, self.meaning.kind_row
        self.kind, self.kind_note, self.kind_row = kind
        # Chosen for one model, they say nothing of the next.
        self.model.changed.connect(self._forget_choices)
        self.legend = Legend()
        self.details = PushButton(text="Details...", tooltip="What the model needs, layer by layer")

    def _make_tile_fields(self) -> None:
        self.automatic = CheckBox(
            text="Automatic", value=True, tooltip="Choose a tile that is fast and fits in memory"
        )  # fmt: skip
        self.tile = SpinBox(
            value=512, min=1, max=65536, step=16,
            tooltip="Side of the tile that is read: the zone (ZoR) and the context on both sides",
        )  # fmt: skip
        self.context_note, self.zone_note, self.tile_note = Note(), Note(), Note()
        self.tiling = CheckBox(text="Show tiling", value=True, tooltip="Draw zones and context on the image")
        self.all_contexts = CheckBox(
            text="Show all contexts", value=False, tooltip="Draw the context of every tile, up to 100 tiles"
        )  # fmt: skip

    def _make_advanced_fields(self) -> None:
        self.device = ComboBox(choices=[AUTOMATIC, "CPU"], tooltip="What computes the network")
        self.own_radius = CheckBox(
            text="Own radius",
            value=False,
            tooltip="Use another context than the model needs",
        )
        self.radius = SpinBox(value=96, min=0, max=65536, step=16, tooltip="Context on every side, in pixels")
        self.radius_note = Note()
        self.normalizing = NormalizationFields()
        self.normalization = self.normalizing.choice
        self.probabilities = CheckBox(
            text="Probabilities",
            value=False,
            tooltip="Add a layer for the probability of each class",
        )
        self.output = ComboBox(
            choices=[AUTOMATIC, IN_MEMORY, ON_DISK],
            tooltip="Where labels are kept; automatically, large ones go into a folder beside the image",
        )  # fmt: skip
        self.output_path = more_button("Choose where the labels go on disk")
        self.memory = FloatSpinBox(
            value=0.0, min=0.0, max=1024.0, step=0.5,
            tooltip="GB that an automatic tile may take; 0: automatic",
        )  # fmt: skip
        self.memory.native.setSuffix(" GB")
        self.memory.native.setSpecialValueText(AUTOMATIC)

    def plan_fields(self) -> tuple[ValueWidget[Any], ...]:
        """Return the fields that change what is computed."""
        return (
            self.image, self.region, self.model, self.automatic, self.tile, self.device, self.own_radius,
            self.radius, *self.normalizing.values, self.probabilities, self.memory, self.approximate,
            self.chosen_radius, self.factor, self.channels, self.planes, self.together, self.threshold,
            self.output, self.kind,
        )  # fmt: skip

    @property
    def notes(self) -> tuple[Note, ...]:
        """What explains the fields, all of it said by whoever makes a plan of them."""
        return (
            self.image_note, self.output_note, self.model_note, self.exact_note, self.kind_note,
            self.tile_note, self.context_note, self.zone_note, self.radius_note,
        )  # fmt: skip

    def remembered(self) -> dict[str, ValueWidget[Any]]:
        """Return the fields that come back in the next session.

        An own radius does not: it can be inexact. Typed steps neither: the next image has other values.
        """
        names = "model automatic tile tiling all_contexts device probabilities memory"
        if self.normalization.value != TYPED:
            names += " normalization"
        return {name: getattr(self, name) for name in names.split()}

    def lock(self, locked: bool) -> None:
        """Keep everything that belongs to a run from being changed while it goes on."""
        for field in self.plan_fields():
            field.enabled = not locked
        self.open_model.setEnabled(not locked)
        self.output_path.setEnabled(not locked)
        self.series.enabled = not locked
        self.selected.enabled = not locked
        self.draw.enabled = not locked
        self.normalizing.lock(locked)
        if not locked:
            self.tile.enabled, self.radius.enabled = not self.automatic.value, self.own_radius.value
            self.together.enabled = self.planes.value == ALL_PLANES

    def offer_approximation(self, offered: bool) -> None:
        """Let a model that cannot be exact be run approximately; its radius is another than "own radius"."""
        self.approximate.visible = offered
        self.approximation.setVisible(offered and self.approximate.value)
        if offered:
            self.own_radius.enabled = self.radius.enabled = False

    def _forget_choices(self, _model: Any) -> None:
        with self.approximate.changed.blocked():
            self.approximate.value = False
        self.meaning.forget()

    def _arranged(self, sections: Sequence[Section]) -> QWidget:
        form = Form()
        self.approximation = Form()
        self.approximation.row("Radius", self.chosen_radius)
        self.approximation.row("Multiples of", self.factor)
        self.approximation.setVisible(False)
        form.heading("Image", self.help)
        self.series_row, self.channels_row, self.planes_row = (Form() for _ in range(3))
        self.series_row.row("Series", self.series)
        self.series_row.setVisible(False)
        self.channels_row.row("Channels", self.channels)
        self.planes_row.row("Planes", self.planes, self.together)
        form.wide(
            self.image, self.selected, self.series_row, self.image_note, self.sample, self.channels_row,
            self.planes_row,
        )  # fmt: skip
        form.row("Segment", self.region, self.draw)
        form.wide(self.output_note)
        form.heading("Model")
        form.wide(
            beside(self.model, self.open_model), self.open_note, self.model_note, self.exact_note,
            self.approximate, self.approximation, self.kind_row, self.threshold_row, self.legend,
            self.details,
        )  # fmt: skip
        form.heading("Tiles")
        form.row("Tile size", self.automatic, self.tile, self.tile_note)
        form.row("Context", self.context_note)
        form.row("Zone", self.zone_note)
        form.row("", self.tiling, self.all_contexts)
        advanced = Form()
        advanced.row("Device", self.device)
        advanced.row("Context", self.own_radius, self.radius, self.radius_note)
        self.normalizing.add_to(advanced)
        advanced.row("Keep", self.probabilities)
        advanced.row("Labels", beside(self.output, self.output_path))
        advanced.row("Memory", self.memory)
        self.advanced = form.closed("Advanced", "Settings that are seldom needed", advanced)
        for section in sections:
            section.add_to(form)
        form.end()
        return form
