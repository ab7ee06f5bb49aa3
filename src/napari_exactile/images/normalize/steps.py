"""How pixels become what a network takes: steps that are asked for, and their forms with measured values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from napari_exactile.geometry.words import counted
from napari_exactile.record import Number

if TYPE_CHECKING:  # numpy takes longer to import than all that needs nothing but these names
    from numpy.typing import DTypeLike, NDArray

    Pixels = NDArray[Any]

PerChannel = tuple[Number, ...]


class _Step(msgspec.Struct, frozen=True, tag_field="step", tag=True):
    """One step, which JSON keeps under its name."""


class ZScore(_Step, frozen=True):
    """Ask for (x - mean) / (standard deviation + eps) of the whole image, per channel or `joint`.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.arange(64).reshape(8, 8), nn.Conv2d(1, 2, 3, padding=1).eval()
    >>> ex.segment(image, model, normalization=(ex.ZScore(),)).report.normalization.describe()
    'minus 31.5, by 18.473'
    """

    joint: bool = False
    eps: Number = 0.0


class Percentiles(_Step, frozen=True):
    """Ask for the range between two percentiles of the whole image to become 0 .. 1; 0 and 100 is min-max.

    (x - low) / (high - low + eps), per channel or `joint`; percentiles interpolate as numpy's do.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.arange(101).reshape(1, 101), nn.Conv2d(1, 2, 3, padding=1).eval()
    >>> ex.segment(image, model, normalization=(ex.Percentiles(10, 90),)).report.normalization.describe()
    'minus 10, by 80'
    """

    low: Number = 0.0
    high: Number = 100.0
    joint: bool = False
    eps: Number = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(f"percentiles rise from 0 to 100, not from {self.low} to {self.high}")


class Affine(_Step, frozen=True):
    """(x - mean) / std: one value per channel, or one for all.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> ex.Affine(mean=(120.0,), std=(40.0,)).apply(np.array([[100.0, 200.0]]))
    array([[-0.5,  2. ]])
    """

    mean: PerChannel
    std: PerChannel

    def __post_init__(self) -> None:
        if 0 in self.std:
            raise ValueError("pixels cannot be divided by a standard deviation of 0: give one above 0")

    def apply(self, pixels: Pixels) -> Pixels:
        """Change `pixels` (channels first) in place, computing in their type."""
        pixels -= _column(self.mean, pixels)
        pixels /= _column(self.std, pixels)
        return pixels

    def describe(self) -> str:
        """Return it in words."""
        return f"minus {_listed(self.mean)}, by {_listed(self.std)}"


class Linear(_Step, frozen=True):
    """x * gain + offset: one value per channel, or one for all.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> ex.Linear(gain=(2.0,), offset=(1.0,)).apply(np.array([[0.0, 0.5]]))
    array([[1., 2.]])
    """

    gain: PerChannel
    offset: PerChannel

    def apply(self, pixels: Pixels) -> Pixels:
        """Change `pixels` (channels first) in place, computing in their type."""
        pixels *= _column(self.gain, pixels)
        pixels += _column(self.offset, pixels)
        return pixels

    def describe(self) -> str:
        """Return it in words."""
        return f"times {_listed(self.gain)}, plus {_listed(self.offset)}"


class Clip(_Step, frozen=True):
    """Values below `low` become `low`, values above `high` become `high`; None is no limit.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> ex.Clip(0, None).apply(np.array([[-2.0, 0.5]]))
    array([[0. , 0.5]])
    """

    low: Number | None
    high: Number | None

    def apply(self, pixels: Pixels) -> Pixels:
        """Change `pixels` in place."""
        if self.low is not None or self.high is not None:
            limits: Any = self.low, self.high
            pixels.clip(*limits, out=pixels)
        return pixels

    def describe(self) -> str:
        """Return it in words."""
        return f"clipped to {self.low} .. {self.high}"


class Binarize(_Step, frozen=True):
    """1 above the threshold of the channel, 0 elsewhere.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> ex.Binarize(threshold=(0.5,)).apply(np.array([[0.4, 0.6]]))
    array([[0., 1.]])
    """

    threshold: PerChannel

    def apply(self, pixels: Pixels) -> Pixels:
        """Change `pixels` (channels first) in place."""
        pixels[...] = pixels > _column(self.threshold, pixels)
        return pixels

    def describe(self) -> str:
        """Return it in words."""
        return f"1 above {_listed(self.threshold)}"


class Fill(_Step, frozen=True):
    """NaN becomes a value: one per channel, or one for all. `pixels` is how many had it, if known.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> ex.Fill(value=(0.0,)).apply(np.array([[np.nan, 3.0]]))
    array([[0., 3.]])
    """

    value: PerChannel
    pixels: int | None = None

    def apply(self, pixels: Pixels) -> Pixels:
        """Change `pixels` (channels first) in place."""
        import numpy as np

        np.copyto(pixels, _column(self.value, pixels), where=np.isnan(pixels))
        return pixels

    def describe(self) -> str:
        """Return it in words."""
        counts = f" ({counted(self.pixels, 'pixel')})" if self.pixels is not None else ""
        return f"NaN becomes {_listed(self.value)}{counts}"


Known = Affine | Linear | Clip | Binarize | Fill
Step = ZScore | Percentiles | Known


@dataclass(frozen=True, slots=True)
class Normalization:
    """Steps with all their values known, applied in order."""

    steps: tuple[Known, ...] = ()

    def apply(self, block: Pixels, dtype: DTypeLike = "float32") -> Pixels:
        """Return a normalised copy of `block` (channels first) as `dtype`.

        Each pixel is computed on its own and in `dtype`, so it does not matter how an image is cut. What is
        beyond that type becomes infinite.
        """
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            result: Pixels = block.astype(dtype)
            for step in self.steps:
                result = step.apply(result)
        return result

    def describe(self) -> str:
        """Return the steps in words."""
        return "; ".join(step.describe() for step in self.steps) or "as it is"


def check_values(steps: Sequence[Step], channels: int, name: str) -> None:
    """Raise ValueError where a step has neither one value nor one for each channel of an image."""
    for step in steps:
        wrong = [len(values) for values in _values(step) if len(values) not in {1, channels}]
        if wrong:
            raise ValueError(
                f"normalization has {counted(wrong[0], 'value')}, but the channels of '{name}' are "
                f"{channels}: give one value, or one for each"
            )


def _values(step: Step) -> tuple[PerChannel, ...]:
    match step:
        case Affine(mean, std):
            return mean, std
        case Linear(gain, offset):
            return gain, offset
        case Binarize(threshold):
            return (threshold,)
        case Fill(value):
            return (value,)
    return ()


def _column(values: PerChannel, pixels: Pixels) -> Pixels:
    import numpy as np

    return np.asarray(values, pixels.dtype).reshape(-1, *(1,) * (pixels.ndim - 1))


def _listed(values: PerChannel) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
