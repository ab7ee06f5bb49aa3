"""What can go wrong on a device: memory that others take, cancelling, pausing, and too low a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import napari_exactile as ex
from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.networks import network
from gpu_rows.report import Row
from napari_exactile.geometry.interval import Interval, slices
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event, TileFinished, TileHalved
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task

SECTION = "trouble"
NETWORK = "U-Net, base 16"
# What is left of the device's memory when somebody takes the rest: not enough for the tile that was planned.
SHARE_LEFT = 0.5
PAUSE = 0.5


def work(bench: Bench) -> Iterator[Work]:
    """Yield one row for each kind of trouble."""
    rows: dict[str, Callable[[Bench, str], Rows]] = {
        "memory is taken away": memory_taken,
        "cancel": cancelled,
        "pause": paused,
        "a limit below the smallest tile": limited,
    }
    for name, measure in rows.items():
        yield Work(SECTION, (name,), partial(measure, bench, name), 2 if bench.quick else 4, proves=True)


class Subject:
    """One image and one network, with the labels of a run that nothing troubled."""

    def __init__(self, bench: Bench) -> None:
        side = 192 if bench.quick else 4096
        self.image = np.random.default_rng(0).integers(0, 4000, (side, side)).astype(np.uint16)
        self.model = ex.load_model(network(NETWORK, bench.quick), name=NETWORK, channels=1)
        self.settings: dict[str, Any] = {"device": "cuda" if bench.cuda else "cpu"}
        self.tile = 96 if bench.quick else 1024
        self.labels = self.segmented()

    def segmented(self, **more: Any) -> Any:
        """Return the labels of a run."""
        return ex.segment(self.image, self.model, **self.settings, **({"tile": self.tile} | more)).labels

    def wrong(self, labels: Any) -> int:
        """Count the labels that are not those of the untroubled run."""
        return int(np.sum(labels != self.labels))


def memory_taken(bench: Bench, name: str) -> Rows:
    """Yield whether labels come out right when the device's memory is taken after the first tile."""
    if not bench.cuda:
        yield Row(SECTION, name, skipped="a CPU's memory is not taken away here: the machine would suffer")
        return
    subject, hog, heard = Subject(bench), [], list[Event]()
    # An automatic tile, as a typed one is not made smaller; large, so that there is something to halve.
    job = Job(image_task(subject.image, subject.model, Settings(device="cuda", memory_limit=8 << 30)))
    tile = job.task.plan.peak_bytes

    def told(event: Event) -> None:
        heard.append(event)
        if isinstance(event, TileFinished) and not hog:
            torch.cuda.empty_cache()
            free = torch.cuda.mem_get_info(bench.device)[0]
            left = int(tile * SHARE_LEFT) + (256 << 20)
            hog.append(torch.empty(max(0, free - left), dtype=torch.uint8, device=bench.device))

    try:
        for event in job.run():
            told(event)
    finally:
        hog.clear()
    halved = [event.zone for event in heard if isinstance(event, TileHalved)]
    wrong = subject.wrong(job.labels)
    values = {
        "zone": str(job.task.plan.zor),
        "halved to": str(halved[-1]) if halved else "never",
        "ME": wrong,
    }
    yield Row(SECTION, name, values, bool(halved) and wrong <= job.near_ties)


def cancelled(bench: Bench, name: str) -> Rows:
    """Yield how long a run goes on after it is cancelled, and whether what is done is right."""
    subject, asked = Subject(bench), list[float]()

    def told(event: Event) -> None:
        if isinstance(event, TileFinished) and not asked:
            asked.append(time.perf_counter())

    labels = subject.segmented(on_event=told, cancel=lambda: bool(asked))
    seconds = time.perf_counter() - asked[0]
    done = labels != 2
    wrong = int(np.sum((labels != subject.labels) & done))
    values = {"ended after, s": seconds, "done, %": 100 * float(done.mean()), "ME": wrong}
    yield Row(SECTION, name, values, wrong == 0 and not done.all())


def paused(bench: Bench, name: str) -> Rows:
    """Yield whether a run that was paused comes to the same labels, and its pause does not count."""
    subject, control, paused = Subject(bench), Control(), False
    settings = Settings(**subject.settings, tile=subject.tile)
    job = Job(image_task(subject.image, subject.model, settings))
    for event in job.run(control=control):
        if isinstance(event, TileFinished) and not paused:
            paused = True
            control.pause()
            torch.cuda.synchronize() if bench.cuda else None
            timer = _after(PAUSE, control.resume)
    timer.join()
    wrong = subject.wrong(job.labels)
    yield Row(SECTION, name, {"seconds": job.seconds, "waited, s": control.waited, "ME": wrong}, wrong == 0)


def _after(seconds: float, call: Callable[[], None]) -> Any:
    from threading import Timer

    timer = Timer(seconds, call)
    timer.start()
    return timer


def limited(bench: Bench, name: str) -> Rows:
    """Yield what comes of a memory limit that no tile keeps: the right labels, or a sentence."""
    subject = Subject(bench)
    corner = Interval(0, 64), Interval(0, 64)
    try:
        labels = subject.segmented(tile="auto", memory_limit=1, region=corner)
    except ValueError as error:
        yield Row(SECTION, name, {"says": str(error)}, True)
        return
    wrong = int(np.sum(labels != subject.labels[slices(corner)]))
    yield Row(SECTION, name, {"says": "nothing", "ME": wrong}, wrong == 0)
