"""Sweeps on the command line: as a table, and into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from napari_exactile import Sweep, SweepPoint


def sweep_table(sweep: Sweep) -> Table:
    """Return a row for each radius or offset: its errors, and whether the geometry is exact."""
    from rich.table import Table

    table = Table(sweep.kind)
    for name in ("RMSE", "ME", "share", "largest", "near-ties", "exact?"):
        table.add_column(name, justify="right")
    for point in sweep.points:
        table.add_row(*_cells(point))
    return table


def _cells(point: SweepPoint) -> tuple[str, ...]:
    from napari_exactile.evaluate.words import share

    return (
        str(point.value),
        f"{point.rmse:.2g}",
        pixel_count(point),
        share(point.rate) if point.rate else "0",
        f"{point.max_abs_difference:.2g}",
        str(point.near_ties),
        "yes" if point.exact else "no",
    )


def pixel_count(point: SweepPoint) -> str:
    """Return ME, with its standard deviation where there are several images."""
    if point.images == 1:
        return f"{point.misclassified:.0f}"
    return f"{point.misclassified:.1f} ± {point.deviation:.1f}"


def sweep_remarks(sweep: Sweep) -> list[tuple[str, str]]:
    """Return what the columns of the table mean for this sweep: (name, value) pairs in words."""
    several = max(point.images for point in sweep.points) > 1
    rmse = ", RMSE as the mean over the images" if several else ""
    count = ", mean ± standard deviation over the images" if several else ""
    total = ", summed over the images" if several else ""
    lines = [
        ("RMSE, largest", f"differences of the scores{rmse}"),
        ("ME, share", f"pixels that differ{count}"),
    ]
    if any(point.near_ties for point in sweep.points):
        lines.append(("near-ties", f"of the pixels that differ, those that rounding alone can flip{total}"))
    rounding = [point for point in sweep.points if point.exact and point.max_abs_difference]
    if rounding:
        largest = max(point.max_abs_difference for point in rounding)
        lines.append(
            ("rounding", f"what is left in an exact geometry: scores differ by {largest:.2g} at most")
        )
    return lines


def save_sweep(sweep: Sweep, csv: Path | None, plot: Path | None) -> list[tuple[str, str]]:
    """Write the table and the figure where they are wanted; return what was written."""
    if csv is not None:
        sweep.save_csv(csv)
    if plot is not None:
        from napari_exactile.evaluate.figure import sweep_figure

        sweep_figure(sweep).savefig(plot)
    return [(name, str(path)) for name, path in (("table", csv), ("plot", plot)) if path is not None]
