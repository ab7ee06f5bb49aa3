"""Draw the figures of docs/theory.md with the program's own tiling, analysis and measurements.

python scripts/draw_theory.py
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from shots.keeping import keep
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from napari_exactile.evaluate.figure import sweep_figure
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.models.densenet import TransitionUp
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet

IMAGES = Path(__file__).parents[1] / "docs" / "images" / "theory"
BLUE, ORANGE, RED, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
WIDTH_INCHES = 7.0


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    save(draw_tiling(), "tiling")
    save(draw_cones(), "cones")
    save(draw_offsets(), "offsets")


def save(figure: Figure, name: str) -> None:
    """Save 1050 pixels of width with few colours: sharp on dense screens, small in the repository."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=1050 / figure.get_figwidth())
    keep(Image.open(buffer).convert("RGB").quantize(64), IMAGES / f"{name}.png")


# Zones, and the tiles of two of them.


def draw_tiling() -> Figure:
    tiling = Tiling(shape=(994, 1376), factor=(32, 32), zone=(320, 320), radius=(96, 96))
    figure = Figure(figsize=(WIDTH_INCHES, 5.2), layout="constrained")
    axes = figure.add_subplot()
    for tile in tiling:
        colour = (BLUE, ORANGE)[(tile.index // tiling.grid[1] + tile.index % tiling.grid[1]) % 2]
        axes.add_patch(rectangle(tile.zone, facecolor=colour, alpha=0.35))
    padded = tuple(Interval(0, length) for length in tiling.padded_shape)
    whole = tuple(Interval(0, length) for length in tiling.shape)
    axes.add_patch(rectangle(padded, facecolor="none", edgecolor="0.4", hatch="////", linewidth=0, zorder=0))
    axes.add_patch(rectangle(whole, facecolor="white", zorder=0))
    axes.add_patch(rectangle(whole, facecolor="none", edgecolor="black", linewidth=1.5))
    for point, colour in [((400, 500), RED), ((20, 1300), GREEN)]:
        tile = tiling.tile(tiling.at(point))
        axes.add_patch(rectangle(tile.box, facecolor="none", edgecolor=colour, linewidth=2.5))
        axes.add_patch(rectangle(tile.zone, facecolor=colour, alpha=0.45))
        y, x = ((interval.start + interval.stop) / 2 for interval in tile.zone)
        axes.text(x, y, "zone\n(ZoR)", ha="center", va="center", fontsize=9)
    axes.text(480, 690, "tile: 320 + 2 x 96 = 512", color="#8a3c00", ha="center", va="center", weight="bold")
    axes.text(
        1362, 440, "tile, clipped at\nthe real edges", color="#005e45", ha="right", va="top", weight="bold"
    )
    axes.annotate("", (320, 480), (224, 480), arrowprops={"arrowstyle": "<->"})
    axes.text(272, 468, "radius", ha="center", va="bottom", fontsize=9)
    axes.annotate(
        "reflected here, up to\na multiple of F", (900, 1010), (900, 1110), ha="center", va="center",
        arrowprops={"arrowstyle": "->"},
    )  # fmt: skip
    axes.set(xlim=(-20, 1440), ylim=(1165, -20), aspect="equal", xlabel="x, px", ylabel="y, px")
    axes.xaxis.set_major_locator(multiples(320))
    axes.yaxis.set_major_locator(multiples(320))
    return figure


def rectangle(box: Box, **look: object) -> Rectangle:
    y, x = box
    return Rectangle((x.start, y.start), len(x), len(y), **look)


def multiples(step: int) -> object:
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(step)


# What each layer of a toy network needs of its input.


class Toy(nn.Module):
    """A U-Net of depth 1 without its skip connection: `last` convolutions after `enlarge`."""

    def __init__(self, enlarge: Callable[[Tensor], Tensor], last: int) -> None:
        super().__init__()
        self.first, self.deep, self.enlarge = convolution(), convolution(), enlarge
        self.last = nn.Sequential(*(convolution() for _ in range(last)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.enlarge(self.deep(F.max_pool2d(self.first(x), 2))))


def convolution() -> nn.Conv2d:
    return nn.Conv2d(1, 1, 3, padding=1)


@dataclass(frozen=True)
class Row:
    """One tensor: the elements that the zone depends on, their width in pixels, and what Eq. 1 counts."""

    name: str
    needed: Interval
    width: int
    counted: int


def draw_cones() -> Figure:
    toys = [
        ("A. Transposed k2 s2, then one convolution", nn.ConvTranspose2d(1, 1, 2, 2), 1),
        ("B. Transposed k3 s2 SAME, then two convolutions", TransitionUp(1), 2),
        ("C. Bilinear x 2, then two convolutions", nn.Upsample(scale_factor=2, mode="bilinear"), 2),
    ]
    figure = Figure(figsize=(WIDTH_INCHES, 9.0), layout="constrained")
    every = figure.subplots(len(toys), 1, sharex=True, height_ratios=[6, 7, 7])
    for axes, (title, enlarge, last) in zip(every, toys, strict=True):
        draw_cone(axes, title, Toy(enlarge, last).eval())
    every[-1].set_xlabel("pixels of the image, counted from the start of the zone")
    return figure


def draw_cone(axes: Axes, title: str, net: nn.Module) -> None:
    analysis = ex.analyse(net, (64, 64))
    (before, after), paper = analysis.context[1], analysis.paper_radius[1]
    rows = list(rows_of(analysis))
    for place, row in enumerate(reversed(rows)):
        draw_elements(axes, place, row, GREEN if row is rows[0] else BLUE)
        for edge in (-row.counted, analysis.factor[1] + row.counted):
            axes.plot([edge, edge], [place - 0.48, place + 0.48], color=RED, linewidth=2.5)
    numbers = f"needed: {before} px before, {after} px after; counted by Eq. 1 (red lines): {paper} px"
    axes.set_title(f"{title}\n{numbers}", fontsize=10, loc="left")
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    axes.set(xlim=(-8.4, 10.4), ylim=(-0.6, len(rows) - 0.4))
    axes.xaxis.set_major_locator(multiples(2))
    axes.tick_params(left=False, labelbottom=True)
    axes.spines[["top", "left", "right"]].set_visible(False)


def draw_elements(axes: Axes, place: int, row: Row, colour: str) -> None:
    """Draw what is needed in colour, and all other elements of the tensor as a grid."""
    for element in range(-10 // row.width, 12 // row.width):
        needed = row.needed.start <= element < row.needed.stop
        look = {"facecolor": colour, "alpha": 0.6} if needed else {"facecolor": "none"}
        corner = (element * row.width, place - 0.3)
        axes.add_patch(Rectangle(corner, row.width, 0.6, edgecolor="none", **look))
        axes.add_patch(Rectangle(corner, row.width, 0.6, facecolor="none", edgecolor="0.7", linewidth=0.6))


def rows_of(analysis: ex.Analysis, origin: int = 32) -> Iterable[Row]:
    """Yield the tensors from the output to the image, with the intervals that a zone of one F asks for."""
    bound = analysis.bound
    demand = bound.demand(1, Interval(origin, origin + analysis.factor[1]), edges=False)
    counted = 0
    for node in reversed(bound.graph.nodes):
        width, operator = int(bound.strides[node.index][1]), bound.operators[node.index]
        needed = demand[node.index].grow(origin // width, -(origin // width))
        name = "image" if operator is None else f"after {operator.label}"
        # Slices cut off the element too many that "k3 s2" makes: they are part of its SAME.
        if name != "after slice":
            yield Row("zone" if node.index == bound.graph.output else name, needed, width, counted)
        if name == "after convolution":
            counted += width * (operator.reaches[1].span // 2)


# Tiles that start off the grid.


def draw_offsets() -> Figure:
    net = UNet(levels=3, convolutions=2, base=4).double().eval()
    randomise(net, seed=0)
    image = np.random.default_rng(0).normal(size=(256, 256))
    sweep = ex.offset_sweep(image, net, zone=64, unchanged=True)
    for point in sweep.points:
        print(f"offset {point.value:>2}: RMSE {point.rmse:.2g}, ME {point.misclassified:.0f}")
    return sweep_figure(sweep, Figure(figsize=(WIDTH_INCHES, 4.2)))


if __name__ == "__main__":
    main()
