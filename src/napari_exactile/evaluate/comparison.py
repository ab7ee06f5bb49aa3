"""The public functions that measure what the usual tiling gets wrong: one radius, many, or a shifted grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_exactile.evaluate.errors import TilingError, TilingErrors
from napari_exactile.evaluate.sweep import (
    Subject,
    Sweep,
    SweepKind,
    SweepStep,
    offset_steps,
    radius_steps,
    run_sweep,
)
from napari_exactile.geometry.interval import Box, full_box
from napari_exactile.geometry.tiling import zone_of_tile
from napari_exactile.geometry.words import times
from napari_exactile.images.read.open import opened
from napari_exactile.models.load import load_model
from napari_exactile.network.derived import Derived
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.plan import given
from napari_exactile.run.plan.analyse import ModelLike
from napari_exactile.run.plan.settings import Device, NormalizationChoice, Padding, Settings
from napari_exactile.run.task.begin import image_task, warn_of_scale
from napari_exactile.stopping import Check


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, and how the image is tiled for it.

    Tiles have the size `tile`, or else zones the size `zone`, with tiles that grow with the radius. `window`,
    a (start, stop) per axis in pixels, bounds what is compared: by default the whole image, whose
    probabilities are then held in memory. `axes` names the image's axes where they are not clear,
    `normalization`, `ignore` and `padding` are those of Settings. `unchanged`
    sends whole tiles through the network itself instead of computing only what counts: slower, but
    independent of the rules. Raises ValueError for sizes that no tiling can have.

    >>> import napari_exactile as ex
    >>> ex.Comparison(tile=208).zone_for((32, 32), (16, 16))
    (144, 144)
    >>> ex.Comparison(zone=100).zone_for((32, 32), (16, 16))
    (96, 96)
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
            if (size is not None or name == "tile") and given.whole(f"a {name}", size) < 1:
                raise ValueError(f"a {name} needs at least 1 px, not {size}")

    def zone_for(self, radius: tuple[int, ...], factor: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of the zones with this radius, in multiples of F.

        Raises ValueError where the tile leaves none.
        """
        if self.zone is None:
            return zone_of_tile((self.tile,) * len(factor), radius, factor)
        return tuple(max(f, self.zone // f * f) for f in factor)

    def subject(self, image: Any, model: ModelLike, check: Check) -> Subject:
        """Return an image that has been measured, ready to be compared."""
        settings = Settings(
            normalization=self.normalization, ignore=self.ignore, device=self.device, padding=self.padding
        )
        task = image_task(opened(image), model, settings, self.axes)
        warn_of_scale(task.model, task.planes.pixel_size, stacklevel=4)
        window = window_in(task.planes.whole.shape, self.window)
        errors = TilingErrors(LocalEngine(task))
        errors.prepare(check)
        return Subject(errors, window)


def tiling_error(
    image: Any,
    model: ModelLike,
    *,
    radius: int,
    cancel: Callable[[], bool] = lambda: False,
    **comparison: Any,
) -> TilingError:
    """Return what the usual tiling with this radius gets wrong, against the exact result.

    The exact result is that of `segment_whole`, computed region by region with all the context that the
    network needs. `comparison` are the fields of Comparison: tile, zone, window, axes, normalization, device,
    unchanged. A radius that is no multiple of F is taken as it is: its tiles start off the grid.

    Raises NotExactError where the model is refused, ValueError for images, windows and sizes that cannot be
    used, and Cancelled once `cancel()` is true.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image = np.random.default_rng(0).random((64, 64), np.float32)
    >>> error = ex.tiling_error(image, nn.Conv2d(1, 2, 5, padding=2).eval(), radius=1, zone=16)
    >>> error.required, error.exact, error.rmse > 1e-5
    ((2, 2), False, True)
    """
    chosen = Comparison(**comparison)
    check = Control(is_cancelled=cancel).check
    subject = chosen.subject(image, model, check)
    analysis = subject.errors.analysis
    (step,) = radius_steps(analysis, [radius], chosen.zone_for)
    reference = subject.errors.reference(subject.window, check)
    return subject.errors.error(reference, step.zone, step.radius, check, unchanged=chosen.unchanged)


def radius_sweep(
    images: Any,
    model: ModelLike,
    *,
    radii: Iterable[int] | None = None,
    on_measured: Callable[[Sweep], None] = lambda sweep: None,
    cancel: Callable[[], bool] = lambda: False,
    **comparison: Any,
) -> Sweep:
    """Return RMSE and ME of the usual tiling against its radius, averaged over `images` (one, or a list).

    `radii` are by default 0, F, ..., required + 2 F. `on_measured` gets the sweep so far after each
    measurement. Everything else is as for `tiling_error`.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image = np.random.default_rng(0).random((48, 48), np.float32)
    >>> sweep = ex.radius_sweep(image, nn.Conv2d(1, 2, 5, padding=2).eval(), radii=[0, 2], zone=16)
    >>> [(point.value, point.exact, point.rmse < 1e-5) for point in sweep.points]
    [(0, False, False), (2, True, True)]
    """
    chosen = Comparison(**comparison)

    def steps(analysis: Derived) -> list[SweepStep]:
        return radius_steps(analysis, radii, chosen.zone_for)

    check = Control(is_cancelled=cancel).check
    return _run("radius", _subjects(images, model, chosen, check), steps, on_measured, check, chosen)


def offset_sweep(
    images: Any,
    model: ModelLike,
    *,
    offsets: Iterable[int] | None = None,
    on_measured: Callable[[Sweep], None] = lambda sweep: None,
    cancel: Callable[[], bool] = lambda: False,
    **comparison: Any,
) -> Sweep:
    """Return RMSE and ME against where tiles start: `offset` pixels before they should, by default 0 .. 2 F.

    Tiles have all the context that the network needs, so the error is that of the phase alone: it vanishes at
    multiples of F (Majurski and Bajcsy 2020, Fig. 7). Everything else is as for `radius_sweep`.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image = np.random.default_rng(0).random((32, 32), np.float32)
    >>> layers = nn.MaxPool2d(2), nn.Conv2d(1, 2, 3, padding=1), nn.Upsample(scale_factor=2)
    >>> sweep = ex.offset_sweep(image, nn.Sequential(*layers).eval(), offsets=[0, 1, 2], zone=16)
    >>> [(point.value, point.rmse < 1e-5) for point in sweep.points]
    [(0, True), (1, False), (2, True)]
    """
    chosen = Comparison(**comparison)

    def steps(analysis: Derived) -> list[SweepStep]:
        zone = chosen.zone_for(analysis.radius, analysis.factor)
        return offset_steps(analysis, offsets, zone)

    check = Control(is_cancelled=cancel).check
    return _run("offset", _subjects(images, model, chosen, check), steps, on_measured, check, chosen)


def window_in(shape: Sequence[int], window: Sequence[tuple[int, int]] | None) -> Box:
    """Return the window as a box, the whole image for None; raise ValueError where it is not in the image."""
    if window is None:
        return full_box(shape)
    box = given.box(window, "a window") or ()
    if len(box) != len(shape):
        raise ValueError(f"a window needs a (start, stop) for each of the {len(shape)} axes of the image")
    for start, stop, length in ((side.start, side.stop, n) for side, n in zip(box, shape, strict=True)):
        if not 0 <= start < stop <= length:
            size = times(shape)
            words = f"the window {start}..{stop} does not lie in the image of {size} px"
            raise ValueError(f"{words}: choose one that does")
    return box


def _subjects(images: Any, model: ModelLike, chosen: Comparison, check: Check) -> list[Subject]:
    several = images if isinstance(images, list | tuple) else [images]
    if not several:
        raise ValueError("a sweep needs at least one image")
    loaded = load_model(model)
    return [chosen.subject(image, loaded, check) for image in several]


def _run(
    kind: SweepKind, subjects: list[Subject], steps: Callable[[Derived], list[SweepStep]],
    on_measured: Callable[[Sweep], None], check: Check, chosen: Comparison,
) -> Sweep:  # fmt: skip
    result = None
    planned = steps(subjects[0].errors.analysis)
    for result in run_sweep(kind, subjects, planned, check, unchanged=chosen.unchanged):
        on_measured(result)
    if result is None:
        raise ValueError(f"a sweep needs at least one {kind}")
    return result
