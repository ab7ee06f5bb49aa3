"""The report of a run as a dictionary that fits into JSON, and the file that keeps it in a store."""

from __future__ import annotations

import platform
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from secrets import randbits
from typing import Any
from zlib import crc32

import torch
from msgspec import UNSET
from msgspec.structs import asdict, replace

from napari_exactile.geometry.frame import AS_IT_IS
from napari_exactile.geometry.interval import sides_of
from napari_exactile.images.store.journal import read_json, write_json
from napari_exactile.images.store.store import OWN, LabelStore
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.run.check.spot_check import check_of_run
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.result import Report
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.store.records import Line, Says, SpoiltRecord, WrittenReport
from napari_exactile.run.task.chosen_by import chosen_by
from napari_exactile.run.task.identity import Identity, identity
from napari_exactile.run.task.origin import ImageOrigin, origin_of
from napari_exactile.run.words.report import report_sections
from napari_exactile.run.words.report_record import (
    CheckSection,
    ComputingSection,
    DatesSection,
    ImageSection,
    MeasuredPlane,
    ModelSection,
    NormalizationSection,
    OutputSection,
    ReportRecord,
    TilingSection,
)
from napari_exactile.run.words.summary import exactness
from napari_exactile.stopping import Cancelled, Check
from napari_exactile.version import __version__

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
    return _report(series, check, known or identity(series.task)).as_json()


def _report(series: Series, check: SpotCheck | None, known: Identity) -> ReportRecord:
    report, origin = series.report(), origin_of(series.task)
    return ReportRecord(
        complete=series.complete,
        exact=report.exact,
        result=exactness(report),
        edited=report.edited or UNSET,
        reason=report.reason,
        warnings=report.warnings,
        notes=report.notes,
        reference=reference(report.padding),
        image=_image(series, known, origin.image),
        model=ModelSection(**asdict(origin.model), content=known.model),
        tiling=_tiling(series, report),
        output=_output(series, report),
        normalization=_normalization(series, known),
        computing=_computing(series, report),
        dates=_dates(series),
        versions=_versions(),
        settings=chosen_by(series.task).as_json(),
        spot_check=None if check is None else CheckSection.said_of(check),
    )


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


def _image(series: Series, known: Identity, origin: ImageOrigin) -> ImageSection:
    source = series.task.planes.whole
    return ImageSection(
        **asdict(origin),
        shape=tuple(source.shape),
        channels=source.channels,
        content=known.image_content,
        file=known.image_file or None,
    )


def _tiling(series: Series, report: Report) -> TilingSection:
    region = series.task.settings.region
    return TilingSection(
        method=report.method,
        size_factor=report.factor,
        padding=report.padding,
        context=report.context,
        radius=report.radius,
        zone=report.zone,
        region=None if region is None else sides_of(region),
        planes=len(series.task.planes.sources),
        tiles=report.tiles,
        tiles_done=report.tiles_done,
        passes=report.passes,
        redundancy=report.redundancy,
    )


def _output(series: Series, report: Report) -> OutputSection:
    decision = series.task.decision
    return OutputSection(
        kind=decision.kind,
        scale=report.gives,
        threshold=decision.chosen_threshold,
        classes=tuple(decision.names(series.task.model.card)),
        shape=report.output_shape,
        stride=report.stride,
        offset=report.offset,
        near_ties=report.near_ties,
        nan_pixels=report.left_out,
    )


def _normalization(series: Series, known: Identity) -> NormalizationSection:
    measured = tuple(
        MeasuredPlane(
            plane=tuple(plane),
            steps=job.normalization.steps,
            words=tuple(step.describe() for step in job.normalization.steps),
        )
        for plane, job in zip(series.task.planes.indices, series.jobs, strict=False)
        if job.normalization is not None
    )
    return NormalizationSection(
        steps=known.normalization,
        ignore=known.value_to_ignore,
        together=series.task.settings.together,
        measured=measured,
    )


def _computing(series: Series, report: Report) -> ComputingSection:
    device, is_plane = series.task.device, len(report.shape) - len(series.task.planes.shape) == 2
    return ComputingSection(
        device=report.device,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        dtype=str(dtype_of(series.task.model.module)).removeprefix("torch."),
        # What `exact_arithmetic` sets while tiles are computed.
        arithmetic="ieee: TF32, autocast and cuDNN's search for kernels off, cuDNN deterministic",
        memory_layout="channels last" if is_plane else "torch's",
        statistics="float64",
        seconds=report.seconds,
    )


def _dates(series: Series) -> DatesSection:
    begun = min(job.begun for job in series.jobs if job.begun)
    ended = [job.ended for job in series.jobs if job.ended]
    return DatesSection(
        begun=begun.isoformat(timespec="seconds"),
        ended=max(ended).isoformat(timespec="seconds") if ended else None,
        runs=1,
    )


def earlier_report(path: Path) -> dict[str, Any]:
    """Return the report that lies in a store; empty where there is none that can be read."""
    try:
        found = read_json(path / REPORT)
        report_sections(found)
    except Exception:  # there is none, or a damaged one, which can be wrong in every way
        return {}
    return found


def earlier_record(path: Path) -> ReportRecord | None:
    """Return the same as a record; None where there is none that can be read."""
    found = earlier_report(path)
    return ReportRecord.known(found) if found else None


class ReportFile:
    """Keeps the report of a store: earlier runs count, too. `check` is what this one's has found.

    `is_sound` says that the report which is there is as it was written.
    """

    def __init__(self, store: LabelStore, series: Series, known: Identity, is_sound: bool = True) -> None:
        self._path, self._known = store.path / REPORT, known
        self._series, self._journal, self._read = series, store.journal, store.read
        self._records = len(store.journal.records)
        self._earlier, self._is_sound = earlier_record(store.path), is_sound
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
        before = self._earlier and self._earlier.spot_check
        return self._has_computed or before is None or before.reason.startswith(NOT_DONE)

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
        report = _joined(self._earlier, _report(series, self.check, self._known))
        if self._known.padding is UNSET:
            report = replace(report, notes=tuple(dict.fromkeys((*report.notes, PADDED_THEN))))
        write_json(self._path, report.as_json())
        self._tell(WrittenReport(report=crc32(self._path.read_bytes())))

    def _tell(self, says: Says) -> None:
        series = self._series
        self._journal.append(Line(series.index, says, series.job.seconds).as_json())


def _joined(before: ReportRecord | None, now: ReportRecord) -> ReportRecord:
    """Return the report of a run with what counts of earlier ones: when they began, and what they noted."""
    if before is None:
        return now
    runs = now.dates.runs + before.dates.runs
    dates = DatesSection(begun=before.dates.begun, ended=now.dates.ended, runs=runs)
    return replace(now, dates=dates, notes=tuple(dict.fromkeys((*before.notes, *now.notes))))


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
