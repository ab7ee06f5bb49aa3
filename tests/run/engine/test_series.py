"""Stacks are segmented plane by plane, each as an image of its own; outputs of every kind are decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.images.normalize.steps import Clip, Linear
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.task.kinds import Classes, YesNo

pytestmark = pytest.mark.usefixtures("one_thread")


class Blur(nn.Module):
    """Two convolutions, along two or three axes."""

    def __init__(self, channels: int, out: int, axes: int = 2) -> None:
        super().__init__()
        kind = nn.Conv2d if axes == 2 else nn.Conv3d
        torch.manual_seed(channels + out)
        self.one, self.two = kind(channels, 4, 3, padding=1), kind(4, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.two(torch.relu(self.one(x)))
        return result


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 1000, shape).astype(np.uint16)


@pytest.mark.parametrize("axes", ["tyx", "tzyx", "tcyx", "cyxt", "tyxc"])
def test_every_plane_is_what_it_is_by_itself(axes: str) -> None:
    """Labels and probabilities of each plane are those of the plane alone, wherever the channels lie."""
    channels = 2 if "c" in axes else 1
    lengths = {"t": 3, "z": 2, "c": 2, "y": 30, "x": 26}
    stack, model = image(*(lengths[a] for a in axes)), ex.load_model(Blur(channels, 3).eval())
    if axes == "cyxt":
        with pytest.raises(ValueError, match="give y and x as the last ones"):
            ex.segment(stack, model, axes=axes)
        return
    result = ex.segment(stack, model, axes=axes, tile=16, probabilities=True)
    leading = tuple(lengths[a] for a in axes if a in "tz")
    assert result.labels.shape == result.report.shape == (*leading, 30, 26)
    assert result.probabilities is not None
    assert result.probabilities.shape == (3, *leading, 30, 26)
    by_stack = np.moveaxis(stack, axes.index("c"), 0) if "c" in axes else stack[None]
    for index in np.ndindex(leading):
        alone = ex.segment_whole(by_stack[(slice(None), *index)], model, axes="cyx")
        np.testing.assert_array_equal(result.labels[index], alone.labels)
        np.testing.assert_allclose(
            result.probabilities[(slice(None), *index)], alone.probabilities, atol=1e-6
        )


def test_a_stack_together_has_one_normalisation() -> None:
    """Together, every plane is normalised by the mean and deviation of the whole stack."""
    stack = image(3, 30, 26)
    stack[1] += 5000
    model = ex.load_model(Blur(1, 3).eval())
    apart = ex.segment(stack, model, axes="tyx")
    together = ex.segment(stack, model, axes="tyx", together=True)
    (step,) = together.report.normalization.steps
    assert (step.mean[0], step.std[0]) == pytest.approx((stack.mean(), stack.std()))
    normalised = ((stack - np.float32(stack.mean())) / np.float32(stack.std())).astype(np.float32)
    raw = ex.segment(normalised, model, axes="tyx", normalization="none")
    assert (raw.labels != together.labels).mean() < 1e-3
    assert (apart.labels != together.labels).any()


def test_a_stopped_stack_continues_where_it_was() -> None:
    """Cancelled in the second of three planes, the series does only what is left, to the same result."""
    stack, model = image(3, 40, 40), ex.load_model(Blur(1, 3).eval())
    series = Series(make_task(stack, model, Settings(tile=20), "tyx"))
    first = list(series.run(Control(is_cancelled=lambda: series.done == 12)))
    assert first[-1] == events.Finished(cancelled=True)
    assert (series.done, series.task.tiles, series.report().tiles) == (12, 27, 27)
    rest = list(series.run())
    assert sum(isinstance(event, events.TileFinished) for event in rest) == 15
    assert [event.number for event in rest if isinstance(event, events.PlaneStarted)] == [2, 3]
    assert series.complete
    np.testing.assert_array_equal(series.labels, ex.segment(stack, model, axes="tyx").labels)


def test_a_volume_is_one_image_for_a_network_of_volumes() -> None:
    """Three axes are a volume for a network with kernels of three; channels come first."""
    model = ex.load_model(Blur(2, 3, axes=3).eval())
    assert model.card.axes == "zyx"
    volume = image(2, 12, 30, 26)
    tiled, whole = ex.segment(volume, model, tile=14), ex.segment_whole(volume, model)
    assert tiled.report.tiles > 1
    assert tiled.labels.shape == (12, 30, 26)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    timed = ex.segment(np.stack([volume, volume]), model, axes="tczyx", tile=14)
    np.testing.assert_array_equal(timed.labels, np.stack([whole.labels, whole.labels]))


def test_each_channel_is_decided_by_itself_where_the_card_says_so() -> None:
    """With kind "threshold", several channels give labels (channels, y, x): yes from the threshold on."""
    model = ex.load_model(Blur(1, 3).eval(), kind="threshold", threshold=0.4)
    result = ex.segment(image(40, 33), model, tile=20, probabilities=True)
    whole = ex.segment_whole(image(40, 33), model)
    assert result.labels.shape == (3, 40, 33)
    np.testing.assert_array_equal(result.labels, result.probabilities >= np.float32(0.4))
    np.testing.assert_array_equal(result.labels, whole.labels)
    stack = ex.segment(image(2, 40, 33), model, axes="tyx")
    assert stack.labels.shape == (3, 2, 40, 33)


def test_another_threshold_needs_no_second_run() -> None:
    """Kept probabilities give the labels of any threshold, equal to those of a run with it."""
    model = ex.load_model(Blur(1, 1).eval())
    kept = ex.segment(image(40, 33), model, probabilities=True)
    for threshold in np.quantile(kept.probabilities, [0.1, 0.5, 0.8]).tolist():
        again = ex.segment(image(40, 33), model, threshold=threshold)
        labels, _near_ties = YesNo(1, threshold=threshold).again(kept.probabilities)
        np.testing.assert_array_equal(labels, again.labels)
        assert 0 < again.labels.mean() < 1


def test_values_are_kept_as_numbers() -> None:
    """With kind "values" there are no labels: the network's numbers come out, after the card's steps."""
    steps = (Linear((2.0,), (1.0,)), Clip(0.0, None))
    net = Blur(1, 2).eval()
    plain = ex.segment(image(40, 33), ex.load_model(net, kind="values"), tile=20)
    result = ex.segment(image(40, 33), ex.load_model(net, kind="values", postprocessing=steps), tile=20)
    whole = ex.segment_whole(image(40, 33), ex.load_model(net, kind="values", postprocessing=steps))
    assert plain.labels is result.labels is None
    np.testing.assert_allclose(result.probabilities, np.clip(plain.probabilities * 2 + 1, 0, None), rtol=1e-6)
    np.testing.assert_allclose(result.probabilities, whole.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Classes(1), "one output channel has no classes"),
        (lambda: YesNo(1, threshold=1.0), "a threshold lies between 0 and 1"),
        (lambda: Settings(threshold=0.0), "a threshold lies between 0 and 1"),
        (lambda: ex.load_model(Blur(1, 1), kind="boxes"), "kind is one of classes, threshold, values"),
        (lambda: ex.load_model(Blur(1, 1), axes="xy"), "the axes of a model are one of x, yx and zyx"),
        (lambda: ex.load_model(Blur(2, 1), channel_names=("DAPI",)), "2 channels have not the names DAPI"),
        (
            lambda: ex.tiling_error(image(30, 30), ex.load_model(Blur(1, 2).eval(), kind="values"), radius=0),
            "The preview compares one label per pixel",
        ),
    ],
)
def test_what_cannot_be_decided_says_why(make: Any, message: str) -> None:
    """Kinds, thresholds and facts that do not fit together are refused in one sentence."""
    with pytest.raises(ValueError, match=message):
        make()
