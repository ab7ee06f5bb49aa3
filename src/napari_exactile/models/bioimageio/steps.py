"""Pre- and postprocessing of bioimage.io as our steps: exactly what is asked for, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_exactile.geometry.words import counted
from napari_exactile.images.normalize.steps import (
    Affine,
    Binarize,
    Clip,
    Known,
    Linear,
    Percentiles,
    PerChannel,
    Step,
    ZScore,
)
from napari_exactile.models.card import Kind
from napari_exactile.models.files.archive import ModelFileError

Range = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Tensor:
    """What steps must know of the tensor that they change: its spatial axes ("yx") and its channels."""

    axes: str
    channels: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an output is after its postprocessing; the fields are those of ModelCard."""

    kind: Kind
    probabilities: bool
    threshold: float = 0.5
    steps: tuple[Known, ...] = ()
    binarized: bool = False


def preprocessing(steps: Sequence[Any], tensor: Tensor) -> tuple[Step, ...]:
    """Return what makes pixels into what the network takes.

    Raises ModelFileError naming a step that cannot be had.
    """
    _check_types([step.kwargs.dtype if step.id == "ensure_dtype" else None for step in steps])
    return tuple(_translated(step, tensor, _BEFORE) for step in steps if step.id != "ensure_dtype")


def postprocessing(steps: Sequence[Any], tensor: Tensor, bounds: Range = (None, None)) -> Meaning:
    """Return what an output means whose values lie within `bounds`, as its description says.

    A sigmoid or softmax comes first, a threshold last, and steps on values stand alone. Raises ModelFileError
    naming a step that cannot be had.
    """
    rest = [step for step in steps if step.id != "ensure_dtype"]
    activation = rest.pop(0) if rest and rest[0].id in {"sigmoid", "softmax"} else None
    threshold = rest.pop() if rest and rest[-1].id == "binarize" else None
    known = tuple(_translated(step, tensor, _AFTER) for step in rest)
    for other in (activation, threshold):
        if rest and other is not None:
            raise refused(rest[0].id, f"beside {other.id}")
    if threshold is not None:
        return _thresholded(activation, threshold, tensor)
    _check_result(steps)
    if activation is not None:
        return _activated(activation, tensor)
    within = bounds[0] is not None and bounds[1] is not None and 0 <= bounds[0] < bounds[1] <= 1
    chances = within and not known
    return Meaning("threshold" if chances else "values", probabilities=chances, steps=known)


def check_modes(written: Sequence[Any] | None) -> None:
    """Refuse statistics of a data set in the steps of a description of version 0.4, as they are written.

    bioimageio.spec loses the mode of some when it makes the newest form of them.
    """
    for step in written or ():
        if (step.get("kwargs") or {}).get("mode") == "per_dataset":
            raise refused(step["name"], "with the statistics of a data set (per_dataset)")


def refused(name: str, why: str) -> ModelFileError:
    """Return the error for a step that cannot be honoured exactly."""
    return ModelFileError(
        f"the package asks for {name} {why}: this cannot be done exactly here; choose another model"
    )


def _translated(step: Any, tensor: Tensor, table: dict[str, Callable[[Any, Tensor], Any]]) -> Any:
    if step.id not in table:
        raise refused(step.id, f"as {'pre' if table is _BEFORE else 'post'}processing")
    return table[step.id](step.kwargs, tensor)


def _z_score(kwargs: Any, tensor: Tensor) -> Step:
    return ZScore(_is_joint("zero_mean_unit_variance", kwargs.axes, tensor), float(kwargs.eps))


def _percentiles(kwargs: Any, tensor: Tensor) -> Step:
    if kwargs.reference_tensor is not None:
        raise refused("scale_range", f"with the percentiles of another tensor ({kwargs.reference_tensor})")
    joint = _is_joint("scale_range", kwargs.axes, tensor)
    return Percentiles(float(kwargs.min_percentile), float(kwargs.max_percentile), joint, float(kwargs.eps))


def _fixed(kwargs: Any, tensor: Tensor) -> Known:
    name = "fixed_zero_mean_unit_variance"
    return Affine(*(_per_channel(name, values, kwargs, tensor) for values in (kwargs.mean, kwargs.std)))


def _linear(kwargs: Any, tensor: Tensor) -> Known:
    return Linear(*(_per_channel("scale_linear", v, kwargs, tensor) for v in (kwargs.gain, kwargs.offset)))


def _clip(kwargs: Any, tensor: Tensor) -> Known:
    if kwargs.min_percentile is not None or kwargs.max_percentile is not None:
        raise refused("clip", "to percentiles")
    return Clip(kwargs.min, kwargs.max)


def _binarize(kwargs: Any, tensor: Tensor) -> Known:
    return Binarize(_per_channel("binarize", kwargs.threshold, kwargs, tensor))


_BEFORE: dict[str, Callable[[Any, Tensor], Step]] = {
    "zero_mean_unit_variance": _z_score,
    "fixed_zero_mean_unit_variance": _fixed,
    "scale_range": _percentiles,
    "scale_linear": _linear,
    "clip": _clip,
    "binarize": _binarize,
}
_AFTER: dict[str, Callable[[Any, Tensor], Known]] = {
    "fixed_zero_mean_unit_variance": _fixed,
    "scale_linear": _linear,
    "clip": _clip,
}


def _is_joint(name: str, axes: Sequence[Any] | None, tensor: Tensor) -> bool:
    """Return whether statistics are those of all channels together; they are always of the whole image."""
    if axes is None:
        return tensor.channels > 1
    names = [str(axis) for axis in axes]
    if "batch" in names:
        raise refused(name, "with the statistics of a data set (per_dataset)")
    if not set(tensor.axes) <= set(names):
        raise refused(name, f"along {', '.join(names) or 'no axis'} only")
    return tensor.channels > 1 and "channel" in names


def _per_channel(name: str, values: float | Sequence[float], kwargs: Any, tensor: Tensor) -> PerChannel:
    """Return one value for all channels, or one for each."""
    if (axis := str(getattr(kwargs, "axis", "channel"))) != "channel":
        raise refused(name, f"along {axis}")
    result = tuple(map(float, values)) if isinstance(values, Sequence) else (float(values),)
    if len(result) not in {1, tensor.channels}:
        raise refused(name, f"with {counted(len(result), 'value')} for {counted(tensor.channels, 'channel')}")
    return result


def _check_types(dtypes: Sequence[str | None]) -> None:
    """Refuse casts that change values. The first one only says what images are meant for the network."""
    for number, dtype in enumerate(dtypes):
        if dtype not in {None, "float32"} and (number > 0 or len(dtypes) == 1):
            raise refused("ensure_dtype", f"to {dtype}, where pixels are computed in float32")


def _check_result(steps: Sequence[Any]) -> None:
    for step in steps:
        if step.id == "ensure_dtype" and step.kwargs.dtype not in {"float32", "float64"}:
            raise refused("ensure_dtype", f"to {step.kwargs.dtype}, which changes what the network returns")


def _activated(activation: Any, tensor: Tensor) -> Meaning:
    """Return what sigmoid and softmax make; they are ours to apply, the network returns logits."""
    if activation.id == "sigmoid":
        return Meaning("threshold", probabilities=False)
    if (axis := str(activation.kwargs.axis)) != "channel":
        raise refused("softmax", f"along {axis}")
    if tensor.channels < 2:
        raise refused("softmax", "over a single channel")
    return Meaning("classes", probabilities=False)


def _thresholded(activation: Any, threshold: Any, tensor: Tensor) -> Meaning:
    if activation is not None and activation.id == "softmax":
        raise refused("binarize", "after softmax")
    values = set(_per_channel("binarize", threshold.kwargs.threshold, threshold.kwargs, tensor))
    if len(values) > 1:
        raise refused("binarize", "with several thresholds")
    if not 0 < min(values) < 1:
        raise refused("binarize", f"at {min(values)}, and thresholds are probabilities between 0 and 1")
    return Meaning("threshold", activation is None, values.pop(), binarized=True)
