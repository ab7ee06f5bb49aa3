"""An image that is changed under a run: labels of two versions are never mixed without a word."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import torch
import zarr
from torch import nn

import napari_exactile as ex
from image_files import after
from napari_exactile.images.read.fingerprint import ChangedError
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event, TileFinished
from napari_exactile.run.engine.schedule import unchanged
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import earlier_report
from napari_exactile.run.task.begin import make_task
from slow_run import TILE, image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def write_tiff(path: Path, pixels: np.ndarray) -> None:
    tifffile.imwrite(path, pixels)


def write_zarr(path: Path, pixels: np.ndarray) -> None:
    array = zarr.create_array(path, shape=pixels.shape, chunks=(64, 64), dtype=pixels.dtype, overwrite=True)
    array[...] = pixels


KINDS = {"image.tif": write_tiff, "image.npy": np.save, "image.zarr": write_zarr}


@pytest.fixture(params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    KINDS[path.name](path, image())
    return path


def change(path: Path) -> None:
    """Write one pixel anew that is none of those by which the content of an image is known."""
    KINDS[path.name](path, changed())
    for one in path.rglob("*") if path.is_dir() else [path]:
        os.utime(one, (1e9, 1e9))


def changed() -> np.ndarray:
    pixels = image().copy()
    pixels[-1, -1] += 1
    return pixels


def begun(file: Path, folder: Path) -> Path:
    """Return a store with two finished tiles of the image in a file."""
    out, stop = folder / "labels.ome.zarr", [False]
    hear = after(2, lambda: stop.append(True))
    ex.segment(file, network(), tile=TILE, output=out, on_event=hear, cancel=lambda: stop[-1])
    return out


@pytest.mark.parametrize("stored", [True, False])
def test_a_change_during_a_run_is_told(file: Path, tmp_path: Path, stored: bool) -> None:
    """A run over an image that changes meanwhile fails, and its report does not call the labels exact."""
    out = tmp_path / "labels.ome.zarr"
    more = {"output": out} if stored else {}
    with pytest.raises(ChangedError, match=r"was changed during the run.*begin anew"):
        ex.segment(file, network(), tile=TILE, on_event=after(2, lambda: change(file)), **more)
    if stored:
        report = earlier_report(out)
        assert not report["exact"]
        assert report["result"].startswith("NOT EXACT: 'image")


def test_a_changed_image_does_not_continue(file: Path, tmp_path: Path) -> None:
    """A store is not continued with an image of which anything was written anew, wherever that is."""
    out = begun(file, tmp_path)
    change(file)
    with pytest.raises(ValueError, match="begun with another image file"):
        ex.segment(file, network(), tile=TILE, output=out)


def test_what_was_opened_before_a_change_is_refused(tmp_path: Path) -> None:
    """An array that was opened from a file is not segmented once the file is another one."""
    path = tmp_path / "image.tif"
    write_tiff(path, image())
    opened = ex.open_image(path)
    change(path)
    with pytest.raises(ChangedError, match=r"image\.tif has been changed since it was opened: open it again"):
        ex.segment(opened, network(), tile=TILE, output=tmp_path / "labels.ome.zarr")


def test_a_deleted_file_that_is_open_can_be_read(tmp_path: Path) -> None:
    """A TIFF that is deleted during a run is read to its end, to the labels of one pass."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image(), tile=(64, 64), compression="zlib")
    labels = ex.segment(path, network(), tile=TILE, on_event=after(2, path.unlink)).labels
    np.testing.assert_array_equal(labels, ex.segment_whole(image(), network()).labels)


def test_a_moved_image_continues(file: Path, tmp_path: Path) -> None:
    """A store goes on with the same files in another folder: times and sizes count, not places."""
    out = begun(file, tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    file.rename(moved / file.name)
    result = ex.segment(moved / file.name, network(), tile=TILE, output=out)
    np.testing.assert_array_equal(result.labels[...], ex.segment_whole(image(), network()).labels)


def paint(array: np.ndarray) -> None:
    array[-1, -1] += 1


def add_to_data(net: nn.Module) -> None:
    """Change weights behind the back of torch, which counts no version then."""
    next(net.parameters()).data[0, 0, 0, 0] += 1


def replace_bias(net: nn.Module) -> None:
    layer = next(part for part in net.modules() if isinstance(part, nn.Conv2d) and part.bias is not None)
    layer.bias = nn.Parameter(layer.bias.detach() + 1)  # type: ignore[union-attr]


def move_a_mean(net: nn.Module) -> None:
    next(part for part in net.modules() if isinstance(part, nn.BatchNorm2d)).running_mean += 1  # type: ignore[operator]


MODEL_CHANGES = {
    "weight": add_to_data, "replaced": replace_bias, "buffer": move_a_mean, "mode": lambda net: net.train(),
}  # fmt: skip


def batch_normed() -> nn.Module:
    """A network with all that a network can hold."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1)
    ).eval()


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("form", ["numpy", "zarr", "dask"])
def test_an_array_that_changes_during_a_run_is_told(form: str, stored: bool, tmp_path: Path) -> None:
    """Of an array that no file tells anything of, one pixel that is painted on ends the run with an error."""
    pixels, out = image().copy(), tmp_path / "labels.ome.zarr"
    in_memory = zarr.create_array({}, data=pixels)
    lazy = dask.array.from_array(in_memory, chunks=64)
    array, changed = {"numpy": (pixels, pixels), "zarr": (in_memory, in_memory), "dask": (lazy, in_memory)}[
        form
    ]
    more = {"output": out} if stored else {}
    with pytest.raises(ChangedError, match=r"'image' was changed during the run.*begin anew"):
        ex.segment(array, network(), tile=TILE, on_event=after(2, lambda: paint(changed)), **more)
    if stored:
        report = earlier_report(out)
        assert not report["exact"]
        assert report["result"].startswith("NOT EXACT: 'image' was changed")
        with pytest.raises(ValueError, match="egin anew"):
            ex.segment(array, network(), tile=TILE, **more)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("change", MODEL_CHANGES)
def test_a_model_that_changes_during_a_run_is_told(change: str, stored: bool, tmp_path: Path) -> None:
    """Weights, statistics and the mode count, in whatever way they were changed."""
    net, out = batch_normed(), tmp_path / "labels.ome.zarr"
    more = {"output": out} if stored else {}
    with pytest.raises(
        ChangedError, match=r"the model 'Sequential' \(.+\) was changed during the run.*begin anew"
    ):
        ex.segment(image(), net, tile=64, on_event=after(2, lambda: MODEL_CHANGES[change](net)), **more)
    if stored:
        assert earlier_report(out)["result"].startswith("NOT EXACT: the model 'Sequential'")


OUTSIDE = torch.ones(1)


class Plain(nn.Module):
    """A network with tensors that it has not registered, and one that lies outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = batch_normed()
        self.scale, self.more = torch.ones(1), [torch.zeros(2, 1, 1)]
        self.calls = torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        scores: torch.Tensor = self.layers(x) * self.scale + self.more[0]
        return scores * OUTSIDE


def replace_scale(net: Any) -> None:
    net.scale = -net.scale


PLAIN_CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "attribute": (lambda net: net.scale.mul_(-1), "scale"),
    "through numpy": (lambda net: net.scale.numpy().fill(-1), "scale"),
    "replaced": (replace_scale, "scale"),
    "in a list": (lambda net: net.more[0][1].add_(1), r"more\[0\]"),
    "outside": (lambda _net: OUTSIDE.mul_(-1), "constant"),
}


@pytest.mark.parametrize("change", PLAIN_CHANGES)
def test_tensors_that_are_no_weights_count_too(change: str) -> None:
    """A plain tensor that scores depend on may not change during a run; one that counts calls may."""
    act, name = PLAIN_CHANGES[change]
    net = Plain().eval()
    assert ex.segment(image(), net, tile=64).report.exact
    with pytest.raises(ChangedError, match=rf"the model 'Plain' \({name}.*\) was changed during the run"):
        ex.segment(image(), net, tile=64, on_event=after(2, lambda: act(net)))


def test_no_weight_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trace holds are the network's own tensors: looking for changes reads each of them once."""
    read: list[int] = []

    def count(tensor: torch.Tensor) -> int:
        read.append(tensor.numel())
        return 0

    monkeypatch.setattr(unchanged, "checksum", count)
    net = Plain().eval()
    ours = sum(one.numel() for one in net.parameters())
    changes = unchanged.Unchanged(ArraySource(image()), ex.load_model(net), ex.analyse(net, image().shape))
    assert changes.change() is None
    statistics, plain = 2 * 3, 1 + 2 + 1
    assert sum(read) == ours + statistics + plain


def test_what_changes_between_two_runs_is_told() -> None:
    """Who stops and goes on later does so with the image and the model that the run was begun with."""
    pixels, net = image().copy(), batch_normed()
    for act in lambda: paint(pixels), lambda: add_to_data(net):
        series, finished = Series(make_task(pixels, net, Settings(tile=64))), list[Event]()
        for event in series.run(Control(is_cancelled=lambda: bool(finished))):  # noqa: B023  (it is used at once)
            finished.extend([event] if isinstance(event, TileFinished) else [])
        assert 0 < series.done < series.task.tiles
        act()
        with pytest.raises(ChangedError, match=r"has been changed meanwhile: .*begin anew"):
            list(series.run())


def test_a_network_that_counts_its_calls_is_no_other_one() -> None:
    """A buffer that no output depends on may change."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = batch_normed()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            scores: torch.Tensor = self.layers(x)
            return scores

    net = Counting().eval()
    assert ex.segment(image(), net, tile=64, method="whole-tile").report.exact
    assert net.calls > 1


def test_large_arrays_are_watched_in_many_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an array that is too large to look at everywhere, a change of a part of it is seen."""
    monkeypatch.setattr("napari_exactile.images.read.sample.LOOKED_AT", 2**13)
    pixels = image().copy()

    def darken() -> None:
        pixels[: len(pixels) // 2] //= 2

    with pytest.raises(ChangedError, match="was changed during the run"):
        ex.segment(pixels, network(), tile=TILE, on_event=after(2, darken))
