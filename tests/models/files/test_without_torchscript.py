"""torch is giving TorchScript up: one module calls it, and everything else works without it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import nn

import napari_exactile as ex
from attacks import UNWARNED
from napari_exactile import torchscript
from script_nets import IMAGE, Network

pytestmark = UNWARNED


def test_nothing_else_needs_torchscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is giving it up: without it, other networks are read and computed, and its files are refused."""
    torch.jit.script(Network("").eval()).save(str(tmp_path / "net.pt"))
    monkeypatch.setattr(torchscript, "_jit", None)
    monkeypatch.setattr(torchscript, "_Script", None)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()).eval()
    assert ex.segment(IMAGE[0, 0].numpy(), network).labels.shape == (8, 8)
    with pytest.raises(ValueError, match=r"has no TorchScript; .* torch.export.save"):
        ex.load_model(tmp_path / "net.pt")


def test_torchscript_has_one_home() -> None:
    """One module calls it, by a name that may be missing; others at most name it in a sentence."""
    folder = Path(ex.__file__).parent
    assert not [path.name for path in folder.rglob("*.py") if "torch.jit" in _code_of(path)]


def _code_of(path: Path) -> str:
    """Return the imports and attributes that a file uses, without its texts."""
    tree = ast.parse(path.read_text())
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.ImportFrom)]
    return " ".join(names)
