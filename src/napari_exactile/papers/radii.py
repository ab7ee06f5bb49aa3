"""The papers' radius beside what networks need: Eq. 1, the analysis, and a measurement with NaN.

How far a network reaches depends on neither its width nor its weights: narrow ones stand for the published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import nn

from napari_exactile.geometry.equations import rounded_radius
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module, require_derived
from napari_exactile.network.probe import measure_context

# Larger than twice every context: no edge of the image shortens a reach.
SHAPE = (4096, 4096)


@dataclass(frozen=True, slots=True)
class Reach:
    """What one network reads around a zone aligned to F, in pixels before and after it.

    `equation` is Eq. 1 and `paper` Eq. 1 rounded up to F (Eq. 3); `derived` is the analysis's context and
    `measured` that of the NaN probe, None where it was not asked.
    """

    name: str
    factor: int
    equation: int
    derived: tuple[int, int]
    measured: tuple[int, int] | None

    @property
    def paper(self) -> int:
        """Eq. 1, rounded up to a multiple of F."""
        return rounded_radius(self.equation, self.factor)

    @property
    def needed(self) -> int:
        """The larger side of the context, rounded up to a multiple of F."""
        return rounded_radius(max(self.derived), self.factor)

    @property
    def paper_holds(self) -> bool:
        """Whether the papers' radius is large enough."""
        return self.paper >= self.needed


# (M poolings, n convolutions a level, kernel k); the first is the published one, the second that of table 3.
UNETS = (
    (4, 2, 3), (3, 3, 3), (4, 1, 3), (4, 3, 3), (3, 1, 3), (3, 2, 3),
    (2, 2, 3), (2, 3, 3), (2, 1, 5), (1, 1, 3), (1, 3, 3), (3, 4, 3),
)  # fmt: skip
DENSENETS = (56, 67, 103)
SLOW = (67, 103)


def networks(everything: bool = False) -> dict[str, tuple[Callable[[], nn.Module], bool]]:
    """Return how to make each network of the table, and whether it is to be measured too.

    FC-DenseNet-67 and -103 take most of the time to measure: only with `everything`.
    """
    unets = {
        f"U-Net M={levels} n={convolutions} k={kernel}": (
            partial(UNet, levels=levels, convolutions=convolutions, kernel=kernel, base=2), True
        )
        for levels, convolutions, kernel in UNETS
    }  # fmt: skip
    densenets = {
        f"FC-DenseNet-{layers}": (
            partial(FCDenseNet.named, layers, growth=1, base=4), everything or layers not in SLOW
        )
        for layers in DENSENETS
    }  # fmt: skip
    return {**unets, **densenets}


def reaches(everything: bool = False) -> Iterator[Reach]:
    """Yield a row for each network of the table, as it is found."""
    for name, (make, measured) in networks(everything).items():
        yield reach(name, make(), measured=measured)


def reach(name: str, network: nn.Module, *, measured: bool = True) -> Reach:
    """Return what a network reads along its first axis; both are alike here."""
    randomise(network, 0)
    network.eval().requires_grad_(False)
    derived = require_derived(analyse_module(network, 1, SHAPE))
    found = measure_context(network, 1, SHAPE)[0] if measured else None
    return Reach(name, derived.factor[0], derived.paper_radius[0], derived.context[0], found)
