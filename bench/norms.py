"""What whole-image norms cost: gathering them, starting a pass over the image, and analysing a network again.

.venv/bin/python bench/norms.py      (needs MONAI: pip install monai)

Processor seconds of one thread, medians of rounds in which all ways take turns, as other programs may run.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.passes import Pass
from napari_exactile.network.whole.freeze import freeze
from napari_exactile.network.whole.moments import Moments
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.reference import one_pass
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task

SHAPES = ((1, 8, 512, 512), (1, 32, 512, 512), (1, 128, 128, 128), (1, 3, 501, 509), (1, 32, 48, 96, 96))
SIZE, ROUNDS = 1024, 5


def in_double(self: Moments, tensor: torch.Tensor, box: Any) -> Any:
    return self._in_double(tensor)


def bound_anew(self: Executor, one: Pass) -> Cone:
    graph = freeze(self.analysis.frozen.traced, self._survey.values).graph
    return Cone(BoundGraph.bind(graph.with_constants(self._placed)), one.results, one.given)


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"{'gathered, GB/s':<40}{'in float64':>12}{'in blocks':>12}")
    for shape in SHAPES:
        gathered(shape)
    net = dynunet()
    print(f"\n{'DynUNet, ' + str(SIZE) + ' x ' + str(SIZE) + ' px':<40}{'seconds':>12}{'/ pass':>12}")
    runs(net)
    print(f"\n{'made ready to be run, seconds':<40}{'first':>12}{'again':>12}{'anew':>12}")
    for name, network in {"U-Net, base 64": UNet().eval(), "DynUNet": dynunet()}.items():
        set_up(name, network)


def dynunet() -> nn.Module:
    """nnU-Net's plain 2D U-Net at a quarter of its width: 22 instance norms in sequence."""
    from monai.networks.nets import DynUNet

    widths = [8, 16, 32, 64, 128, 128]
    net = DynUNet(2, 1, 3, [3] * 6, [1, *[2] * 5], [2] * 5, filters=widths, norm_name="instance").eval()
    randomise(net, 0)
    return net


def gathered(shape: tuple[int, ...]) -> None:
    moments = Moments(tuple(range(2, len(shape) + 1)), shape[1])
    for layout in ("channels last", "channels first"):
        tensor = torch.randn(shape)
        if layout == "channels last":
            tensor = tensor.movedim(1, -1).contiguous().movedim(-1, 1)
        ways = in_turn([lambda t=tensor: moments._in_double(t), lambda t=tensor: moments.part(t, ())])
        speeds = "".join(f"{4e-9 * tensor.numel() / seconds:>12.2f}" for seconds in ways)
        print(f"{f'{shape}, {layout}':<40}{speeds}", flush=True)


def runs(net: nn.Module) -> None:
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    task, walked = (image_task(image, net, Settings(method=method)) for method in ("trimmed", "skewed"))

    def run() -> None:
        list(Job(task).run())

    def as_before() -> None:
        with patch.object(Moments, "part", in_double), patch.object(Executor, "cone_of", bound_anew):
            run()

    def bound_once() -> None:
        with patch.object(Moments, "part", in_double):
            run()

    names = (
        "one pass", "float64, bound anew for each pass", "float64, bound once", "blocks, bound once",
        "and walked",
    )  # fmt: skip
    ways = [lambda: one_pass(task), as_before, bound_once, run, lambda: list(Job(walked).run())]
    seconds = in_turn(ways)
    for name, one in zip(names, seconds, strict=True):
        print(f"{name:<40}{one:>12.2f}{one / seconds[0]:>12.2f}", flush=True)


def set_up(name: str, net: nn.Module) -> None:
    image = np.zeros((SIZE, SIZE), np.float32)

    def ready() -> None:
        image_task(image, net, Settings())

    def anew() -> None:
        with patch("napari_exactile.network.remembered.likeness", lambda module: None):
            ready()

    first, (again, new) = taken(ready), in_turn([ready, anew])
    print(f"{name:<40}{first:>12.3f}{again:>12.3f}{new:>12.3f}", flush=True)


def in_turn(ways: list[Callable[[], object]]) -> list[float]:
    """Return the median processor seconds of each way."""
    rounds = [[taken(way) for way in ways] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def taken(way: Callable[[], object]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    main()
