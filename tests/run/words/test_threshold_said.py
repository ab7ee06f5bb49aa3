"""What is said of yes or no: by which threshold, and by the names that the model gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.run.engine.rethreshold import rethreshold
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import report_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.words.summary import description


def yes_or_no(*classes: str) -> ex.Model:
    torch.manual_seed(0)
    return ex.load_model(nn.Conv2d(1, 1, 3, padding=1).eval(), name="yes", classes=classes)


def ran(model: ex.Model) -> Series:
    image = np.random.default_rng(0).random((40, 50), np.float32)
    series = Series(make_task(image, model, Settings(probabilities=True)))
    for _event in series.run():
        pass
    return series


@pytest.mark.parametrize(
    ("given", "said"),
    [((), ["no", "yes"]), (("background", "nucleus"), ["background", "nucleus"])],
    ids=["unnamed", "named"],
)
def test_classes_are_called_what_the_model_calls_them(given: tuple[str, ...], said: list[str]) -> None:
    """A report names background and nucleus where the model does, and no and yes where nobody says more."""
    assert list(report_of(ran(yes_or_no(*given)))["output"]["classes"]) == said


def test_a_threshold_is_said_as_it_is_now() -> None:
    """Report and description are of the threshold that labels have, also after it was changed."""
    series = ran(yes_or_no())
    assert "threshold 0.5" in description(series.report())
    rethreshold(series, 0.8)
    assert "threshold 0.8" in description(series.report())
    assert report_of(series)["output"]["threshold"] == 0.8
