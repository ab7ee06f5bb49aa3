"""The public functions that measure what the usual tiling gets wrong: one radius, many, or a shifted grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_exactile.evaluate.errors import TilingError, TilingErrors
from napari_exactile.evaluate.sweep import Kind, Step, Subject, Sweep, offset_steps, radius_steps, run_sweep
from napari_exactile.geometry.interval import Box, Interval, full_box
from napari_exactile.geometry.tiling import zone_of_tile
from napari_exactile.images.read.open import opened
from napari_exactile.models.load import load_model
from napari_exactile.network.analysis import Analysis
from napari_exactile.run.engine.begin import make_job, pixel_size_of, warn_of_scale
from napari_exactile.run.engine.events import checker
from napari_exactile.run.plan.analyse import ModelLike
from napari_exactile.run.plan.settings import Device, NormalizationChoice, Padding, Settings

IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, and how the image is tiled for it.

    Tiles have the size `tile`, or else zones the size `zone`, with tiles that grow with the radius. `window`,
    a (start, stop) per axis in pixels, bounds what is compared: by default the whole image, whose
    probabilities are then held in memory. `axes` names the image's axes where they are not clear,
    `normalization`, `ignore` and `padding` are those of Settings. `unchanged`
    sends whole tiles through the network itself instead of computing only what counts: slower, but
    independent of the rules. Raises ValueError for sizes that no tiling can have.
    """

    tile: int = 512
    zone: int | None = None
    window: Sequence[tuple[int, int]] | None = None
    axes: str | None = None
    normalization: NormalizationChoice = "model"
    device: Device = "auto"
    unchanged: bool = False
    ignore: float | None = None
    padding: Padding = "auto"

    def __post_init__(self) -> None:
        for name, size in (("tile", self.tile), ("zone", self.zone)):
            if size is not None and size < 1:
                raise ValueError(f"a {name} needs at least 1 px, not {size}")

    def zone_for(self, radius: tuple[int, ...], factor: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of the zones with this radius, in multiples of F.

        Raises ValueError where the tile leaves none.
        """
        if self.zone is None:
            return zone_of_tile((self.tile,) * len(factor), radius, factor)
        return tuple(max(f, self.zone // f * f) for f in factor)

    def subject(self, image: Any, model: ModelLike, cancel: IsCancelled) -> Subject:
        """Return an image that has been measured, ready to be compared."""
        settings = Settings(
            normalization=self.normalization, ignore=self.ignore, device=self.device, padding=self.padding
        )
        image = opened(image)
        job = make_job(image, model, self.axes, settings)
        warn_of_scale(job.model, pixel_size_of(image, self.axes, job), stacklevel=4)
        window = window_in(job.source.shape, self.window)
        errors = TilingErrors(job)
        errors.prepare(cancel)
        return Subject(errors, window)


def tiling_error(
    image: Any,
    model: ModelLike,
    *,
    radius: int,
    cancel: IsCancelled = lambda: False,
    **comparison: Any,
) -> TilingError:
    """Return what the usual tiling with this radius gets wrong, against the exact result.

    The exact result is that of `segment_whole`, computed region by region with all the context that the
    network needs. `comparison` are the fields of Comparison: tile, zone, window, axes, normalization, device,
    unchanged. A radius that is no multiple of F is taken as it is: its tiles start off the grid.

    Raises NotExactError where the model is refused, ValueError for images, windows and sizes that cannot be
    used, and Cancelled once `cancel()` is true.
    """
    chosen = Comparison(**comparison)
    subject = chosen.subject(image, model, cancel)
    check, analysis = checker(cancel), subject.errors.analysis
    (step,) = radius_steps(analysis, [radius], chosen.zone_for)
    reference = subject.errors.reference(subject.window, check)
    return subject.errors.error(reference, step.zone, step.radius, check, unchanged=chosen.unchanged)


def radius_sweep(
    images: Any,
    model: ModelLike,
    *,
    radii: Iterable[int] | None = None,
    on_measured: Callable[[Sweep], None] = lambda sweep: None,
    cancel: IsCancelled = lambda: False,
    **comparison: Any,
) -> Sweep:
    """Return RMSE and ME of the usual tiling against its radius, averaged over `images` (one, or a list).

    `radii` are by default 0, F, ..., required + 2 F. `on_measured` gets the sweep so far after each
    measurement. Everything else is as for `tiling_error`.
    """
    chosen = Comparison(**comparison)

    def steps(analysis: Analysis) -> list[Step]:
        return radius_steps(analysis, radii, chosen.zone_for)

    return _run("radius", _subjects(images, model, chosen, cancel), steps, on_measured, cancel, chosen)


def offset_sweep(
    images: Any,
    model: ModelLike,
    *,
    offsets: Iterable[int] | None = None,
    on_measured: Callable[[Sweep], None] = lambda sweep: None,
    cancel: IsCancelled = lambda: False,
    **comparison: Any,
) -> Sweep:
    """Return RMSE and ME against where tiles start: `offset` pixels before they should, by default 0 .. 2 F.

    Tiles have all the context that the network needs, so the error is that of the phase alone: it vanishes at
    multiples of F (Majurski and Bajcsy 2020, Fig. 7). Everything else is as for `radius_sweep`.
    """
    chosen = Comparison(**comparison)

    def steps(analysis: Analysis) -> list[Step]:
        zone = chosen.zone_for(analysis.radius or (), analysis.require().factor)
        return offset_steps(analysis, offsets, zone)

    return _run("offset", _subjects(images, model, chosen, cancel), steps, on_measured, cancel, chosen)


def window_in(shape: Sequence[int], window: Sequence[tuple[int, int]] | None) -> Box:
    """Return the window as a box, the whole image for None; raise ValueError where it is not in the image."""
    if window is None:
        return full_box(shape)
    if len(window) != len(shape):
        raise ValueError(f"a window needs a (start, stop) for each of the {len(shape)} axes of the image")
    for (start, stop), length in zip(window, shape, strict=True):
        if not 0 <= start < stop <= length:
            size = " x ".join(map(str, shape))
            raise ValueError(f"the window {start}..{stop} does not lie in the image of {size} px")
    return tuple(Interval(start, stop) for start, stop in window)


def _subjects(images: Any, model: ModelLike, chosen: Comparison, cancel: IsCancelled) -> list[Subject]:
    several = images if isinstance(images, list | tuple) else [images]
    if not several:
        raise ValueError("a sweep needs at least one image")
    loaded = load_model(model)
    return [chosen.subject(image, loaded, cancel) for image in several]


def _run(
    kind: Kind, subjects: list[Subject], steps: Callable[[Analysis], list[Step]],
    on_measured: Callable[[Sweep], None], cancel: IsCancelled, chosen: Comparison,
) -> Sweep:  # fmt: skip
    result = None
    planned = steps(subjects[0].errors.analysis)
    for result in run_sweep(kind, subjects, planned, checker(cancel), unchanged=chosen.unchanged):
        on_measured(result)
    if result is None:
        raise ValueError(f"a sweep needs at least one {kind}")
    return result
