"""Write the table of docs/models.md: what networks of the field need (tests/support/zoo), and what is exact.

python scripts/model_table.py             # print it
python scripts/model_table.py --write     # put it and those of verdicts.py into the pages
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import verdicts

import napari_exactile as ex
from napari_exactile.geometry.equations import rounded_radius

# The networks live with the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from zoo import ZOO, Entry

PAGE = Path(__file__).parents[1] / "docs/models.md"
BEGIN, END = "<!-- the table, by scripts/model_table.py -->", "<!-- the end of the table -->"
HEADER = (
    "model", "source", "F", "context", "radius", "Eq. 1, rounded", "whole-image operators", "passes",
    "verdict",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into docs/models.md")
    if parser.parse_args().write:
        before, _, after = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after.partition(END)[2]}")
        verdicts.write()
    else:
        print(table())


def table() -> str:
    """Return the whole table in markdown."""
    return "\n".join([line(HEADER), line(("---",) * len(HEADER)), *map(row, ZOO.values())])


def row(entry: Entry) -> str:
    """Return the line of one network; the axes of each are alike, so that the last one speaks for all."""
    analysis = entry.analysis()
    if isinstance(analysis, ex.Refused):
        verdict = "refused: " + ": ".join(entry.refused or ("unexpected",))
        return line((title(entry), entry.source, *("" for _ in HEADER[3:]), verdict))
    factor, (before, after), radius = analysis.factor[-1], analysis.context[-1], analysis.radius[-1]
    paper = rounded_radius(analysis.paper_radius[-1], factor)
    judged = f"{paper}, **too small**" if paper < radius else f"{paper}"
    statistics = len(analysis.statistics)
    passes = 1 + len({one.level for one in analysis.statistics})
    return line(
        (title(entry), entry.source, factor, f"{before}, {after}", radius, judged, statistics or "",
         passes, "exact")
    )  # fmt: skip


def title(entry: Entry) -> str:
    return f"{entry.name} ({entry.notes})" if entry.notes else entry.name


def line(cells: tuple[object, ...]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    main()
