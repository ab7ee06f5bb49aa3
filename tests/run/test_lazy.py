"""Labels on demand: whatever is taken, in whatever order and by whom, is that of one pass over the image."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import tifffile
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import napari_exactile as ex
from integer_runs import pixels, unet
from napari_exactile.run import lazy
from napari_exactile.run.engine.local.engine import LocalEngine
from proofs import many
from slow_run import looking_at_all

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (75, 90)


@pytest.fixture(scope="module")
def whole() -> ex.Result:
    return ex.segment_whole(pixels(*SHAPE), unet(), probabilities=True)


def drawn_index(data: st.DataObject, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return integers and slices, of any step and direction, and empty ones."""
    kinds = [st.integers(-n, n - 1) | st.slices(n) for n in shape]
    return tuple(data.draw(kind) for kind in kinds)


@settings(max_examples=many(15), deadline=None)
@given(st.data())
def test_any_slice_is_that_of_one_pass(whole: ex.Result, data: st.DataObject) -> None:
    """Labels and probabilities, to the bit, by numpy's indices and by dask's."""
    image, numbers = pixels(*SHAPE), data.draw(st.booleans(), "numbers")
    expected = whole.probabilities if numbers else whole.labels
    array = ex.segment_lazy(image, unet(), tile=data.draw(st.sampled_from(["auto", 44, 60])), numbers=numbers)
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    index = drawn_index(data, array.shape)
    np.testing.assert_array_equal(array[index].compute(scheduler="sync"), expected[index])


def test_nothing_is_read_before_it_is_asked_for_and_then_what_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a corner, as much is computed as it takes, not its chunk; the image is measured once."""
    zones, looks, compute = list[Any](), list[Any](), LocalEngine.compute

    def computed(self: LocalEngine, zone: Any, *more: Any) -> Any:
        zones.append(zone)
        return compute(self, zone, *more)

    monkeypatch.setattr(LocalEngine, "compute", computed)
    monkeypatch.setattr("napari_exactile.run.lazy.look_for_gaps", looks.append)
    array = ex.segment_lazy(pixels(*SHAPE), unet(), tile=60)
    assert not zones
    assert not looks
    array[:3, 80:].compute(scheduler="sync")
    (zone,) = zones
    assert np.prod([len(side) for side in zone]) <= 16 * 32
    array.compute(scheduler="sync")
    assert len(zones) == 1 + array.npartitions
    assert len(looks) == 1


def test_several_threads_at_once_are_safe(whole: ex.Result) -> None:
    """Of one array, and of several of one network."""
    arrays = [ex.segment_lazy(pixels(*SHAPE), unet(), tile=44) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda array: array.compute(scheduler="threads"), arrays * 2))
    for labels in made:
        np.testing.assert_array_equal(labels, whole.labels)


def saved(folder: Path) -> tuple[Path, Path]:
    tifffile.imwrite(folder / "a.tif", pixels(*SHAPE).astype(np.float32))
    network = torch.jit.trace(unet().module.float(), torch.zeros(1, 1, 64, 64))
    network.save(str(folder / "net.pt"))
    return folder / "a.tif", folder / "net.pt"


def test_other_processes_open_the_files(tmp_path: Path) -> None:
    """A copy is small, and computes the same; in one process, all copies share what was made once."""
    image, network = saved(tmp_path)
    array = ex.segment_lazy(image, network, tile=60)
    expected = array.compute(scheduler="sync")
    (parts,) = {id(one): one for one in dict(array.dask).values() if isinstance(one, lazy.OnDemand)}.values()
    told = pickle.dumps(parts)
    assert len(told) < 10_000
    again, once_more = pickle.loads(told), pickle.loads(told)
    assert again is once_more
    np.testing.assert_array_equal(again[:], expected)
    with dask.config.set(scheduler="processes", num_workers=2):
        np.testing.assert_array_equal(array.compute(), expected)


def test_what_is_in_no_file_cannot_travel() -> None:
    """One sentence says what to save."""
    parts = lazy.OnDemand(make(pixels(*SHAPE)), numbers=False)
    with pytest.raises(ValueError, match="is in no file: save it"):
        pickle.dumps(parts)


def make(image: Any, **more: Any) -> Any:
    return lazy.make_task(image, unet(), ex.Settings(method="trimmed", **more))


def test_networks_that_look_at_all_of_the_image_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever part is asked for first, it has the statistics of the whole image."""
    image = np.random.default_rng(5).random((64, 80), np.float32)
    array = ex.segment_lazy(image, looking_at_all(), tile=40, numbers=True)
    whole = ex.segment_whole(image, looking_at_all(), probabilities=True)
    corner = array[:, 50:, 60:].compute(scheduler="sync")
    np.testing.assert_allclose(corner, whole.probabilities[:, 50:, 60:], atol=2e-6)
    monkeypatch.setattr(LocalEngine, "exact_executor", lambda self: pytest.fail("it is known"))
    np.testing.assert_allclose(array[:, :9].compute(scheduler="sync"), whole.probabilities[:, :9], atol=2e-6)


def test_stacks_regions_and_channels_have_the_shapes_of_a_run(tmp_path: Path) -> None:
    """Planes are chunks of their own; a region and valid convolutions give as many labels as a run does."""
    stack = np.random.default_rng(0).integers(0, 9, (3, 50, 60)).astype(np.float32)
    valid = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Conv2d(4, 3, 3)).eval()
    region = (ex.Interval(3, 41), ex.Interval(10, 55))
    for more in ({"axes": "tyx"}, {"axes": "tyx", "together": True}, {"axes": "tyx", "region": region}):
        run = ex.segment(stack, valid, tile=24, method="trimmed", **more)
        array = ex.segment_lazy(stack, valid, tile=24, **more)
        assert array.chunks[0] == (1, 1, 1)
        np.testing.assert_array_equal(array.compute(scheduler="sync"), run.labels)
    channels = nn.Conv2d(1, 2, 3, padding=1).eval()
    array = ex.segment_lazy(stack, channels, axes="tyx", output_kind="logits")
    np.testing.assert_array_equal(
        array[:, 1].compute(scheduler="sync"),
        ex.segment(stack, channels, axes="tyx", output_kind="logits", method="trimmed").labels[:, 1],
    )
    array.to_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[:], array.compute())


def test_values_are_their_numbers() -> None:
    """Where the output is values there are no labels to ask for."""
    image, model = pixels(*SHAPE), unet()
    array = ex.segment_lazy(image, model, output_kind="values")
    whole = ex.segment_whole(image, model, output_kind="values")
    np.testing.assert_array_equal(array.compute(scheduler="sync"), whole.probabilities)


def test_what_has_been_changed_is_noticed() -> None:
    """Parts of two versions of an image or a network are never mixed without a word."""
    image, network = pixels(*SHAPE), nn.Conv2d(1, 3, 3, padding=1).eval()
    array = ex.segment_lazy(image, network)
    array[:5].compute(scheduler="sync")
    with torch.no_grad():
        network.weight += 1
    with pytest.raises(ex.ChangedError, match="has been changed meanwhile"):
        array[5:].compute(scheduler="sync")


def test_what_cannot_be_used_is_refused_at_once() -> None:
    """Before anything is computed."""
    with pytest.raises(ex.NotExactError):
        ex.segment_lazy(pixels(*SHAPE), nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(70)).eval())
    with pytest.raises(IndexError, match="there are 75"):
        lazy.OnDemand(make(pixels(*SHAPE)), numbers=False)[99]
