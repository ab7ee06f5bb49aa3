"""What the papers report, as far as it could be consulted, to stand beside what is measured here.

M. Majurski and P. Bajcsy, "Exact Tile-Based Segmentation Inference for Images Larger than GPU Memory"
(J. Res. NIST 126:126009, 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Published:
    """Figures by radius in pixels: ME, and run time against one pass; `note` says where they are from."""

    note: str
    misclassified: Mapping[int, float] = field(default_factory=dict)
    times: Mapping[int, float] = field(default_factory=dict)


NOT_CONSULTED = Published("tables 1 to 3 of the 2020 paper could not be consulted for their figures")

UNET_2021 = Published(
    "2021 paper, trained U-Net, tile 512; tables 1 to 3 of the 2020 paper could not be consulted",
    dict(zip(range(0, 97, 16), (7773.4, 5455.4, 2372.2, 1193.7, 434.1, 71.6, 0.0), strict=True)),
    {96: 2.58},
)

DENSENET_2021 = Published(
    "2021 paper, FC-DenseNet-56, tile 1152; from 192 px on it counts no pixel that differs",
    dict(zip(range(0, 385, 32), (821.5, 376.1, 168.0, 51.6, 5.3, 0.2, *[0.0] * 7), strict=True)),
    {384: 5.89},
)
