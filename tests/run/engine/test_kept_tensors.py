"""Tensors that are kept between passes: in memory or in files, they come back as they were written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import napari_exactile as ex
from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.run.engine.passes import kept_tensors
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors

SHAPE = (1, 3, 7, 5)


def nothing() -> None:
    """Look at nothing."""


def numbers(dtype: torch.dtype, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.arange(np.prod(shape)).reshape(shape).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("memory", [0, 10**6])
@pytest.mark.parametrize("first", [0, 1])
def test_what_is_written_in_boxes_is_read_in_others(dtype: torch.dtype, memory: int, first: int) -> None:
    """In memory or in a file, of any type, along any axis."""
    kept, whole = KeptTensors(memory), numbers(dtype)
    kept.make(4, SHAPE, dtype, first)
    for rows in (Interval(0, 4), Interval(4, 7)):
        kept.write(4, (rows, Interval(0, 5)), whole[:, :, rows.start : rows.stop])
    kept.complete(4)
    assert torch.equal(kept.whole(4), whole)
    assert torch.equal(kept.read(4, (Interval(2, 6), Interval(1, 4))), whole[:, :, 2:6, 1:4])
    assert kept.whole(4).select(2 + first, 0)[0].movedim(0, -1).is_contiguous(), "rows are blocks"
    kept.forget(4)
    assert 4 not in kept


@given(data=st.data(), shape=st.tuples(*[st.integers(1, 9)] * 3), first=st.integers(0, 2))
def test_volumes_come_back_in_any_box(data: st.DataObject, shape: tuple[int, ...], first: int) -> None:
    """Whatever the axis whose rows are blocks."""
    kept, whole = KeptTensors(10**6), numbers(torch.float32, (1, 2, *shape))
    kept.make(0, whole.shape, whole.dtype, first)
    kept.write(0, tuple(Interval(0, n) for n in shape), whole)
    pairs = [(data.draw(st.integers(0, n - 1)), n) for n in shape]
    box: Box = tuple(Interval(start, data.draw(st.integers(start + 1, n))) for start, n in pairs)
    index: Any = (..., *slices(box))
    assert torch.equal(kept.read(0, box), whole[index])


def completed(folder: Path) -> torch.Tensor:
    kept, whole = KeptTensors(0, folder), numbers(torch.float32)
    kept.make(2, SHAPE, torch.float32, 1)
    kept.write(2, (Interval(0, 7), Interval(0, 5)), whole)
    kept.complete(2)
    return whole


def test_a_later_run_finds_what_was_completed(tmp_path: Path) -> None:
    """It lies as it lay; what was begun and not completed, or has another shape or type, is not there."""
    whole, again = completed(tmp_path), KeptTensors(0, tmp_path)
    again.make(3, SHAPE, torch.float32)
    once_more = KeptTensors(0, tmp_path)
    assert once_more.recall(2, SHAPE, torch.float32, nothing)
    assert torch.equal(once_more.whole(2), whole)
    assert not once_more.recall(3, SHAPE, torch.float32, nothing)
    assert not KeptTensors(0, tmp_path).recall(2, (1, 3, 5, 7), torch.float32, nothing)
    assert not KeptTensors(0, tmp_path).recall(2, SHAPE, torch.int32, nothing)
    assert not KeptTensors(0).recall(2, SHAPE, torch.float32, nothing)


@pytest.mark.parametrize(
    "told",
    ["", "{", "[]", {"first": 2}, {"first": -1}, {"checksums": []}, {"checksums": [1, 2]}, {"shape": [1]}],
)
def test_a_description_that_does_not_fit_is_none(tmp_path: Path, told: str | dict[str, Any]) -> None:
    """Nothing that stands in it is an error, or lets wrong numbers be read."""
    completed(tmp_path)
    file = tmp_path / "2.json"
    changed = told if isinstance(told, str) else json.dumps(json.loads(file.read_text()) | told)
    file.write_text(changed)
    assert not KeptTensors(0, tmp_path).recall(2, SHAPE, torch.float32, nothing)


def test_what_is_kept_alone_is_there_afterwards(tmp_path: Path) -> None:
    """All else goes, also folders that earlier versions have left; with nothing to keep, the folder, too."""
    completed(tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "zarr.json").write_text("{}")
    kept = KeptTensors(0, tmp_path)
    kept.keep_only([2])
    assert {file.name for file in tmp_path.iterdir()} == {"2", "2.json"}
    kept.keep_only([])
    assert not tmp_path.exists()


class Norms(nn.Sequential):
    """Two norms, the second after what the first keeps."""

    def __init__(self) -> None:
        first, second, last = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        super().__init__(first, nn.InstanceNorm2d(4), second, nn.InstanceNorm2d(4), last)


@pytest.mark.parametrize("allocates", [True, False])
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, allocates: bool) -> None:
    """Before anything is mapped, room is made for all of it, or looked for where the system makes none."""

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if allocates:
        monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    else:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        monkeypatch.setattr(kept_tensors, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    monkeypatch.setattr("napari_exactile.run.engine.local.engine.scratch_memory", lambda: 0)
    with pytest.raises(ex.TileError, match=r"keep cannot be written \(.*the disk is full\): make room"):
        ex.segment(np.eye(64, dtype=np.float32), Norms().eval())
