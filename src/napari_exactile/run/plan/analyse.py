"""What a model needs for images of a size: derived from it, declared instead, or measured."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from napari_exactile.models.load import Model, load_model
from napari_exactile.network import probe
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.network.declared import declare
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused, labels_of
from napari_exactile.run.plan import given
from napari_exactile.run.plan.settings import Padding, Settings
from napari_exactile.run.plan.sizes import forbidden

ModelLike = str | nn.Module | Model


def analyse(model: ModelLike, shape: Sequence[int], padding: Padding = "auto") -> Derived | Refused:
    """Return F, context and radius of a model for images of spatial `shape`; no pixels are touched.

    `padding` is that of Settings. A model that cannot be exact, or gives labels instead of scores, comes back
    as Refused, with its `refusals`.
    Raises ValueError for an unknown model or an empty shape.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> ex.analyse("colonies-demo", (512, 512)).radius
    (96, 96)
    >>> ex.analyse(nn.Conv2d(1, 2, 5, padding=2).eval(), (512, 512)).context
    ((2, 2), (2, 2))
    """
    loaded, shape = load_model(model), given.shape(shape)
    padded = (True,) * len(shape) if padding == "always" else forbidden(loaded.card, shape)
    analysis = analyse_module(loaded.module, loaded.card.channels, shape, loaded.card.output, padded)
    labels = labels_of(analysis.graph) if isinstance(analysis, Derived) else None
    return Refused(analysis.shape, analysis.channels, (labels,), analysis.output) if labels else analysis


def measure_context(
    model: ModelLike, shape: Sequence[int], factor: Sequence[int] | None = None
) -> tuple[tuple[int, int], ...]:
    """Return the pixels (before, after) an F-aligned zone that it depends on, measured with NaN, per axis.

    The unchanged network runs on images of at most the spatial `shape`, thinner where that is enough.
    `factor` replaces F for a model that `analyse` refuses. Raises NotMeasurableError (a ValueError) where an
    operator swallows NaN, and ValueError for a `shape` too small, naming one that is large enough.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> ex.measure_context(nn.Conv2d(1, 2, 5, padding=2).eval(), (64, 64))
    ((2, 2), (2, 2))
    """
    loaded, shape = load_model(model), given.shape(shape)
    factor = None if factor is None else given.shape(factor, "a factor")
    return probe.measure_context(loaded.module, loaded.card.channels, shape, factor, loaded.card.output)


def analysis_for(model: Model, shape: Sequence[int], settings: Settings) -> Analysis:
    """Return what a run with these settings goes by: the analysis, or what was declared instead of one.

    Raises as `declare` does where the settings are approximate.
    """
    analysis = analyse(model, shape, settings.padding)
    if settings.method != "approximate":
        return analysis
    return declare(model.module, analysis, settings.factor)
