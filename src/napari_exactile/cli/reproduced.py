"""What `exactile reproduce` prints: tables, the papers' figures beside them, and how the scale differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_exactile.cli.sweeps import pixel_count, sweep_remarks
from napari_exactile.geometry.words import counted, part_of, times

if TYPE_CHECKING:
    from rich.table import Table

    from napari_exactile import Sweep
    from napari_exactile.papers.experiment import Experiment, Outcome, Scale
    from napari_exactile.papers.radii import Reach

Lines = list[tuple[str, str]]


def outcome_table(experiment: Experiment, outcome: Outcome) -> Table:
    """Return a row for each radius or offset: errors, cost against one pass, and what the papers report."""
    from rich.table import Table

    published = [column for paper in experiment.published for column in paper.columns]
    names = ("RMSE", "ME", "near-ties", "exact?", "computing", "time")
    table = Table(experiment.kind)
    for name in (*names, *(name for name, _ in published)):
        table.add_column(name, justify="right")
    for point, cost in zip(outcome.sweep.points, outcome.costs, strict=True):
        cells = [str(point.value), f"{point.rmse:.2g}", pixel_count(point), str(point.near_ties)]
        cells += ["yes" if point.exact else "no", f"{cost.computing:.2f}", f"{cost.time:.2f}"]
        cells += [f"{column[point.value]:g}" if point.value in column else "" for _, column in published]
        table.add_row(*cells)
    return table


def outcome_lines(experiment: Experiment, scale: Scale, outcome: Outcome) -> Lines:
    """Return what was done, at what scale, and what it shows."""
    sweep = outcome.sweep
    size = times(experiment.shape(scale))
    return [
        ("experiment", experiment.title),
        ("network", experiment.network),
        ("data", f"{counted(scale.images, 'image')} of {size} px: {experiment.data}"),
        ("reference", "one pass of the unchanged network over the whole image"),
        ("scaling", _scaling(experiment, scale)),
        (
            "radius",
            f"{sweep.required} px needed; Eq. 1 of the papers, rounded: {sweep.paper} px{_verdict(sweep)}",
        ),
        *sweep_remarks(sweep),
        ("result", _result(outcome)),
        ("computing", "pixels of all tiles against those of the image; +x % is 100 (computing - 1)"),
        ("time", _time(outcome)),
        *(("paper's", paper.note) for paper in experiment.published),
    ]


def _verdict(sweep: Sweep) -> str:
    return ", too small" if sweep.paper < sweep.required else ""


def _scaling(experiment: Experiment, scale: Scale) -> str:
    return (
        f"base {scale.base}, the papers' {experiment.papers_base}; tiles of {experiment.tile} px as theirs; "
        f"images of {scale.size} px, theirs too large for a GPU; other data. So ME cannot be compared in "
        "size, but where it becomes 0 can"
    )


def _result(outcome: Outcome) -> str:
    """Return where errors end, near-ties not counted."""
    points = outcome.sweep.points
    wrong = [point.value for point in points if point.misclassified * point.images > point.near_ties]
    if outcome.sweep.kind == "offset":
        right = ", ".join(str(point.value) for point in points if point.value not in wrong)
        return f"no pixel differs at {right}: tiles may start on multiples of {outcome.sweep.factor} px only"
    if not wrong:
        return "no pixel differs at any radius"
    after = [point.value for point in points if point.value > max(wrong)]
    if not after:
        return "pixels differ at every radius"
    needed = outcome.sweep.required
    return f"no pixel differs here from {after[0]} px on; the geometry is exact from {needed} px on"


def _time(outcome: Outcome) -> str:
    last = outcome.costs[-1]
    return (
        f"of the usual tiling against one pass ({outcome.pass_seconds:.1f} s), measured here and noisy; "
        f"at {outcome.sweep.points[-1].value} px {100 * (last.time - 1):+.0f} %, computing "
        f"{100 * (last.computing - 1):+.0f} %"
    )


def reach_table(rows: Sequence[Reach]) -> Table:
    """Return a row for each network: Eq. 1, analysis, measurement, and whether Eq. 1 is enough."""
    from rich.table import Table

    table = Table("network")
    for name in ("F", "Eq. 1, rounded", "analysis", "NaN probe", "needed", "papers' radius"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.name, str(row.factor), f"{row.equation}, {row.paper}", _sides(row.derived),
            _sides(row.measured), str(row.needed), "holds" if row.paper_holds else "too small",
        )  # fmt: skip
    return table


def reach_lines(rows: Sequence[Reach]) -> Lines:
    """Return what the table means, and where analysis and measurement differ."""
    measured = [row for row in rows if row.measured is not None]
    apart = [row.name for row in measured if row.measured != row.derived]
    agree = "they differ for " + ", ".join(apart) if apart else "they agree"
    return [
        ("analysis", "pixels before + after a zone that its result depends on, derived from the network"),
        ("NaN probe", f"the same, measured on {part_of(len(measured), len(rows), 'network')}: {agree}"),
        ("needed", "the larger side, rounded up to a multiple of F"),
        ("scaling", "narrow networks with random weights: how far a network reaches depends on neither"),
        ("papers", "Majurski and Bajcsy 2020 and 2021: Eq. 1, rounded up by Eq. 3"),
    ]


def save_reaches(rows: Sequence[Reach], path: Path) -> None:
    """Write the table of radii."""
    import csv

    head = [
        "network",
        "F",
        "equation",
        "rounded",
        "before",
        "after",
        "measured_before",
        "measured_after",
        "needed",
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for row in rows:
            measured = row.measured or ("", "")
            writer.writerow(
                [row.name, row.factor, row.equation, row.paper, *row.derived, *measured, row.needed]
            )


def _sides(context: tuple[int, int] | None) -> str:
    return "not measured" if context is None else f"{context[0]} + {context[1]}"
