"""What plans compute, against one pass over the whole image: zones by themselves, and walks; nothing is run.

PYTHONPATH=src .venv/bin/python bench/redundancy.py
"""

from __future__ import annotations

from torch import nn

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet

GB = 1_000_000_000
CASES: tuple[tuple[str, nn.Module, int], ...] = (
    ("U-Net, base 64", UNet(base=64, softmax=False).eval(), 20_000),
    ("U-Net, base 64", UNet(base=64, softmax=False).eval(), 100_000),
    ("FC-DenseNet-103", FCDenseNet.named(103).eval(), 4_096),
    ("FC-DenseNet-103", FCDenseNet.named(103).eval(), 20_000),
)


def main() -> None:
    print(f"{'network':<18}{'image':>16}{'memory':>8}{'trimmed':>10}{'skewed':>8}  bands")
    for name, net, side in CASES:
        analysis = ex.analyse(net, (side, side))
        for memory in (4, 24):
            trimmed = ex.plan_tiles(analysis, method="trimmed", memory=memory * GB)
            skewed = ex.plan_tiles(analysis, method="skewed", memory=memory * GB)
            assert skewed.walked is not None
            bands = " x ".join(map(str, skewed.walked.band)) + (", frugal" if skewed.walked.frugal else "")
            print(
                f"{name:<18}{side:>7} x {side:<6}{memory:>5} GB{trimmed.redundancy:>10.2f}"
                f"{skewed.redundancy:>8.2f}  {bands}",
                flush=True,
            )


if __name__ == "__main__":
    main()
