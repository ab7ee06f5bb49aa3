"""Exact tiled segmentation of images larger than GPU memory.

The names here are public. Each is imported when it is first used, so that importing the package (as napari
does to discover it) loads neither torch nor dask nor zarr.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_exactile.version import __version__ as __version__

if TYPE_CHECKING:
    from napari_exactile.evaluate.agreement import Agreement, agreement
    from napari_exactile.evaluate.compare import Comparison, offset_sweep, radius_sweep, tiling_error
    from napari_exactile.evaluate.errors import TilingError
    from napari_exactile.evaluate.objects import find_objects
    from napari_exactile.evaluate.sweep import Sweep, SweepPoint
    from napari_exactile.images.about.opened import OpenedImage
    from napari_exactile.images.objects.objects import Objects
    from napari_exactile.images.read.open import open_image
    from napari_exactile.models.bioimageio.weights import NeedsConsentError
    from napari_exactile.models.load import Model, load_model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.network.probe import NotMeasurableError
    from napari_exactile.network.traced.graph import NotExactError, Refusal
    from napari_exactile.run.api import segment, segment_whole
    from napari_exactile.run.check.model_check import Check, check_model
    from napari_exactile.run.engine.local.checked import SpotCheck
    from napari_exactile.run.engine.result import Result
    from napari_exactile.run.plan.analyse import analyse, measure_context
    from napari_exactile.run.plan.plan import Plan, plan_tiles
    from napari_exactile.run.plan.settings import Settings
    from napari_exactile.run.store.verify import Verification, verify

_HOMES = {
    "Agreement": "evaluate.agreement",
    "Analysis": "network.analysis",
    "Check": "run.check.model_check",
    "Comparison": "evaluate.compare",
    "Model": "models.load",
    "NeedsConsentError": "models.bioimageio.weights",
    "NotExactError": "network.traced.graph",
    "NotMeasurableError": "network.probe",
    "Objects": "images.objects.objects",
    "OpenedImage": "images.about.opened",
    "Plan": "run.plan.plan",
    "Refusal": "network.traced.graph",
    "Result": "run.engine.result",
    "Settings": "run.plan.settings",
    "SpotCheck": "run.engine.local.checked",
    "Sweep": "evaluate.sweep",
    "SweepPoint": "evaluate.sweep",
    "TilingError": "evaluate.errors",
    "Verification": "run.store.verify",
    "agreement": "evaluate.agreement",
    "analyse": "run.plan.analyse",
    "check_model": "run.check.model_check",
    "find_objects": "evaluate.objects",
    "load_model": "models.load",
    "measure_context": "run.plan.analyse",
    "offset_sweep": "evaluate.compare",
    "open_image": "images.read.open",
    "plan_tiles": "run.plan.plan",
    "radius_sweep": "evaluate.compare",
    "segment": "run.api",
    "segment_whole": "run.api",
    "tiling_error": "evaluate.compare",
    "verify": "run.store.verify",
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
