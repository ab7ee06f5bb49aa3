"""What a person declares of a network that cannot be exact, so that the usual tiling can approximate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from napari_exactile.geometry.frame import Frame
from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, round_up
from napari_exactile.network.derived import Derived
from napari_exactile.network.gives import Gives, gives
from napari_exactile.network.refused import Refused, refuse_nan, refuse_training
from napari_exactile.network.traced.failures import explained, wrong_axes
from napari_exactile.network.traced.forms import on_device, require_end, unfused
from napari_exactile.network.traced.graph import NotExactError, Refusal
from napari_exactile.network.traced.outputs import Output, WrongSizeError, check_size, pick
from napari_exactile.network.traced.trace import dtype_of, trace
from napari_exactile.torch_state import exact_arithmetic
from napari_exactile.torchscript import is_script

Factor = int | Literal["auto"]

# A network that takes multiples of a smaller power of two takes those of the first one, too.
FACTORS = (32, 64)
# Sides of the tile that is tried, in pixels: small networks of many levels need some room.
TRIED = 64
ON_ZEROS = f"{__name__}:on_zeros"


class NoTilesError(ValueError):
    """Raised for a network that takes no tiles of any size, so that nothing approximates it."""


@dataclass(frozen=True)
class Declared:
    """A refused network and what was found by trying it: whole tiles can be run, nothing is exact.

    Tiles are multiples of `factor`, which a person typed or trying found. `classes` is the number of output
    channels, `gives` what their numbers can be, where the network could be traced at least. There is no
    graph, so that nothing exact can be asked of it; context and radius are None.
    """

    shape: tuple[int, ...]
    channels: int
    refusals: tuple[Refusal, ...]
    output: Output
    factor: tuple[int, ...]
    classes: int
    scores_dtype: torch.dtype
    gives: Gives

    context: ClassVar[None] = None
    radius: ClassVar[None] = None
    paper_radius: ClassVar[None] = None

    @cached_property
    def frame(self) -> Frame:
        """How the image lies on what is tiled: padded to multiples of the factor."""
        return Frame.even(self.shape, self.factor)

    @property
    def padding(self) -> tuple[str, ...]:
        """Return in words, for each axis, what the image is padded to before it is tiled."""
        return self.frame.words

    @cached_property
    def grid(self) -> OutputGrid:
        """An element for each pixel: the tile that was tried had so many."""
        return OutputGrid(self.shape, self.shape, *((Fraction(n),) * len(self.shape) for n in (1, 0)))

    def part(self, zone: Box) -> Box | None:
        """Return the box itself."""
        return zone

    @property
    def precision(self) -> torch.dtype:
        """The type of its output: what it computes in is not known."""
        return self.scores_dtype


@exact_arithmetic()
def declare(module: nn.Module, analysis: Derived | Refused, factor: Factor = "auto") -> Declared:
    """Return what approximate tiles of a refused network go by, after running it on one small tile of zeros.

    `factor` is what tile sizes are multiples of, along every axis; "auto" tries a few. Raises ValueError for
    a model that can be exact, and where the network does not run on tiles of these multiples; NoTilesError
    for one in training mode, which running would change, and for one that gives an output of another size.
    """
    refused = _refused(analysis)
    try:
        refuse_training(module)
        refuse_nan(module)
    except NotExactError as error:
        raise NoTilesError(f"the model cannot be run in tiles: {error.refusals[0]}") from error
    failures: list[str] = []
    kind: type[ValueError] = NoTilesError
    for candidate in FACTORS if factor == "auto" else (factor,):
        try:
            scores = _scores(module, refused, candidate)
        except Exception as error:
            failures.append(_why(error, module, refused, candidate))
            kind = kind if isinstance(error, WrongSizeError) else ValueError
        else:
            return Declared(
                refused.shape, refused.channels, refused.refusals, refused.output,
                (candidate,) * len(refused.shape), scores.shape[1], scores.dtype,
                _gives(module, refused, candidate),
            )  # fmt: skip
    remedy = "" if kind is NoTilesError or not refused.way_out else _remedy(factor)
    raise kind(f"the model cannot be run in tiles: {failures[0]}{remedy}")


def require_declared(analysis: Derived | Refused | Declared) -> Declared:
    """Return what was declared of a network that cannot be exact.

    Raises ValueError for a model that can be exact, and NotExactError for one of which nothing was declared.
    """
    if isinstance(analysis, Declared):
        return analysis
    raise NotExactError(_refused(analysis).refusals)


def _refused(analysis: Derived | Refused) -> Refused:
    """Return what was refused; raise ValueError for what can be exact, whose approximations are a method."""
    if isinstance(analysis, Refused):
        return analysis
    raise ValueError(
        'this model can be exact, so it is not approximated: choose the method "trimmed", or '
        '"whole-tile" for a radius below what it needs'
    )


def _scores(module: nn.Module, refused: Refused, factor: int) -> torch.Tensor:
    """Run the network on a tile whose sides are different multiples of the factor."""
    shape = (1, refused.channels, *_sides(refused.shape, factor))
    require_end(module, shape, ON_ZEROS, loops_only=True)
    scores, image = on_zeros(module, shape)
    scores = pick(scores, refused.output, image)
    check_size(scores, image)
    return scores


def on_zeros(module: nn.Module, shape: tuple[int, ...]) -> tuple[Any, torch.Tensor]:
    """Return what the network makes of an image of zeros, and the image."""
    image = torch.zeros(shape, dtype=dtype_of(module))
    here = on_device(module, image.device)
    run = unfused(here) if is_script(here) else here
    with torch.no_grad():
        return run(image), image


def _gives(module: nn.Module, refused: Refused, factor: int) -> Gives:
    try:
        sides = _sides(refused.shape, factor)
        return gives(trace(module, (1, refused.channels, *sides), refused.output))
    except NotExactError:
        return Gives()


def _sides(shape: Sequence[int], factor: int) -> tuple[int, ...]:
    least = round_up(TRIED, factor)
    return (least + factor, *(least for _ in shape[1:]))


def _why(error: Exception, module: nn.Module, refused: Refused, factor: int) -> str:
    if isinstance(error, WrongSizeError):
        return str(error)
    if isinstance(error, NotExactError):
        return error.refusals[0].reason
    sides = _sides(refused.shape, factor)
    known = wrong_axes(module, len(sides)) or explained(error, module, (1, refused.channels, *sides))
    return ". ".join(filter(None, known[:2]))


def _remedy(factor: Factor) -> str:
    return ". Where it takes multiples of another number, say which (factor)" if factor == "auto" else ""
