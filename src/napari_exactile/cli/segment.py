"""`exactile segment`: the labels of an image of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from napari_exactile.cli.common import (
    IMAGE_HELP,
    MISSING_HELP,
    MODEL_HELP,
    SERIES_HELP,
    TIFF,
    check_file,
    check_not_image,
    opened_image,
    opened_images,
    plain_errors,
    tell_doubts,
)
from napari_exactile.cli.object_options import ObjectOptions
from napari_exactile.cli.to_file import ToFile
from napari_exactile.cli.to_store import ToStore

if TYPE_CHECKING:
    from napari_exactile import Model, OpenedImage, Settings
    from napari_exactile.images.grey import Grey
    from napari_exactile.run.task.task import Task


def segment(  # noqa: PLR0913, PLR0917  (one argument is one option)
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help=IMAGE_HELP)],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="LABELS.tif|.ome.zarr",
            help="A store (.zarr) can be continued. [default: IMAGE_labels.tif, beside the image]",
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
        bool, typer.Option("--together", help="Normalise all planes of a stack as one image.")
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
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help=MISSING_HELP)] = False,
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
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compute random windows of a store again at the end.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Segment an image of any size; the labels become a tiled OME-TIFF or an OME-Zarr store.

    The planes of a stack are segmented one by one, each with its own normalisation unless --together. A model
    of volumes takes z, y and x as one image. Values, of a regression say, are written as they are.
    """
    with plain_errors():
        target = Target(
            out or _beside(image), ObjectOptions(objects, table, connectivity, min_size), overwrite, check
        )
        jobs = _jobs(image, axes, series, allow_missing, target)
        for one, where in jobs:
            where.check(one, probabilities is not None)
        settings = _settings(
            tile=_number("--tile", tile),
            radius=_number("--radius", radius),
            method=method,
            factor=_number("--factor", factor),
            device=device,
            normalization=normalization,
            ignore=ignore,
            together=together,
            threshold=threshold,
            output_kind=output_kind,
            padding=padding,
            probabilities=probabilities or False,
            memory_limit=_bytes("--memory-limit", memory_limit),
            scratch_limit=_bytes("--scratch-limit", scratch_limit),
        )
        _segment(jobs, _loaded(model, trust_code), settings, pixel_size, grey)


def _segment(
    jobs: Sequence[tuple[OpenedImage, Target]], model: Model, settings: Settings, pixel_size: str | None,
    grey: str | None,
) -> None:  # fmt: skip
    """Segment images into their targets, once all of them are known to fit."""
    from napari_exactile.run.api import each_task
    from napari_exactile.run.task.begin import make_task

    shade = cast("Grey | None", grey)  # what is none is refused where it is taken
    images = [_measured(image, pixel_size) for image, _target in jobs]
    tasks = each_task(images, lambda image: make_task(image, model, settings, grey=shade))
    for task, (_image, target) in zip(tasks, jobs, strict=True):
        target.wanted.check_kind(task)
    for image, (_image, target) in zip(images, jobs, strict=True):
        target.segment(image, tasks.pop(0))


@dataclass(frozen=True, slots=True)
class Target:
    """Where the labels of an image go, and what else is wanted of them."""

    out: Path
    wanted: ObjectOptions
    overwrite: bool
    verifies: bool

    def numbered(self, number: int) -> Target:
        """Return the target for one of several images: its number is in all names."""
        from napari_exactile.run.api import numbered

        return replace(self, out=numbered(self.out, number), wanted=self.wanted.numbered(number))

    @property
    def _is_store(self) -> bool:
        return self.out.suffix.lower() == ".zarr"

    def check(self, image: OpenedImage, probabilities: bool) -> None:
        """Refuse, before anything is computed, what cannot or must not be written."""
        check_not_image(self.out, image, "the labels")
        if not self._is_store:
            check_file(self.out, TIFF, "labels are", self.overwrite)
            if probabilities:
                raise ValueError("probabilities are kept in a store: let --out end in .ome.zarr")
        self.wanted.check(image, self.out, self.overwrite)

    def segment(self, image: OpenedImage, task: Task) -> None:
        """Segment one image whose task is made, and print what came out."""
        tell_doubts(task.model.card, task.planes.pixel_size)
        if self._is_store:
            ToStore(self.out, self.wanted, self.overwrite, self.verifies).segment(image, task)
        else:
            ToFile(self.out, self.wanted).segment(image, task)


def _jobs(
    path: Path, axes: str | None, series: str | None, allow_missing: bool, target: Target
) -> list[tuple[OpenedImage, Target]]:
    """Return the images that are wanted of a file, each with where its labels go."""
    if series != "all":
        return [(opened_image(path, axes, series, allow_missing), target)]
    images = opened_images(path, axes, allow_missing)
    return [(image, target.numbered(image.number)) for image in images]


def _beside(image: Path) -> Path:
    """Return where labels go if nobody says: beside the image, or beside the zarr that it is a part of."""
    from napari_exactile.images.about.zarr_folders import outermost_zarr

    whole = outermost_zarr(image)
    part = "" if whole == image else f"_{image.stem}"
    return whole.with_name(f"{whole.stem}{part}_labels.tif")


def _settings(**values: Any) -> Settings:
    from napari_exactile import Settings

    return Settings(**values)


def _number(option: str, text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a number of pixels or auto, not {text!r}") from None


def _bytes(option: str, text: str | None) -> int | None:
    """Return the bytes that "2GB", "512 MiB" or "1000000" mean."""
    if text is None:
        return None
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(text.strip() or "nothing"))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} takes bytes such as 2GB, not {text!r}") from None


def _measured(image: OpenedImage, sizes: str | None) -> OpenedImage:
    """Return the image with pixels of these sizes, such as "0.5" or "2 0.5 0.5"."""
    from napari_exactile.images.about.units import micrometres

    if sizes is None:
        return image
    try:
        size = tuple(micrometres(one, "um") for one in sizes.replace(",", " ").split())
        if len(size) not in {1, 2, 3}:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"--pixel-size takes micrometres such as 0.5, not {sizes!r}") from None
    return replace(image, pixel_size=size * 2 if len(size) == 1 else size, place=None)


def _loaded(model: str, trust_code: bool) -> Model:
    from napari_exactile import load_model

    return load_model(model, trust_code=trust_code)
