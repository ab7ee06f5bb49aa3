"""A report, or the store that it lies in, becomes the settings that made it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import UNSET

from napari_exactile.images.store.files import about_of
from napari_exactile.images.store.journal import records_in
from napari_exactile.images.store.store import OWN, is_complete
from napari_exactile.run.plan import given
from napari_exactile.run.store.report_file import earlier_record
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.chosen import ModelChoice, SettingsFile
from napari_exactile.run.words.report_record import ReportRecord
from napari_exactile.why import why


def settings_in(path: str | Path) -> SettingsFile:
    """Return the settings that made labels, by their report (JSON) or the store that they lie in.

    Stores of earlier versions do not say which device and memory were chosen. Raises ValueError for what is
    neither, is damaged, or is a report of an earlier version, which does not tell all settings.
    """
    path = given.path("a report", path)
    if not path.is_dir():
        return _of_report(_report(path), path)
    if not is_complete(path):
        raise ValueError(f"{path} is no label store of napari-exactile: choose one that it has written")
    record = earlier_record(path)
    return _of_run(path) if record is None or record.settings is UNSET else _of_report(record, path)


def _report(path: Path) -> ReportRecord:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({why(error)}): choose another report") from error
    except (ValueError, RecursionError) as error:
        raise _no_report(path) from error
    if not isinstance(content, dict):
        raise _no_report(path)
    try:
        return ReportRecord.known(content)
    except ValueError as error:
        raise ValueError(f"{path} is no report that can be read ({error}): choose another one") from error


def _no_report(path: Path) -> ValueError:
    return ValueError(f"{path} is no report: choose one that the dock has saved, or a label store")


def _of_report(record: ReportRecord, path: Path) -> SettingsFile:
    if record.settings is UNSET:
        raise ValueError(
            f"{path} was written by an earlier version, which did not keep all settings: name the label store"
        )
    try:
        return SettingsFile.of_plain(record.settings, str(path))
    except ValueError as error:
        raise ValueError(f"the settings in {path} cannot be used, as {error}") from error


def _of_run(path: Path) -> SettingsFile:
    """Return what a store says of its run; raises ValueError for a damaged one."""
    about, _faults = about_of(path, records_in(path / OWN / "journal"))
    run: Any = RunRecord.in_store(path, about)
    source = run.origin_in(path).model.source
    return SettingsFile(run.settings_on("auto", path), source and ModelChoice(source))
