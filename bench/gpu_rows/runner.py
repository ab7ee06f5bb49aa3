"""Measure one row after the other, and leave out the dearest ones where the time is not enough for all."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence

from gpu_rows import end_to_end, exactness, machine, memory, speed, trouble
from gpu_rows.bench import Bench, Work
from gpu_rows.report import Report, Row

MODULES = (machine, exactness, memory, speed, end_to_end, trouble)
SECTIONS = tuple(module.SECTION for module in MODULES)
# How much of what was measured last decides how long the rest is expected to take.
LATEST = 0.3


def all_work(bench: Bench, report: Report, only: Sequence[str] | None) -> Iterator[Work]:
    """Yield what is to be measured, in order; `only` names sections, beside the machine."""
    for module in MODULES:
        if only is None or module is machine or module.SECTION in only:
            try:
                yield from module.work(bench)
            except Exception as error:
                report.add(Row(module.SECTION, "all rows", error=_words(error)))


def run(bench: Bench, report: Report, seconds: float, only: Sequence[str] | None = None) -> None:
    """Measure until all is done or the time is over."""
    bench.end, pace = time.monotonic() + seconds, 1.0
    left = list(all_work(bench, report, only))
    while left:
        dear = dearest(left, bench, pace, bench.end - time.monotonic())
        for work in dear:
            left.remove(work)
            _skip(work, bench, report, pace)
        if not left:
            break
        work = left.pop(0)
        expected, start = work.cost(bench), time.monotonic()
        _measure(work, bench, report)
        taken = (time.monotonic() - start) / max(expected, 0.01)
        pace += LATEST * (min(4.0, max(0.25, taken)) - pace)


def dearest(works: Sequence[Work], bench: Bench, pace: float, seconds: float) -> list[Work]:
    """Return the dearest of the works, as many as must go so that the others fit into the time."""
    kept = sorted(works, key=lambda work: work.cost(bench))
    gone = []
    while kept and pace * sum(work.cost(bench) for work in kept) > seconds:
        gone.append(kept.pop())
    return gone


def _skip(work: Work, bench: Bench, report: Report, pace: float) -> None:
    for name in work.names:
        reason = f"no time was left for it (about {pace * work.cost(bench):.0f} s)"
        report.add(Row(work.section, name, skipped=reason))


def _measure(work: Work, bench: Bench, report: Report) -> None:
    """Take in the rows of a work as they come; one that fails says so in its first row that is missing."""
    missing = dict.fromkeys(work.names)
    print(f"{work.section}: {', '.join(work.names)}", flush=True)
    try:
        for row in work.measure():
            missing.pop(row.name, None)
            report.add(row)
    except Exception as error:
        for name in missing or ["the rest"]:
            report.add(Row(work.section, name, error=_words(error), right=False if work.proves else None))
    finally:
        bench.free()


def _words(error: Exception) -> str:
    traceback.print_exc()
    return f"{type(error).__name__}: {error}".splitlines()[0]
