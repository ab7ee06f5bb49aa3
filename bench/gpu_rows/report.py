"""The report of a run: rows in sections, written as JSON and as Markdown as soon as each is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a section: figures by their column, or why there are none.

    `right` says of a row that proves something whether it did.
    """

    section: str
    name: str
    values: Values = field(default_factory=dict)
    right: bool | None = None
    error: str = ""
    skipped: str = ""


class Report:
    """Rows by section, in this order, and name; one that comes again replaces what was there."""

    def __init__(self, folder: Path, about: Values, sections: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._about, self._sections = folder, about, list(sections)
        self._rows: dict[tuple[str, str], Row] = {}
        self._write()

    def add(self, row: Row) -> None:
        """Take a row in and write both files."""
        self._rows[row.section, row.name] = row
        self._write()

    @property
    def exact(self) -> bool:
        """Whether no row that proves something failed to."""
        return not any(row.right is False for row in self._rows.values())

    def summary(self) -> str:
        """Return in one line what came out."""
        rows = self._rows.values()
        wrong = [f"{row.section}: {row.name}" for row in rows if row.right is False]
        skipped, failed = (sum(bool(getattr(row, what)) for row in rows) for what in ("skipped", "error"))
        told = f"{len(rows)} rows, {failed} failed, {skipped} skipped; see {self._folder / 'gpu.md'}"
        return told + (f"\nNOT EXACT: {', '.join(wrong)}" if wrong else "")

    def _write(self) -> None:
        rows = sorted(self._rows.values(), key=lambda row: self._sections.index(row.section))
        plain = {"about": self._about, "rows": [asdict(row) for row in rows]}
        _replace(self._folder / "gpu.json", json.dumps(plain, indent=1) + "\n")
        _replace(self._folder / "gpu.md", markdown(self._about, rows))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def markdown(about: Values, rows: Sequence[Row]) -> str:
    """Return the page: what was measured on what, then a table a section."""
    told = [f"- {name}: {value}" for name, value in about.items()]
    sections = dict.fromkeys(row.section for row in rows)
    tables = [f"## {name}\n\n{_table([row for row in rows if row.section == name])}" for name in sections]
    return "\n".join([*told, "", "\n\n".join(tables), ""])


def _table(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    proves = any(row.right is not None for row in rows)
    lines = [["", *columns, *(["right"] if proves else [])]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for row in rows:
        verdict = [{True: "yes", False: "**NO**", None: ""}[row.right]] if proves else []
        if told := row.error or row.skipped:
            lines.append([row.name, f"{'failed' if row.error else 'skipped'}: {told}"])
        else:
            lines.append([row.name, *(shown(row.values.get(column)) for column in columns), *verdict])
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def shown(value: Any) -> str:
    """Return a figure with three digits.

    >>> shown(1234.5), shown(0.00123456), shown(7), shown(None)
    ('1234', '0.00123', '7', '')
    """
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"
