"""The public functions: analyse, plan and segment, in a script as in the dock and on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

from napari_exactile.images.about.chosen import Wanted
from napari_exactile.images.about.opened import OpenedImage
from napari_exactile.images.grey import Grey
from napari_exactile.images.read.open import opened, opened_all
from napari_exactile.images.read.underlying import costs_of
from napari_exactile.models.load import load_model
from napari_exactile.run.check.spot_check import WINDOWS
from napari_exactile.run.driver import Output, Run
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.reference import one_pass
from napari_exactile.run.engine.result import Result
from napari_exactile.run.plan import given
from napari_exactile.run.plan.analyse import ModelLike
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task, make_task, warn_of_scale
from napari_exactile.run.task.task import Task


@overload
def segment(image: Any, model: ModelLike, *, series: Literal["all"], **more: Any) -> tuple[Result, ...]: ...


@overload
def segment(image: Any, model: ModelLike, *, series: Wanted = None, **more: Any) -> Result: ...


def segment(  # noqa: PLR0913  (what most people need of a run, by name)
    image: Any,
    model: ModelLike,
    *,
    axes: str | None = None,
    series: Wanted = None,
    allow_missing: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
    cancel: Callable[[], bool] = lambda: False,
    output: str | Path | None = None,
    overwrite: bool = False,
    pixel_size: Sequence[float] | None = None,
    grey: Grey | None = None,
    plane: Sequence[int] | int | None = None,
    check: bool | int = True,
    **settings: Any,
) -> Result | tuple[Result, ...]:
    """Segment an image of any size: the same labels as one pass of the network over the whole image.

    `image` is a numpy, dask or zarr array, an ImageSource, or the path of a file as `open_image` takes it, or
    what that returns; `axes` names its axes where they are not clear ("cyx", "yxc"). Axes before the last
    ones that the network takes ("tzyx" for one of planes) are a stack, segmented plane by plane; `together`
    normalises it as one image, and `plane` chooses one of them, by its number or numbers from 0 on. Of a file
    with several images, `series` chooses as for `open_image`, and "all" gives a result for each, in a tuple,
    or none where one does not fit; `allow_missing` is that of `open_image`. For a model of one channel,
    `grey` says what a colour image is read as: "luminance", "red", "green" or "blue". `settings` are the
    fields of Settings: tile, radius, method, padding, region,
    normalization, ignore, together, output_kind, threshold, probabilities, device, memory_limit,
    scratch_limit, factor, stream.
    `on_event` hears of every step; when `cancel()` is true, what is done is returned and the rest of the
    labels is the number of classes.

    With `output`, results are written to an OME-Zarr store of this name instead of memory, and the result's
    labels (and probabilities or values) are its arrays. `pixel_size` is kept with it, in micrometres along as
    many of the last axes; images that were opened from a file know theirs. A run that ended early continues
    there, whatever ended it; a store that another image, model or setting began is refused, saying what
    differs, unless `overwrite` says to begin anew. A report is kept in it. Once all is done, up to `check`
    random windows (True: 8) are computed again by another path (False: none), at a few per cent of the run's
    cost, and the report says what was found; see `verify`.

    A model that cannot be exact is refused, unless method="approximate" is chosen with a radius of one's own:
    then whole tiles with that radius go through the unchanged network, their sizes multiples of `factor`, and
    the report is not exact.

    Raises NotExactError where the model is refused, ValueError for images and settings that cannot be used,
    and TileError where a tile fails.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image = np.random.default_rng(0).random((60, 50), np.float32)
    >>> model = nn.Conv2d(1, 3, 5, padding=2).eval()
    >>> result, whole = ex.segment(image, model, tile=36), ex.segment_whole(image, model)
    >>> result.report.exact, result.report.tiles_done
    (True, 4)
    >>> int((result.labels != whole.labels).sum()) <= result.report.near_ties
    True
    """
    loaded, chosen, output = (
        load_model(model),
        Settings(**settings),
        None if output is None else given.path("output", output),
    )
    task_for = partial(
        make_task, model=loaded, settings=chosen, axes=axes, pixel_size=pixel_size, grey=grey, plane=plane
    )
    control, windows = Control(is_cancelled=cancel), windows_of(check)

    def one(task: Task, path: Path | None) -> Result:
        return _segmented(Run(task, Output(path, overwrite), windows), control, on_event)

    if series != "all":
        return one(task_for(opened(image, series, allow_missing)), output)
    images, results = opened_all(image, allow_missing), list[Result]()
    left = each_task(images, task_for)
    for each in images:
        if not results or not cancel():
            # What a run holds beside its result goes with it.
            where = None if output is None else numbered(output, each.number)
            results.append(one(left.pop(0), where))
    return tuple(results)


def windows_of(check: bool | int) -> int:
    """Return how many windows are computed again, where somebody wants some, none or so many."""
    return WINDOWS * check if isinstance(check, bool) else check


def each_task(images: Sequence[OpenedImage], task_for: Callable[[OpenedImage], Task]) -> list[Task]:
    """Make the tasks of all images of a file before the first one is run: all of them fit, or none is.

    Raises what `task_for` does, and ValueErrors say which image they are of.
    """
    tasks = list[Task]()
    for image in images:
        try:
            tasks.append(task_for(image))
        except ValueError as error:
            if image.name not in str(error):
                error.args = (f"'{image.name}' cannot be segmented: {error}",)
            raise
    return tasks


def _segmented(run: Run, control: Control, on_event: Callable[[Event], None]) -> Result:
    """Run a task to its end, or until it is cancelled, and return what there is by then."""
    planes = run.task.planes
    warn_of_scale(run.task.model, planes.pixel_size, stacklevel=5)
    for words in costs_of(planes.whole):
        warnings.warn(words, stacklevel=4)
    for event in run.steps(control):
        on_event(event)
    if not run.series.jobs[0].started:
        raise ValueError("the run was cancelled before its first tile, so there are no labels: run it again")
    return run.series.result()


def numbered(path: str | Path, number: int) -> Path:
    """Return the name of a file for one of several images.

    >>> numbered("out/labels.ome.zarr", 2).as_posix()
    'out/labels_2.ome.zarr'
    """
    path = Path(path)
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}_{number}{dot}{suffix}")


def segment_whole(
    image: Any, model: ModelLike, *, axes: str | None = None, grey: Grey | None = None, **settings: Any
) -> Result:
    """Return the reference, for images that fit: one forward pass of the unchanged network over the image.

    The image is normalised as a whole and goes through the network as it is; where the network does not take
    its size, it is reflected at the bottom or right up to a multiple of F, and the result cropped. Tiling
    must reproduce exactly this.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.zeros((48, 40), np.float32), nn.Conv2d(1, 3, 3, padding=1).eval()
    >>> result = ex.segment_whole(image, model, probabilities=True)
    >>> result.labels.shape, result.probabilities.shape
    ((48, 40), (3, 48, 40))
    """
    task = image_task(opened(image), model, Settings(**settings), axes, grey)
    words = warn_of_scale(task.model, task.planes.pixel_size)
    result = one_pass(task)
    found = tuple(filter(None, [words, *result.report.warnings]))
    return replace(result, report=replace(result.report, warnings=found))
