"""A task is asked without making anything, and is the same task in another process."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from napari_exactile.geometry.interval import Interval
from napari_exactile.images.about.incomplete import IncompleteError, Missing
from napari_exactile.images.reading import MaskedError
from napari_exactile.images.store.folder import StoreGoneError
from napari_exactile.models.bioimageio.weights import NeedsConsentError
from napari_exactile.network.traced.graph import NotExactError, Refusal
from napari_exactile.run.driver import Output, Run
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event, TileError
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.task.chosen import OtherModelError
from napari_exactile.run.task.said import made_again, said
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Cancelled
from small_runs import network, picture

torch = pytest.importorskip("torch")
SETTINGS = Settings(
    tile=40, probabilities="float16", region=(Interval(8, 72), Interval(0, 60)), ignore=float("nan")
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network in a file."""
    example = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    torch.jit.save(torch.jit.trace(network(), example), tmp_path / "net.ts")
    return tmp_path / "net.ts"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Three planes in a file."""
    np.save(tmp_path / "stack.npy", np.stack([picture(80, 70, seed=seed) for seed in range(3)]))
    return tmp_path / "stack.npy"


def labels(task: Task) -> Any:
    run = Run(task)
    assert isinstance(list(run.steps())[-1], events.Finished)
    return run.series.result().labels


def test_a_task_is_made_again_from_what_is_said(image: Path, model: Path) -> None:
    """Of at most 10 kB of JSON, the same zones and labels come, with settings, region and place."""
    task = make_task(image, str(model), SETTINGS, "tyx", pixel_size=(0.5, 0.25))
    text = json.dumps(said(task))
    assert len(text) <= 10_000
    again = made_again(json.loads(text))
    assert (again.plan, again.place, again.planes.pixel_size) == (
        task.plan,
        task.place,
        task.planes.pixel_size,
    )
    # NaN is not equal to itself: as text, it is.
    assert repr(again.settings) == repr(task.settings)
    np.testing.assert_array_equal(labels(again), labels(task))


def test_a_run_in_a_store_is_asked_before_it_has_a_series(tmp_path: Path) -> None:
    """Until its store is open, its task is the one that was asked for, and nothing was made to answer."""
    task = make_task(picture(60, 60), network(), Settings(tile=48))
    run = Run(task, Output(tmp_path / "labels.ome.zarr"))
    assert (run.task, run.has_series) == (task, False)
    with pytest.raises(RuntimeError, match="before it is open"):
        _ = run.series
    steps = run.steps()
    assert isinstance(next(steps), events.StoreOpened)
    assert run.task is run.series.task
    assert isinstance(list(steps)[-1], events.Checking | events.Finished)
    assert run.series.complete


def test_the_plan_is_the_one_that_was_said(image: Path, model: Path) -> None:
    """A computer with other memory would choose other zones; those of the task hold."""
    task = make_task(image, str(model), Settings(memory_limit=1 << 20), "tyx")
    known = said(task)
    known["here"] = {"device": "cpu", "memory_limit": None, "scratch_limit": None}
    assert make_task(image, str(model), Settings(), "tyx").plan.zor != task.plan.zor
    assert made_again(known).plan.zor == task.plan.zor


def test_a_task_goes_through_pickle_without_its_pixels(image: Path, model: Path) -> None:
    """Files are opened there: neither pixels nor weights are sent."""
    task = make_task(image, str(model), Settings(tile=40), "tyx")
    sent = pickle.dumps(task)
    assert len(sent) < 10_000
    np.testing.assert_array_equal(labels(pickle.loads(sent)), labels(task))


def test_a_mapped_file_is_sent_by_its_name(image: Path, model: Path) -> None:
    """An array that numpy maps to a file has no pixels of its own."""
    task = make_task(np.load(image, mmap_mode="r"), str(model), Settings(tile=40), "tyx")
    sent = pickle.dumps(task)
    assert len(sent) < 10_000
    np.testing.assert_array_equal(labels(pickle.loads(sent)), labels(task))


def test_what_is_in_no_file_cannot_be_sent(image: Path, model: Path) -> None:
    """The sentence names the image, or the network, that must be saved first."""
    with pytest.raises(ValueError, match="the image 'image' is in no file: save it"):
        said(make_task(picture(80, 70), str(model), Settings()))
    with pytest.raises(ValueError, match="the model 'UNet' is in no file: save it"):
        said(make_task(image, network(), Settings(), "tyx"))


def test_no_code_is_run_for_what_was_said(image: Path, model: Path) -> None:
    """A function that makes a network is not imported, whoever wrote its name."""
    known = said(make_task(image, str(model), Settings(tile=40), "tyx"))
    known["origin"]["model"]["source"] = "this:that"
    with pytest.raises(ValueError, match="is in no file"):
        made_again(known)


@pytest.mark.parametrize("what", ["image", "model"])
def test_other_files_of_the_same_names_are_refused(image: Path, model: Path, what: str) -> None:
    """The files are known again by their content."""
    known = said(make_task(image, str(model), Settings(tile=40), "tyx"))
    if what == "image":
        np.save(image, np.load(image)[:, ::-1])
        words = "the task is of another image"
    else:
        other = network(kernel=5)
        torch.jit.save(torch.jit.trace(other, torch.zeros(1, 1, 32, 32, dtype=torch.float64)), model)
        words = "the files of the model 'net' have been changed meanwhile"
    with pytest.raises(ValueError, match=words):
        made_again(known)


def test_a_task_is_asked_without_making_anything(image: Path, model: Path) -> None:
    """No array is allocated and no pixel is read by what is known of a task."""
    task = make_task(image, str(model), Settings(tile=40), "tyx")
    image.unlink()
    assert task.tiles == 3 * len(task.plan) > 3
    assert task.in_arrays(task.plan.tiling.tile(0).zone) == task.plan.tiling.tile(0).zone
    assert task.gives == "logits: nothing says otherwise"


BOX = (Interval(0, 4), Interval(8, 12))
EVENTS: list[Event] = [
    events.Measuring(0.5), events.StoreOpened(3, ("a tile is computed anew",)), events.PlaneStarted(1, 3),
    events.Surveying(1, 2, 3, 4), events.Ready(4, 0), events.TileStarted(1), events.TileFinished(1, BOX, 2),
    events.TileHalved((8, 8)), events.TileShown(1, BOX), events.Advanced(1.5),
    events.Checking(1, 8), events.Paused(), events.Finished(cancelled=True),
]  # fmt: skip


def test_every_event_goes_through_pickle() -> None:
    """All kinds of events come back equal, and none is forgotten here."""
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert pickle.loads(pickle.dumps(EVENTS)) == EVENTS


MADE: dict[str, Callable[[], Exception]] = {
    "TileError": lambda: TileError(3, BOX, "the disk is full"),
    "NotExactError": lambda: NotExactError((Refusal("sort", "net.0", "it looks everywhere"),), "Or not"),
    "NeedsConsentError": lambda: NeedsConsentError("it brings code", ("net.py",)),
    "MaskedError": lambda: MaskedError("slide"),
    "IncompleteError": lambda: IncompleteError(Path("a.tif"), [Missing("page 3", "it is left out")]),
    "OtherModelError": lambda: OtherModelError("net.pt", "exactile.toml"),
    "StoreGoneError": lambda: StoreGoneError("it was removed"),
    "Cancelled": Cancelled,
}


def kinds_of_errors() -> list[type[Exception]]:
    """Return all errors of this package that have been imported."""
    found, left = [], [Exception]
    while left:
        kinds = left.pop().__subclasses__()
        left += kinds
        found += [kind for kind in kinds if kind.__module__.startswith("napari_exactile")]
    return sorted(set(found), key=lambda kind: kind.__name__)


def test_every_error_goes_through_pickle() -> None:
    """Kind, words and facts come back, of whatever kind an error is: the others take their words."""
    for kind in kinds_of_errors():
        error = MADE.get(kind.__name__, lambda kind=kind: kind("some words"))()
        if kind.__name__ == "Carried":
            continue
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
        assert vars(again) == vars(error)


def test_every_kind_of_error_is_among_those() -> None:
    """What is raised with more than its words has an example above."""
    own = [kind.__name__ for kind in kinds_of_errors() if "__init__" in vars(kind)]
    assert set(own) <= set(MADE)


def test_it_is_pickled_wherever_a_run_can_be_made() -> None:
    """Whoever imports what drives tasks can send them, without another import."""
    code = (
        "import copyreg, napari_exactile.run.driver;"
        "print([kind.__name__ for kind in copyreg.dispatch_table if kind.__name__ == 'Task'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("['Task']")
