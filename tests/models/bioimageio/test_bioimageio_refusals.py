"""Packages of bioimage.io that ask for what cannot be done exactly: refused by name before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

import napari_exactile as ex
from napari_exactile.models.files.archive import ModelFileError
from packages import step, torchscript, v04, v05, write

FLOAT = step("ensure_dtype", dtype="float32")
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
    folder = tmp_path / "p"
    names = ["red", "green"]
    weights = torchscript(folder, nn.Identity())
    described = v05(channels=names, classes=names, before=before, after=after, halo=0, torchscript=weights)
    with pytest.raises(ModelFileError, match=message) as caught:
        ex.load_model(write(folder, described))
    assert "\n" not in str(caught.value)


def test_softmax_of_one_channel_is_refused(tmp_path: Path) -> None:
    """Softmax over a single channel is 1 everywhere: no labels can come of it."""
    folder = tmp_path / "p"
    described = v05(after=[step("softmax")], halo=0, torchscript=torchscript(folder, nn.Identity()))
    with pytest.raises(ModelFileError, match="softmax over a single channel"):
        ex.load_model(write(folder, described))


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
