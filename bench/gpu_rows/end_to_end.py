"""A slide in a file, segmented into a store: what reading takes alone, and what the device waits for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch

import napari_exactile as ex
from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.networks import network, work_of
from gpu_rows.report import Row
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.planes import source_of
from napari_exactile.run.engine.events import Event, Measuring, Ready
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.pipeline import ReadAhead, WriteBehind
from napari_exactile.run.task.kinds import Classes

SECTION = "end to end"
NETWORKS = ("one 1x1 convolution", "U-Net, base 16")
KINDS = {"uncompressed": None, "deflate": "zlib"}
BLOCK, SIDE = 512, 16384


def work(bench: Bench) -> Iterator[Work]:
    """Yield one row for each kind of file and network."""
    side = 1024 if bench.quick else SIDE
    for kind in KINDS:
        for name in NETWORKS[: 1 if bench.quick else 2]:
            row = f"{side} x {side} px, {kind}, {name}"
            macs = work_of(name, bench.quick, side**2)
            seconds = 2 if bench.quick else 25
            yield Work(SECTION, (row,), partial(segmented, bench, row, kind, name, side), seconds, macs)


def segmented(bench: Bench, row: str, kind: str, name: str, side: int) -> Rows:
    """Yield the times of one run from file to store."""
    folder = Path(mkdtemp(prefix="exactile-bench-"))
    try:
        path = folder / "slide.tif"
        write_slide(path, side, KINDS[kind])
        values: dict[str, Any] = {"file, MB": path.stat().st_size / 1e6}
        values["reading alone, s"] = bench.seconds(lambda: read_all(path))
        yield Row(SECTION, row, dict(values))
        yield Row(SECTION, row, values | _run(bench, path, name))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_slide(path: Path, side: int, compression: str | None) -> None:
    """Write a tiled BigTIFF: smooth structures with noise in the lower bits, as cameras give."""
    import tifffile

    length = min(side, 2048)
    y, x = np.ogrid[:length, :length]
    smooth = 1000 + 500 * np.sin(2 * np.pi * 9 * y / length) * np.sin(2 * np.pi * 5 * x / length)
    block = (smooth + np.random.default_rng(0).normal(0, 20, (length, length))).astype(np.uint16)
    image = np.tile(block, (side // length, side // length))
    options: dict[str, Any] = {"bigtiff": True, "tile": (BLOCK, BLOCK), "compression": compression}
    tifffile.imwrite(path, image, photometric="minisblack", **options)


def read_all(path: Path) -> None:
    """Read every pixel once, in rows of the file's tiles, in one thread as a run does."""
    opened = ex.open_image(path)
    source = source_of(opened.array, 1, opened.axes)
    height, width = source.shape
    for top in range(0, height, BLOCK):
        for left in range(0, width, 4 * BLOCK):
            source.read((Interval(top, top + BLOCK), Interval(left, min(width, left + 4 * BLOCK))))


@dataclass
class Spent:
    """Seconds of the thread of a run, by what it waited for, and of the device."""

    bench: Bench
    waited: dict[str, float] = field(default_factory=dict)
    events: list[tuple[Any, Any]] = field(default_factory=list)

    def waiting(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with its time counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.waited[what] = self.waited.get(what, 0.0) + time.perf_counter() - start

        return counted

    def computing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with what it gives the device timed there: from its first operator to its last."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            ends = tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) if self.bench.cuda else None
            start = ends[0].record() if ends else time.perf_counter()
            result = call(*args, **kwargs)
            if ends:
                ends[1].record()
            self.events.append(ends or (start, time.perf_counter()))
            return result

        return timed

    @property
    def busy(self) -> float:
        """Seconds between the first and the last operator of each submission."""
        self.bench.done()
        if self.bench.cuda:
            return sum(start.elapsed_time(end) for start, end in self.events) / 1e3
        return sum(end - start for start, end in self.events)


@contextmanager
def watched(bench: Bench) -> Iterator[Spent]:
    """Count what runs wait for, as long as this lasts."""
    spent = Spent(bench)
    places: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (ReadAhead, "take", partial(spent.waiting, "reading")),
        (WriteBehind, "write", partial(spent.waiting, "writing")),
        (Executor, "scores", spent.computing),
        (Classes, "decide", spent.computing),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _wrap in places]
    for (owner, name, wrap), (_owner, _name, call) in zip(places, before, strict=True):
        setattr(owner, name, wrap(call))
    try:
        yield spent
    finally:
        for owner, name, call in before:
            setattr(owner, name, call)


def _run(bench: Bench, path: Path, name: str) -> dict[str, Any]:
    """Return what a run took, and what it waited for."""
    model = ex.load_model(network(name, bench.quick), name=name, channels=1)
    marks: dict[str, float] = {}

    def told(event: Event) -> None:
        if isinstance(event, Measuring | Ready):
            marks.setdefault(type(event).__name__, time.perf_counter())

    with watched(bench) as spent:
        start = time.perf_counter()
        kind = "cuda" if bench.cuda else "cpu"
        result = ex.segment(
            path, model, output=path.with_suffix(".ome.zarr"), device=kind, check=0, on_event=told
        )
        end = time.perf_counter()
    tiles = end - marks["Ready"]
    return {
        "zone": " x ".join(map(str, result.report.zone)),
        "run, s": end - start,
        "Mpx/s": result.labels.size / (end - start) / 1e6,  # type: ignore[union-attr]
        "before measuring, s": marks.get("Measuring", marks["Ready"]) - start,
        "measuring, s": marks["Ready"] - marks.get("Measuring", marks["Ready"]),
        "tiles, s": tiles,
        "device busy in it, %": 100 * spent.busy / tiles,
        "waiting to read, %": 100 * spent.waited.get("reading", 0.0) / tiles,
        "waiting to write, %": 100 * spent.waited.get("writing", 0.0) / tiles,
    }
