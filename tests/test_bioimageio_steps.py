"""Pre- and postprocessing of bioimage.io: every step against numpy, or refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.images.normalization import (
    Affine,
    Binarize,
    Clip,
    Linear,
    Percentiles,
    Step,
    ZScore,
)
from napari_exactile.models.archive import ModelFileError
from napari_exactile.run.model_check import check_model
from packages import step, tensors, torchscript, v04, v05, write

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

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
REFUSED: dict[str, tuple[str, list[dict], list[dict]]] = {
    "of a data set": (f"{Z} .*per_dataset", [step(Z, axes=["batch", "y", "x"])], []),
    "along one axis": (f"{Z} along x only", [step(Z, axes=["x"])], []),
    "percentiles of another tensor": (
        r"scale_range with the percentiles of another tensor \(raw\)",
        [step("scale_range", reference_tensor="raw")],
        [],
    ),
    "clipped to percentiles": ("clip to percentiles", [step("clip", min_percentile=1.0, max=3.0)], []),
    "linear along y": ("scale_linear along y", [step("scale_linear", axis="y", gain=[2.0, 3.0])], []),
    "three values": (
        "scale_linear with 3 values for 2 channels",
        [step("scale_linear", axis="channel", gain=[2.0, 3.0, 4.0])],
        [],
    ),
    "sigmoid before": ("sigmoid as preprocessing", [step("sigmoid")], []),
    "whole numbers in": (
        "ensure_dtype to uint8",
        [step("clip", min=0.0), step("ensure_dtype", dtype="uint8")],
        [],
    ),
    "double in": ("ensure_dtype to float64", [FLOAT, step("ensure_dtype", dtype="float64")], []),
    "mean and variance": (
        "scale_mean_variance as postprocessing",
        [],
        [step("scale_mean_variance", reference_tensor="raw")],
    ),
    "z-score after": (f"{Z} as postprocessing", [], [step(Z)]),
    "percentiles after": ("scale_range as postprocessing", [], [step("scale_range")]),
    "softmax along y": ("softmax along y", [], [step("softmax", axis="y")]),
    "linear after sigmoid": (
        "scale_linear beside sigmoid",
        [],
        [step("sigmoid"), step("scale_linear", gain=2.0)],
    ),
    "linear before binarize": (
        "scale_linear beside binarize",
        [],
        [step("scale_linear", gain=2.0), step("binarize", threshold=1.0)],
    ),
    "softmax, binarized": ("binarize after softmax", [], [step("softmax"), step("binarize", threshold=0.3)]),
    "two thresholds": (
        "binarize with several thresholds",
        [],
        [step("binarize", axis="channel", threshold=[0.3, 0.4])],
    ),
    "threshold of a logit": ("binarize at 2.0", [], [step("binarize", threshold=2.0)]),
    "sigmoid twice": ("sigmoid as postprocessing", [], [step("sigmoid"), step("sigmoid")]),
    "whole numbers out": ("ensure_dtype to int16", [], [step("ensure_dtype", dtype="int16")]),
    "flows": (
        "cellpose_flow_dynamics as postprocessing",
        [],
        [step("cellpose_flow_dynamics", cellprob_threshold=0.0, flow_threshold=0.4, do_3D=False)],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_steps_that_cannot_be_had_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """What cannot be done exactly is named in one sentence before anything runs."""
    message, before, after = REFUSED[name]
    folder = package(tmp_path / "p", image(), image(), before=before, after=after, halo=0)
    with pytest.raises(ModelFileError, match=message) as caught:
        ex.load_model(folder)
    assert "\n" not in str(caught.value)


def test_softmax_of_one_channel_is_refused(tmp_path: Path) -> None:
    """Softmax over a single channel is 1 everywhere: no labels can come of it."""
    folder = package(tmp_path / "p", image(1), image(1), after=[step("softmax")], halo=0)
    with pytest.raises(ModelFileError, match="softmax over a single channel"):
        ex.load_model(folder)


def test_the_first_cast_says_what_a_model_is_made_for(tmp_path: Path) -> None:
    """That a model is made for 8-bit images is told; its steps are computed in float32 as they ask."""
    steps = [step("ensure_dtype", dtype="uint8"), step("scale_linear", gain=0.5), FLOAT]
    given = np.random.default_rng(0).integers(0, 255, (1, 2, 128, 128), np.uint8)
    model = ex.load_model(package(tmp_path / "p", given, given * np.float32(0.5), before=steps, halo=0))
    assert model.card.summary == "finds nuclei - made for uint8 pixels"
    assert check_model(model).agrees


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (
            {"name": "scale_range", "kwargs": {"mode": "per_dataset", "axes": "yx"}},
            "scale_range .*per_dataset",
        ),
        ({"name": Z, "kwargs": {"mode": "per_dataset", "axes": "yx"}}, f"{Z} .*per_dataset"),
    ],
)
def test_old_modes_of_a_data_set_are_refused(tmp_path: Path, before: dict, message: str) -> None:
    """Version 0.4 calls statistics of a data set a mode: refused, also where the newest form has lost it."""
    folder = tmp_path / "old"
    write(folder, v04(before=[before], torchscript=torchscript(folder, nn.Identity())))
    with pytest.raises(ModelFileError, match=message):
        ex.load_model(folder)


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


@pytest.mark.parametrize("order", [[0, 2, 3, 1], [1, 0, 2, 3], [0, 1, 3, 2], [0, 2, 3]])
def test_other_orders_of_axes_are_refused(tmp_path: Path, order: list[int]) -> None:
    """Axes in another order than batch, channel, space, or none for channels, are named and refused."""
    folder = tmp_path / "p"
    description = v05(torchscript=torchscript(folder, nn.Identity()), halo=0)
    axes = description["inputs"][0]["axes"]
    description["inputs"][0]["axes"] = [axes[i] for i in order]
    names = ", ".join(["batch", "channel", "y", "x"][i] for i in order)
    with pytest.raises(ModelFileError, match=f"tensor raw has the axes {names}: only batch, channel"):
        ex.load_model(write(folder, description))


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    """A network of two images is no network of one."""
    folder = tmp_path / "p"
    description = v05(torchscript=torchscript(folder, nn.Identity()), halo=0)
    description["inputs"].append(description["inputs"][0] | {"id": "mask"})
    with pytest.raises(ModelFileError, match=r"takes 2 inputs \(raw, mask\), not one image"):
        ex.load_model(write(folder, description))
