"""Whether tiles give what one pass gives on the device: in integers to the bit, else but for last bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import napari_exactile as ex
from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.report import Row
from integer_nets import integer_unet, make_integer
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.run.engine.local import tile_executor
from peak_memory import UNet3D
from tiled_scores import CPU, Apart, is_as_good, job_of, tiled, whole
from zoo import ZOO
from zoo.registry import calibrated

SECTION = "exactness"
FAMILIES = tuple(name for name, entry in ZOO.items() if not entry.refused and not entry.costly)
QUICK = ("U-Net M=2 n=2 k=3", "nnU-Net, plain", "3D U-Net", "MONAI DynUNet, 2D")
# Images on which kernels are chosen as on large ones, and which leave room for several zones.
SHAPES = {2: (203, 310), 3: (41, 42, 69)}


def work(bench: Bench) -> Iterator[Work]:
    """Yield proofs in integers, then the zoo in float32, both layouts, and the context measured with NaN."""
    integers: dict[str, Callable[[], nn.Module]] = {
        "integers, 2D": partial(integer_unet, 1, levels=2 if bench.quick else 4, base=4),
        "integers, 3D": lambda: make_integer(UNet3D(base=2).double().eval(), 1),
    }
    for name, make in integers.items():
        axes = 3 if "3D" in name else 2
        yield Work(SECTION, (name,), partial(to_the_bit, bench, name, make, axes), 1.5, proves=True)
    for name in QUICK if bench.quick else FAMILIES:
        yield Work(SECTION, (name,), partial(family, bench, name), 1, proves=True)
    for layout in ("channels last", "contiguous"):
        name = f"U-Net, base 16, {layout}"
        yield Work(SECTION, (name,), partial(in_layout, bench, name, layout), 1.5, proves=True)
    for name in ("U-Net M=2 n=2 k=3", "nnU-Net, plain"):
        row = f"context measured with NaN, {name}"
        yield Work(SECTION, (row,), partial(measured, bench, row, name), 1.5, proves=True)
    name = "a model that lies on the device"
    yield Work(SECTION, (name,), partial(placed, bench, name), 1, proves=True)


def to_the_bit(bench: Bench, name: str, make: Callable[[], nn.Module], axes: int) -> Rows:
    """Yield whether the scores of integers are equal, tiled and whole, on the device and on the CPU."""
    net = Counted(make()).eval()
    analysis = analyse_module(net, 1, _shape(bench, axes))
    here = job_of(net, analysis, bench.device)
    one, parts, other = whole(here), tiled(here), whole(job_of(net, analysis, CPU))
    values = {
        "F": max(analysis.factor or (0,)),
        "largest difference": float((parts - one).abs().max()),
        "GPU and CPU": float((one.cpu() - other).abs().max()),
    }
    yield Row(SECTION, name, values, torch.equal(parts, one) and torch.equal(one.cpu(), other))


class Counted(nn.Module):
    """A network that sees any image as whole numbers of 0 to 12."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(torch.remainder(torch.floor(image * 100), 13))


def family(bench: Bench, name: str) -> Rows:
    """Yield how far tiles and one pass are from float64, and the device from the CPU."""
    if "MONAI" in name and find_spec("monai") is None:
        yield Row(SECTION, name, skipped="MONAI is not installed")
        return
    net = ZOO[name].network()
    analysis = analyse_module(net, 1, _shape(bench, ZOO[name].axes))
    values, right = compared(bench, net, analysis)
    yield Row(SECTION, name, values, right)


def compared(bench: Bench, net: nn.Module, analysis: Analysis) -> tuple[dict[str, Any], bool]:
    """Return the figures of one network, and whether its tiles are as good as one pass."""
    job = job_of(net, analysis, bench.device)
    one, parts = whole(job), tiled(job)
    there = whole(job_of(net, analysis, CPU)).to(one.device) if bench.cuda else one
    truth = whole(job_of(deepcopy(net).double(), analysis, bench.device))
    size = float(truth.abs().max())
    against_truth, against_pass = Apart(parts, truth), Apart(parts, one.double())
    pass_itself, cpu = Apart(one, truth), Apart(there, one.double())
    return {
        "F": max(analysis.factor or (0,)),
        "tiles": len(job.task.plan),
        "tiles - pass": against_pass.error / size,
        "ME": int(against_pass.misclassified.sum()),
        "outside near-ties": against_truth.outside_near_ties,
        "tiles - float64": against_truth.error / size,
        "pass - float64": pass_itself.error / size,
        "CPU - GPU": cpu.error / size,
        "its ME": int(cpu.misclassified.sum()),
    }, is_as_good(against_truth, pass_itself)


def in_layout(bench: Bench, name: str, layout: str) -> Rows:
    """Yield the same for one way to lie in memory; the program takes channels last."""
    base = 4 if bench.quick else 16
    net = calibrated(_random(UNet(base=base, softmax=False)), (2, 1, 64, 64))
    analysis = analyse_module(net, 1, _shape(bench, 2))
    with laid_out(layout):
        values, right = compared(bench, net, analysis)
    yield Row(SECTION, name, values, right)


@contextmanager
def laid_out(layout: str) -> Iterator[None]:
    """Let images and weights lie in memory otherwise than they do."""
    before = tile_executor.laid_out
    if layout == "contiguous":
        tile_executor.laid_out = lambda tensor: tensor.contiguous()
    try:
        yield
    finally:
        tile_executor.laid_out = before


def measured(bench: Bench, name: str, network: str) -> Rows:
    """Yield the context as NaN shows it on the device, beside what the rules say."""
    net, shape = ZOO[network].network(), (4096, 4096)
    derived = analyse_module(net, 1, shape).context
    found = ex.measure_context(ex.load_model(net.to(bench.device), channels=1), shape)
    yield Row(SECTION, name, {"derived": str(derived), "measured": str(found)}, found == derived)


def placed(bench: Bench, name: str) -> Rows:
    """Yield whether a network whose weights lie on the device already can be segmented with."""
    net = ZOO["U-Net M=2 n=2 k=3"].network()
    image = np.random.default_rng(0).normal(size=_shape(bench, 2)).astype(np.float32)
    settings: dict[str, Any] = {"tile": 128, "device": "cuda" if bench.cuda else "cpu"}
    before = ex.segment(image, ex.load_model(net, channels=1), **settings).labels
    after = ex.segment(image, ex.load_model(net.to(bench.device), channels=1), **settings).labels
    yield Row(SECTION, name, {"ME": int((before != after).sum())}, bool((before == after).all()))


def _random(net: nn.Module) -> nn.Module:
    from napari_exactile.models.random_weights import randomise

    randomise(net.eval().requires_grad_(False), 0)
    return net


def _shape(bench: Bench, axes: int) -> tuple[int, ...]:
    return tuple(length // 2 for length in SHAPES[axes]) if bench.quick else SHAPES[axes]
