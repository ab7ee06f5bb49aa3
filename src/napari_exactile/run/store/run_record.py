"""What a store says of the run that it is of: in `run.json`, and in the first line of its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from napari_exactile.images.store.files import RUN, damaged_beyond, refuse_version
from napari_exactile.record import Record, spaced
from napari_exactile.run.plan.settings import Device, Settings
from napari_exactile.run.plan.settings_record import SettingsRecord
from napari_exactile.run.task.identity import Identity
from napari_exactile.run.task.origin import Origin
from napari_exactile.version import STORE_FORMAT


class RunRecord(Record, frozen=True, kw_only=True, rename=spaced):
    """What the labels in a store depend on, and the zones and kept tensors that the run was begun with.

    `settings` and `origin` are looked at by whoever has no others, with `settings_on` and `origin_in`: a run
    that goes on brings its own.
    """

    format: int = STORE_FORMAT
    identity: Identity
    settings: dict[str, Any]
    # Of earlier versions, not all say it.
    origin: Any = msgspec.field(default_factory=dict)
    zone: tuple[int, ...]
    kept: tuple[int, ...]
    # The bands of what is walked, and whether that takes less memory and more time.
    band: tuple[int, ...] | UnsetType = UNSET
    frugal: bool | UnsetType = UNSET
    surveyed: tuple[tuple[int, ...], bool] | UnsetType = UNSET
    # Earlier versions do not say how many tiles there are.
    tiles: int | None = None
    channel_names: tuple[str, ...] = ()

    @classmethod
    def in_store(cls, path: Path, about: dict[str, Any]) -> RunRecord:
        """Return what a store says; raise ValueError for what this version cannot continue, or is damaged."""
        refuse_version(path, about)
        try:
            return cls.of(about)
        except ValueError as error:
            raise damaged_beyond(path, RUN, str(error)) from error

    def settings_on(self, device: Device, path: Path) -> Settings:
        """Return the settings of the run, for this device; raise ValueError where they are damaged."""
        try:
            return SettingsRecord.of(self.settings).on(device)
        except Exception as error:  # also numbers that are too large for anything
            words = str(error) if isinstance(error, ValueError) else "a number is too large"
            raise damaged_beyond(path, RUN, f"its settings cannot be used: {words}") from error

    def origin_in(self, path: Path) -> Origin:
        """Return where image and model came from; raise ValueError where that is damaged."""
        try:
            return Origin.of(self.origin)
        except ValueError as error:
            words = f"it does not say where image and model came from: {error}"
            raise damaged_beyond(path, RUN, words) from error
