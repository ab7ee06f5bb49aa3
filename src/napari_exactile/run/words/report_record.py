"""What the report of a run says, section by section, as stores keep it in `report.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self

from msgspec import UNSET, UnsetType

from napari_exactile.geometry.interval import sides_of
from napari_exactile.images.normalize.steps import Known, Step
from napari_exactile.record import Count, Number, Record, Side
from napari_exactile.run.engine.checked import CheckedWindow, SpotCheck
from napari_exactile.run.plan.settings_record import Ignored
from napari_exactile.run.task.origin import ImageOrigin, ModelOrigin
from napari_exactile.version import REPORT_FORMAT


class ImageSection(ImageOrigin, frozen=True, kw_only=True):
    """The image: where it came from, its shape, and hashes by which it is known again."""

    shape: tuple[int, ...]
    channels: int
    content: str
    file: str | None = None


class ModelSection(ModelOrigin, frozen=True, kw_only=True):
    """The model: where it came from, and a hash of its operators and weights."""

    content: str


class TilingSection(Record, frozen=True, kw_only=True):
    """The tiles; lengths are in pixels of the image, one for each of its axes."""

    method: str
    size_factor: tuple[int, ...]
    # Unset where all images were padded.
    padding: tuple[str, ...] | UnsetType = UNSET
    context: tuple[Side, ...] | None
    radius: tuple[int, ...]
    zone: tuple[int, ...]
    region: tuple[Side, ...] | None
    planes: Count
    tiles: Count
    tiles_done: Count
    passes: Count
    redundancy: Number


class OutputSection(Record, frozen=True, kw_only=True):
    """What the labels are, and the grid that they lie on."""

    kind: str
    scale: str = ""
    threshold: Number | None
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    stride: tuple[Number, ...]
    offset: tuple[Number, ...]
    near_ties: Count
    nan_pixels: Count = 0


class MeasuredPlane(Record, frozen=True, kw_only=True):
    """What one plane of a stack was normalised by."""

    plane: tuple[int, ...]
    steps: tuple[Known, ...]
    words: tuple[str, ...]


class NormalizationSection(Record, frozen=True, kw_only=True):
    """What was asked for, and what each plane was normalised by, as far as it was measured."""

    steps: tuple[Step, ...]
    ignore: Ignored
    together: bool
    measured: tuple[MeasuredPlane, ...]


class ComputingSection(Record, frozen=True, kw_only=True):
    """What computed the labels, and how; `seconds` are those of all runs."""

    device: str
    device_name: str
    dtype: str
    arithmetic: str
    memory_layout: str
    statistics: str
    seconds: Number


class DatesSection(Record, frozen=True, kw_only=True):
    """When the labels were begun and when the last run ended, in UTC, and how many runs there were."""

    begun: str
    ended: str | None
    runs: Count


class WindowRecord(Record, frozen=True, kw_only=True):
    """What was found in one window; see `CheckedWindow`."""

    plane: tuple[int, ...]
    box: tuple[Side, ...]
    labels: Count
    differing: Count
    near_ties: Count
    scores: Count
    rmse: Number | None
    largest: Number | None

    @classmethod
    def said_of(cls, window: CheckedWindow) -> Self:
        """Return what is to be kept of a window."""
        return cls(**asdict(window) | {"box": sides_of(window.box)})


class CheckSection(Record, frozen=True, kw_only=True):
    """A check of random windows and its sums; see `SpotCheck`."""

    seed: int
    how: str
    reason: str
    agrees: bool
    labels: Count
    differing: Count
    near_ties: Count
    rmse: Number | None
    largest: Number | None
    windows: tuple[WindowRecord, ...]

    @classmethod
    def said_of(cls, check: SpotCheck) -> Self:
        """Return what is to be kept of a check."""
        same = {name: getattr(check, name) for name in cls.__struct_fields__}
        return cls(**same | {"windows": tuple(map(WindowRecord.said_of, check.windows))})


class ReportRecord(Record, frozen=True, kw_only=True):
    """All that is known of how labels came about."""

    format: int = REPORT_FORMAT
    complete: bool
    exact: bool
    result: str
    edited: bool | UnsetType = UNSET
    reason: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reference: str
    image: ImageSection
    model: ModelSection
    tiling: TilingSection
    output: OutputSection
    normalization: NormalizationSection
    computing: ComputingSection
    dates: DatesSection
    versions: dict[str, str]
    # What a settings file would say; unset in reports of earlier versions.
    settings: dict[str, Any] | UnsetType = UNSET
    spot_check: CheckSection | None

    @classmethod
    def known(cls, content: dict[str, Any]) -> Self:
        """Return the report that a file holds; raises ValueError where it is of another version, or wrong."""
        if content.get("format") != REPORT_FORMAT:
            raise ValueError("the report was written by another version of napari-exactile")
        return cls.of(content)
