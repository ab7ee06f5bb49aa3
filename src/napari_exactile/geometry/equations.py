"""The papers' radius, kept for comparison: Majurski and Bajcsy (2020), equations 1 to 3.

These formulas leave out the phase of pooling and the reach of transposed convolutions, so they are too small
for some networks. The program never uses them to decide what is exact; `docs/theory.md` says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from napari_exactile.geometry.interval import round_up


def radius_of_layers(layers: Iterable[tuple[int | Fraction, int]]) -> int:
    """Return Eq. 1: the sum over convolutions of stride * floor(kernel / 2), in whole pixels.

    `layers` holds (stride of the layer against the image, kernel size) of each convolution on the path; on a
    grid finer than the image, the stride is a fraction and the sum is rounded up.

    >>> radius_of_layers([(1, 3), (1, 3), (2, 3), (2, 3), (1, 3), (1, 3)])
    8
    """
    return ceil(sum(stride * (kernel // 2) for stride, kernel in layers))


def radius_of_unet(levels: int, convolutions: int, kernel: int) -> int:
    """Return Eq. 2: Eq. 1 for a U-Net with M poolings, n convolutions a level, kernel k.

    >>> radius_of_unet(levels=4, convolutions=2, kernel=3)
    92
    """
    down = [2**level for level in range(levels)]
    strides = [*down, 2**levels, *reversed(down)]
    return radius_of_layers((stride, kernel) for stride in strides for _ in range(convolutions))


def rounded_radius(radius: int, factor: int) -> int:
    """Return Eq. 3: the radius rounded up to a multiple of the size factor F.

    >>> rounded_radius(92, 16), rounded_radius(66, 8)
    (96, 72)
    """
    return round_up(radius, factor)
