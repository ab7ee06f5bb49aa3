"""Passes over the image that are walked: the statistics of trimmed zones, in the memory that was planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.geometry.interval import Box, box_shape
from napari_exactile.network.cost.passes import Pass
from napari_exactile.network.skewed.course import Course, Thrift
from napari_exactile.network.skewed.walk import Walk
from napari_exactile.run.engine.events import Surveying, TileHalved
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan import walks
from napari_exactile.run.plan.plan import plan_tiles
from napari_exactile.run.plan.settings import MethodName, Settings
from napari_exactile.run.plan.walks import everywhere, peak_of
from napari_exactile.run.task.begin import image_task
from peak_memory import peak_of as measured
from zoo.unets import PlainUNet

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = Thrift(40_000, 4, 1.0)


def network(seed: int = 0) -> nn.Module:
    """Return a small U-Net with instance norms, in double precision."""
    torch.manual_seed(seed)
    return PlainUNet((4, 8, 8)).double().eval()


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape) + 3


def surveyed(pixels: np.ndarray, net: nn.Module, method: MethodName, **more: Any) -> Job:
    job = Job(image_task(pixels, net, Settings(method=method, probabilities=True, **more)))
    assert [event for event in job.run() if isinstance(event, Surveying)]
    return job


@pytest.mark.parametrize("shape", [(96, 64), (61, 150)])
@pytest.mark.parametrize("scratch", [0, 100_000, None])
def test_walked_passes_find_what_tiles_find(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], scratch: int | None
) -> None:
    """In small strips, along the longer axis, whatever is kept between passes, in memory or in files."""
    monkeypatch.setattr("napari_exactile.run.plan.bands.FAST", SMALL)
    pixels, net = image(*shape), network()
    tiles = surveyed(pixels, net, "trimmed", tile=56)
    for memory in (10**9, 0):
        monkeypatch.setattr("napari_exactile.run.engine.local.engine.scratch_memory", lambda m=memory: m)
        walked = surveyed(pixels, net, "skewed", scratch_limit=scratch)
        assert walked.task.plan.surveyed
        for key, one in tiles.engine._survey.values.items():
            for mine, theirs in zip(walked.engine._survey.values[key], one, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(walked.result().labels, tiles.result().labels)


def test_little_memory_makes_columns_of_the_passes() -> None:
    """Passes are walked in columns that fit; what these compute again counts as redundancy."""
    analysis = ex.analyse(network(), (2000, 1500))
    wide = plan_tiles(analysis, method="skewed", scratch=10**10)
    narrow = plan_tiles(analysis, method="skewed", scratch=10**10, memory=wide.peak_bytes // 15)
    assert wide.surveyed
    assert narrow.surveyed
    assert wide.surveyed.band[1] >= 1500 > narrow.surveyed.band[1]
    assert 1 <= wide.redundancy < 1.002 < narrow.redundancy
    assert narrow.peak_bytes <= wide.peak_bytes // 15
    with pytest.raises(ValueError, match="skewed"):
        plan_tiles(analysis, method="skewed", memory=10_000)


def test_columns_give_the_labels_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns walked one after the other keep and gather all of the image, each element once."""
    columns = walks._columns
    monkeypatch.setattr(walks, "_columns", lambda tiling: list(columns(tiling))[2:])
    pixels, net = image(120, 300), network()
    job = surveyed(pixels, net, "skewed")
    assert job.task.plan.surveyed is not None
    assert job.task.plan.surveyed.band[0] < 120
    whole = ex.segment_whole(pixels, net, probabilities=True)
    np.testing.assert_allclose(job.result().probabilities, whole.probabilities, atol=1e-9)


def test_automatic_runs_walk_networks_that_look_at_all_of_the_image() -> None:
    """Every element is computed once, passes included, where all that they keep fits."""
    plan = plan_tiles(ex.analyse(network(), (2000, 1500)), scratch=10**10)
    assert plan.method.name == "skewed"
    assert plan.redundancy <= 1.01


def test_a_store_goes_on_with_the_bands_of_its_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other memory, passes would be cut otherwise; what was begun decides, to the byte."""
    pixels, net, path = image(120, 300), network(), tmp_path / "a.ome.zarr"
    columns, second = walks._columns, list[bool]()
    monkeypatch.setattr(walks, "_columns", lambda tiling: list(columns(tiling))[2:])
    whole = ex.segment(pixels, net, output=tmp_path / "whole.ome.zarr", probabilities=True)

    def heard(event: ex.Event) -> None:
        second.append(isinstance(event, Surveying) and event.number == 2)

    with pytest.raises(ValueError, match="cancelled"):
        ex.segment(pixels, net, output=path, probabilities=True, on_event=heard, cancel=lambda: any(second))
    monkeypatch.setattr(walks, "_columns", columns)
    result = ex.segment(pixels, net, output=path, probabilities=True)
    assert result.labels[:].tobytes() == whole.labels[:].tobytes()
    assert result.probabilities[:].tobytes() == whole.probabilities[:].tobytes()


def test_passes_take_the_memory_that_is_planned() -> None:
    """Beside what is kept, each pass takes what the plan says, within 15 %."""
    net = PlainUNet((16, 32, 32)).eval()
    analysis = ex.analyse(net, (640, 512))
    plan = plan_tiles(analysis, method="skewed", scratch=10**10)
    assert plan.surveyed is not None
    whole, graph = everywhere(analysis, analysis.factor), analysis.graph
    band = plan.surveyed.bands(whole).tile(0).zone
    for one in plan.schedule.passes[1:4]:
        course = Course(analysis.bound, plan.surveyed.axis, band, one.results, one.given)

        def walk(course: Course = course, one: Pass = one) -> None:
            def read(index: int, box: Box) -> torch.Tensor:
                return torch.rand(1, 1, 1, 1).expand(1, graph.nodes[index].shape[1], *box_shape(box))

            with torch.no_grad():
                for _part in Walk(course, torch.device("cpu")).run(band[course.axis], read, lambda: None):
                    pass

        assert 0.85 <= peak_of(analysis, whole, plan.surveyed, one) / measured(walk) <= 1.15


@pytest.mark.parametrize("method", ["trimmed", "skewed"])
def test_short_memory_makes_small_pieces(monkeypatch: pytest.MonkeyPatch, method: MethodName) -> None:
    """Out of memory in a pass, walked or not, it goes on in smaller pieces and changes no label."""
    model, pixels = ex.load_model(network()), image(64, 64)
    undisturbed = ex.segment(pixels, model, method=method)
    one = Job(image_task(pixels, model, Settings(method=method)))
    compute, failures = Executor.compute, iter([MemoryError(), None, MemoryError()])

    def short(*args: object) -> object:
        if error := next(failures, None):
            raise error
        return compute(*args)

    monkeypatch.setattr(Executor, "compute", short)
    monkeypatch.setattr(Executor, "walk", Mock(side_effect=MemoryError))
    told = [event.zone for event in one.run() if isinstance(event, TileHalved)]
    assert told == [(32, 32), (16, 16)]
    np.testing.assert_array_equal(one.result().labels, undisturbed.labels)
