"""What is kept of the settings of a run, for another run that is to be the same."""

from __future__ import annotations

from typing import Literal, Self

from msgspec.structs import asdict

from napari_exactile.geometry.interval import box_of, sides_of
from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.images.normalize.steps import Step
from napari_exactile.record import Number, Record, Side
from napari_exactile.run.plan.settings import (
    Device,
    MethodName,
    NumberType,
    OutputKind,
    Padding,
    Settings,
)

# JSON has no NaN.
Ignored = Number | Literal["nan"] | None


class SettingsRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that labels depend on; one that is not known here would make other labels."""

    tile: int | Literal["auto"]
    radius: int | Literal["auto"]
    method: MethodName
    region: tuple[Side, ...] | None
    normalization: str | tuple[Step, ...]
    factor: int | Literal["auto"]
    threshold: Number | None
    probabilities: bool | NumberType
    together: bool
    ignore: Ignored
    output_kind: OutputKind = "auto"
    # Before the image's own size was taken, all were padded.
    padding: Padding = "always"

    @classmethod
    def said_of(cls, settings: Settings) -> Self:
        """Return what is to be kept of settings."""
        same = {name: getattr(settings, name) for name in cls.__struct_fields__}
        region = None if settings.region is None else sides_of(settings.region)
        return cls(**same | {"region": region, "ignore": as_ignored(settings.ignore)})

    def on(self, device: Device) -> Settings:
        """Return the settings for this device; raises ValueError for such as no run can have."""
        region = None if self.region is None else box_of(self.region)
        ignore = None if self.ignore is None else float(self.ignore)
        return Settings(**asdict(self) | {"region": region, "ignore": ignore, "device": device})


def as_ignored(value: float | None) -> Ignored:
    """Return the value that is left out of statistics as records have it."""
    return "nan" if is_missing(value) else value
