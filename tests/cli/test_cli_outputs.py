"""`exactile segment` with networks of volumes, of values and of several labels, and with stacks together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_exactile as ex
from command_line import assert_refused, call, summary

NETWORKS = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, out, kind):
        super().__init__()
        torch.manual_seed(out)
        self.one, self.two = kind(1, 4, 3, padding=1), kind(4, out, 3, padding=1)

    def forward(self, x):
        return self.two(torch.relu(self.one(x)))


def plane():
    return Small(1, nn.Conv2d)


def volume():
    return Small(3, nn.Conv3d)
"""


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that the command line can import networks from."""
    (tmp_path / "small_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def stack(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 900, shape).astype(np.uint16)


def written(axes: str, *shape: int) -> Any:
    pixels = stack(*shape)
    tifffile.imwrite("image.tif", pixels, metadata={"axes": axes.upper()}, ome=True)
    return pixels


def test_a_volume_is_one_image() -> None:
    """A network of volumes takes z, y and x as one image; the file has the labels of one pass."""
    volume = written("zyx", 14, 40, 36)
    said = summary(call("segment", "image.tif", "--model", "small_networks:volume", "--tile", 16))
    assert said["tiles"] == "24"
    whole = ex.segment_whole(volume, ex.load_model("small_networks:volume"))
    np.testing.assert_array_equal(tifffile.imread("image_labels.tif"), whole.labels)


def test_a_threshold_and_planes_together() -> None:
    """--threshold and --together do what the settings of the same names do."""
    pixels = written("tyx", 3, 40, 36)
    pixels[1] += 5000
    tifffile.imwrite("image.tif", pixels, metadata={"axes": "TYX"}, ome=True)
    model = ex.load_model("small_networks:plane")
    kept = ex.segment(pixels, model, axes="tyx", together=True, probabilities=True)
    threshold = round(float(np.quantile(kept.probabilities, 0.7)), 3)
    options = ("--threshold", threshold, "--together")
    summary(call("segment", "image.tif", "--model", "small_networks:plane", *options))
    np.testing.assert_array_equal(
        tifffile.imread("image_labels.tif"), kept.probabilities[0] >= np.float32(threshold)
    )
    assert_refused(
        call("segment", "image.tif", "--model", "small_networks:plane", "--overwrite", "--threshold", 2),
        "a threshold lies between 0 and 1",
    )
