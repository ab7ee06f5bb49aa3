"""`exactile reproduce`: the experiments of the two papers, made again on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_exactile.cli.common import (
    CSV,
    PICTURE,
    check_file,
    chosen_device,
    pairs,
    plain_errors,
    print_out,
    progress_bar,
    stoppable,
)
from napari_exactile.cli.reproduced import (
    outcome_lines,
    outcome_table,
    reach_lines,
    reach_table,
    save_reaches,
)
from napari_exactile.cli.sweeps import save_sweep

if TYPE_CHECKING:
    from napari_exactile.papers.experiment import Experiment, Outcome, Scale
    from napari_exactile.run.plan.settings import Device

NAMES = ("table1", "table2", "table3", "fig7", "densenet", "radii")
WHAT = (
    "table1, table2, table3, fig7 (2020 paper), densenet (2021 paper), or radii: "
    "the papers' radius beside what networks need."
)


def reproduce(  # noqa: PLR0913, PLR0917  (one argument is one option)
    what: Annotated[str, typer.Argument(metavar="|".join(NAMES), help=WHAT)],
    size: Annotated[int | None, typer.Option(metavar="N", help="Side of the images in pixels.")] = None,
    images: Annotated[int | None, typer.Option(metavar="K", help="Number of images.")] = None,
    base: Annotated[
        int | None, typer.Option(metavar="B", help="Width of the network: channels of its first block.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the table.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the sweep.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace these files.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With radii: measure FC-DenseNet-67 and -103 too.")
    ] = False,
) -> None:
    """Make an experiment of the papers on exact tiling again, smaller, and show their figures beside it.

    By default each takes minutes on two cores, without a GPU. The scaling against the papers is said.
    """
    if what not in NAMES:
        raise typer.BadParameter(f"there is no experiment {what!r}; there are {', '.join(NAMES)}")
    with plain_errors(), stoppable():
        check_file(csv, CSV, "the table is", overwrite)
        check_file(plot, PICTURE, "the plot is", overwrite)
        if what == "radii":
            if plot is not None or (size, images, base) != (None, None, None):
                raise ValueError("radii computes no errors: leave out --size, --images, --base and --plot")
            _radii(everything, csv)
        else:
            _experiment(what, (size, images, base), device, csv, plot)


def _radii(everything: bool, csv: Path | None) -> None:
    from napari_exactile.papers.radii import networks, reaches

    rows = []
    with progress_bar() as progress:
        total = len(networks(everything))
        for row in progress.track(reaches(everything), total=total, description="Measuring"):
            rows.append(row)  # noqa: PERF402  (a list would be made before the bar is shown)
    print_out(reach_table(rows))
    lines = reach_lines(rows)
    if csv is not None:
        save_reaches(rows, csv)
        lines.append(("table", str(csv)))
    print_out(pairs(lines))


def _experiment(
    name: str,
    asked: tuple[int | None, int | None, int | None],
    device: str,
    csv: Path | None,
    plot: Path | None,
) -> None:
    from napari_exactile.papers.experiments import EXPERIMENTS

    experiment = EXPERIMENTS[name]
    scale = experiment.scaled(*asked)
    outcome = _follow(experiment, scale, chosen_device(device))
    print_out(outcome_table(experiment, outcome))
    print_out(pairs([*outcome_lines(experiment, scale, outcome), *save_sweep(outcome.sweep, csv, plot)]))


def _follow(experiment: Experiment, scale: Scale, device: Device) -> Outcome:
    """Run an experiment to its end and show how far it is."""
    from napari_exactile.papers.experiment import run_experiment

    outcomes = run_experiment(experiment, experiment.shape(scale), scale, device)
    outcome = None
    with progress_bar() as progress:
        steps = scale.images * len(experiment.values)
        task = progress.add_task("Comparing", total=steps)
        for outcome in outcomes:
            progress.update(task, advance=1, description=f"Comparing each {outcome.sweep.kind}")
    assert outcome is not None, "an experiment has steps"
    return outcome
