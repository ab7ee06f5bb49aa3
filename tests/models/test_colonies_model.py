"""The bundled demonstration network segments synthetic colonies that it has never seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import napari_exactile.models
from napari_exactile.images.colonies import CLASS_NAMES, draw_colonies
from napari_exactile.models.unet import UNet

WEIGHTS = Path(napari_exactile.models.__file__).parent / "colonies_demo.safetensors"
# Training draws seeds from 0 up to its number of steps, calibration draws some around 500,000.
FRESH_SEEDS = range(2_000_000, 2_000_006)


@pytest.fixture(scope="module")
def scores() -> list[np.ndarray]:
    """Return the probabilities (class, y, x) of every fresh image."""
    network = UNet(levels=4, base=8).eval()
    network.load_state_dict(load_file(WEIGHTS))
    with torch.no_grad():
        return [network(z_scored(seed))[0].numpy() for seed in FRESH_SEEDS]


def z_scored(seed: int) -> torch.Tensor:
    image = draw_colonies(seed=seed).image.astype(np.float32)
    return torch.from_numpy((image - image.mean()) / image.std())[None, None]


def test_fresh_images_are_segmented_well(scores: list[np.ndarray]) -> None:
    """On images from seeds never used in training, the mean intersection over union is at least 0.90."""
    ious = []
    for seed, score in zip(FRESH_SEEDS, scores, strict=True):
        found, truth = score[1] > score[0], draw_colonies(seed=seed).labels == 1
        ious.append((found & truth).sum() / (found | truth).sum())
    assert np.mean(ious) >= 0.90


def test_ties_are_rare(scores: list[np.ndarray]) -> None:
    """Almost no pixel has two equal scores, so labels do not hang on the last bits."""
    gaps = np.abs(np.stack(scores)[:, 1] - np.stack(scores)[:, 0])
    assert (gaps < 1e-5).mean() < 1e-4


def test_weights_are_small() -> None:
    """The weights stay below 2 MB, so that they can be part of the package."""
    assert WEIGHTS.stat().st_size <= 2_000_000


def test_header_rebuilds_the_network() -> None:
    """The file's header holds the network's parameters and classes, which the weights fit."""
    with safe_open(WEIGHTS, "pt") as file:
        header = file.metadata()
    UNet(**json.loads(header["parameters"])).load_state_dict(load_file(WEIGHTS))
    assert tuple(json.loads(header["class_names"])) == CLASS_NAMES
    assert json.loads(header["training"])["iou_mean"] >= 0.93
