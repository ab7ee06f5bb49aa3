"""The report of a run as a dictionary that fits into JSON, and the file that keeps it in a store."""

from __future__ import annotations

import json
import platform
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from secrets import randbits
from typing import Any
from zlib import crc32

import torch
from msgspec import UNSET

from napari_exactile.images.normalize.steps import steps_as_json
from napari_exactile.images.store.journal import read_json, write_json
from napari_exactile.images.store.store import OWN, LabelStore
from napari_exactile.network.analysis import AS_IT_IS
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.run.check.spot_check import check_of_run
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.local.checked import SpotCheck
from napari_exactile.run.engine.result import Report
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.store.records import Line, Says, SpoiltRecord, WrittenReport
from napari_exactile.run.task.identity import Identity, identity
from napari_exactile.run.task.origin import origin_of
from napari_exactile.run.words.report import report_sections
from napari_exactile.run.words.summary import exactness
from napari_exactile.stopping import Cancelled, Check
from napari_exactile.version import REPORT_FORMAT, __version__

REPORT = f"{OWN}/report.json"
PADDED_THEN = "begun by an earlier version, which padded every image to multiples of F"
# Begins the reasons for which a check is worth trying again.
NOT_DONE = "not done"
PACKAGES = ("torch", "numpy", "zarr")


def report_of(
    series: Series, check: SpotCheck | None = None, known: Identity | None = None
) -> dict[str, Any]:
    """Return all that is known of how the labels of a series came about; all values fit into JSON.

    Lengths are in pixels of the image, one for each of its axes. Without `known`, the identity of image and
    model, 32 places of the image are read, and all weights. Raises RuntimeError before the first tile.
    """
    if not series.jobs[0].started:
        raise RuntimeError("there is no report before run()")
    report, known = series.report(), known or identity(series.task)
    origin = origin_of(series.task)
    found = {
        "format": REPORT_FORMAT,
        "complete": series.complete,
        "exact": report.exact,
        "result": exactness(report),
        **({"edited": True} if report.edited else {}),
        "reason": report.reason,
        "warnings": list(report.warnings),
        "notes": list(report.notes),
        "reference": reference(report.padding),
        "image": origin.image.as_json()
        | {
            "shape": list(series.task.planes.whole.shape),
            "channels": series.task.planes.whole.channels,
            "content": known.image_content,
            "file": known.image_file or None,
        },
        "model": origin.model.as_json() | {"content": known.model},
        "tiling": _tiling(series, report),
        "output": _output(series, report),
        "normalization": _normalization(series, known),
        "computing": _computing(series, report),
        "dates": _dates(series),
        "versions": _versions(),
        "spot_check": None if check is None else check_as_json(check),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))  # as it comes back from a file
    return plain


def reference(padding: Sequence[str]) -> str:
    """Return what labels are to be the same as, given what the image is padded to along each axis."""
    words = "one forward pass of the unchanged network, in evaluation mode, over the whole image"
    pass_ = f"{words}, normalised as a whole"
    axes = "zyx"[-len(padding) :]
    padded = [f"along {axis} {told}" for axis, told in zip(axes, padding, strict=True) if told != AS_IT_IS]
    if not padded:
        return f"{pass_} and otherwise as it is"
    return f"{pass_} and {', '.join(padded)}, with what was added cropped off afterwards"


def _versions() -> dict[str, str]:
    """Return what computed the labels; modules are asked, as packages can be there without their metadata."""
    others = {name: str(import_module(name).__version__) for name in PACKAGES}
    return {"napari-exactile": __version__, **others, "python": platform.python_version()}


def check_as_json(check: SpotCheck) -> dict[str, Any]:
    """Return a check and its sums in a form that fits into JSON."""
    names = ("agrees", "labels", "differing", "near_ties", "rmse", "largest")
    windows = [
        asdict(window) | {"box": [[side.start, side.stop] for side in window.box]} for window in check.windows
    ]
    sums = {name: getattr(check, name) for name in names}
    return {"seed": check.seed, "how": check.how, "reason": check.reason} | sums | {"windows": windows}


def _tiling(series: Series, report: Report) -> dict[str, Any]:
    return {
        "method": report.method,
        "size_factor": list(report.factor),
        "padding": list(report.padding),
        "context": None if report.context is None else [list(sides) for sides in report.context],
        "radius": list(report.radius),
        "zone": list(report.zone),
        "region": series.task.settings.region
        and [[side.start, side.stop] for side in series.task.settings.region],
        "planes": len(series.task.planes.sources),
        "tiles": report.tiles,
        "tiles_done": report.tiles_done,
        "passes": report.passes,
        "redundancy": report.redundancy,
    }


def _output(series: Series, report: Report) -> dict[str, Any]:
    decision = series.task.decision
    return {
        "kind": decision.kind,
        "scale": report.gives,
        "threshold": decision.chosen_threshold,
        "classes": list(decision.names(series.task.model.card)),
        "shape": list(report.output_shape),
        "stride": list(report.stride),
        "offset": list(report.offset),
        "near_ties": report.near_ties,
        "nan_pixels": report.left_out,
    }


def _normalization(series: Series, known: Identity) -> dict[str, Any]:
    """Return what was asked for, and what each plane was normalised by, as far as it was measured."""
    measured = [
        {
            "plane": list(plane),
            "steps": steps_as_json(job.normalization.steps),
            "words": [step.describe() for step in job.normalization.steps],
        }
        for plane, job in zip(series.task.planes.indices, series.jobs, strict=False)
        if job.normalization is not None
    ]
    settings = series.task.settings
    return {
        "steps": steps_as_json(known.normalization),
        "ignore": known.value_to_ignore,
        "together": settings.together,
        "measured": measured,
    }


def _computing(series: Series, report: Report) -> dict[str, Any]:
    device = series.task.device
    return {
        "device": report.device,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "dtype": str(dtype_of(series.task.model.module)).removeprefix("torch."),
        # What `exact_arithmetic` sets while tiles are computed.
        "arithmetic": "ieee: TF32, autocast and cuDNN's search for kernels off, cuDNN deterministic",
        "memory_layout": "channels last"
        if len(report.shape) - len(series.task.planes.shape) == 2
        else "torch's",
        "statistics": "float64",
        "seconds": report.seconds,
    }


def _dates(series: Series) -> dict[str, Any]:
    """Return when the labels were begun and when the last run ended, in UTC, and how many runs there were."""
    begun = min(job.begun for job in series.jobs if job.begun)
    ended = [job.ended for job in series.jobs if job.ended]
    return {
        "begun": begun.isoformat(timespec="seconds"),
        "ended": max(ended).isoformat(timespec="seconds") if ended else None,
        "runs": 1,
    }


def earlier_report(path: Path) -> dict[str, Any]:
    """Return the report that lies in a store; empty where there is none that can be read."""
    try:
        found = read_json(path / REPORT)
        report_sections(found)
        is_known = (
            found["format"] == REPORT_FORMAT and found["dates"]["runs"] + found["tiling"]["tiles_done"] >= 0
        )
    except Exception:  # there is none, or a damaged one, which can be wrong in every way
        return {}
    return found if is_known else {}


class ReportFile:
    """Keeps the report of a store: earlier runs count, too. `check` is what this one's has found.

    `is_sound` says that the report which is there is as it was written.
    """

    def __init__(self, store: LabelStore, series: Series, known: Identity, is_sound: bool = True) -> None:
        self._path, self._known = store.path / REPORT, known
        self._series, self._journal, self._read = series, store.journal, store.read
        self._records = len(store.journal.records)
        self._earlier, self._is_sound = earlier_report(store.path), is_sound
        self.check: SpotCheck | None = None

    def checking(self, windows: int, check: Check) -> Generator[Event, None, None]:
        """Check a complete run at so many windows, unless that was done; the file will say what was found.

        Never raises: why there is no check stands in the report, too.
        """
        if windows < 1 or not self._series.complete or not self._is_due:
            return
        seed = randbits(32)
        try:
            self.check = yield from check_of_run(self._series, self._read, windows, seed, check)
        except Cancelled:
            self.check = SpotCheck(seed, reason=f"{NOT_DONE}: it was stopped")
        except Exception as error:
            words = str(error) or type(error).__name__
            self.check = SpotCheck(seed, reason=f"{NOT_DONE}: it failed: {words}")

    @property
    def _is_due(self) -> bool:
        before = self._earlier.get("spot_check")
        return self._has_computed or before is None or before["reason"].startswith(NOT_DONE)

    @property
    def _has_computed(self) -> bool:
        return not self._is_sound or len(self._journal.records) > self._records

    def write(self) -> None:
        """Write the file, and its checksum into the journal; where this run has added nothing, both stay."""
        series = self._series
        if series.spoilt:
            self._tell(SpoiltRecord(spoilt=series.spoilt))
        if not series.jobs[0].started:
            return
        if self._earlier and not self._has_computed and self.check is None:
            return
        report, before = report_of(series, self.check, self._known), self._earlier.get("dates", {})
        report["dates"]["begun"] = before.get("begun", report["dates"]["begun"])
        report["dates"]["runs"] += before.get("runs", 0)
        notes = [*self._earlier.get("notes", ()), *report["notes"]]
        if self._known.padding is UNSET:
            notes.append(PADDED_THEN)
        report["notes"] = list(dict.fromkeys(notes))
        write_json(self._path, report)
        self._tell(WrittenReport(report=crc32(self._path.read_bytes())))

    def _tell(self, says: Says) -> None:
        series = self._series
        self._journal.append(Line(series.index, says, series.job.seconds).as_json())


@contextmanager
def reported(
    store: LabelStore, series: Series, known: Identity, is_sound: bool = True
) -> Iterator[ReportFile]:
    """Yield what writes the report of a run when this ends, whatever ends it; see `ReportFile`."""
    file = ReportFile(store, series, known, is_sound)
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # what went wrong before is what counts
            file.write()
        raise
    file.write()
