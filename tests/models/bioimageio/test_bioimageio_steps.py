"""Pre- and postprocessing of bioimage.io: every step against numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.images.normalize.steps import (
    Affine,
    Binarize,
    Clip,
    Linear,
    Percentiles,
    Step,
    ZScore,
)
from napari_exactile.run.check.model_check import check_model
from packages import step, tensors, torchscript, v04, v05, write

FLOAT = step("ensure_dtype", dtype="float32")
CHANNELS = ("red", "green")
Change = Callable[[np.ndarray], np.ndarray]


def image(channels: int = 2, seed: int = 3) -> np.ndarray:
    """An image whose channels differ, about as large as its description allows at least."""
    noise = np.random.default_rng(seed).normal(size=(1, channels, 128, 144))
    return (noise * np.array([3.0, 0.5])[:channels, None, None] + 2).astype(np.float32)


def package(folder: Path, given: np.ndarray, expected: np.ndarray, **described: Any) -> Path:
    """A package whose network gives back what it takes."""
    weights = torchscript(folder, nn.Identity())
    names = CHANNELS[: given.shape[1]]
    write(folder, v05(**({"channels": names, "classes": names, "torchscript": weights} | described)))
    tensors(folder, given, expected)
    return folder


def z_score(x: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / (x.std(axes, keepdims=True) + eps)


def ranged(x: np.ndarray, axes: tuple[int, ...], low: float, high: float, eps: float) -> np.ndarray:
    bottom, top = (np.percentile(x, q, axes, keepdims=True) for q in (low, high))
    return (x - bottom) / (top - bottom + eps)


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None, None]


BEFORE: dict[str, tuple[list[dict], Change, tuple[Step, ...]]] = {
    "z-score per channel": (
        [step("zero_mean_unit_variance", axes=["y", "x"], eps=0.05)],
        lambda x: z_score(x, (2, 3), 0.05),
        (ZScore(eps=0.05),),
    ),
    "z-score of all channels": (
        [step("zero_mean_unit_variance", axes=["channel", "y", "x"])],
        lambda x: z_score(x, (1, 2, 3), 1e-6),
        (ZScore(joint=True, eps=1e-6),),
    ),
    "z-score by default": (
        [step("zero_mean_unit_variance")],
        lambda x: z_score(x, (1, 2, 3), 1e-6),
        (ZScore(joint=True, eps=1e-6),),
    ),
    "fixed": (
        [step("fixed_zero_mean_unit_variance", mean=2.0, std=4.0)],
        lambda x: (x - 2) / 4,
        (Affine((2.0,), (4.0,)),),
    ),
    "fixed per channel": (
        [step("fixed_zero_mean_unit_variance", axis="channel", mean=[1.0, 2.0], std=[3.0, 4.0])],
        lambda x: (x - column(1, 2)) / column(3, 4),
        (Affine((1.0, 2.0), (3.0, 4.0)),),
    ),
    "percentiles per channel": (
        [step("scale_range", axes=["y", "x"], min_percentile=5.0, max_percentile=99.8, eps=0.01)],
        lambda x: ranged(x, (2, 3), 5, 99.8, 0.01),
        (Percentiles(5.0, 99.8, eps=0.01),),
    ),
    "percentiles of all channels": (
        [step("scale_range", min_percentile=1.0, max_percentile=99.0)],
        lambda x: ranged(x, (1, 2, 3), 1, 99, 1e-6),
        (Percentiles(1.0, 99.0, joint=True, eps=1e-6),),
    ),
    "percentiles, clipped": (
        [step("scale_range", axes=["y", "x"], max_percentile=90.0), step("clip", min=0.0, max=1.0), FLOAT],
        lambda x: np.clip(ranged(x, (2, 3), 0, 90, 1e-6), 0, 1),
        (Percentiles(0.0, 90.0, eps=1e-6), Clip(0.0, 1.0)),
    ),
    "clipped below": ([step("clip", min=1.5)], lambda x: np.maximum(x, 1.5), (Clip(1.5, None),)),
    "linear": (
        [step("scale_linear", gain=2.0, offset=-1.0)],
        lambda x: 2 * x - 1,
        (Linear((2.0,), (-1.0,)),),
    ),
    "linear per channel, binarized": (
        [step("scale_linear", axis="channel", gain=[2.0, 3.0]), step("binarize", threshold=4.0)],
        lambda x: x * column(2, 3) > 4,
        (Linear((2.0, 3.0), (0.0, 0.0)), Binarize((4.0,))),
    ),
    "binarized per channel": (
        [step("binarize", axis="channel", threshold=[2.0, 2.5])],
        lambda x: x > column(2, 2.5),
        (Binarize((2.0, 2.5)),),
    ),
    "nothing": ([], lambda x: x, ()),
}


@pytest.mark.parametrize("name", BEFORE)
def test_preprocessing_is_what_numpy_computes(tmp_path: Path, name: str) -> None:
    """Each step of the preprocessing gives numpy's values; the test of a package tells where it does not."""
    steps, change, expected = BEFORE[name]
    given = image()
    wanted = change(given.astype(np.float64)).astype(np.float32)
    model = ex.load_model(package(tmp_path / "p", given, wanted, before=steps, halo=0))
    assert model.card.normalization == expected
    assert check_model(model).agrees
    tensors(tmp_path / "p", given, wanted + 1e-2)
    assert not check_model(model).agrees


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


AFTER: dict[str, tuple[list[dict], Change, dict[str, Any]]] = {
    "sigmoid": ([step("sigmoid")], sigmoid, {"kind": "threshold", "probabilities": False, "threshold": 0.5}),
    "softmax": ([step("softmax")], softmax, {"kind": "classes", "probabilities": False}),
    "binarize": (
        [step("binarize", threshold=0.25)],
        lambda x: x > 0.25,
        {"kind": "threshold", "probabilities": True, "threshold": 0.25},
    ),
    "sigmoid, binarized": (
        [step("sigmoid"), step("binarize", threshold=0.75), step("ensure_dtype", dtype="uint8")],
        lambda x: sigmoid(x) > 0.75,
        {"kind": "threshold", "probabilities": False, "threshold": 0.75},
    ),
    "linear, clipped": (
        [step("scale_linear", gain=10.0), step("clip", min=0.0, max=30.0)],
        lambda x: np.clip(10 * x, 0, 30),
        {"kind": "values", "postprocessing": (Linear((10.0,), (0.0,)), Clip(0.0, 30.0))},
    ),
    "fixed": (
        [step("fixed_zero_mean_unit_variance", mean=1.0, std=2.0)],
        lambda x: (x - 1) / 2,
        {"kind": "values", "postprocessing": (Affine((1.0,), (2.0,)),)},
    ),
    "nothing": ([], lambda x: x, {"kind": "values", "postprocessing": ()}),
}


@pytest.mark.parametrize("name", AFTER)
def test_postprocessing_says_what_the_output_is(tmp_path: Path, name: str) -> None:
    """Each step of the postprocessing gives numpy's values, in a run as in the check, and sets the kind."""
    steps, change, expected = AFTER[name]
    given = image()
    wanted = change(given.astype(np.float64)).astype(np.float32)
    model = ex.load_model(package(tmp_path / "p", given, wanted, after=steps, halo=0))
    assert {field: getattr(model.card, field) for field in expected} == expected
    assert model.card.classes == CHANNELS
    assert check_model(model).agrees
    result = ex.segment(given[0], model, tile=64, probabilities=True)
    if result.labels is None or steps[-1:] == [step("sigmoid")] or "softmax" in name:
        np.testing.assert_allclose(result.probabilities, wanted[0], rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_array_equal(result.labels, wanted[0])
    wanted[0, 0, :5] = 1 - wanted[0, 0, :5]
    tensors(tmp_path / "p", given, wanted)
    assert not check_model(model).agrees


@pytest.mark.parametrize(
    ("bounds", "kind"),
    [([0, 1], "threshold"), ([0, 0.5], "threshold"), ([-1, 1], "values"), ([0, 255], "values")],
)
def test_outputs_declared_between_0_and_1_are_probabilities(
    tmp_path: Path, bounds: Sequence[float], kind: str
) -> None:
    """Without postprocessing, a range from 0 to 1 says that the network gives probabilities itself."""
    data = {"type": "float32", "range": bounds}
    card = ex.load_model(package(tmp_path / "p", image(), image(), data=data, halo=0)).card
    assert (card.kind, card.probabilities) == (kind, kind == "threshold")


Z = "zero_mean_unit_variance"


def test_the_first_cast_says_what_a_model_is_made_for(tmp_path: Path) -> None:
    """That a model is made for 8-bit images is told; its steps are computed in float32 as they ask."""
    steps = [step("ensure_dtype", dtype="uint8"), step("scale_linear", gain=0.5), FLOAT]
    given = np.random.default_rng(0).integers(0, 255, (1, 2, 128, 128), np.uint8)
    model = ex.load_model(package(tmp_path / "p", given, given * np.float32(0.5), before=steps, halo=0))
    assert model.card.summary == "finds nuclei - made for uint8 pixels"
    assert check_model(model).agrees


OLD: dict[str, tuple[list[dict], list[dict], dict[str, Any]]] = {
    "fixed": (
        [{"name": Z, "kwargs": {"mode": "fixed", "axes": "yx", "mean": [2.0], "std": [3.0]}}],
        [],
        {"normalization": (Affine((2.0,), (3.0,)),), "kind": "threshold", "probabilities": True},
    ),
    "percentiles": (
        [{"name": "scale_range", "kwargs": {"mode": "per_sample", "axes": "yx", "max_percentile": 99.0}}],
        [{"name": "binarize", "kwargs": {"threshold": 0.4}}],
        {"normalization": (Percentiles(0.0, 99.0, eps=1e-6),), "kind": "threshold", "threshold": 0.4},
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_old_steps_mean_the_same(tmp_path: Path, name: str) -> None:
    """Steps of version 0.4 become ours, and its data_range tells of probabilities."""
    before, after, expected = OLD[name]
    folder = tmp_path / "old"
    write(folder, v04(before=before, after=after, torchscript=torchscript(folder, nn.Identity())))
    card = ex.load_model(folder).card
    assert {field: getattr(card, field) for field in expected} == expected


def test_old_outputs_of_one_size_keep_their_halo(tmp_path: Path) -> None:
    """Version 0.4 declares a halo for outputs of one size, too."""
    folder = tmp_path / "old"
    description = v04(torchscript=torchscript(folder, nn.Identity()))
    description["inputs"][0]["shape"] = description["outputs"][0]["shape"] = [1, 1, 96, 128]
    card = ex.load_model(write(folder, description)).card
    assert (card.halo, card.minimum, card.step) == ((32, 32), (96, 128), (0, 0))


class Cube(nn.Module):
    """A network that takes (batch, channel, z, y, x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def test_three_dimensions_are_read_and_checked(tmp_path: Path) -> None:
    """A description with z, y and x gives those axes, statistics over all three, and agrees with its test."""
    folder = tmp_path / "cube"
    steps = [step(Z, axes=["z", "y", "x"])]
    weights = torchscript(folder, Cube())
    write(folder, v05(space="zyx", size={"min": 8, "step": 4}, halo=0, before=steps, torchscript=weights))
    given = np.random.default_rng(2).normal(3, 2, (1, 1, 8, 12, 16)).astype(np.float32)
    tensors(folder, given, z_score(given, (2, 3, 4), 1e-6) + 1)
    model = ex.load_model(folder)
    assert (model.card.axes, model.card.minimum) == ("zyx", (8, 8, 8))
    assert check_model(model).agrees
