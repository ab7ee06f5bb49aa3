"""One experiment of the papers: a network, images, tiles of one size, and many radii or offsets.

The reference is one pass of the unchanged network over the whole image, and each tile goes whole through the
unchanged network: nothing here depends on what this program knows about networks but the steps of the sweep.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from numpy.typing import NDArray

from napari_exactile.evaluate.comparison import Comparison
from napari_exactile.evaluate.errors import Scored, TilingErrors
from napari_exactile.evaluate.sweep import (
    Subject,
    Sweep,
    SweepKind,
    SweepStep,
    offset_steps,
    radius_steps,
    run_sweep,
)
from napari_exactile.geometry.interval import Box, box_shape
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.models.load import Model
from napari_exactile.papers.published import Published
from napari_exactile.run.engine.control import Control
from napari_exactile.run.plan.devices import pick_device
from napari_exactile.run.plan.settings import Device


@dataclass(frozen=True, slots=True)
class Scale:
    """How large an experiment is: `size` of the images in pixels, how many `images`, and channels.

    `base` is the width of the network's first block; the papers' networks are wider. Raises ValueError for
    numbers below one.
    """

    size: int
    images: int
    base: int

    def __post_init__(self) -> None:
        for name, value in (("--size", self.size), ("--images", self.images), ("--base", self.base)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True, slots=True)
class Experiment:
    """What an experiment of the papers consists of.

    `make(base)` returns the network, `draw(shape, seed)` an image; `seed` is that of the first image.
    `values` are the radii or offsets in pixels. `network` and `data` say in words what they are, the latter
    after "4 images of 512 x 512 px: "; `papers_base` is the width of the papers' network. Images are square,
    or strips no wider than `strip` pixels, which still show every seam along y. `published` is what the
    papers report, to stand beside it.
    """

    name: str
    title: str
    network: str
    data: str
    make: Callable[[int], Model]
    draw: Callable[[tuple[int, ...], int], NDArray[Any]]
    tile: int
    values: Sequence[int]
    scale: Scale
    papers_base: int
    kind: SweepKind = "radius"
    fixed_base: bool = False
    strip: int | None = None
    seed: int = 3_000_000
    published: tuple[Published, ...] = ()

    def shape(self, scale: Scale) -> tuple[int, int]:
        """Return the images' (y, x) in pixels."""
        return scale.size, min(scale.size, self.strip or scale.size)

    def scaled(self, size: int | None, images: int | None, base: int | None) -> Scale:
        """Return the experiment's own scale but for what is given; ValueError for what cannot be."""
        if self.fixed_base and base not in {None, self.scale.base}:
            raise ValueError(
                f"{self.name} takes a trained network: its base is {self.scale.base}, not {base}"
            )
        given = {"size": size, "images": images, "base": base}
        return replace(self.scale, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Cost:
    """What the usual tiling takes at one radius or offset, as multiples of one pass.

    `computing` follows from the sizes of the tiles. `time` is measured: on CPUs it is the processors' time,
    which other work on the machine disturbs less than it does the clock on the wall; noisy all the same.
    """

    computing: float
    time: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The sweep that an experiment has given so far, the cost of each point, and the seconds of one pass."""

    sweep: Sweep
    costs: tuple[Cost, ...]
    pass_seconds: float


def run_experiment(
    experiment: Experiment, shape: tuple[int, ...], scale: Scale, device: Device = "auto",
    cancel: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:  # fmt: skip
    """Yield the outcome so far after each measurement: `scale.images` images, then every step for each.

    `shape` is the images' in pixels. Raises ValueError for sizes that cannot be, and Cancelled.
    """
    chosen, model = (
        Comparison(tile=experiment.tile, device=device, padding="always"),
        experiment.make(scale.base),
    )
    drawn = (experiment.draw(shape, experiment.seed + number) for number in range(scale.images))
    check = Control(is_cancelled=cancel).check
    subjects = [chosen.subject(image, model, check) for image in drawn]
    steps, watch = _steps(experiment, subjects[0], chosen), _Watch(device)
    sweeps = run_sweep(experiment.kind, subjects, steps, check, reference=watch.one_pass, unchanged=True)
    for number, sweep in enumerate(sweeps):
        watch.lap(number % len(steps))
        work = [_computing(subjects[0], step) for step in steps[: len(sweep.points)]]
        yield Outcome(sweep, tuple(map(Cost, work, watch.relative())), watch.seconds_of_a_pass)
        watch.start()


class _Watch:
    """Takes the time of the whole passes, which are the references, and of every step."""

    def __init__(self, device: Device) -> None:
        self._now = time.process_time if pick_device(device).type == "cpu" else time.perf_counter
        self._passes: list[float] = []
        self._comparing: list[float] = []
        self._laps: defaultdict[int, list[float]] = defaultdict(list)

    def one_pass(self, errors: TilingErrors, _window: Box) -> Scored:
        """Return the reference; the quicker of two passes counts, as the first one also asks for memory."""
        times = []
        for _ in range(2):
            self.start()
            result = errors.one_pass()
            times.append(self._now() - self._started)
        self._passes.append(min(times))
        self._comparing.append(self._comparison(errors, result) - min(times))
        self.start()
        return result

    def _comparison(self, errors: TilingErrors, reference: Scored) -> float:
        """Return the time of a tiling of one tile, comparison included, which is what exceeds one pass."""
        whole = errors.analysis.frame.taken
        self.start()
        errors.error(reference, whole, (0,) * len(whole), unchanged=True)
        return self._now() - self._started

    def start(self) -> None:
        """Start the lap of the next step."""
        self._started = self._now()

    def lap(self, step: int) -> None:
        """Take the time of a step on one more image."""
        self._laps[step].append(self._now() - self._started)

    def relative(self) -> list[float]:
        """Return the time of each step so far, without its comparison, against one pass.

        Images are alike, so the quickest counts: other work and first uses only ever add.
        """
        comparing, one_pass = min(self._comparing), min(self._passes)
        return [max(0.0, min(laps) - comparing) / one_pass for laps in self._laps.values()]

    @property
    def seconds_of_a_pass(self) -> float:
        """The quickest pass over an image."""
        return min(self._passes)


def _steps(experiment: Experiment, subject: Subject, chosen: Comparison) -> list[SweepStep]:
    analysis = subject.errors.analysis
    if experiment.kind == "radius":
        return radius_steps(analysis, experiment.values, chosen.zone_for)
    zone = chosen.zone_for(analysis.radius, analysis.factor)
    return offset_steps(analysis, experiment.values, zone)


def _computing(subject: Subject, step: SweepStep) -> float:
    """Return the pixels of all tiles against those of the padded image."""
    analysis = subject.errors.analysis
    padded = analysis.frame.taken
    tiling = Tiling(analysis.shape, analysis.factor, step.zone, step.radius, padded_shape=padded)
    return sum(prod(box_shape(tile.box)) for tile in tiling) / prod(analysis.frame.taken)
