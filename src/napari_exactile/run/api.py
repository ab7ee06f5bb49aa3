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
from napari_exactile.images.read.open import opened, opened_all
from napari_exactile.images.read.underlying import costs_of
from napari_exactile.models.load import load_model
from napari_exactile.run.check.spot_check import WINDOWS
from napari_exactile.run.engine.begin import make_job, make_series, pixel_size_of, place_of, warn_of_scale
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.result import Result
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.analyse import ModelLike
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.stored import stored


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
    check: int = WINDOWS,
    **settings: Any,
) -> Result | tuple[Result, ...]:
    """Segment an image of any size: the same labels as one pass of the network over the whole image.

    `image` is a numpy, dask or zarr array, an ImageSource, or the path of a file as `open_image` takes it, or
    what that returns; `axes` names its axes where they are not clear ("cyx", "yxc"). Axes before the last
    ones that the network takes ("tzyx" for one of planes) are a stack, segmented plane by plane; `together`
    normalises it as one image. Of a file with several images, `series` chooses as for `open_image`, and "all"
    gives a result for each, in a tuple, or none where one does not fit; `allow_missing` is that of
    `open_image`. `settings` are the fields of Settings: tile, radius, method, padding, region, normalization,
    ignore, together, output_kind, threshold, probabilities, device, memory_limit, scratch_limit, factor.
    `on_event` hears of every step; when `cancel()` is true, what is done is returned and the rest of the
    labels is the number of classes.

    With `output`, results are written to an OME-Zarr store of this name instead of memory, and the result's
    labels (and probabilities or values) are its arrays. `pixel_size` is kept with it, in micrometres along as
    many of the last axes; images that were opened from a file know theirs. A run that ended early continues
    there, whatever ended it; a store that another image, model or setting began is refused, saying what
    differs, unless `overwrite` says to begin anew. A report is kept in it. Once all is done, up to `check`
    random windows are computed again by another path (0: none), at a few per cent of the run's cost, and the
    report says what was found; see `verify`.

    A model that cannot be exact is refused, unless method="approximate" is chosen with a radius of one's own:
    then whole tiles with that radius go through the unchanged network, their sizes multiples of `factor`, and
    the report is not exact.

    Raises NotExactError where the model is refused, ValueError for images and settings that cannot be used,
    and TileError where a tile fails.
    """
    loaded, chosen = load_model(model), Settings(**settings)
    prepare = partial(make_series, model=loaded, axes=axes, settings=chosen, pixel_size=pixel_size)
    one = partial(_segmented, axes=axes, on_event=on_event, cancel=cancel, overwrite=overwrite,
                  pixel_size=pixel_size, check=check)  # fmt: skip
    if series != "all":
        whole = opened(image, series, allow_missing)
        return one(whole, prepare(whole), output=output)
    images, results = opened_all(image, allow_missing), list[Result]()
    left = each_prepared(images, prepare)
    for each in images:
        if not results or not cancel():
            # What a run holds beside its result goes with it.
            results.append(one(each, left.pop(0), output=output and numbered(output, each.number)))
    return tuple(results)


def each_prepared(images: Sequence[OpenedImage], prepare: Callable[[OpenedImage], Series]) -> list[Series]:
    """Prepare all images of a file before the first one is run: none is computed where another does not fit.

    Raises what `prepare` does, and ValueErrors say which image they are of.
    """
    prepared = list[Series]()
    for image in images:
        try:
            prepared.append(prepare(image))
        except ValueError as error:
            if image.name not in str(error):
                error.args = (f"'{image.name}' cannot be segmented: {error}",)
            raise
    return prepared


def _segmented(  # noqa: PLR0913  (one image, with all that `segment` was told)
    image: Any, series: Series, *, axes: str | None, on_event: Callable[[Event], None],
    cancel: Callable[[], bool], output: str | Path | None, overwrite: bool,
    pixel_size: Sequence[float] | None, check: int,
) -> Result:  # fmt: skip
    """Segment one image that has been opened and prepared."""
    warn_of_scale(series.model, series.planes.pixel_size, stacklevel=4)
    for words in costs_of(series.planes.whole):
        warnings.warn(words, stacklevel=3)
    if output is None:
        return _run(series, on_event, cancel)
    where = place_of(image, axes, series.planes.axes, pixel_size)
    with stored(series, Path(output), overwrite, where) as kept:
        result = _run(kept.series, on_event, cancel)
        for event in kept.report.checking(check, cancel):
            on_event(event)
        return result


def numbered(path: str | Path, number: int) -> Path:
    """Return the name of a file for one of several images.

    >>> numbered("out/labels.ome.zarr", 2).as_posix()
    'out/labels_2.ome.zarr'
    """
    path = Path(path)
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}_{number}{dot}{suffix}")


def _run(series: Series, on_event: Callable[[Event], None], cancel: Callable[[], bool]) -> Result:
    for event in series.run(cancel):
        on_event(event)
    if not series.jobs[0].started:
        raise ValueError("the run was cancelled before its first tile")
    return series.result()


def segment_whole(image: Any, model: ModelLike, *, axes: str | None = None, **settings: Any) -> Result:
    """Return the reference, for images that fit: one forward pass of the unchanged network over the image.

    The image is normalised as a whole and goes through the network as it is; where the network does not take
    its size, it is reflected at the bottom or right up to a multiple of F, and the result cropped. Tiling
    must reproduce exactly this.
    """
    image = opened(image)
    job = make_job(image, model, axes, Settings(**settings))
    words = warn_of_scale(job.model, pixel_size_of(image, axes, job))
    result = job.run_whole()
    found = tuple(filter(None, [words, *result.report.warnings]))
    return replace(result, report=replace(result.report, warnings=found))
