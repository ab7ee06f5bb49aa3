"""
A 3D stack in the dock
======================

A network of volumes takes a stack as one image: zones and context have three sides, and the scale along z may
be another one. The network is two blurs of fixed width, which tells bright spots from what lies around them.
"""

import napari
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex


class Spots(nn.Module):
    """Two classes, background and spot: what is brighter than its surroundings by `limit`."""

    def __init__(self, limit: float = 0.5) -> None:
        super().__init__()
        self.limit = limit
        for name, reach in {"narrow": 1, "wide": 4}.items():
            kernel = torch.ones(1, 1, 1, 2 * reach + 1, 2 * reach + 1)
            self.register_buffer(name, kernel / kernel.sum())
        self.register_buffer("along_z", torch.tensor([1.0, 2.0, 1.0]).reshape(1, 1, 3, 1, 1) / 4)

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores (batch, 2, z, y, x) of a volume (batch, 1, z, y, x)."""
        narrow, wide = (F.conv3d(image, kernel, padding="same") for kernel in (self.narrow, self.wide))
        spot = F.conv3d(narrow - wide, self.along_z, padding="same") - self.limit
        return torch.cat([-spot, spot], dim=1)


def draw_spots(shape: tuple[int, ...], spots: int, seed: int = 0) -> np.ndarray:
    """Return a noisy volume of round spots; along z they are half as many pixels long."""
    rng = np.random.default_rng(seed)
    volume = rng.normal(100, 8, shape)
    grid = np.indices(shape)
    for place, radius in zip(rng.random((spots, 3)) * shape, rng.uniform(5, 9, spots), strict=True):
        steps = (grid - place[:, None, None, None]) * np.array([2, 1, 1])[:, None, None, None]
        volume += 120 * np.exp(-(steps**2).sum(0) / radius**2)
    return volume.astype(np.uint16)


viewer = napari.Viewer()
viewer.add_image(
    draw_spots((24, 160, 200), spots=40),
    name="spots",
    scale=(0.5, 0.25, 0.25),
    units=("um",) * 3,
    axis_labels=("z", "y", "x"),
)
_, dock = viewer.window.add_plugin_dock_widget("napari-exactile", "Exact segmentation")
dock.add_model(ex.load_model(Spots().eval(), name="spots", title="Spots", classes=("background", "spot")))

if __name__ == "__main__":
    napari.run()  # press Run in the dock
