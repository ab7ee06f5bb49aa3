"""What a settings file says that no field of the dock does: shown as it is, and forgotten on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from magicgui.widgets import PushButton

from napari_exactile.widget.form.form import Form, Note


class MoreFields:
    """A section that is seen only where there is something in it; `forget` empties it."""

    def __init__(self) -> None:
        self.note = Note()
        self.forget = PushButton(text="Forget", tooltip="Go by the fields of the dock alone")
        self.form = Form()
        self.form.heading("Settings file")
        self.form.wide(self.note, self.forget)
        self.form.setVisible(False)

    def add_to(self, form: Form) -> None:
        """Add the section."""
        form.wide(self.form)

    def show(self, name: str, counts: Mapping[str, Any], unused: Mapping[str, Any]) -> None:
        """Say what of a file counts although no field says it, and what does not."""
        lines = [f"{name} also says:"] if counts or unused else []
        lines += [f"{key} = {value}" for key, value in counts.items()]
        lines += [f"{key} = {value}, which is not used here" for key, value in unused.items()]
        self.note.say("\n".join(lines), warning=bool(unused))
        self.form.setVisible(bool(lines))

    def on_forget(self, call: Callable[[], None]) -> None:
        """Call when a person presses the button."""
        self.forget.changed.connect(lambda _clicked: call())
