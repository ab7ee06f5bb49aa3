"""Exact tiled segmentation of images larger than GPU memory.

The names here are public. Each is imported when it is first used, so that importing the package (as napari
does to discover it) loads neither torch nor dask nor zarr.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_exactile.images.objects import Objects
    from napari_exactile.images.open import open_image
    from napari_exactile.images.opened import OpenedImage
    from napari_exactile.models.bioimageio_weights import NeedsConsentError
    from napari_exactile.models.load import Model, load_model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.network.graph import NotExactError, Refusal
    from napari_exactile.network.probe import NotMeasurableError
    from napari_exactile.run.agreement import Agreement, agreement
    from napari_exactile.run.api import analyse, measure_context, segment, segment_whole
    from napari_exactile.run.checked import SpotCheck
    from napari_exactile.run.compare import Comparison, offset_sweep, radius_sweep, tiling_error
    from napari_exactile.run.errors import TilingError
    from napari_exactile.run.model_check import Check, check_model
    from napari_exactile.run.objects import find_objects
    from napari_exactile.run.plan import Plan, plan_tiles
    from napari_exactile.run.report import Result
    from napari_exactile.run.settings import Settings
    from napari_exactile.run.sweep import Sweep, SweepPoint
    from napari_exactile.run.verify import Verification, verify

__version__ = "0.1.0.dev0"

_HOMES = {
    "Agreement": "run.agreement",
    "Analysis": "network.analysis",
    "Check": "run.model_check",
    "Comparison": "run.compare",
    "Model": "models.load",
    "NeedsConsentError": "models.bioimageio_weights",
    "NotExactError": "network.graph",
    "NotMeasurableError": "network.probe",
    "Objects": "images.objects",
    "OpenedImage": "images.opened",
    "Plan": "run.plan",
    "Refusal": "network.graph",
    "Result": "run.report",
    "Settings": "run.settings",
    "SpotCheck": "run.checked",
    "Sweep": "run.sweep",
    "SweepPoint": "run.sweep",
    "TilingError": "run.errors",
    "Verification": "run.verify",
    "agreement": "run.agreement",
    "analyse": "run.api",
    "check_model": "run.model_check",
    "find_objects": "run.objects",
    "load_model": "models.load",
    "measure_context": "run.api",
    "offset_sweep": "run.compare",
    "open_image": "images.open",
    "plan_tiles": "run.plan",
    "radius_sweep": "run.compare",
    "segment": "run.api",
    "segment_whole": "run.api",
    "tiling_error": "run.compare",
    "verify": "run.verify",
}

__all__ = [
    "Agreement",
    "Analysis",
    "Check",
    "Comparison",
    "Model",
    "NeedsConsentError",
    "NotExactError",
    "NotMeasurableError",
    "Objects",
    "OpenedImage",
    "Plan",
    "Refusal",
    "Result",
    "Settings",
    "SpotCheck",
    "Sweep",
    "SweepPoint",
    "TilingError",
    "Verification",
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
    "segment_whole",
    "tiling_error",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
