"""Windows that tell facts: their names and values as a table, and the buttons below."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qtpy.QtWidgets import QHBoxLayout, QPushButton

Rows = Iterable[tuple[str, str]]


def facts_table(sections: Iterable[tuple[str, Rows]]) -> str:
    """Return sections of a title and facts as HTML: names and values in two columns under a heading."""
    rows = "".join(_rows(title, facts) for title, facts in sections)
    return f"<table cellspacing='0' cellpadding='2'>{rows}</table>"


def _rows(title: str, facts: Rows) -> str:
    rows = (
        f"<tr><td style='white-space: nowrap; padding-right: 16px'>{escape(name)}</td>"
        f"<td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<tr><td colspan='2' style='padding-top: 8px'><b>{escape(title)}</b></td></tr>{''.join(rows)}"


def button_row(*buttons: QPushButton) -> QHBoxLayout:
    """Return a row of buttons at the right, none of which Return presses."""
    row = QHBoxLayout()
    row.addStretch(1)
    for button in buttons:
        button.setAutoDefault(False)
        button.setMinimumWidth(80)
        row.addWidget(button)
    return row
