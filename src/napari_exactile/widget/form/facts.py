"""Windows that tell facts: their names and values as a table, and the buttons below."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_exactile.widget.form.glossary import explained

Rows = Iterable[tuple[str, str]]


def facts_table(sections: Iterable[tuple[str, Rows]]) -> str:
    """Return sections of a title and facts as HTML: names and values in two columns under a heading."""
    rows = "".join(_rows(title, facts) for title, facts in sections)
    return f"<table cellspacing='0' cellpadding='2'>{rows}</table>"


def _rows(title: str, facts: Rows) -> str:
    rows = (
        f"<tr><td style='white-space: nowrap; padding-right: 16px'>{_told(name)}</td>"
        f"<td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<tr><td colspan='2' style='padding-top: 8px'><b>{escape(title)}</b></td></tr>{''.join(rows)}"


def _told(name: str) -> str:
    """Return a name as HTML, with a tooltip that says what it means."""
    meaning = explained(name)
    return f"<span title='{escape(meaning)}'>{escape(name)}</span>" if meaning else escape(name)


def button_row(*buttons: QPushButton) -> QHBoxLayout:
    """Return a row of buttons at the right, none of which Return presses."""
    row = QHBoxLayout()
    row.addStretch(1)
    for button in buttons:
        button.setAutoDefault(False)
        button.setMinimumWidth(80)
        row.addWidget(button)
    return row
