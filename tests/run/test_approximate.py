"""A model that cannot be exact runs with a radius of one's own, if that is chosen, and says approximate."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary, use_model
from inexact_nets import Attentive, Needs, Steered
from integer_nets import Applied
from napari_exactile.network.analysis import require_derived
from napari_exactile.network.declared import declare
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import TileError
from napari_exactile.run.engine.local.tile_executor import TileExecutor
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from napari_exactile.run.words.summary import exactness, summary_lines

IMAGE = np.random.default_rng(0).normal(40, 10, (150, 110))
APPROXIMATE: dict[str, Any] = {"method": "approximate", "radius": 32, "tile": 96}


class Rolled(nn.Module):
    """Rolls the image, as windows that are shifted do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(self.layer(x), -1).roll((1, 1), (2, 3))


NETWORKS = pytest.mark.parametrize("make", [Attentive, Steered, Rolled])


def usual_tiling(image: Any, network: nn.Module, zone: int, radius: int, factor: int) -> Any:
    """The usual tiling in ten lines: every tile through the network, its zone cut out."""
    image = (image - image.mean()) / image.std()
    high, wide = (-(-length // factor) * factor for length in image.shape)
    padded = np.pad(image, ((0, high - image.shape[0]), (0, wide - image.shape[1])), "reflect")
    labels = np.empty((high, wide), np.uint8)
    for y, x in product(range(0, high, zone), range(0, wide, zone)):
        top, left = max(0, y - radius), max(0, x - radius)
        tile = padded[top : min(high, y + zone + radius), left : min(wide, x + zone + radius)]
        given = torch.from_numpy(tile.astype(np.float32))[None, None].to(memory_format=torch.channels_last)
        with torch.no_grad():
            scores = network.to(memory_format=torch.channels_last)(given)[0].numpy()
        part = scores[:, y - top : y - top + zone, x - left : x - left + zone]
        labels[y : y + zone, x : x + zone] = part.argmax(0)
    return labels[: image.shape[0], : image.shape[1]]


# --- without the choice ----------------------------------------------------------------------------------


@NETWORKS
def test_without_the_choice_it_stays_refused(make: Callable[[], nn.Module]) -> None:
    """A refused model is refused as before, and the refusal names the way out; so does its explanation."""
    network = make().eval()
    with pytest.raises(ex.NotExactError, match="Or run it in approximate mode with a radius of your own"):
        ex.segment(IMAGE, network)
    for method in ("trimmed", "whole-tile"):
        with pytest.raises(ex.NotExactError):
            ex.segment(IMAGE, network, method=method, radius=32)
    assert "approximate mode" in ex.analyse(network, IMAGE.shape).explain()


def test_what_was_declared_is_not_exact_anywhere() -> None:
    """The value that approximate tiles go by has nothing exact, and what needs it refuses the value."""
    network = Attentive().eval()
    declared = declare(network, ex.analyse(network, IMAGE.shape))
    assert (declared.factor, declared.context, declared.radius) == ((32, 32), None, None)
    assert not any(hasattr(declared, exact) for exact in ("bound", "frozen", "graph", "passes"))
    for ask in (require_derived, lambda declared: ex.plan_tiles(declared, 96)):
        with pytest.raises(ex.NotExactError):
            ask(declared)


def test_a_model_that_can_be_exact_is_not_approximated() -> None:
    """One sentence points to the methods that it has."""
    with pytest.raises(ValueError, match=r'can be exact.*"trimmed", or "whole-tile"'):
        ex.segment(IMAGE, MODEL, **APPROXIMATE)
    with pytest.raises(ValueError, match="only `segment`"):
        ex.plan_tiles(ex.analyse(MODEL, (64, 64)), 64, 16, method="approximate")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "approximate"}, "needs a radius of your own"),
        ({"factor": 16}, 'a factor is for the method "approximate"'),
        ({"method": "approximate", "radius": 8, "factor": 0}, "multiples of at least 1 px, not 0"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    """There is no radius by default, no factor for other methods, and none below one."""
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


# --- with it ---------------------------------------------------------------------------------------------


@NETWORKS
@pytest.mark.parametrize("factor", ["auto", 16])
def test_it_is_the_usual_tiling(make: Callable[[], nn.Module], factor: Any) -> None:
    """The labels are those of ten lines that send every tile through the network, to the bit."""
    network = make().eval()
    result = ex.segment(IMAGE, network, factor=factor, **APPROXIMATE)
    size = 32 if factor == "auto" else factor
    assert (result.report.factor, result.report.zone, result.report.radius) == (
        (size,) * 2,
        (32,) * 2,
        (32,) * 2,
    )
    np.testing.assert_array_equal(result.labels, usual_tiling(IMAGE, network, 32, 32, size))


def test_more_radius_approximates_better() -> None:
    """Tiles differ from one pass of the same network, and with the radius of the image they do not."""
    network = Attentive().eval()
    whole = ex.segment_whole(IMAGE, network, method="approximate", radius=32)
    assert whole.report.exact
    assert whole.report.reason == ""
    tiled = ex.segment(IMAGE, network, **APPROXIMATE)
    assert 0 < (tiled.labels != whole.labels).mean() < 0.2
    wide = ex.segment(IMAGE, network, method="approximate", radius=160)
    np.testing.assert_array_equal(wide.labels, whole.labels)


def test_the_report_calls_it_approximate_and_says_why() -> None:
    """Not exact, by the method "approximate", with the refusals as the reason; the summary says it too."""
    network = Attentive().eval()
    report = ex.segment(IMAGE, network, **APPROXIMATE).report
    refusal = str(ex.analyse(network, IMAGE.shape).refusals[0])
    assert (report.exact, report.method, report.context, report.passes) == (False, "approximate", None, 1)
    assert refusal in report.reason
    lines = dict(summary_lines(report, "slide"))
    assert lines["result"] == exactness(report)
    assert lines["result"].startswith("APPROXIMATE: run in tiles with a radius of 32 px")
    assert refusal in lines["result"]
    assert lines["context (radius)"] == "unknown, radius 32 px"
    assert report.redundancy > 1


@pytest.mark.parametrize("shape", [(3, 5), (1, 70), (40, 300)])
def test_images_of_any_size_and_automatic_tiles(shape: tuple[int, ...]) -> None:
    """Images smaller than the factor are padded; an automatic tile needs no prediction of memory."""
    image = np.random.default_rng(1).normal(size=shape)
    result = ex.segment(image, Attentive().eval(), method="approximate", radius=20)
    assert result.labels.shape == shape
    assert result.report.radius == (32, 32)
    assert result.labels.max() < 3


def test_a_stack_is_approximated_too() -> None:
    """Networks for stacks are tried on a small stack, and run in tiles of three axes."""
    layer = nn.Conv3d(1, 2, 3, padding=1)
    network: Any = Applied(lambda x, one: torch.cumsum(one(x), -1), layer).eval()
    image = np.random.default_rng(1).normal(size=(5, 40, 40))
    model = ex.load_model(network, channels=1)
    result = ex.segment(image, model, axes="zyx", method="approximate", radius=8, factor=8)
    assert result.labels.shape == image.shape


# --- networks that do not fit ----------------------------------------------------------------------------


def test_multiples_of_64_are_found() -> None:
    """A network that takes no multiples of 32 is tried with 64; another number has to be typed."""
    for need in (64, 48):
        model = ex.load_model(Needs(need).eval(), channels=1)
        if need == 64:
            assert ex.segment(IMAGE, model, method="approximate", radius=64).report.factor == (64, 64)
        else:
            with pytest.raises(ValueError, match=r"multiples of 48.*say which \(factor\)"):
                ex.segment(IMAGE, model, method="approximate", radius=48)
            found = ex.segment(IMAGE, model, method="approximate", radius=48, factor=48)
            assert found.report.factor == (48, 48)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, one: one(x)[..., 1:, 1:].cumsum(-1), "which has not the size of the tile"),
        (lambda x, one: F.max_pool2d(one(x).cumsum(-1), 2), "which has not the size of the tile"),
        (lambda x, one: (F.max_pool2d(one(x).cumsum(-1), 2), one(x).mean()), "none of the network's outputs"),
        (lambda x, one: None, "returns nothing"),
        (lambda x, one: one(x).argmax(1, keepdim=True).cumsum(-1), "whole numbers"),
        (lambda x, one: one(x) / (1 // 0), "division"),
    ],
)
def test_outputs_that_do_not_fit_are_one_clear_sentence(function: Callable[..., Any], message: str) -> None:
    """What comes out must be scores of the tile's size; otherwise a sentence says what is wrong."""
    network: Any = Applied(function, nn.Conv2d(1, 2, 3, padding=1)).eval()
    with pytest.raises(ValueError, match=message) as caught:
        ex.segment(IMAGE, ex.load_model(network, channels=1), **APPROXIMATE)
    assert "\n" not in str(caught.value)


def test_a_size_that_changes_later_fails_its_tile() -> None:
    """A network that fits the tile that was tried, and no other, fails with the same sentence."""
    network: Any = Applied(
        lambda x, one: one(x).cumsum(-1)[..., : 96 if x.mean() == 0 else 50], nn.Conv2d(1, 2, 3, padding=1)
    ).eval()
    with pytest.raises(TileError, match="which has not the size of the tile"):
        ex.segment(IMAGE, ex.load_model(network, channels=1), **APPROXIMATE)


def test_a_network_in_training_mode_is_not_run() -> None:
    """It would be changed by running, so it stays refused, and its batch norm has seen nothing."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)).train()
    with pytest.raises(ValueError, match=r"^the model cannot be run in tiles: .*\.eval\(\)"):
        ex.segment(IMAGE, network, **APPROXIMATE)
    assert network[1].num_batches_tracked == 0


# --- stopping, memory ------------------------------------------------------------------------------------


def test_it_stops_and_goes_on() -> None:
    """A cancelled run keeps its tiles, and the same run continues to the same labels."""
    job = Job(image_task(IMAGE, Attentive().eval(), Settings(**APPROXIMATE)))
    assert list(job.run(Control(is_cancelled=lambda: len(job.done) == 2)))[-1] == events.Finished(
        cancelled=True
    )
    assert len(job.done) == 2
    assert exactness(job.report()).startswith("INCOMPLETE: 2 of 20 tiles done; these are APPROXIMATE")
    list(job.run())
    np.testing.assert_array_equal(job.labels, ex.segment(IMAGE, job.task.model, **APPROXIMATE).labels)


def test_memory_halves_automatic_tiles_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short an automatic tile is halved, which is told; a typed one fails by name."""
    original = TileExecutor.scores

    def limited(self: TileExecutor, zone: Any, *rest: Any) -> Tensor:
        if max(len(side) for side in zone) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, zone, *rest)

    monkeypatch.setattr(TileExecutor, "scores", limited)
    heard: list[events.Event] = []
    network = Attentive().eval()
    ex.segment(IMAGE, network, method="approximate", radius=32, on_event=heard.append)
    assert any(isinstance(event, events.TileHalved) for event in heard)
    with pytest.raises(TileError, match=r"not enough memory for a tile of 160 px; a smaller one may fit"):
        ex.segment(IMAGE, network, method="approximate", radius=32, tile=160)


# --- the command line ------------------------------------------------------------------------------------


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, IMAGE.astype(np.float32))
    return path


def test_the_command_calls_it_approximate(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's result and the note in its file begin with APPROXIMATE; its labels are `segment`'s."""
    network = Attentive().eval()
    use_model(monkeypatch, network)
    out = slide.with_name("labels.tif")
    options = ["--method", "approximate", "--radius", 32, "--tile", 96, "--factor", 16]
    result = summary(call("segment", slide, "--model", MODEL, "--out", out, *options, columns=400))
    assert result["result"].startswith("APPROXIMATE: run in tiles with a radius of 32 px")
    assert result["size factor (F)"] == "multiples of 16 px"
    expected = ex.segment(IMAGE.astype(np.float32), network, factor=16, **APPROXIMATE).labels
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    with tifffile.TiffFile(out) as file:
        assert "APPROXIMATE: run in tiles with a radius of 32 px" in str(file.ome_metadata)


def test_the_command_refuses_without_the_choice(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the method the model is refused and the way out named; without a radius the method is."""
    use_model(monkeypatch, Attentive().eval())
    command = "segment", slide, "--model", MODEL
    assert_refused(call(*command), "cannot be exact in tiles: .* Or run it in approximate mode")
    assert_refused(call(*command, "--method", "approximate"), "needs a radius of your own")
    assert_refused(call(*command, "--factor", "wide"), "--factor takes a number", 2)
    assert not slide.with_name("slide_labels.tif").exists()
