"""
A model of your own in the dock
===============================

Any `torch.nn.Module` in evaluation mode can be offered in the dock; how much context it needs is found out
from its layers. This one has no weights to train: it tells rough parts of an image from smooth ones.
"""

import napari
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex


class Texture(nn.Module):
    """Two classes, smooth and rough, by the standard deviation of the pixels within `reach`."""

    def __init__(self, reach: int = 9, limit: float = 0.35) -> None:
        super().__init__()
        self.reach, self.limit = reach, limit

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores (batch, 2, y, x) of an image (batch, 1, y, x) of mean 0 and deviation 1."""
        mean = self.blurred(image)
        deviation = torch.sqrt(torch.relu(self.blurred(image * image) - mean * mean))
        rough = self.blurred(deviation) - self.limit
        return torch.cat([-rough, rough], dim=1)

    def blurred(self, image: Tensor) -> Tensor:
        """Return the mean of all pixels within `reach`."""
        return F.avg_pool2d(image, 2 * self.reach + 1, stride=1, padding=self.reach, count_include_pad=False)


viewer = napari.Viewer()
viewer.open_sample("napari-exactile", "colonies_512")
_, dock = viewer.window.add_plugin_dock_widget("napari-exactile", "Exact segmentation")
dock.add_model(ex.load_model(Texture().eval(), name="texture", title="Texture", classes=("smooth", "rough")))

if __name__ == "__main__":
    napari.run()  # press Run in the dock
