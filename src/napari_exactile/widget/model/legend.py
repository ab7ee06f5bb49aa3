"""The classes of the labels, each with its colour: what the colours in the picture mean."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.form.form import breakable

# More would fill the dock; all of them stand in the details.
MOST = 12
SQUARE, HOLLOW = "\u25a0", "\u25a1"


class Legend(QLabel):
    """Takes no room while there are no classes."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setIndent(0)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setToolTip("What the colours of the labels mean; names and colours can be changed in Details...")
        self.setVisible(False)

    def show_classes(self, classes: Classes | None = None) -> None:
        """Show these classes from now on; None: there are none."""
        self.setVisible(classes is not None)
        if classes is None:
            self.clear()
            return
        self.setText(_as_html(classes))
        self.setAccessibleName(f"Classes: {', '.join(classes.names)}")


def _as_html(classes: Classes) -> str:
    """Return a square in its colour and a name for each class; the background, which is not drawn, is hollow.

    >>> print(_as_html(Classes(("none", "cell"), ("#ffffff", "#009E73"), 0)).replace("&nbsp;", " "))
    □ none  <span style='color: #009E73'>■</span> cell
    """
    words = [
        f"{_square(color, label == classes.background)}&nbsp;{escape(breakable(name))}"
        for label, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    ]
    more = [f"and {len(words) - MOST} more: see Details"] if len(words) > MOST else []
    return "&nbsp; ".join([*words[:MOST], *more])


def _square(color: str, is_background: bool) -> str:
    return HOLLOW if is_background else f"<span style='color: {color}'>{SQUARE}</span>"
