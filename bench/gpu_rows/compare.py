"""Two reports side by side: the figures of each row, and their ratio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpu_rows.report import shown


def side_by_side(one: Path, other: Path) -> str:
    """Return Markdown tables with a line for each figure that both reports have."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in (one, other)]
    told = [f"- {name}: {path}, {report['about']['device']}, commit {report['about']['commit']}"
            for name, path, report in zip("AB", (one, other), reports, strict=True)]  # fmt: skip
    if reports[0]["about"]["device"] != reports[1]["about"]["device"]:
        told.append("- THE DEVICES DIFFER: ratios compare these, too")
    rows = [{(row["section"], row["name"]): row for row in report["rows"]} for report in reports]
    lines = ["| section | row | figure | A | B | B / A |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for key in rows[0].keys() & rows[1].keys():
        lines += [f"| {' | '.join(line)} |" for line in _lines(key, *(each[key] for each in rows))]
    only = [f"- only in {name}: {section}, {row}" for name, mine, others in _sides(rows)
            for section, row in mine.keys() - others.keys()]  # fmt: skip
    return "\n".join([*told, *sorted(only), "", *lines[:2], *sorted(lines[2:])])


def _sides(rows: list[dict[Any, Any]]) -> list[tuple[str, dict[Any, Any], dict[Any, Any]]]:
    return [("A", rows[0], rows[1]), ("B", rows[1], rows[0])]


def _lines(key: tuple[str, str], one: dict[str, Any], other: dict[str, Any]) -> list[list[str]]:
    found = []
    for column in one["values"].keys() & other["values"].keys():
        a, b = one["values"][column], other["values"][column]
        if a is not None and b is not None:
            ratio = shown(b / a) if _is_number(a) and _is_number(b) and a else ""
            found.append([*key, column, shown(a), shown(b), ratio])
    if one["right"] != other["right"]:
        found.append([*key, "right", str(one["right"]), str(other["right"]), ""])
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
