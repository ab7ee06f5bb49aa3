"""What torch holds around a call decides nothing of what comes out, and is afterwards as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.run.engine.events import Event, TileFinished
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.task.begin import image_task
from napari_exactile.torch_state import exact_arithmetic, window_by_window
from slow_run import looking_at_all

BACKENDS: Any = torch.backends


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def coarse_products() -> Iterator[None]:
    owners = BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul
    before = [owner.fp32_precision for owner in owners]
    for owner in owners:
        owner.fp32_precision = "bf16"
    try:
        yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            owner.fp32_precision = value


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu"),
    "float16 by default": lambda: default_type(torch.float16),
    "float64 by default": lambda: default_type(torch.float64),
    "meta by default": lambda: torch.device("meta"),
    "products in bfloat16": coarse_products,
}


def image() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 900, (130, 150)).astype(np.uint16)


class Makes(nn.Module):
    """A network that makes tensors in its forward pass, of the type that is usual then, and changes one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.interpolate(self.first(x), scale_factor=2, mode="bilinear")
        x = nn.functional.avg_pool2d(x, 2) * torch.linspace(0.5, 1.3, 6).reshape(1, 6, 1, 1)
        return self.last(x.relu_() + torch.full((1,), 0.1))


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "net.pt"
    torch.jit.save(torch.jit.script(looking_at_all()), path)
    return path


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return Makes().eval()


def everything(scripted: Path, net: nn.Module) -> dict[str, Any]:
    """Return what comes of all that computes."""
    pixels, runs = image(), {"probabilities": True, "tile": 60}
    made = {
        "bundled": ex.segment(pixels, "colonies-demo", tile=272, probabilities=True),
        "whole": ex.segment_whole(pixels, "colonies-demo"),
        "eager": ex.segment(pixels, net, **runs),
        "whole tiles": ex.segment(pixels, net, method="whole-tile", **runs),
        "script": ex.segment(pixels, scripted, **runs),
    }
    error = ex.tiling_error(pixels, net, tile=60, radius=0)
    return {
        **{name: (result.labels, result.probabilities) for name, result in made.items()},
        "preview": (error.differing, error.error_map),
        "context": ex.measure_context(net, (64, 64)),
        "analysis": str(ex.analyse(scripted, (64, 64)).context),
    }


@pytest.fixture(scope="module")
def usual(scripted: Path, net: nn.Module) -> dict[str, Any]:
    return everything(scripted, net)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_decide_nothing(
    name: str, usual: dict[str, Any], scripted: Path, net: nn.Module
) -> None:
    """In any of them, labels, probabilities, errors and contexts are the same to the last bit."""
    with SURROUNDINGS[name]():
        found = everything(scripted, net)
    for what, expected in usual.items():
        if isinstance(expected, tuple) and isinstance(expected[0], np.ndarray):
            for ours, theirs in zip(found[what], expected, strict=True):
                np.testing.assert_array_equal(ours, theirs, err_msg=what)
        else:
            assert found[what] == expected


def state() -> tuple[Any, ...]:
    """Return all of torch's settings that a run changes for its own time."""
    owners = BACKENDS.cudnn.conv, BACKENDS.cuda.matmul, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul
    return (
        *(owner.fp32_precision for owner in owners), BACKENDS.cudnn.benchmark, BACKENDS.cudnn.deterministic,
        BACKENDS.cudnn.enabled, torch.get_default_dtype(), torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_device(),
    )  # fmt: skip


@contextmanager
def unusual() -> Iterator[None]:
    """Set what nobody sets, so that it would be seen if it were not restored."""
    before = BACKENDS.cudnn.benchmark, BACKENDS.cudnn.deterministic
    BACKENDS.cudnn.benchmark, BACKENDS.cudnn.deterministic = True, False
    try:
        with default_type(torch.float64), coarse_products():
            yield
    finally:
        BACKENDS.cudnn.benchmark, BACKENDS.cudnn.deterministic = before


def test_between_events_the_surroundings_are_the_callers(scripted: Path) -> None:
    """Whoever hears of a run finds torch as they left it, and the next step computes exactly all the same."""
    expected = ex.segment(image(), scripted, tile=60).labels
    seen: list[tuple[Any, ...]] = []
    with unusual(), torch.autocast("cpu"):
        before = state()
        labels = ex.segment(image(), scripted, tile=60, on_event=lambda event: seen.append(state())).labels
        assert state() == before
    assert len(seen) > 10
    assert set(seen) == {before}
    np.testing.assert_array_equal(labels, expected)


def test_overlapping_runs_restore_what_was_there_before_the_first(net: nn.Module) -> None:
    """Two runs that overlap in two threads compute exactly, whichever ends first.

    A third thread that looks finds either their settings or those from before; after the last, those.
    """
    pixels = image()
    expected = ex.segment(pixels, net, tile=60).labels
    first_is_inside, second_is_done = threading.Event(), threading.Event()
    found: dict[str, Any] = {}

    def first() -> None:
        def told(event: Event) -> None:
            if isinstance(event, TileFinished):
                first_is_inside.set()
                second_is_done.wait(30)

        found["first"] = ex.segment(pixels, net, tile=60, on_event=told).labels

    def second() -> None:
        first_is_inside.wait(30)
        found["second"] = ex.segment(pixels, net, tile=40).labels
        second_is_done.set()

    looks: list[Any] = []
    over = threading.Event()

    def third() -> None:
        while not over.is_set():
            looks.append((BACKENDS.cudnn.benchmark, BACKENDS.cudnn.deterministic))

    with unusual():
        before = state()
        threads = [threading.Thread(target=target) for target in (first, second)]
        looker = threading.Thread(target=third)
        for thread in (*threads, looker):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        looker.join()
        assert state() == before
    np.testing.assert_array_equal(found["first"], expected)
    np.testing.assert_array_equal(found["second"], expected)
    assert {one[0] for one in looks} == {True, False}


def test_settings_are_held_until_the_last_has_left() -> None:
    """A thread that leaves takes nothing from one that is still inside."""
    with unusual():
        before = state()
        outer = exact_arithmetic()
        outer.__enter__()
        with exact_arithmetic():
            pass
        inside = state()
        outer.__exit__(None, None, None)
        assert inside[4:6] == (False, True)
        assert inside[:4] == ("ieee",) * 4
        assert torch.float32 in inside
        assert state() == before


def test_what_somebody_changes_meanwhile_stays() -> None:
    """A setting that its owner changes while a run goes on is not set back."""
    cudnn = BACKENDS.cudnn
    before = cudnn.benchmark
    try:
        cudnn.benchmark = False
        with window_by_window():
            cudnn.benchmark = True
        assert cudnn.benchmark
    finally:
        cudnn.benchmark = before


def test_a_run_that_is_dropped_restores_the_settings(net: nn.Module) -> None:
    """Of a run whose steps nobody takes any more, nothing is left behind."""
    from napari_exactile.run.plan.settings import Settings

    with unusual():
        before = state()
        steps = Job(image_task(image(), net, Settings(tile=60))).run()
        for _ in range(4):
            next(steps)
        assert state() == before
        steps.close()
        assert state() == before


def test_a_network_without_weights_is_refused() -> None:
    """Of one that was made on torch's meta device, the sentence says what it lacks."""
    with torch.device("meta"):
        empty = Makes().eval()
    with pytest.raises(ValueError, match="has no weights yet: its tensors lie on torch's meta device"):
        ex.segment(image(), empty)
