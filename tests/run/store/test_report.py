"""A store's report says how its labels came about, and its spot check tells right labels from wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from at_the_door import meet
from integer_nets import integer_unet, make_integer
from integer_runs import integer_model, pixels, unet
from napari_exactile.geometry.interval import Interval
from napari_exactile.geometry.tiling import Tile
from napari_exactile.images.store.journal import Journal
from napari_exactile.run.check.spot_check import CROPS, WHOLE, FinishedLabels, check_windows
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Checking, TileFinished
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import earlier_report, report_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.words.report import report_sections, report_text
from slow_run import TILE, TILES, image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def kept_report(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((path / "exactile" / "report.json").read_text())
    return report


def stopped(path: Path, tiles: int) -> None:
    done: list[int] = []

    def count(event: events.Event) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    ex.segment(image(), network(), tile=TILE, output=path, on_event=count, cancel=lambda: len(done) >= tiles)


def checked(
    image: Any, model: Any, count: int = 20, axes: str | None = None, whole: int = 0,
    change: Callable[[Any], None] = lambda labels: None, seed: int = 3, **settings: Any,
) -> ex.SpotCheck:  # fmt: skip
    """Segment in memory, change the labels, and check windows of them."""
    series = Series(make_task(image, model, Settings(**settings), axes))
    for _ in series.run():
        pass
    if series.labels is not None:
        change(series.labels)

    def read(plane: tuple[int, ...], box: Any) -> Any:
        sides = tuple(slice(side.start, side.stop) for side in box)
        leading = series.labels.ndim - len(plane) - len(sides)
        return series.labels[(*(slice(None),) * leading, *plane, *sides)]

    checking = check_windows(FinishedLabels.of(series, read), count, seed, lambda: None, whole)
    while True:
        try:
            next(checking)
        except StopIteration as end:
            return end.value


# --- the spot check --------------------------------------------------------------------------------------


class Shuffled(nn.Module):
    """Twice as fine as the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(2, 2, 3, padding=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "U-Net": lambda: integer_unet(1, levels=2, convolutions=1, base=4, classes=3),
    "stride 4": lambda: make_integer(
        nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 2, 3, 2, 1)), 2
    ),
    "stride 1 x 4": lambda: make_integer(nn.Sequential(nn.Conv2d(1, 2, 3, (1, 4), 1)), 2),
    "twice as fine": lambda: make_integer(Shuffled(), 3),
    "larger than the image": lambda: make_integer(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 2, 4, 2)), 4
    ),
    "without padding": lambda: make_integer(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 3, 5)), 5),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_right_labels_are_right(name: str) -> None:
    """Of networks that count exactly, on any output grid, both ways give the same scores to the last bit."""
    found = checked(pixels(103, 150), integer_model(NETWORKS[name]()), tile=48)
    assert (found.how, found.reason) == (CROPS, "")
    assert len(found.windows) > 5
    assert (found.differing, found.near_ties, found.rmse, found.largest) == (0, 0, 0.0, 0.0)
    assert found.agrees


@pytest.mark.parametrize("name", NETWORKS)
def test_one_wrong_label_counts_where_a_window_covers_it(name: str) -> None:
    """A single wrong label is found by the windows in which it lies and by no other."""
    model = integer_model(NETWORKS[name]())

    def change(labels: Any) -> None:
        place = labels.shape[0] // 2, labels.shape[1] // 2
        labels[place] = (labels[place] + 1) % 2

    found = checked(pixels(103, 150), model, change=change, tile=48)
    grid = ex.analyse(model, (103, 150)).grid
    y, x = (n // 2 for n in grid.shape)
    counts = [window.differing for window in found.windows]
    inside = [
        int(w.box[0].start <= y < w.box[0].stop and w.box[1].start <= x < w.box[1].stop)
        for w in found.windows
    ]
    assert counts == inside
    assert 0 < sum(counts) < len(counts)
    assert not found.agrees


def test_windows_are_drawn_again_by_their_seed() -> None:
    """The same seed gives the same windows, another one others; all of them lie in the image."""
    image, model = pixels(200, 300), unet()
    one, same, other = (checked(image, model, 5, seed=seed) for seed in (1, 1, 2))
    assert one.windows == same.windows != other.windows
    for window in one.windows + other.windows:
        assert all(0 <= side.start < side.stop <= n for side, n in zip(window.box, image.shape, strict=True))


def test_windows_of_a_region() -> None:
    """Where a region off the grid was asked for, windows lie in it, and agree."""
    region = Interval(7, 95), Interval(21, 140)
    found = checked(pixels(103, 150), unet(), region=region, tile=48)
    assert found.agrees
    assert found.largest == 0
    assert any(window.box[0].start % 4 for window in found.windows), "counted from the region's corner"


def test_channels_by_themselves() -> None:
    """Where each channel says yes or no, labels of all of them are compared."""
    net = make_integer(nn.Sequential(nn.Conv2d(1, 3, 3, padding=1)), 1)
    model = integer_model(net, kind="threshold")
    right = checked(pixels(80, 90), model, tile=40)
    assert right.agrees
    assert right.windows[0].labels == 3 * np.prod([len(side) for side in right.windows[0].box])
    wrong = checked(pixels(80, 90), model, change=lambda labels: labels[2].fill(2), tile=40)
    assert wrong.differing == wrong.labels // 3


def test_a_near_tie_is_counted_apart() -> None:
    """A label that differs where both scores are the same is no failure."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1))
    net[0].weight.data.zero_()
    net[0].bias.data.zero_()
    found = checked(pixels(80, 90), integer_model(net), change=lambda labels: labels.fill(1), tile=40)
    assert found.differing == found.near_ties == found.labels
    assert found.agrees


def test_a_stack() -> None:
    """Windows lie in all planes, and what is wrong in one plane is found there only."""
    stack = np.stack([pixels(60, 70, seed=seed) for seed in range(3)])
    found = checked(stack, unet(), axes="tyx", tile=40, change=lambda labels: labels[1].fill(3))
    assert {window.plane for window in found.windows} == {(0,), (1,), (2,)}
    for window in found.windows:
        assert window.differing == (window.labels if window.plane == (1,) else 0)


def test_a_volume() -> None:
    """Volumes have windows of three axes."""
    net = make_integer(nn.Sequential(nn.Conv3d(1, 2, 3, padding=1)), 1)
    found = checked(pixels(20, 50, 60), integer_model(net), tile=30)
    assert found.agrees
    assert (found.largest, len(found.windows[0].box)) == (0, 3)


def test_networks_that_look_at_the_whole_image() -> None:
    """A crop proves nothing for them: a small image goes through as a whole, of a large one it is said."""
    torch.manual_seed(0)
    net = (
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 1)).double().eval()
    )
    model, image = ex.load_model(net), pixels(103, 150)
    found = checked(image, model, tile=48, whole=200 * 200)
    assert found.how == WHOLE
    assert found.differing == 0
    assert found.largest is not None
    assert found.largest < 1e-12
    for seed in range(3):
        assert not checked(image, model, tile=48, whole=10**5, seed=seed, change=lambda a: a.fill(2)).agrees
    large = checked(image, model, tile=48, whole=100)
    assert (large.windows, large.agrees) == ((), False)
    assert large.reason.startswith("not possible: a crop of the image gives something else (")


def test_what_cannot_be_checked_says_so() -> None:
    """Values have no labels; of a model that cannot be exact, no crop is; too little memory holds none."""
    values = integer_model(nn.Conv2d(1, 1, 3), kind="values")
    assert "gives values" in checked(pixels(40, 40), values).reason

    class Shifted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, torch.sort(x, dim=-1).values], 1)

    found = checked(pixels(64, 64), ex.load_model(Shifted().eval()), method="approximate", radius=8)
    assert found.reason.startswith("not possible: the model cannot be exact")
    little = checked(pixels(64, 64), unet(), memory_limit=1)
    assert little.reason == "not possible: the memory is not enough for a crop"


def test_an_undersized_radius_shows() -> None:
    """The check compares with all the context that the network needs, whatever the run had."""
    found = checked(pixels(103, 150), unet(), radius=0, tile=16, method="whole-tile")
    assert found.differing > 0
    assert found.rmse is None, "the run's own scores are not computed twice"
    right = checked(pixels(103, 150), unet(), tile=48, method="whole-tile")
    assert right.agrees


# --- the file --------------------------------------------------------------------------------------------


def test_the_report_of_a_run(tmp_path: Path) -> None:
    """It names image, model, tiles, statistics, versions and the check, as they were."""
    np.save(tmp_path / "a.npy", image())
    path, heard = tmp_path / "a.ome.zarr", list[events.Event]()
    result = ex.segment(
        tmp_path / "a.npy", network(), tile=TILE, output=path, ignore=0, on_event=heard.append
    )
    report = kept_report(path)
    assert (report["complete"], report["exact"], report["tiling"]["tiles_done"]) == (True, True, TILES)
    assert report["image"]["path"] == str(tmp_path / "a.npy")
    assert (report["image"]["dtype"], report["image"]["shape"]) == ("uint16", list(image().shape))
    assert report["normalization"]["ignore"] == 0
    assert result.report.ignore == 0
    known = result.report.normalization.steps[0]
    assert (
        known == ex.segment(image()[image() > 0][None], network(), region=None).report.normalization.steps[0]
    )
    (step,) = report["normalization"]["measured"][0]["steps"]
    assert (tuple(step["mean"]), tuple(step["std"])) == (known.mean, known.std)
    assert report["versions"]["torch"] == torch.__version__
    assert report["spot_check"]["agrees"]
    assert [event for event in heard if isinstance(event, Checking)] == [Checking(0, 1), Checking(1, 1)]
    assert isinstance(heard[-3], events.Finished)


def test_the_report_of_a_result_in_memory() -> None:
    """Without a store, the dictionary is the same but for the check; before a run there is none."""
    series = Series(make_task(np.stack([image()] * 2), network(), Settings(tile=TILE), "tyx"))
    with pytest.raises(RuntimeError, match="no report before"):
        report_of(series)
    for _ in series.run():
        pass
    report = report_of(series)
    assert json.loads(json.dumps(report)) == report
    assert (report["tiling"]["planes"], report["image"]["path"]) == (2, None)
    assert [one["plane"] for one in report["normalization"]["measured"]] == [[0], [1]]
    assert report["spot_check"] is None
    assert "other planes" in report_text(report)


def test_an_incomplete_run_has_a_report(tmp_path: Path) -> None:
    """It says that tiles are left, and nothing is checked before all are done."""
    stopped(tmp_path / "a.ome.zarr", 3)
    report = kept_report(tmp_path / "a.ome.zarr")
    assert not report["complete"]
    assert 3 <= report["tiling"]["tiles_done"] < TILES
    assert report["result"].startswith("INCOMPLETE")
    assert report["spot_check"] is None
    assert dict(report_sections(report)[1][1])["labels"] == "not done"


def test_a_failed_run_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends a run with an error is still the error, and the report counts the tiles before it."""
    seen: list[int] = []

    def fails(tile: Tile, _check: object) -> None:
        seen.append(tile.index)
        if len(seen) > 4:
            raise OSError("the image is gone")

    meet(monkeypatch, before=fails)
    with pytest.raises(events.TileError, match="the image is gone"):
        ex.segment(image(), network(), tile=TILE, method="trimmed", output=tmp_path / "a.ome.zarr")
    assert kept_report(tmp_path / "a.ome.zarr")["tiling"]["tiles_done"] == 4


def test_seconds_and_dates_of_all_runs_count(tmp_path: Path) -> None:
    """A continued run adds its time to that of the report; one that has nothing to do changes nothing."""
    path = tmp_path / "a.ome.zarr"
    stopped(path, 3)
    before = kept_report(path)
    journal = Journal(path / "exactile" / "journal")
    assert 0 < journal.records[-1]["seconds"] <= before["computing"]["seconds"] + 0.001
    journal.append({"plane": [], "seconds": 1000.0})
    before["dates"]["begun"] = "2001-02-03T04:05:06+00:00"
    (path / "exactile" / "report.json").write_text(json.dumps(before))
    result = ex.segment(image(), network(), tile=TILE, output=path)
    after = kept_report(path)
    assert 1000 < after["computing"]["seconds"] == result.report.seconds < 2000
    assert after["dates"]["begun"] == "2001-02-03T04:05:06+00:00"
    assert (after["dates"]["runs"], after["complete"], after["spot_check"]["agrees"]) == (2, True, True)
    ex.segment(image(), network(), tile=TILE, output=path)
    assert kept_report(path) == after
    ex.segment(image(), network(), tile=TILE, output=path, overwrite=True)
    assert kept_report(path)["dates"]["runs"] == 1


def test_seconds_of_the_planes_of_a_stack_add_up(tmp_path: Path) -> None:
    """The time before is that of each plane."""
    path, stack = tmp_path / "a.ome.zarr", np.stack([image()] * 3)
    ex.segment(stack, network(), axes="tyx", tile=TILE, output=path)
    journal = Journal(path / "exactile" / "journal")
    for plane in range(3):
        journal.append({"plane": [plane], "seconds": 1000.0 * (plane + 1)})
    assert 6000 <= ex.segment(stack, network(), axes="tyx", tile=TILE, output=path).report.seconds < 7000


def test_a_damaged_report_is_written_anew(tmp_path: Path) -> None:
    """A report that cannot be read counts as none."""
    path = tmp_path / "a.ome.zarr"
    stopped(path, 3)
    (path / "exactile" / "report.json").write_text("{")
    assert earlier_report(path) == {}
    ex.segment(image(), network(), tile=TILE, output=path)
    assert kept_report(path)["complete"]


def test_no_check(tmp_path: Path) -> None:
    """Without a check the report says so; the next call makes up for it."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(image(), network(), tile=TILE, output=path, check=0)
    assert kept_report(path)["spot_check"] is None
    ex.segment(image(), network(), tile=TILE, output=path)
    assert kept_report(path)["spot_check"]["agrees"]


def test_a_check_can_be_stopped(tmp_path: Path) -> None:
    """Cancelled while it checks, a run keeps all labels, and its report says that the check was stopped."""
    path, heard = tmp_path / "a.ome.zarr", list[events.Event]()
    result = ex.segment(
        image(), network(), tile=TILE, output=path, on_event=heard.append,
        cancel=lambda: bool(heard) and isinstance(heard[-1], Checking),
    )  # fmt: skip
    assert result.report.tiles_done == TILES
    report = kept_report(path)
    assert report["complete"]
    assert report["spot_check"]["reason"] == "not done: it was stopped"
    ex.segment(image(), network(), tile=TILE, output=path)
    assert kept_report(path)["spot_check"]["agrees"], "the next call makes up for it"


def test_a_check_that_fails_leaves_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are complete by then: the report says why they were not checked."""

    def fails(*arguments: Any, **options: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(Executor, "through_network", fails)
    ex.segment(image(), network(), tile=TILE, output=tmp_path / "a.ome.zarr")
    report = kept_report(tmp_path / "a.ome.zarr")
    assert report["complete"]
    assert report["spot_check"]["reason"] == "not done: it failed: no room"
    assert not report["spot_check"]["agrees"]


def test_a_check_costs_a_few_per_cent(tmp_path: Path) -> None:
    """There are as many windows as a share of the image pays for, and no more than were asked for."""
    pictures = np.tile(image(), (4, 3))
    ex.segment(pictures, network(), output=tmp_path / "a.ome.zarr")
    windows = kept_report(tmp_path / "a.ome.zarr")["spot_check"]["windows"]
    # A window of 64 px has a context of 1 px, and one that F adds, on each side; it is computed twice.
    assert len(windows) == int(0.05 * pictures.size / (2 * 68**2)) > 2
    ex.segment(pictures, network(), output=tmp_path / "b.ome.zarr", check=2)
    assert len(kept_report(tmp_path / "b.ome.zarr")["spot_check"]["windows"]) == 2
