"""Time of the ways to segment one image: one pass, the papers' tiling, MONAI's window, and ours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.networks import MissingPackageError, work_of
from gpu_rows.report import Row
from gpu_rows.ways import REDUCED, Labels, Ways

SECTION = "speed"
ROUNDS = 3
NETWORKS = ("U-Net, base 16", "U-Net, base 64", "FC-DenseNet-56", "DynUNet")
SIDES = (4096, 8192, 16384)
# The work of all ways of a round together, in passes, and the seconds that they take beside it.
PASSES, OVERHEAD = 14, 6.0
# Other labels are counted against the first of these that has run.
REFERENCES = ("one pass, channels last", "ours, automatic")


def work(bench: Bench) -> Iterator[Work]:
    """Yield one group of rows for each network and size of the image."""
    for side in (256,) if bench.quick else SIDES:
        for name in NETWORKS[:1] if bench.quick else NETWORKS:
            group = f"{name}, {side} x {side}"
            macs = PASSES * (1 + ROUNDS) * work_of(name, bench.quick, side**2)
            overhead = 3.0 if bench.quick else OVERHEAD * (side / SIDES[0]) ** 2
            yield Work(SECTION, (group,), partial(compared, bench, name, side, group), overhead, macs)


@dataclass
class Measured:
    """What is known of one way: its seconds, one a round, its labels, and what it says of itself."""

    seconds: list[float] = field(default_factory=list)
    labels: Labels | None = None
    told: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def run(self, bench: Bench, way: Callable[[], Labels], ways: Ways) -> None:
        """Segment once more; the first time warms up and does not count where there is another."""
        ways.told = {}
        try:
            if bench.cuda:
                torch.cuda.reset_peak_memory_stats(bench.device)
            start = time.perf_counter()
            self.labels = way()
            self.seconds.append(time.perf_counter() - start)
            self.told = ways.told
            if bench.cuda:
                self.told["peak, MB"] = torch.cuda.max_memory_allocated(bench.device) / 1e6
        except torch.OutOfMemoryError:
            self.error = "the device has not enough memory for it"
        except ImportError as error:
            self.error = f"{error.name or error} is not installed"
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}".splitlines()[0]
        finally:
            bench.free()

    @property
    def time(self) -> float:
        """The median of the rounds after the first."""
        return statistics.median(self.seconds[1:] or self.seconds)


def compared(bench: Bench, name: str, side: int, group: str) -> Rows:
    """Yield the rows of all ways, anew in each round, in which all run in turn."""
    try:
        ways = Ways(bench, name, side)
    except MissingPackageError as error:
        yield Row(SECTION, group, skipped=str(error))
        return
    found = {way: Measured() for way in ways.named()}
    for number in range(1 + ROUNDS):
        if number > 1 and bench.over:
            break
        for way, run in ways.named().items():
            if not found[way].error:
                found[way].run(bench, run, ways)
            yield _row(bench, group, way, found, work_of(name, bench.quick, side**2))
    yield Row(SECTION, group, {"rounds": number})


def _row(bench: Bench, group: str, way: str, found: dict[str, Measured], macs: float) -> Row:
    one, name = found[way], f"{group}, {way}"
    if one.error:
        return Row(SECTION, name, error=one.error)
    assert one.labels is not None
    kind = way.rsplit(", ", 1)[-1]
    ceiling = bench.ceilings.get(kind if kind in REDUCED else "float32")
    flops = 2 * macs / one.time
    values = {
        "seconds": one.time,
        "Mpx/s": one.labels.size / one.time / 1e6,
        "TFLOP/s": flops / 1e12,
        "% of the ceiling": ceiling and 100 * flops / ceiling,
        "ME": None,
        **one.told,
    }
    reference = next((ref for ref in REFERENCES if found[ref].labels is not None), way)
    column = "ME" if reference == REFERENCES[0] else "ME against ours"
    return Row(SECTION, name, values | {column: int(np.sum(one.labels != found[reference].labels))})
