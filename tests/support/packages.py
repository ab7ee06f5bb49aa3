"""Packages of bioimage.io made for tests: descriptions of both versions, files, folders and zip files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ABOUT = {
    "type": "model",
    "name": "Nuclei (test)",
    "description": "finds nuclei",
    "authors": [{"name": "C. Pape"}],
    "cite": [{"text": "Pape", "doi": "10.1000/xyz123"}],
    "license": "MIT",
    "documentation": "README.md",
    "timestamp": "2024-01-01T00:00:00",
}
SIZE = {"min": 128, "step": 16}


def v05(
    *,
    channels: Sequence[str] = ("dapi",),
    classes: Sequence[str] = ("nucleus",),
    space: str = "yx",
    size: Any = None,
    halo: int = 32,
    before: Sequence[dict] = (),
    after: Sequence[dict] = (),
    data: dict | None = None,
    **weights: dict,
) -> dict[str, Any]:
    """A description of version 0.5."""
    unit = {"scale": 0.5, "unit": "micrometer"}
    sides = [{"type": "space", "id": axis, "size": size or SIZE, **unit} for axis in space]
    source = {
        "id": "raw",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": list(channels)}, *sides],
        "data": {"type": "float32"},
        "test_tensor": {"source": "test_input.npy"},
        "preprocessing": list(before),
    }
    target = output("prob", classes, space, halo, unit) | {"postprocessing": list(after), "data": data or {}}
    return ABOUT | {
        "format_version": "0.5.4", "inputs": [source], "outputs": [target], "weights": weights
    }  # fmt: skip


def output(
    name: str, classes: Sequence[str], space: str = "yx", halo: int = 0, unit: dict | None = None
) -> dict[str, Any]:
    """An output of version 0.5 that has the size of the input."""
    unit = {"scale": 0.5, "unit": "micrometer"} if unit is None else unit
    around = {"halo": halo} if halo else {}
    reference = [{"tensor_id": "raw", "axis_id": axis} for axis in space]
    sides = [
        {"type": "space", "id": axis, "size": size, **around, **unit}
        for axis, size in zip(space, reference, strict=True)
    ]
    axes = [{"type": "batch"}, {"type": "channel", "channel_names": list(classes)}, *sides]
    return {"id": name, "axes": axes, "test_tensor": {"source": "test_output.npy"}}


def v04(*, before: Sequence[dict] = (), after: Sequence[dict] = (), **weights: dict) -> dict[str, Any]:
    """A description of version 0.4 with one channel and one class."""
    source = {
        "name": "raw",
        "axes": "bcyx",
        "data_type": "float32",
        "data_range": ["-inf", "inf"],
        "shape": {"min": [1, 1, 128, 128], "step": [0, 0, 16, 16]},
        "preprocessing": list(before),
    }
    target = {
        "name": "prob",
        "axes": "bcyx",
        "data_type": "float32",
        "data_range": [0, 1],
        "shape": {"reference_tensor": "raw", "scale": [1, 1, 1, 1], "offset": [0, 0, 0, 0]},
        "halo": [0, 0, 32, 32],
        "postprocessing": list(after),
    }
    return ABOUT | {
        "format_version": "0.4.10", "inputs": [source], "outputs": [target], "weights": weights,
        "test_inputs": ["test_input.npy"], "test_outputs": ["test_output.npy"],
    }  # fmt: skip


def step(name: str, **kwargs: Any) -> dict[str, Any]:
    """A step of version 0.5."""
    return {"id": name, "kwargs": kwargs} if kwargs else {"id": name}


def write(folder: Path, description: dict[str, Any] | str | bytes, name: str = "rdf.yaml") -> Path:
    """Write a description and what every package has; JSON is YAML."""
    folder.mkdir(exist_ok=True)
    text = json.dumps(description) if isinstance(description, dict) else description
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "README.md").write_text("a test")
    return folder


def torchscript(folder: Path, network: nn.Module, **more: Any) -> dict[str, Any]:
    """Save a network as TorchScript and return the entry of its weights."""
    folder.mkdir(exist_ok=True)
    torch.jit.script(network.eval()).save(str(folder / "script.pt"))
    return {"source": "script.pt", "sha256": sha256(folder / "script.pt"), "pytorch_version": "2.6", **more}


def state_dict(folder: Path, network: nn.Module, architecture: dict[str, Any]) -> dict[str, Any]:
    """Save a network's weights and return their entry."""
    folder.mkdir(exist_ok=True)
    torch.save(network.state_dict(), folder / "state.pt")
    entry = {"source": "state.pt", "sha256": sha256(folder / "state.pt"), "pytorch_version": "2.6"}
    return entry | {"architecture": architecture}


def tensors(folder: Path, given: np.ndarray, expected: np.ndarray) -> None:
    """Write the test pair."""
    np.save(folder / "test_input.npy", given)
    np.save(folder / "test_output.npy", expected)


def zipped(folder: Path) -> Path:
    """Pack a folder into a zip file beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
