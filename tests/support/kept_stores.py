"""Stores that earlier versions of the program made, kept in `data/stores`, and the runs that they are of.

    python tests/support/kept_stores.py FOLDER      makes such stores, with the program as it is now

Networks and images are whole numbers, by formulas and not by chance, so that every machine computes the same.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.run.engine.events import Event, Surveying, TileFinished

STORES = Path(__file__).parents[1] / "data" / "stores"
# No multiples of F; one large enough for two levels, one small enough for tensors kept between passes.
LARGE, SMALL = (531, 610), (131, 151)


class Pooled(nn.Module):
    """A level of a U-Net, F = 2, with small whole numbers as weights; `norm` looks at the whole image."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.first, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(8, 3, 1)
        self.norm = nn.InstanceNorm2d(4) if norm else nn.Identity()
        for number, weight in enumerate(self.parameters()):
            places = torch.arange(weight.numel()).reshape(weight.shape)
            weight.data = ((places * places + 3 * places + number) % 5 - 2).float()

    def forward(self, x: Tensor) -> Tensor:
        skip = torch.relu(self.norm(self.first(x)))
        deep = torch.relu(self.norm(self.deep(nn.functional.max_pool2d(skip, 2))))
        scores: Tensor = self.last(torch.cat([skip, self.up(deep)], 1))
        return scores


def pixels(shape: tuple[int, int], planes: int) -> np.ndarray:
    """Blobs of whole numbers from 0 to 12: (planes, *shape), or `shape` for none."""
    t, y, x = np.ogrid[: max(planes, 1), : shape[0], : shape[1]]
    image = ((y // 9 * 7 + x // 13 * 5 + (y * x) // 640 + 3 * t) % 13).astype(np.uint8)
    return image if planes else image[0]


@dataclass(frozen=True)
class Kept:
    """One run: its settings, and after which event it was killed (never: it was finished)."""

    settings: dict[str, Any]
    shape: tuple[int, int] = LARGE
    planes: int = 0
    norm: bool = False
    killed: Callable[[list[Event]], bool] = lambda heard: False

    def run(self, path: Path, on_event: Callable[[Event], None] = lambda event: None) -> ex.Result:
        """Begin or continue it in a store."""
        return ex.segment(
            pixels(self.shape, self.planes), Pooled(self.norm).eval(), output=path, on_event=on_event,
            normalization="none", device="cpu", pixel_size=(0.5, 0.5), **self.settings,
        )  # fmt: skip


def finished(heard: list[Event]) -> int:
    return sum(isinstance(event, TileFinished) for event in heard)


KEPT = {
    "finished": Kept({"tile": 212}),
    "killed-between-zones": Kept({"tile": 212}, killed=lambda heard: finished(heard) == 5),
    "killed-in-a-pass": Kept(
        {"tile": 60}, SMALL, norm=True,
        killed=lambda heard: any(isinstance(e, Surveying) and e.number == 2 and e.done == 3 for e in heard),
    ),
    "series": Kept({"tile": 212, "axes": "tyx"}, planes=3, killed=lambda heard: finished(heard) == 14),
    "float16-probabilities": Kept({"tile": 212, "probabilities": "float16"}),
}  # fmt: skip


def digests(result: ex.Result) -> dict[str, str]:
    """Return checksums of the labels and, if they are kept, of the probabilities."""
    kept = {"labels": result.labels, "probabilities": result.probabilities}
    return {
        name: sha256(np.ascontiguousarray(array[...]).data).hexdigest()
        for name, array in kept.items()
        if array is not None
    }


def make(folder: Path) -> None:
    """Make all stores, and write down what each holds once it is continued to its end."""
    expected = {}
    for name, kept in KEPT.items():
        path, complete = folder / f"{name}.ome.zarr", folder / "complete.ome.zarr"
        process = subprocess.run([sys.executable, __file__, str(folder), name], check=False)
        assert process.returncode in {0, -signal.SIGKILL}, process
        shutil.copytree(path, complete)
        expected[name] = digests(kept.run(complete))
        shutil.rmtree(complete)
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def run_until_killed(path: Path, kept: Kept) -> None:
    heard: list[Event] = []

    def told(event: Event) -> None:
        heard.append(event)
        if kept.killed(heard):
            os.kill(os.getpid(), signal.SIGKILL)

    kept.run(path, told)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        run_until_killed(target / f"{sys.argv[2]}.ome.zarr", KEPT[sys.argv[2]])
    else:
        make(target)
