"""Labels that differ from those of their run are known by a fingerprint, and reports say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_exactile as ex
from docks import lively_model, pixels
from edits import EDITED
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.edited import fingerprint
from napari_exactile.run.engine.rethreshold import rethreshold
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import report_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.words.summary import description


def ran(settings: Settings, model: ex.Model, image: np.ndarray) -> Series:
    series = Series(make_task(image, model, settings))
    for _ in series.run():
        pass
    return series


def test_the_fingerprint_knows_what_is_done(model: ex.Model) -> None:
    """It is None before there are labels, and tells edits of finished tiles from those of others."""
    image = pixels((100, 150))
    series = Series(make_task(image, lively_model("other"), Settings(tile=92)))
    assert fingerprint(series) is None
    for event in series.run(Control(is_cancelled=lambda: series.done >= 2)):
        del event
    assert 0 < series.done < series.task.tiles
    before = fingerprint(series)
    assert fingerprint(series) == before
    done = np.argwhere(series.labels != series.task.unfinished)[0]
    left = np.argwhere(series.labels == series.task.unfinished)[0]
    for place, name, same in ((done, "done", "rest"), (left, "rest", "done")):
        value = series.labels[tuple(place)]
        series.labels[tuple(place)] = 1 + (value == 1)
        assert getattr(fingerprint(series), name) != getattr(before, name)
        assert getattr(fingerprint(series), same) == getattr(before, same)
        series.labels[tuple(place)] = value
    assert fingerprint(series) == before


def test_words_of_edited_labels(model: ex.Model) -> None:
    """Report and description say that they were edited; incomplete ones are still incomplete."""
    series = ran(Settings(tile=92), model, pixels((100, 152)))
    assert description(series.report()) == "exact: the labels of one pass over the whole image"
    series.edited = True
    report = series.report()
    assert not report.exact
    assert description(report) == f"{EDITED}, so no longer the labels of one pass over the whole image"
    partly = replace(report, tiles_done=1)
    assert description(partly).startswith(f"INCOMPLETE: 1 of {report.tiles} tiles done; these are {EDITED}")
    found = report_of(series)
    assert (found["exact"], found["edited"]) == (False, True)
    series.edited = False
    assert "edited" not in report_of(series)


def test_another_threshold_needs_probabilities(model: ex.Model) -> None:
    """Without them, it is refused in a sentence."""
    series = ran(Settings(tile=92), model, pixels((100, 150)))
    with pytest.raises(ValueError, match="only where probabilities were kept"):
        rethreshold(series, 0.7)
