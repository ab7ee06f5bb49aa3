"""Networks for which the papers' radius is too small: print the tables of docs/theory.md.

    python scripts/counterexamples.py                     # all but the trained nucleus network
    python scripts/counterexamples.py --nuclei FOLDER     # that, too
    python scripts/counterexamples.py --only unet         # one table

FOLDER holds `test_input.npy`, `test_output.npy` and the weights (`weights.pt` or `weights.safetensors`) of
the example `unet2d_nuclei_broad` of the bioimage.io specification.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet

# The one network here that is not the package's own lives with the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from nucleus_unet import NucleusUNet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=Path, metavar="FOLDER", help="measure the nucleus network, too")
    parser.add_argument("--only", choices=["context", "unet", "densenet", "nuclei"], help="print one table")
    chosen = parser.parse_args()
    if chosen.only in {None, "context"}:
        context_table()
    if chosen.only in {None, "unet"}:
        unet_table()
    if chosen.only in {None, "densenet"}:
        densenet_table()
    if chosen.nuclei is not None and chosen.only in {None, "nuclei"}:
        nuclei_table(chosen.nuclei)


# The context of networks: derived, and measured with a column that is lit or NaN. Narrow ones reach as far.

UNETS = [
    (4, 2, 3), (3, 3, 3), (4, 1, 3), (4, 3, 3), (3, 1, 3), (3, 2, 3),
    (2, 2, 3), (2, 3, 3), (2, 1, 5), (1, 1, 3), (1, 3, 3), (3, 4, 3),
]  # fmt: skip


def context_table() -> None:
    print(f"{'':<24}{'Eq. 1':>14}{'context':>20}{'measured':>12}")
    for levels, convolutions, kernel in UNETS:
        net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, base=2, softmax=False)
        context_row(f"U-Net M={levels} n={convolutions} k={kernel}", net)
    context_row("nucleus U-Net", NucleusUNet())
    for layers in (56, 67, 103):
        net = FCDenseNet.named(layers, growth=2, base=2, softmax=False)
        context_row(f"FC-DenseNet-{layers}", net)


def context_row(name: str, net: nn.Module) -> None:
    net = averaging(net.double().eval())
    analysis = ex.analyse(net, (512, 512))
    factor, radius, paper = analysis.factor[0], analysis.radius[0], analysis.paper_radius[0]
    derived = "{}, {} -> {}".format(*analysis.context[0], radius)
    # One answer, unless the two probes disagree.
    measured = {lit_reach(net, factor, radius, light) for light in (1.0, math.nan)}
    measured = " or ".join(f"{before}, {after}" for before, after in measured)
    formula = f"{paper} -> {-(-paper // factor) * factor}"
    print(f"{name:<24}{formula:>14}{derived:>20}{measured:>12}", flush=True)


def averaging(net: nn.Module) -> nn.Module:
    """Make every convolution a plain mean without bias: in the dark, nothing can cancel or hide a light."""
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            zero = name.endswith(("bias", "running_mean"))
            tensor.fill_(0.0 if zero else 1.0 if tensor.ndim == 1 else 1.0 / tensor[0].numel())
    return net


def lit_reach(net: nn.Module, factor: int, radius: int, light: float) -> tuple[int, int]:
    """Return how far before and after a zone on multiples of F a lit column can lie and still be seen.

    `light` is the column's value in an image of zeros, 1 or NaN: NaN can be neither weakened nor lost.
    The column stands at every phase in turn; of the analysis, only how much room to leave is used.
    """
    room = radius + 2 * factor
    before, after = 0, 0
    for place in range(room, room + factor):
        image = torch.zeros(1, 1, factor, 2 * room, dtype=torch.float64)
        image[..., place] = light
        with torch.no_grad():
            seen = net(image)[0].abs().amax(dim=(0, 1)).nonzero()
        first, last = int(seen[0]), int(seen[-1])
        before = max(before, last // factor * factor - place)
        after = max(after, place - (first // factor + 1) * factor + 1)
    return before, after


# 1. A U-Net of depth 2 with lively random weights, in float64.


def small_unet(seed: int) -> nn.Module:
    net = UNet(levels=2, convolutions=2, base=4).double().eval()
    randomise(net, seed)
    return net


def unet_table(seeds: Iterable[int] = range(5)) -> None:
    print("U-Net, M = 2, n = 2, k = 3, base 4, random weights, float64; noise, 256 x 256 px, zone 64")
    print(HEADER)
    for seed in seeds:
        image = np.random.default_rng(seed).normal(size=(256, 256))
        sweep = ex.radius_sweep(image, small_unet(seed), radii=[20, 24], zone=64, unchanged=True)
        print_rows(sweep, f"seed {seed}")


# 2. FC-DenseNet-56.


def carrying_densenet() -> nn.Module:
    """FC-DenseNet-56 that carries what it sees to the right, as far as its layers allow, and adds nothing.

    Every convolution copies its neighbour on the left, poolings keep the maximum, and the transposed
    convolutions copy to the farthest output that they have. A pixel is of class 1 where a 1 arrives.
    """
    net = FCDenseNet.named(56, growth=2, base=2).double().eval()
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.fill_(float(name.endswith(("running_var", "weight")) and tensor.ndim == 1))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            # The newest features are the last channels; the way down has made only these.
            module.weight.data[:, -1, *centre_left(module)] = 1
        if isinstance(module, nn.ConvTranspose2d):
            module.weight.data[-1, :, :2, 1:] = 1
    for block in net.decoder:  # what comes up stands before the skip connection
        first = block.layers[0][2].weight.data
        first.zero_()
        first[:, 0, 1, 0] = 1
    net.logits.weight.data[0] = 0
    net.logits.bias.data[0] = 0.5
    return net


def centre_left(convolution: nn.Conv2d) -> tuple[int, int]:
    return convolution.kernel_size[0] // 2, 0


def densenet_table() -> None:
    generator = np.random.default_rng(0)
    print("\nFC-DenseNet-56, growth 2, base 2, float64; 32 x 1536 px, zone 256")
    print(HEADER)
    lively = FCDenseNet.named(56, growth=2, base=2).double().eval()
    randomise(lively, 0)
    noise = generator.normal(size=(32, 1536))
    print_rows(ex.radius_sweep(noise, lively, radii=[384, 416], zone=256, unchanged=True), "random weights")
    points = (generator.random((32, 1536)) < 1 / 1000).astype(float)
    model = ex.load_model(carrying_densenet(), normalization="none", probabilities=True)
    print_rows(ex.radius_sweep(points, model, radii=[384, 416], zone=256, unchanged=True), "carrying weights")


# 3. A published, trained network.


def load_nuclei(folder: Path) -> nn.Module:
    """Return the trained network, once it gives the output that the example says it gives."""
    if (folder / "weights.safetensors").exists():
        from safetensors.torch import load_file

        state = load_file(folder / "weights.safetensors")
    else:
        state = torch.load(folder / "weights.pt", weights_only=True)
    net = NucleusUNet().eval()
    net.load_state_dict(state)
    image = np.load(folder / "test_input.npy").astype(np.float32)
    image = (image - image.mean()) / (image.std() + 1e-6)
    with torch.no_grad():
        found = torch.sigmoid(net(torch.from_numpy(image))).numpy()
    np.testing.assert_allclose(found, np.load(folder / "test_output.npy"), atol=1e-4)
    return net


def nuclei_table(folder: Path) -> None:
    """Measure two mosaics of the example's image, which alone is smaller than a few tiles."""
    net = load_nuclei(folder)
    image = np.load(folder / "test_input.npy")[0, 0]
    print("\nnucleus U-Net, trained weights, float32; 3 x 3 times its example: 1536 x 1536 px, zone 256")
    print(HEADER, flush=True)
    for name, mosaic in [
        ("mirrored", np.pad(image, 512, mode="symmetric")),
        ("repeated", np.tile(image, (3, 3))),
    ]:
        print_rows(
            ex.radius_sweep(mosaic, net, radii=[0, 16, 32, 40, 48, 56], zone=256, unchanged=True), name
        )


HEADER = f"{'':<18}{'radius':>7}{'RMSE':>10}{'largest':>10}{'ME':>6}{'near-ties':>11}{'geometry':>11}"


def print_rows(sweep: ex.Sweep, name: str) -> None:
    for point in sweep.points:
        print(
            f"{name:<18}{point.value:>7}{point.rmse:>10.2g}{point.max_abs_difference:>10.2g}"
            f"{point.misclassified:>6.0f}{point.near_ties:>11}{'exact' if point.exact else 'not exact':>11}",
            flush=True,
        )


if __name__ == "__main__":
    main()
