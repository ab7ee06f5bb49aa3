"""What a person declares of a network that cannot be exact, so that the usual tiling can approximate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import torch
from torch import nn

from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, round_up
from napari_exactile.network.analysis import Analysis, refuse_nan, refuse_training
from napari_exactile.network.gives import Gives, gives
from napari_exactile.network.traced.failures import explained, wrong_axes
from napari_exactile.network.traced.forms import on_device, require_end, unfused
from napari_exactile.network.traced.graph import NotExactError
from napari_exactile.network.traced.outputs import WrongSizeError, check_size, pick
from napari_exactile.network.traced.trace import dtype_of, trace
from napari_exactile.torch_state import exact_arithmetic
from napari_exactile.torchscript import is_script

Factor = int | Literal["auto"]

# A network that takes multiples of a smaller power of two takes those of the first one, too.
FACTORS = (32, 64)
# Sides of the tile that is tried, in pixels: small networks of many levels need some room.
TRIED = 64
ON_ZEROS = f"{__name__}:on_zeros"


@dataclass(frozen=True)
class Declared(Analysis):
    """A refused network and the size factor that it was tried with: whole tiles can be run, nothing is exact.

    There is no graph, so that everything exact raises NotExactError as it does for the analysis itself.
    """

    multiples: tuple[int, ...] = ()
    channels_out: int = 0
    dtype: torch.dtype = torch.float32
    last: Gives = field(default_factory=Gives)

    @cached_property
    def factor(self) -> tuple[int, ...]:
        """Tiles are multiples of it: typed by a person, or found by trying."""
        return self.multiples

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Return the shape of the image, padded to multiples of the factor."""
        return tuple(round_up(n, f) for n, f in zip(self.shape, self.multiples, strict=True))

    @cached_property
    def grid(self) -> OutputGrid:
        """An element for each pixel: the tile that was tried had so many."""
        return OutputGrid(self.shape, self.shape, *((Fraction(n),) * len(self.shape) for n in (1, 0)))

    def part(self, zone: Box) -> Box | None:
        """Return the box itself."""
        return zone

    @property
    def classes(self) -> int:
        """Return the number of output channels."""
        return self.channels_out

    @property
    def scores_dtype(self) -> torch.dtype:
        """Return the type of the network's output."""
        return self.dtype

    @cached_property
    def gives(self) -> Gives:
        """What the numbers of its output can be, where the network could be traced at least."""
        return self.last


@exact_arithmetic()
def declare(module: nn.Module, analysis: Analysis, factor: Factor = "auto") -> Declared:
    """Return what approximate tiles of a refused network go by, after running it on one small tile of zeros.

    `factor` is what tile sizes are multiples of, along every axis; "auto" tries a few. Raises ValueError for
    a model that can be exact, for one in training mode, which running would change, and where the network
    does not run on tiles of any multiple or gives an output of another size.
    """
    refuse_exact(analysis)
    try:
        refuse_training(module)
        refuse_nan(module)
    except NotExactError as error:
        raise ValueError(f"the model cannot be run in tiles: {error.refusals[0]}") from error
    failures = []
    for candidate in FACTORS if factor == "auto" else (factor,):
        try:
            scores = _scores(module, analysis, candidate)
        except Exception as error:
            failures.append(_why(error, module, analysis, candidate))
        else:
            facts = analysis.shape, analysis.channels, analysis.refusals
            return Declared(
                *facts, output=analysis.output, multiples=(candidate,) * len(analysis.shape),
                channels_out=scores.shape[1], dtype=scores.dtype, last=_gives(module, analysis, candidate),
            )  # fmt: skip
    raise ValueError(f"the model cannot be run in tiles: {failures[0]}{_remedy(factor)}")


def refuse_exact(analysis: Analysis) -> None:
    """Raise ValueError for a model that can be exact: there, an approximation has a method of its own."""
    if not analysis.refusals:
        raise ValueError(
            'this model can be exact, so it is not approximated: choose the method "trimmed", or '
            '"whole-tile" for a radius below what it needs'
        )


def _scores(module: nn.Module, analysis: Analysis, factor: int) -> torch.Tensor:
    """Run the network on a tile whose sides are different multiples of the factor."""
    shape = (1, analysis.channels, *_sides(analysis.shape, factor))
    require_end(module, shape, ON_ZEROS, loops_only=True)
    scores, image = on_zeros(module, shape)
    scores = pick(scores, analysis.output, image)
    check_size(scores, image)
    return scores


def on_zeros(module: nn.Module, shape: tuple[int, ...]) -> tuple[Any, torch.Tensor]:
    """Return what the network makes of an image of zeros, and the image."""
    image = torch.zeros(shape, dtype=dtype_of(module))
    here = on_device(module, image.device)
    run = unfused(here) if is_script(here) else here
    with torch.no_grad():
        return run(image), image


def _gives(module: nn.Module, analysis: Analysis, factor: int) -> Gives:
    try:
        sides = _sides(analysis.shape, factor)
        return gives(trace(module, (1, analysis.channels, *sides), analysis.output))
    except NotExactError:
        return Gives()


def _sides(shape: Sequence[int], factor: int) -> tuple[int, ...]:
    least = round_up(TRIED, factor)
    return (least + factor, *(least for _ in shape[1:]))


def _why(error: Exception, module: nn.Module, analysis: Analysis, factor: int) -> str:
    if isinstance(error, WrongSizeError):
        return str(error)
    if isinstance(error, NotExactError):
        return error.refusals[0].reason
    sides = _sides(analysis.shape, factor)
    known = wrong_axes(module, len(sides)) or explained(error, module, (1, analysis.channels, *sides))
    return ". ".join(known)


def _remedy(factor: Factor) -> str:
    return ". Where it takes multiples of another number, say which (factor)" if factor == "auto" else ""
