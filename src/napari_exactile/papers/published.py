"""What the papers report, to stand beside what is measured here.

2020: M. Majurski and P. Bajcsy, "Error-Free Semantic Segmentation Inference of Images Larger than GPU Memory"
(AAAI workshop, 2020). 2021: the same, "Exact Tile-Based Segmentation Inference for Images Larger than GPU
Memory" (J. Res. NIST 126:126009, 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Published:
    """Figures by radius in pixels: RMSE of the softmax, ME, and run time against one pass.

    `year` says which paper they are from, `note` what they were measured on.
    """

    year: int
    note: str
    rmse: Mapping[int, float] = field(default_factory=dict)
    misclassified: Mapping[int, float] = field(default_factory=dict)
    times: Mapping[int, float] = field(default_factory=dict)

    @property
    def columns(self) -> Iterator[tuple[str, Mapping[int, float]]]:
        """What the paper reports, each under a heading for it."""
        kinds = (("RMSE", self.rmse), ("ME", self.misclassified), ("time", self.times))
        return ((f"{self.year} {name}", figures) for name, figures in kinds if figures)


def _by_radius(step: int, *figures: float) -> dict[int, float]:
    """Return figures by radius, of radii from 0 on."""
    return {step * number: figure for number, figure in enumerate(figures)}


CROPS = "means over 20 crops of 3824 x 3824 px, the largest that a GPU of 24 GB took in one pass"

TABLE_1 = Published(
    2020,
    f"Majurski and Bajcsy 2020, Table 1: U-Net trained on phase contrast of stem cells, tile 512; {CROPS}",
    _by_radius(16, 1.30e-2, 5.85e-3, 2.89e-3, 9.32e-4, 1.75e-4, 1.17e-5, 0.0, 2.61e-8, 0.0),
    _by_radius(16, 6052.6, 1555.0, 432.1, 77.4, 10.8, 0.4, 0.0, 0.0, 0.0),
)

TABLE_2 = Published(
    2020,
    "Majurski and Bajcsy 2020, Table 2: untrained U-Net with four classes on noise N(0, 1), tile 1024; means "
    "over 20 images",
    _by_radius(16, 2.70e-4, 1.32e-6, 2.49e-7, 7.71e-8, 2.00e-8, 8.71e-9, 0.0),
    _by_radius(16, 55796.3, 532.4, 113.8, 43.5, 8.5, 3.7, 0.0),
)

TABLE_3 = Published(
    2020,
    f"Majurski and Bajcsy 2020, Table 3: U-Net with n = 3 and M = 3, tile 1032; {CROPS}",
    _by_radius(8, 7.51e-3, 5.18e-3, 3.81e-3, 2.33e-3, 1.31e-3, 4.16e-4, 6.50e-5, 1.81e-6, 3.70e-8, 1.20e-8),
    _by_radius(8, 2688.4, 1678.0, 947.5, 545.8, 203.1, 61.6, 7.9, 0.1, 0.0, 0.0),
)

FIGURE_7 = Published(
    2020,
    "Majurski and Bajcsy 2020, Fig. 7: 32 crops of 2048 x 2048 px, each one pixel further, RMSE over what "
    "all have in common, inset by 96 px: the same scores only at offsets that are multiples of 16",
)

UNET_2021 = Published(
    2021,
    "Majurski and Bajcsy 2021: trained U-Net, tile 512",
    misclassified=_by_radius(16, 7773.4, 5455.4, 2372.2, 1193.7, 434.1, 71.6, 0.0),
    times={96: 2.58},
)

DENSENET_2021 = Published(
    2021,
    "Majurski and Bajcsy 2021: FC-DenseNet-56, tile 1152; from 192 px on it counts no pixel that differs",
    misclassified=_by_radius(32, 821.5, 376.1, 168.0, 51.6, 5.3, 0.2, *[0.0] * 7),
    times={384: 5.89},
)
