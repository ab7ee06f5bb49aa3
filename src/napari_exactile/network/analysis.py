"""What a network needs to be computed exactly in tiles, or why it cannot be, or what is declared instead."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from napari_exactile.geometry.words import times
from napari_exactile.network.declared import Declared
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import WAY_OUT, Refused, refuse_nan, refuse_training
from napari_exactile.network.remembered import remembered
from napari_exactile.network.sizes import Traced, size_dependence
from napari_exactile.network.traced.failures import wrong_axes
from napari_exactile.network.traced.graph import NotExactError, Refusal
from napari_exactile.network.traced.outputs import Output
from napari_exactile.network.whole.freeze import Frozen
from napari_exactile.torch_state import exact_arithmetic

Analysis = Derived | Refused | Declared
# What a run can go by: facts that make it exact, or what a person declared.
Runnable = Derived | Declared


def require_derived(analysis: Analysis) -> Derived:
    """Return what was derived of a network that can be exact; raise NotExactError with reasons otherwise."""
    if isinstance(analysis, Derived):
        return analysis
    raise NotExactError(analysis.refusals, analysis.way_out if isinstance(analysis, Refused) else WAY_OUT)


@exact_arithmetic()
def analyse_module(
    module: nn.Module,
    channels: int,
    shape: Sequence[int],
    output: Output = None,
    padded: Sequence[bool] = (),
) -> Derived | Refused:
    """Analyse `module` for images of `channels` and spatial `shape`; refusals are returned, not raised.

    `output` names the tensor to segment by, where the network returns several.

    The network is traced to find F, and at the size of the image: the reference is one pass over it as it
    is. Axes along which the network does not take it, or does not give a label for each of its strides, and
    those of `padded`, are padded to multiples of F instead, the papers' way. Takes no memory of image size.
    What was found of a network that is still the same is remembered. Raises ValueError for an empty shape.
    """
    shape = tuple(int(length) for length in shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"an image needs at least one pixel along every axis, not shape {shape}")
    flags = tuple(map(bool, padded)) or (False,) * len(shape)

    def evenly() -> Derived:
        return require_derived(analyse_module(module, channels, shape, output, (True,) * len(shape)))

    question = channels, shape, output, flags
    found = remembered(module, question, lambda: _analysed(module, channels, shape, output, flags))
    return found.padded_by(evenly) if isinstance(found, Derived) else found


def _analysed(
    module: nn.Module, channels: int, shape: tuple[int, ...], output: Output, padded: tuple[bool, ...]
) -> Derived | Refused:
    try:
        refuse_training(module)
        refuse_nan(module)
        traced = Traced(module, channels, output, len(shape))
        bound, frozen = traced.at(shape, padded)
        anchors = (*_whole_image(frozen), *bound.anchors, *size_dependence(traced.first, bound))
        derived = Derived(shape, channels, bound, frozen, _nobody, anchors, output)
        _refuse_nothing(derived)
        return derived
    except NotExactError as error:
        axes = wrong_axes(module, len(shape))
        refusals = (Refusal("model", "", *axes, final=True),) if axes else error.refusals
        return Refused(shape, channels, refusals, output)


def _nobody() -> Derived:
    raise AssertionError("what is remembered does not hold on to its network")


def _refuse_nothing(derived: Derived) -> None:
    """Refuse an image that is smaller than the margin that the network cuts off."""
    if min(derived.grid.shape) < 1:
        reason = f"of an image of {times(derived.shape)} px, its margins leave nothing"
        raise NotExactError((Refusal("output", "", reason, "Segment a larger image"),))


def _whole_image(frozen: Frozen) -> tuple[Refusal, ...]:
    reason = "it looks at the whole image"
    return tuple(Refusal(one.operator, one.place, reason) for one in frozen.statistics)
