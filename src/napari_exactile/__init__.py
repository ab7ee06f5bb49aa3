"""Exact tiled segmentation of images larger than GPU memory.

The names here are public. Each is imported when it is first used, so that importing the package (as napari
does to discover it) loads neither torch nor dask nor zarr.
"""

from typing import TYPE_CHECKING

import lazy_loader

from napari_exactile.version import __version__ as __version__

if TYPE_CHECKING:
    from napari_exactile.evaluate.agreement import Agreement, agreement
    from napari_exactile.evaluate.comparison import Comparison, offset_sweep, radius_sweep, tiling_error
    from napari_exactile.evaluate.errors import TilingError
    from napari_exactile.evaluate.find_objects import find_objects
    from napari_exactile.evaluate.sweep import Sweep, SweepPoint
    from napari_exactile.geometry.interval import Interval
    from napari_exactile.images.about.chosen import NoSuchImageError
    from napari_exactile.images.about.incomplete import IncompleteError
    from napari_exactile.images.about.opened import OpenedImage
    from napari_exactile.images.normalize.steps import (
        Affine,
        Binarize,
        Clip,
        Fill,
        Linear,
        Percentiles,
        ZScore,
    )
    from napari_exactile.images.objects.objects import Objects
    from napari_exactile.images.read.fingerprint import ChangedError
    from napari_exactile.images.read.open import open_image
    from napari_exactile.images.reading import MaskedError
    from napari_exactile.images.source import ImageSource
    from napari_exactile.images.store.folder import StoreGoneError
    from napari_exactile.images.store.lock import InUseError
    from napari_exactile.models.bioimageio.weights import NeedsConsentError
    from napari_exactile.models.files.archive import ModelFileError
    from napari_exactile.models.load import Model, load_model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.probe import NotMeasurableError
    from napari_exactile.network.refused import Refused
    from napari_exactile.network.traced.graph import NotExactError, Refusal
    from napari_exactile.run.api import segment, segment_whole
    from napari_exactile.run.check.model_check import ModelCheck, check_model
    from napari_exactile.run.engine.checked import SpotCheck
    from napari_exactile.run.engine.control import Control
    from napari_exactile.run.engine.events import (
        Advanced,
        Checking,
        Finished,
        Measuring,
        Paused,
        PlaneStarted,
        Ready,
        StoreOpened,
        Surveying,
        TileError,
        TileFinished,
        TileHalved,
        TileShown,
        TileStarted,
    )
    from napari_exactile.run.engine.result import Report, Result
    from napari_exactile.run.lazy import segment_lazy
    from napari_exactile.run.many.api import segment_many
    from napari_exactile.run.many.events import ImageEnded, ImageStarted, ImageStep, MeasuringAll
    from napari_exactile.run.many.rows import ImageRow, Summary
    from napari_exactile.run.plan.analyse import analyse, measure_context
    from napari_exactile.run.plan.plan import Plan, plan_tiles
    from napari_exactile.run.plan.settings import Settings
    from napari_exactile.run.store.verify import Verification, verify
    from napari_exactile.run.task.chosen import OtherModelError, SettingsFile
    from napari_exactile.stopping import Cancelled

_HOMES = {
    "evaluate.agreement": ["Agreement", "agreement"],
    "evaluate.comparison": ["Comparison", "offset_sweep", "radius_sweep", "tiling_error"],
    "evaluate.errors": ["TilingError"],
    "evaluate.find_objects": ["find_objects"],
    "evaluate.sweep": ["Sweep", "SweepPoint"],
    "geometry.interval": ["Interval"],
    "images.about.chosen": ["NoSuchImageError"],
    "images.about.incomplete": ["IncompleteError"],
    "images.about.opened": ["OpenedImage"],
    "images.normalize.steps": ["Affine", "Binarize", "Clip", "Fill", "Linear", "Percentiles", "ZScore"],
    "images.objects.objects": ["Objects"],
    "images.read.fingerprint": ["ChangedError"],
    "images.read.open": ["open_image"],
    "images.reading": ["MaskedError"],
    "images.source": ["ImageSource"],
    "images.store.folder": ["StoreGoneError"],
    "images.store.lock": ["InUseError"],
    "models.bioimageio.weights": ["NeedsConsentError"],
    "models.files.archive": ["ModelFileError"],
    "models.load": ["Model", "load_model"],
    "network.analysis": ["Analysis"],
    "network.derived": ["Derived"],
    "network.probe": ["NotMeasurableError"],
    "network.refused": ["Refused"],
    "network.traced.graph": ["NotExactError", "Refusal"],
    "run.api": ["segment", "segment_whole"],
    "run.check.model_check": ["ModelCheck", "check_model"],
    "run.engine.checked": ["SpotCheck"],
    "run.engine.control": ["Control"],
    "run.engine.events": [
        "Advanced",
        "Checking",
        "Finished",
        "Measuring",
        "Paused",
        "PlaneStarted",
        "Ready",
        "StoreOpened",
        "Surveying",
        "TileError",
        "TileFinished",
        "TileHalved",
        "TileShown",
        "TileStarted",
    ],
    "run.engine.result": ["Report", "Result"],
    "run.lazy": ["segment_lazy"],
    "run.many.api": ["segment_many"],
    "run.many.events": ["ImageEnded", "ImageStarted", "ImageStep", "MeasuringAll"],
    "run.many.rows": ["ImageRow", "Summary"],
    "run.plan.analyse": ["analyse", "measure_context"],
    "run.plan.plan": ["Plan", "plan_tiles"],
    "run.plan.settings": ["Settings"],
    "run.store.verify": ["Verification", "verify"],
    "run.task.chosen": ["OtherModelError", "SettingsFile"],
    "stopping": ["Cancelled"],
}

__all__ = [
    "Advanced",
    "Affine",
    "Agreement",
    "Analysis",
    "Binarize",
    "Cancelled",
    "ChangedError",
    "Checking",
    "Clip",
    "Comparison",
    "Control",
    "Derived",
    "Fill",
    "Finished",
    "ImageEnded",
    "ImageRow",
    "ImageSource",
    "ImageStarted",
    "ImageStep",
    "InUseError",
    "IncompleteError",
    "Interval",
    "Linear",
    "MaskedError",
    "Measuring",
    "MeasuringAll",
    "Model",
    "ModelCheck",
    "ModelFileError",
    "NeedsConsentError",
    "NoSuchImageError",
    "NotExactError",
    "NotMeasurableError",
    "Objects",
    "OpenedImage",
    "OtherModelError",
    "Paused",
    "Percentiles",
    "Plan",
    "PlaneStarted",
    "Ready",
    "Refusal",
    "Refused",
    "Report",
    "Result",
    "Settings",
    "SettingsFile",
    "SpotCheck",
    "StoreGoneError",
    "StoreOpened",
    "Summary",
    "Surveying",
    "Sweep",
    "SweepPoint",
    "TileError",
    "TileFinished",
    "TileHalved",
    "TileShown",
    "TileStarted",
    "TilingError",
    "Verification",
    "ZScore",
    "agreement",
    "analyse",
    "check_model",
    "find_objects",
    "load_model",
    "measure_context",
    "offset_sweep",
    "open_image",
    "plan_tiles",
    "radius_sweep",
    "segment",
    "segment_lazy",
    "segment_many",
    "segment_whole",
    "tiling_error",
    "verify",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
