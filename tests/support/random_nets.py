"""Networks drawn by hypothesis from every kind of operator; with integers alone, every sum is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import LARGEST, MODULUS, Applied

# F stays so small that images of a few dozen pixels have several zones, and grids no finer than halves.
LARGEST_FACTOR, FINEST = 12, Fraction(1, 2)
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}

Strides = tuple[Fraction, ...]


class Network(nn.Module):
    """Steps in sequence, of which each may also read the result of an earlier one (0 is the image)."""

    def __init__(self, steps: list[tuple[nn.Module, int | None]]) -> None:
        super().__init__()
        self.steps, self.others = nn.ModuleList(step for step, _ in steps), [other for _, other in steps]

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for step, other in zip(self.steps, self.others, strict=True):
            made.append(step(made[-1]) if other is None else step.function(made[-1], made[other]))
        return made[-1]


@dataclass
class Drawn:
    """A network that is being drawn: its steps, and the channels and strides of all that they make."""

    draw: Callable[..., Any]
    axes: int
    steps: list[tuple[nn.Module, int | None]] = field(default_factory=list)
    channels: list[int] = field(default_factory=lambda: [1])
    strides: list[Strides] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def each(self, low: int, high: int) -> tuple[int, ...]:
        """Draw a number for every axis; the axes differ."""
        return tuple(self.number(low, high) for _ in range(self.axes))

    def add(
        self, name: str, function: Callable[..., Tensor], *layers: nn.Module,
        channels: int | None = None, scale: tuple[Fraction | int, ...] = (), other: int | None = None,
    ) -> None:  # fmt: skip
        """Append a step; `scale` are its input elements per output element along every axis."""
        self.steps.append((Applied(function, *layers), other))
        self.channels.append(self.channels[-1] if channels is None else channels)
        self.strides.append(scaled(self.strides[-1], scale) if scale else self.strides[-1])
        self.names.append(name)

    def fits(self, scale: tuple[Fraction | int, ...]) -> bool:
        """Return whether F and the grid stay moderate after a step of this scale."""
        every = [*self.strides, scaled(self.strides[-1], scale)]
        factors = (lcm(*(strides[axis].numerator for strides in every)) for axis in range(self.axes))
        return max(factors) <= LARGEST_FACTOR and min(every[-1]) >= FINEST

    def scale(self, high: int, *, up: bool = False) -> tuple[int, ...]:
        """Draw a step for every axis, 1 where more does not fit."""
        drawn = self.each(1, high)
        fits = self.fits(tuple(Fraction(1, n) for n in drawn) if up else drawn)
        return drawn if fits else (1,) * self.axes


def scaled(strides: Strides, scale: tuple[Fraction | int, ...]) -> Strides:
    return tuple(stride * step for stride, step in zip(strides, scale, strict=True))


def pads(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Return padding as torch counts it, from the last axis to the first."""
    return [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]


def enough(drawn: Drawn, span: tuple[int, ...], padding: tuple[int, ...]) -> list[int]:
    """Draw padding that makes any tensor of one element or more as long as a window."""
    before = drawn.each(0, 1)
    after = tuple(max(0, s - 1 - 2 * p - b) for s, p, b in zip(span, padding, before, strict=True))
    return pads(before, after)


def wrapped(x: Tensor) -> Tensor:
    return torch.remainder(x, MODULUS)


def convolution(drawn: Drawn) -> None:
    kernel, dilation, out = drawn.each(1, 4), drawn.each(1, 2), drawn.number(1, 3)
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    padding, step = tuple(drawn.number(0, s // 2) for s in span), drawn.scale(3)
    more = enough(drawn, span, padding)
    layer = CONV[drawn.axes](drawn.channels[-1], out, kernel, step, padding, dilation)

    def run(x: Tensor, layer: nn.Module) -> Tensor:
        return wrapped(layer(F.pad(x, more, value=1.0)))

    drawn.add("convolution", run, layer, channels=out, scale=step)


def transposed(drawn: Drawn) -> None:
    step, kernel, dilation = drawn.scale(3, up=True), drawn.each(1, 4), drawn.each(1, 2)
    pairs = list(zip(step, dilation, strict=True))
    extra = tuple(drawn.number(0, max(pair) - 1) for pair in pairs)
    least = [d * (k - 1) + e for k, d, e in zip(kernel, dilation, extra, strict=True)]
    padding, out = tuple(drawn.number(0, n // 2) for n in least), drawn.number(1, 3)
    layer = TRANSPOSED[drawn.axes](
        drawn.channels[-1], out, kernel, step, padding, extra, dilation=dilation
    )  # fmt: skip
    up = tuple(Fraction(1, n) for n in step)
    drawn.add("transposed convolution", lambda x, layer: wrapped(layer(x)), layer, channels=out, scale=up)


def max_pooling(drawn: Drawn) -> None:
    step, dilation = drawn.scale(3), drawn.number(1, 2)
    kernel, ceil = tuple(drawn.number(1, 4) for _ in step), drawn.draw(st.booleans())
    padding = tuple(drawn.number(0, k // 2) for k in kernel)
    more = enough(drawn, tuple(dilation * (k - 1) + 1 for k in kernel), padding)

    def run(x: Tensor) -> Tensor:
        return MAX_POOL[drawn.axes](F.pad(x, more, value=-1.0), kernel, step, padding, dilation, ceil)

    drawn.add("max pooling", run, scale=step)


def average_pooling(drawn: Drawn) -> None:
    step, kernel = drawn.scale(3), drawn.each(1, 4)
    padding, ceil = tuple(drawn.number(0, k // 2) for k in kernel), drawn.draw(st.booleans())
    # In three dimensions torch wants an image as large as the kernel, whatever the padding.
    included, more = drawn.draw(st.booleans()), enough(drawn, kernel, (0,) * drawn.axes)

    def run(x: Tensor) -> Tensor:
        # The mean of the same integers is the same number; rounded down, it is an integer again.
        x = F.pad(x, more, value=2.0)
        return AVERAGE_POOL[drawn.axes](x, kernel, step, padding, ceil, included).floor()

    drawn.add("average pooling", run, scale=step)


def nearest(drawn: Drawn) -> None:
    step = drawn.scale(3, up=True)
    up = tuple(Fraction(1, n) for n in step)
    factors = [float(n) for n in step]
    drawn.add("nearest", lambda x: F.interpolate(x, scale_factor=factors, mode="nearest"), scale=up)


def linear(drawn: Drawn) -> None:
    up = (Fraction(1, 2),) * drawn.axes
    if not drawn.fits(up):
        return

    def run(x: Tensor) -> Tensor:
        larger = F.interpolate(x, scale_factor=2.0, mode=LINEAR[drawn.axes], align_corners=False)
        return wrapped((larger * 4**drawn.axes).floor())

    drawn.add("linear", run, scale=up)


def padding(drawn: Drawn) -> None:
    mode = drawn.draw(st.sampled_from(["constant", "reflect", "replicate"]))
    before, after = drawn.each(0, 3), drawn.each(0, 3)
    # A reflection needs more elements than it adds.
    longest = tuple(map(max, before, after))
    around = pads(before, after)

    def run(x: Tensor) -> Tensor:
        x = F.pad(x, pads((0,) * drawn.axes, longest), value=3.0) if mode == "reflect" else x
        return F.pad(x, around, mode=mode)

    drawn.add(f"{mode} padding", run)


def cropping(drawn: Drawn) -> None:
    start, stop, step = drawn.each(0, 3), drawn.each(0, 2), drawn.scale(2)
    more = pads((0,) * drawn.axes, tuple(a + b for a, b in zip(start, stop, strict=True)))

    def run(x: Tensor) -> Tensor:
        x = F.pad(x, more, value=4.0)
        sides = zip(start, stop, step, x.shape[2:], strict=True)
        return x[(..., *(slice(a, n - b, s) for a, b, s, n in sides))]

    drawn.add("slice", run, scale=step)


def unshuffle(drawn: Drawn) -> None:
    if drawn.axes != 2 or drawn.channels[-1] > 3 or not drawn.fits((2, 2)):
        return

    def run(x: Tensor) -> Tensor:
        return F.pixel_unshuffle(F.pad(x, pads((0, 0), tuple(-n % 2 for n in x.shape[2:]))), 2)

    drawn.add("pixel unshuffle", run, channels=4 * drawn.channels[-1], scale=(2, 2))


def shuffle(drawn: Drawn) -> None:
    up = (Fraction(1, 2),) * 2
    if drawn.axes == 2 and drawn.fits(up):
        width = drawn.channels[-1]
        drawn.add(
            "pixel shuffle", lambda x, layer: F.pixel_shuffle(wrapped(layer(x)), 2), nn.Conv2d(width, 4, 1),
            channels=1, scale=up,
        )  # fmt: skip


POINTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: (x - 6).relu(),
    "square": lambda x: wrapped(x * x + 1),
    "clamp": lambda x: wrapped((2 * x - 9).clamp(-5, 7)),
    "where": lambda x: torch.where(x > 4, x, 3 - x),
    "in place": lambda x: (x + 1).mul_(2).remainder_(MODULUS),
    "channel sum": lambda x: wrapped(x.sum(1, keepdim=True) + x),
    "channel maximum": lambda x: x.amax(1, keepdim=True) - x,
    "best channel": lambda x: x + x.argmax(1, keepdim=True),
    "flipped channels": lambda x: x.flip(1),
    "sorted channels": lambda x: x.sort(1).values,
    "split": lambda x: torch.cat(list(x.split(1, 1))[::-1], 1),
    "stack": lambda x: torch.stack([x, -x], 1).sum(1) + x,
    "tokens": lambda x: x.flatten(2).transpose(1, 2).mul(3).transpose(1, 2).reshape(x.shape),
    "last": lambda x: x.movedim(1, -1).add(1).movedim(-1, 1),
    "first": lambda x: x.unsqueeze(0).squeeze(0).expand(1, *x.shape[1:]) - 1,
}


def pointwise(drawn: Drawn) -> None:
    name = drawn.draw(st.sampled_from(sorted(POINTWISE)))
    drawn.add(name, POINTWISE[name])


def matrix(drawn: Drawn) -> None:
    width = drawn.channels[-1]

    def run(x: Tensor, layer: nn.Module) -> Tensor:
        return wrapped(layer(x.movedim(1, -1))).movedim(-1, 1)

    drawn.add("linear layer", run, nn.Linear(width, 2), channels=2)


def joining(drawn: Drawn) -> None:
    """Join with an earlier result on the same grid; both are cut to the size of the smaller one."""
    others = [i for i, strides in enumerate(drawn.strides) if strides == drawn.strides[-1]]
    other, how = drawn.draw(st.sampled_from(others)), drawn.draw(st.sampled_from(["cat", "add", "multiply"]))
    width = drawn.channels[-1] + drawn.channels[other] if how == "cat" else drawn.channels[-1]
    if how == "cat" and width > 8:
        return

    def run(x: Tensor, y: Tensor) -> Tensor:
        box = tuple(slice(0, min(pair)) for pair in zip(x.shape[2:], y.shape[2:], strict=True))
        x, y = x[(..., *box)], y[(..., *box)]
        if how == "cat":
            return torch.cat([x, y], 1)
        y = y.sum(1, keepdim=True)
        return wrapped(x + y if how == "add" else x * wrapped(y))

    drawn.add(how, run, channels=width, other=other)


KINDS = (
    convolution, convolution, transposed, max_pooling, average_pooling, nearest, linear, padding, cropping,
    unshuffle, shuffle, pointwise, pointwise, matrix, joining, joining,
)  # fmt: skip


def back(drawn: Drawn) -> None:
    """Return to the grid and the size of the image."""
    strides, axes = drawn.strides[-1], drawn.axes
    up, down = [float(s.numerator) for s in strides], [s.denominator for s in strides]

    def run(x: Tensor, image: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=up, mode="nearest")
        x = x[(..., *(slice(None, None, step) for step in down))]
        lacking = tuple(n - m for n, m in zip(image.shape[2:], x.shape[2:], strict=True))
        return F.pad(x, pads((0,) * axes, lacking), value=5.0)

    drawn.add("back", run, scale=tuple(1 / stride for stride in strides), other=0)


def draw_network(draw: Callable[..., Any], axes: int, seed: int) -> tuple[Network, list[str]]:
    """Return a drawn network in float64 with integer weights, and what its steps are called."""
    drawn = Drawn(draw, axes, strides=[(Fraction(1),) * axes])
    for _ in range(drawn.number(1, 7)):
        drawn.draw(st.sampled_from(KINDS))(drawn)
    back(drawn)
    net, generator = Network(drawn.steps).double().eval().requires_grad_(False), torch.Generator()
    generator.manual_seed(seed)
    for weight in net.parameters():
        weight.copy_(torch.randint(-LARGEST, LARGEST + 1, weight.shape, generator=generator))
        # Inputs are products of a few numbers of that range at most.
        assert weight.numel() * LARGEST * MODULUS**4 < 2**53
    return net, drawn.names
