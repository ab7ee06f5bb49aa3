"""`exactile verify`: whether labels in a store are still those that one pass over the image would give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_exactile.cli.common import (
    IMAGE_HELP,
    MODEL_HELP,
    chosen_device,
    pairs,
    plain_errors,
    print_out,
    progress_bar,
)
from napari_exactile.geometry.words import counted, part_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from napari_exactile import Verification
    from napari_exactile.run.engine.events import Event

# Damaged zones that are named one by one.
NAMED = 10


def verify(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Labels that `segment` wrote (.ome.zarr).")],
    image: Annotated[
        Path | None, typer.Option(metavar="PATH", help=f"{IMAGE_HELP} Left out, it is that of the run.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="zcyx", help="The axes of PATH, where they are not those of the run."),
    ] = None,
    model: Annotated[str | None, typer.Option(help=f"{MODEL_HELP} Left out, it is that of the run.")] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="auto|cpu|cuda", help="Left out, it is that of the run, if it is here."),
    ] = None,
    windows: Annotated[int, typer.Option(min=1, metavar="N", help="Windows that are computed again.")] = 8,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="S", help="Draws the windows; left out, they are others each time."),
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Import the code that a bioimage.io package brings.")
    ] = False,
) -> None:
    """Check the labels in a store: their checksums, and random windows against one pass of the network.

    Nothing is changed, neither is the report in the store: what was found is printed. The exit code is 0 if
    all is as it should be, 1 if something differs, and 2 if it cannot be found out. Near-ties, which the last
    bits of the arithmetic can flip, are no failure.
    """
    with plain_errors(code=2):
        from napari_exactile import verify as run_verify

        try:
            with progress_bar() as progress:
                found = run_verify(
                    store, image, model, axes=axes and axes.lower(),
                    device=None if device is None else chosen_device(device),
                    windows=windows, seed=seed, trust_code=trust_code, on_event=_follower(progress),
                )  # fmt: skip
        except KeyboardInterrupt:
            typer.echo("Stopped: the store is as it was.", err=True)
            raise typer.Exit(130) from None
    print_out(pairs(_lines(found)))
    if not found.agrees:
        raise typer.Exit(1)


def _follower(progress: Progress) -> Callable[[Event], None]:
    """Return what shows how far the check is."""
    from napari_exactile import Checking

    task = progress.add_task("Looking at model and image", total=None)

    def follow(event: Event) -> None:
        match event:
            case Checking(done, total, what):
                words = "Reading zones" if what == "zones" else "Computing windows again"
                progress.update(task, description=words, total=total, completed=done)

    return follow


def _lines(found: Verification) -> list[tuple[str, str]]:
    from napari_exactile.run.words.report import check_line

    check = found.check
    tiles = f"{found.tiles:,}"
    if found.tiles < found.all_tiles:
        tiles += f" of {found.all_tiles:,}"
    return [
        ("labels", str(found.store)),
        ("tiles", f"{tiles} finished"),
        ("on the disk", _damage(found)),
        *(("damaged", damage.describe()) for damage in found.damaged[:NAMED]),
        *(("damaged", fault) for fault in found.faults),
        ("windows", check_line(check)),
        *([("against", check.how)] if check.how else []),
        *([("probabilities", _numbers(check.rmse, check.largest))] if check.rmse is not None else []),
        ("seed", str(check.seed)),
        *(("note", note) for note in found.notes),
        ("result", _result(found)),
    ]


def _damage(found: Verification) -> str:
    if found.tiles and not found.zones:
        return "nothing was read"
    if found.damaged:
        return f"{part_of(len(found.damaged), found.zones, 'finished zone')} NOT as written"
    zones = counted(found.zones, "finished zone is", "finished zones are")
    return f"{zones} as written" if found.zones and not found.faults else f"{zones} sound"


def _numbers(rmse: float, largest: float | None) -> str:
    return f"RMSE {rmse:.2g}, largest difference {largest or 0:.2g}"


def _result(found: Verification) -> str:
    if not found.is_whole:
        return f"DAMAGED: the same `exactile segment` command {_remedy(found)}"
    if not found.agrees and not found.exact:
        return "INEXACT, as the run said: its radius is smaller than the model needs"
    if not found.agrees:
        return "DIFFERENT: these are not the labels of one pass over the whole image"
    if not found.tiles:
        return "nothing is finished: there is nothing to verify"
    if not found.check.windows:
        return "as they were written; whether one pass gives the same could not be checked"
    return "verified"


def _remedy(found: Verification) -> str:
    if not found.faults:
        return "computes damaged zones anew"
    return "puts right what can be, and computes anew what is lost"
