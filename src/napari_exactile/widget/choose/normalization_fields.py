"""How pixels are normalised: a choice, or steps that are typed, and what was measured of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isinf
from typing import Any

from magicgui.widgets import ComboBox, LineEdit, PushButton
from magicgui.widgets.bases import ValueWidget

from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.steps import Normalization, Step, check_values
from napari_exactile.images.normalize.words import as_text, measured_words
from napari_exactile.widget.form.form import Form, Note, follow_letters
from napari_exactile.widget.form.glossary import sentence

MODEL_SAYS, Z_SCORE, NONE, TYPED = "By the model", "Z-score", "None", "Typed..."
NORMALIZATIONS = {
    MODEL_SAYS: "model",
    Z_SCORE: "z-score",
    "Minimum to maximum": "min-max",
    "Percentiles 1 to 99.8": "percentile",
    NONE: "none",
}
EXAMPLES = "such as: joint z-score; percentile 1 99.8; fixed 120 35; clip 0 4095"


class NormalizationFields:
    """The fields and their notes. `typed` and `ignore` count when Enter is pressed or they are left."""

    def __init__(self) -> None:
        self.choice = ComboBox(choices=[*NORMALIZATIONS, TYPED], tooltip="How pixel values are scaled")
        self.typed = LineEdit(
            visible=False,
            tooltip=f"Steps in order, {EXAMPLES}. With one number for each channel: fixed 120,80 35,20",
        )
        self.ignore = LineEdit(
            tooltip="Pixels of this value in all channels are left out of what is measured, such as 0 around "
            "the tissue of a slide; nan: pixels without a value, which are labelled background",
        )  # fmt: skip
        self.typed.native.setPlaceholderText("fixed 120 35")
        self.ignore.native.setPlaceholderText("none")
        self.note, self.ignore_note, self.measured_note = Note(), Note(), Note()
        self.use = PushButton(
            text="Use these values", visible=False,
            tooltip="Type what was measured, so that other images are normalised alike",
        )  # fmt: skip
        follow_letters(self.choice.native, self.typed.native, self.ignore.native)
        self._text = ""
        self._before = self.choice.value
        self.choice.changed.connect(self._on_choice)
        self.use.changed.connect(lambda _clicked: self._take())

    @property
    def values(self) -> tuple[ValueWidget[Any], ...]:
        """The fields that change what is computed."""
        return self.choice, self.typed, self.ignore

    def on_change(self, call: Callable[[], None]) -> None:
        """Call after each change that matters; not while somebody is typing."""
        self.choice.changed.connect(lambda _value: call())
        for line in (self.typed, self.ignore):
            line.native.editingFinished.connect(call)
            line.changed.connect(lambda _value, line=line: None if line.native.hasFocus() else call())

    def add_to(self, form: Form) -> None:
        """Add the rows."""
        form.row("Normalise", self.choice, self.typed, self.note, self.measured_note, self.use)
        form.row("Ignore", self.ignore, self.ignore_note)

    def lock(self, locked: bool) -> None:
        """Let the values not be taken during a run; the fields are locked with the others."""
        self.use.enabled = not locked

    def chosen(self, channels: int, name: str) -> str:
        """Return what was chosen or typed; raises ValueError, which the note says too, where it is wrong."""
        self.note.say()
        if self.choice.value != TYPED:
            return NORMALIZATIONS[self.choice.value]
        text = str(self.typed.value).strip()
        try:
            if not text:
                raise ValueError(f"Type steps, {EXAMPLES}")
            if text != NORMALIZATIONS[MODEL_SAYS]:
                check_values(steps_of(text), channels, name)
        except ValueError as error:
            words = str(error)
            self.note.say(sentence(words), warning=True)
            raise
        return text

    @property
    def leaves_out_missing(self) -> bool:
        """Whether pixels without a value are left out, or get one."""
        typed = str(self.typed.value).strip() if self.choice.value == TYPED else ""
        return str(self.ignore.value).strip().lower() == "nan" or typed.startswith("nan ")

    def ignored(self) -> float | None:
        """Return the value to ignore, None for none; raises ValueError, which the note says too."""
        text = str(self.ignore.value).strip()
        self.ignore_note.say()
        try:
            value = float(text) if text else None
            if value is not None and isinf(value):
                raise ValueError
        except ValueError:
            self.ignore_note.say(f"Type a number such as 0, nan, or nothing, not '{text}'.", warning=True)
            raise
        return value

    def show_measured(self, asked: Sequence[Step] = (), known: Normalization | None = None) -> None:
        """Show what was measured for the steps that are `asked`, if anything was."""
        words = "" if known is None else measured_words(asked, known.steps)
        self._text = as_text(known.steps) or "" if known is not None and words else ""
        self.measured_note.say(f"Measured: {words}" if words else "")
        self.use.visible = bool(self._text)

    def _on_choice(self, choice: str) -> None:
        self.typed.visible = choice == TYPED
        if choice == TYPED and not self.typed.value:
            with self.typed.changed.blocked():
                self.typed.value = _as_typed(self._before)
        self._before = choice

    def _take(self) -> None:
        """Type the values that are shown."""
        with self.typed.changed.blocked(), self.choice.changed.blocked():
            self.typed.value, self.choice.value = self._text, TYPED
        self.typed.native.setCursorPosition(0)
        self.choice.changed.emit(TYPED)


def _as_typed(choice: str) -> str:
    """Return what to begin with: the steps of what was chosen before."""
    named = NORMALIZATIONS.get(choice, "model")
    return "" if named == "model" else named
