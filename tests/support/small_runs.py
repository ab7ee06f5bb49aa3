"""Networks and images for runs that are small enough to be compared with one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_exactile.models.unet import UNet
    from napari_exactile.run.engine import events
    from napari_exactile.run.engine.schedule.job import Job

# levels, convolutions, kernel; their radii are 6, 24 and 8.
SMALL = [(1, 1, 3), (2, 2, 3), (1, 1, 5)]


def network(levels: int = 1, convolutions: int = 1, kernel: int = 3, **more: Any) -> UNet:
    """A U-Net whose output varies from pixel to pixel; by default with a radius of 6 px, in float64."""
    from napari_exactile.models.random_weights import randomise
    from napari_exactile.models.unet import UNet

    parameters = {"base": 4, "softmax": False} | more
    net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, **parameters)
    randomise(net, seed=35)  # one of those with which all networks here give both labels often
    return net.double().eval()


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(40, 10, shape)


def run(job: Job, is_cancelled: Callable[[], bool] = lambda: False) -> list[events.Event]:
    from napari_exactile.run.engine.control import Control

    return list(job.run(Control(is_cancelled=is_cancelled)))


def indices(happened: list[events.Event], kind: type) -> list[int]:
    """The numbers of the tiles of all events of one kind."""
    return [event.index for event in happened if isinstance(event, kind)]


def assert_lively(labels: np.ndarray) -> None:
    """An error at a seam would show: the second most frequent label covers at least a twentieth."""
    assert sorted(np.bincount(labels.ravel()))[-2] >= labels.size / 20
