"""What the tests with a network or a viewer share: fixtures, found by their names."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from napari import Viewer
from napari.components import ViewerModel

from attacks import marker
from docks import model, opened, own_settings
from previews import previewing

__all__ = ["marker", "model", "opened", "own_settings", "previewing"]


@pytest.fixture(scope="session", autouse=True)
def _keep_deleted_programs() -> Iterator[None]:
    """Let removed layers' shader programs live: Mesa's software renderer crashes when one is deleted."""
    from vispy.gloo.glir import GlirProgram

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GlirProgram, "delete", lambda self: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _keep_filters_of_warnings() -> Iterator[None]:
    """Let napari's workers treat warnings as the tests do.

    They would set the filters of the whole process, and set them back as each ends: what warns in one
    worker would be an error or not by whether another has just ended.
    """
    from superqt.utils import _qthreading

    kept = SimpleNamespace(
        catch_warnings=nullcontext, filterwarnings=lambda _action: None, warn=warnings.warn
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_qthreading, "warnings", kept)
        yield


@pytest.fixture(scope="module", autouse=True)
def _freeze_what_lives() -> None:
    """Leave what is alive now out of later searches for garbage: napari's tests make one for every viewer."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute with one thread: images this thin or small take longer when threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """However a run ends, its threads end with it."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exactile")]


@pytest.fixture
def open_viewer(make_napari_viewer: Callable[..., Viewer]) -> Callable[..., Viewer]:
    """Return a function that opens a viewer with a grey image called 'image'; `show` it to see pixels."""

    def opened(shape: tuple[int, ...], *, show: bool = False, **image: object) -> Viewer:
        return with_image(make_napari_viewer(show=show), shape, **image)

    return opened


@pytest.fixture
def viewer_model(qapp: object) -> Callable[..., ViewerModel]:
    """Return a function that makes a viewer without a window, which is a hundred times faster."""
    return lambda shape, **image: with_image(ViewerModel(), shape, **image)


def with_image(viewer: ViewerModel, shape: tuple[int, ...], **image: object) -> ViewerModel:
    viewer.add_image(np.full(shape, 100, np.uint8), name="image", contrast_limits=(0, 255), **image)
    return viewer
