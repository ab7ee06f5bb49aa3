"""Runs that walk: the zones of a person, the labels of one pass, whatever stops them or lacks memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_exactile as ex
from integer_runs import integer_model, pixels, unet
from napari_exactile.geometry.interval import full_box, slices
from napari_exactile.images.source import ArraySource
from napari_exactile.network.skewed.course import Thrift
from napari_exactile.network.skewed.walk import Walk
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import TileFinished, TileStarted
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan import walks
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from proofs import many
from slow_run import looking_at_all

pytestmark = pytest.mark.usefixtures("one_thread")


def walked(image: Any, model: ex.Model, **more: Any) -> ex.Result:
    return ex.segment(image, model, method="skewed", probabilities=True, check=0, **more)


@settings(max_examples=many(12), deadline=None)
@given(st.data())
def test_any_region_in_any_zones_is_as_one_pass(data: st.DataObject) -> None:
    """Labels, numbers and near-ties are those of one pass, to the bit, and every zone is told of once."""
    shape = tuple(data.draw(st.integers(8, 90), "length") for _ in range(2))
    starts = [data.draw(st.integers(0, n - 1), "start") for n in shape]
    pairs = zip(starts, shape, strict=True)
    region = tuple(ex.Interval(a, data.draw(st.integers(a + 1, n), "stop")) for a, n in pairs)
    tile = data.draw(st.sampled_from(["auto", 44, 60]), "tile")
    heard: list[Any] = []
    image, model = pixels(*shape), unet()
    result = walked(image, model, region=region, tile=tile, on_event=heard.append)
    whole = ex.segment_whole(image, model, probabilities=True)
    np.testing.assert_array_equal(result.labels, whole.labels[slices(region)])
    np.testing.assert_array_equal(result.probabilities, whole.probabilities[(..., *slices(region))])
    for kind in (TileStarted, TileFinished):
        assert sorted(e.index for e in heard if isinstance(e, kind)) == list(range(result.report.tiles))
    assert result.report.exact


def test_little_memory_makes_narrower_bands() -> None:
    """Columns with context of their own take less memory, as planned, and more arithmetic."""
    analysis = ex.analyse(unet(), (3000, 9000))
    wide = ex.plan_tiles(analysis, method="skewed")
    narrow = ex.plan_tiles(analysis, method="skewed", memory=wide.peak_bytes // 6)
    assert wide.walked is not None
    assert narrow.walked is not None
    assert wide.walked.axis == narrow.walked.axis == 1
    assert narrow.walked.band[0] < wide.walked.band[0]
    assert narrow.peak_bytes <= wide.peak_bytes // 6
    assert 1 <= wide.redundancy < narrow.redundancy


@pytest.mark.parametrize("shape", [(400, 90), (90, 400)])
def test_columns_give_the_same(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]) -> None:
    """Bands that do not reach across the image equal one pass to the bit."""
    axis, columns = shape.index(400), walks._columns
    monkeypatch.setattr(walks, "_columns", lambda tiling: [list(columns(tiling))[-1]])
    image, model = pixels(*shape), unet()
    plan = ex.plan_tiles(ex.analyse(model, shape), tile=52, method="skewed")
    assert plan.walked is not None
    assert plan.walked.band[1 - axis] == plan.zor[1 - axis] < 90
    result = walked(image, model, tile=52)
    whole = ex.segment_whole(image, model, probabilities=True)
    np.testing.assert_array_equal(result.probabilities, whole.probabilities)


def test_less_memory_first_takes_smaller_pieces() -> None:
    """Before bands become narrower, less is made at once, which computes nothing again."""
    image, model = pixels(300, 1200), unet()
    analysis = ex.analyse(model, image.shape)
    fast = ex.plan_tiles(analysis, tile=76, method="skewed")
    little = fast.peak_bytes * 2 // 3
    frugal = ex.plan_tiles(analysis, tile=76, method="skewed", memory=little)
    assert fast.walked is not None
    assert frugal.walked == replace(fast.walked, frugal=True)
    assert frugal.peak_bytes <= little
    result = walked(image, model, tile=76, memory_limit=little)
    np.testing.assert_array_equal(result.labels, ex.segment_whole(image, model).labels)


def test_too_little_memory_is_said() -> None:
    """Where not even one zone fits, a sentence names the way out."""
    analysis = ex.analyse(unet(), (300, 300))
    with pytest.raises(ValueError, match='"skewed" needs more memory than there is for'):
        ex.plan_tiles(analysis, method="skewed", memory=1000)


def test_one_band_computes_nothing_again() -> None:
    """Whatever the zones, the arithmetic is that of one pass."""
    analysis = ex.analyse(unet(), (640, 480))
    for tile in ("auto", 44, 300):
        assert ex.plan_tiles(analysis, tile=tile, method="skewed").redundancy == 1.0


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_walk_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path, stop: int) -> None:
    """Begun again at the band, zones that are done are left alone, and the files are those of one run."""
    image, model, done = pixels(200, 150), unet(), list[int]()
    whole, cut = tmp_path / "whole.ome.zarr", tmp_path / "cut.ome.zarr"

    def count(event: Any) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    more: dict[str, Any] = {"tile": 76}
    walked(image, model, output=whole, **more)
    walked(image, model, output=cut, on_event=count, cancel=lambda: len(done) >= stop, **more)
    before = len(done)
    assert 0 < before < 12
    walked(image, model, output=cut, on_event=count, **more)
    assert sorted(done) == list(range(len(done)))
    for folder in ("0", "probabilities/0"):
        files = sorted(p.relative_to(whole) for p in (whole / folder).rglob("*") if p.is_file())
        assert files
        assert all((whole / name).read_bytes() == (cut / name).read_bytes() for name in files)


def test_where_memory_is_not_enough_after_all_zones_are_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the walk could not do is done in pieces, and nothing that was done is lost."""
    image, model = pixels(200, 150), unet()
    original, steps = Walk._fill, 0

    def fill(self: Walk, *args: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 60:
            raise MemoryError
        original(self, *args)

    monkeypatch.setattr(Walk, "_fill", fill)
    monkeypatch.setattr("napari_exactile.run.plan.bands.FAST", Thrift(20000, 8, 1.0))
    result = walked(image, model, tile=76)
    whole = ex.segment_whole(image, model, probabilities=True)
    np.testing.assert_array_equal(result.probabilities, whole.probabilities)


def test_a_fault_names_the_zone_and_keeps_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that cannot be read further is a TileError; zones before it are done."""
    monkeypatch.setattr("napari_exactile.run.plan.bands.FAST", Thrift(20000, 8, 1.0))
    job = Job(image_task(pixels(400, 150), unet(), Settings(tile=76, method="skewed")))
    read = ArraySource.read

    def broken(self: ArraySource, box: Any) -> Any:
        if box[0].stop > 200:
            raise OSError("the disk has gone")
        return read(self, box)

    monkeypatch.setattr(ArraySource, "read", broken)
    with pytest.raises(ex.TileError, match=r"tile \d+ .* failed: .*the disk has gone"):
        list(job.run(Control()))
    assert 0 < len(job.done) < len(job.task.plan)


def test_networks_that_see_the_whole_image_walk_their_last_pass() -> None:
    """After passes that gather statistics, labels are those of one pass, but for near-ties."""
    image, net = pixels(120, 90), looking_at_all()
    result = walked(image, ex.load_model(net), normalization="none")
    whole = ex.segment_whole(image, ex.load_model(net), normalization="none")
    assert int((result.labels != whole.labels).sum()) <= result.report.near_ties


@pytest.mark.parametrize("axes", [1, 3])
def test_signals_and_volumes_walk(axes: int) -> None:
    """Of any number of axes, along the longest one."""
    conv = {1: torch.nn.Conv1d, 3: torch.nn.Conv3d}[axes]
    torch.manual_seed(0)
    net = torch.nn.Sequential(conv(1, 3, 3, padding=1), torch.nn.ReLU(), conv(3, 2, 3, padding=1))
    for parameter in net.parameters():
        parameter.data.copy_(torch.randint(-3, 4, parameter.shape))
    shape = (300,) if axes == 1 else (10, 12, 40)
    image, model = pixels(*shape), integer_model(net, axes="x" if axes == 1 else "zyx")
    plan = ex.plan_tiles(ex.analyse(model, shape), tile=24, method="skewed")
    assert plan.walked is not None
    assert plan.walked.axis == axes - 1
    assert plan.tiling.region == full_box(shape)
    result = walked(image, model, tile=24)
    whole = ex.segment_whole(image, model, probabilities=True)
    np.testing.assert_array_equal(result.probabilities, whole.probabilities)


@pytest.mark.parametrize("begun", ["trimmed", "skewed"])
def test_auto_goes_on_as_a_store_was_begun(tmp_path: Path, begun: str) -> None:
    """A method that is left to the program is the one that it chose then; another one by name is refused."""
    image, model, path = pixels(200, 150), unet(), tmp_path / "a.ome.zarr"
    done = list[int]()

    def count(event: Any) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    more: dict[str, Any] = {"tile": 76, "output": path, "on_event": count}
    ex.segment(image, model, method=begun, cancel=lambda: len(done) >= 3, **more)
    other = {"trimmed": "skewed", "skewed": "trimmed"}[begun]
    with pytest.raises(ValueError, match=rf"begun with another method \({begun}, now {other}\)"):
        ex.segment(image, model, method=other, **more)
    result = ex.segment(image, model, stream=begun == "skewed", **more)
    assert result.report.method == begun
    assert sorted(done) == list(range(12))
    np.testing.assert_array_equal(result.labels[:], ex.segment_whole(image, model).labels)
    assert ex.verify(path, image, model).agrees
