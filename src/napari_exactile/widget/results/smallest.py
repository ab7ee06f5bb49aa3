"""How large an object must be to count: in pixels, or in the length, area or volume that they have."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10, prod
from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox

from napari_exactile.images.objects.objects import short
from napari_exactile.widget.form.form import Note, beside
from napari_exactile.widget.form.wheel import scroll_past

PIXELS = "px"
UNITS = ("µm", "µm²", "µm³")


class SmallestObject:
    """A size and its unit; another unit is offered where the size of a pixel is known.

    `pixels` is what counts, whatever the unit. `note` says the size in the other unit.
    """

    def __init__(self) -> None:
        self.size = FloatSpinBox(value=1, min=1, max=10**9, step=1, tooltip="Leave out smaller objects")
        self.unit = ComboBox(choices=[PIXELS], tooltip="Pixels, or what they measure in micrometres")
        self.note = Note()
        scroll_past(self.unit.native)
        self.unit.native.setMinimumContentsLength(3)
        self.row = beside(self.size, self.unit.native)
        self._pixel_size: tuple[float, ...] | None = None
        self._shown = PIXELS
        self._format()
        self.unit.changed.connect(self._on_unit)
        self.size.changed.connect(lambda _size: self._say())

    @property
    def pixels(self) -> int:
        """The least number of pixels that an object has."""
        if self._shown == PIXELS:
            return round(self.size.value)
        # What was made of pixels shall become these again.
        return max(1, ceil(self.size.value / self._one - 1e-6))

    def offer(self, pixel_size: Sequence[float] | None) -> None:
        """Offer the unit of pixels of this size in micrometres; None: they have none."""
        if (size := None if pixel_size is None else tuple(pixel_size)) == self._pixel_size:
            return
        if self._shown != PIXELS:
            self.unit.value = PIXELS
        self._pixel_size = size
        self.unit.choices = [PIXELS, *([UNITS[len(size) - 1]] if size else [])]
        self.unit.visible = size is not None
        self._say()

    @property
    def _one(self) -> float:
        """What a pixel measures."""
        return float(prod(self._pixel_size or (1.0,)))

    def _on_unit(self, unit: Any) -> None:
        """Say the same size in another unit."""
        pixels, self._shown = self.pixels, str(unit)
        with self.size.changed.blocked():
            self._format()
            self.size.value = pixels * (1.0 if unit == PIXELS else self._one)
        self._say()

    def _format(self) -> None:
        """Let the field take numbers of this unit: pixels are whole, what one measures has four figures."""
        is_pixels = self._shown == PIXELS
        self.size.native.setDecimals(0 if is_pixels else min(9, max(0, 3 - floor(log10(self._one)))))
        self.size.min, self.size.step = (1, 1) if is_pixels else (0, self._one)

    def _say(self) -> None:
        if self._pixel_size is None:
            self.note.say()
        elif self._shown == PIXELS:
            unit = UNITS[len(self._pixel_size) - 1]
            self.note.say(f"= {short(self.pixels * self._one)} {unit}")
        else:
            self.note.say(f"= {self.pixels:,} px")
