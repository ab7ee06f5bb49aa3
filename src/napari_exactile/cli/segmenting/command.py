"""`exactile segment`: the labels of an image of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_exactile.cli.common import IMAGE_HELP, MISSING_HELP, MODEL_HELP, SERIES_HELP, plain_errors
from napari_exactile.cli.segmenting.given import chosen_from, loader, typed_in
from napari_exactile.cli.segmenting.many import are_many, refuse_files, refuse_of_many, segment_images
from napari_exactile.cli.segmenting.object_options import ObjectOptions
from napari_exactile.cli.segmenting.one import Target, labels_beside, segment_one


def segment(  # noqa: PLR0913, PLR0917  (one argument is one option)
    ctx: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE",
            help=f"{IMAGE_HELP} Or many: files, folders, patterns such as 'day1/*.tif', OME-Zarr plates.",
        ),
    ],
    model: Annotated[str | None, typer.Option(help=f"{MODEL_HELP} Or --settings names it.")] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="A settings file, as the dock, scripts and `exactile settings` write it; options beside it "
            "win.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="LABELS.tif|.ome.zarr|FOLDER",
            help="A store (.zarr) can be continued; labels of many images go to a folder. Left out, it is "
            "IMAGE_labels.tif, beside the image.",
        ),
    ] = None,
    tile: Annotated[str, typer.Option(metavar="N|auto", help="Tile size in pixels.")] = "auto",
    radius: Annotated[str, typer.Option(metavar="N|auto", help="Context (radius) in pixels.")] = "auto",
    method: Annotated[
        str,
        typer.Option(
            metavar="auto|trimmed|skewed|whole-tile|approximate",
            help="An undersized radius needs whole-tile, a model that cannot be exact approximate.",
        ),
    ] = "auto",
    region: Annotated[
        str | None,
        typer.Option(metavar="Y:Y,X:X", help="The part to segment, in pixels, such as 0:512,100:600."),
    ] = None,
    factor: Annotated[
        str, typer.Option(metavar="N|auto", help="Approximate tiles have multiples of so many pixels.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    normalization: Annotated[
        str,
        typer.Option(
            metavar="model|z-score|min-max|percentile|none",
            help="How pixels are scaled; also steps: 'joint z-score', 'percentile 2 98', 'fixed MEAN STD', "
            "several separated by ;",
        ),
    ] = "model",
    ignore: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Leave pixels of this value out of the statistics; nan: also label these background.",
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together/--no-together", help="Normalise all planes of a stack, or all of many images, as one."
        ),
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Probability from which on a model says yes.")
    ] = None,
    output_kind: Annotated[
        str,
        typer.Option(
            metavar="auto|classes|logits|probabilities|values",
            help="What the network gives: classes, yes or no from logits or from probabilities, or values. "
            "[default: as the model or its last layer says]",
            show_default=False,
        ),
    ] = "auto",
    padding: Annotated[
        str,
        typer.Option(
            metavar="auto|always",
            help="Pad the image to multiples of what the network divides it by, where it does not take its "
            "size, or always, as the papers do.",
        ),
    ] = "auto",
    stream: Annotated[
        bool,
        typer.Option(
            "--stream/--no-stream", help="Let labels come soon, as in the dock, for some more computing."
        ),
    ] = False,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Import the code that a bioimage.io package brings.")
    ] = False,
    probabilities: Annotated[
        str | None,
        typer.Option(
            metavar="float32|float16",
            help="Keep probabilities in the store too; of values, their type. [default for values: float32]",
        ),
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="2GB", help="Memory that automatic tiles may take.")
    ] = None,
    scratch_limit: Annotated[
        str | None, typer.Option(metavar="20GB", help="What may be kept between several passes, on disk too.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="zcyx", help="The file's axes, where it names them wrongly.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="N|NAME|all", help=f"{SERIES_HELP} all: each, to files of its own.")
    ] = None,
    plane: Annotated[
        str | None, typer.Option(metavar="N", help="Of a stack, the only plane to segment, such as 3 or 3,0.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing/--no-allow-missing", help=MISSING_HELP)
    ] = False,
    grey: Annotated[
        str | None,
        typer.Option(
            metavar="luminance|red|green|blue",
            help="What a model of one channel is to see of a colour image.",
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(metavar="UM", help="Micrometres along y and x, or 'Z Y X'; instead of the file's own."),
    ] = None,
    objects: Annotated[
        Path | None, typer.Option(metavar="OBJECTS.tif", help="Number the objects of each class.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="OBJECTS.csv", help="A row for each object: size, place, ...")
    ] = None,
    connectivity: Annotated[
        int | None,
        typer.Option(metavar="1|2|3", help="1: edges connect objects, 2: corners too."),
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(metavar="N", help="Leave out objects of fewer pixels.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="What labels of many images are called, by {name}, {number} and {folder} of each; .tif or "
            ".ome.zarr. Left out, it is {name}_labels.ome.zarr.",
        ),
    ] = None,
    count_objects: Annotated[
        bool,
        typer.Option("--count-objects/--no-count-objects", help="Of many images, count the objects of each."),
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Of many images, so many at once.")
    ] = 1,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compute random windows of a store again at the end.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Segment an image of any size; the labels become a tiled OME-TIFF or an OME-Zarr store.

    The planes of a stack are segmented one by one, each with its own normalisation unless --together. A model
    of volumes takes z, y and x as one image. Values, of a regression say, are written as they are.

    Of many images, each has labels of its own in a folder, beside a table, summary.csv. What fails is told,
    and the others go on; the same command again does what is left. The exit code is 1 if any failed.
    """
    with plain_errors():
        from napari_exactile.run.api import windows_of

        typed = typed_in(ctx)
        chosen = chosen_from(typed, settings)
        load = loader(model, chosen, trust_code)
        if are_many(images, out, names):
            refuse_files(objects, table)
            segment_images(images, out, names, chosen, load, overwrite)
            return
        around, wants = chosen.around, objects is not None or table is not None
        of_objects = [
            getattr(around, name) if wants or name in typed else None for name in ("connectivity", "min_size")
        ]
        refuse_of_many(typed)
        wanted = ObjectOptions(objects, table, *of_objects)
        target = Target(out or labels_beside(images[0]), wanted, overwrite, windows_of(around.check))
        segment_one(images[0], target, chosen, load)
