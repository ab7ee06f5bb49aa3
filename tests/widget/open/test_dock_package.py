"""A bioimage.io package in the dock: dropped, trusted, segmented exactly, and checked by its own test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from docks import WAIT, finish
from napari_exactile.widget.open.open_model import ModelOpener
from nuclei_package import nuclei
from nucleus_unet import sample
from packages import zipped


def test_a_package_with_code_is_asked_for_used_and_checked(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped, its code is named before it runs; then its labels are those of its test, by any tile."""
    package, asked = zipped(nuclei(tmp_path / "nuclei", "state_dict")), list[str]()
    consent = [False, True]
    monkeypatch.setattr(ModelOpener, "_consents", lambda _self, file: asked.append(file) or consent.pop(0))
    image, expected = sample("test_input")[0, 0], sample("test_output")[0, 0]
    viewer, dock = opened(image, scale=(0.5, 0.5), units=("um", "um"), tile=176)
    before = dock.fields.model.value
    dock.opener.open(package)
    qtbot.waitUntil(lambda: "not trusted" in dock.fields.open_note.text(), timeout=WAIT)
    assert dock.fields.model.value == before
    viewer.open(str(package), plugin="napari-exactile")
    qtbot.waitUntil(lambda: dock.fields.model.value == "nuclei-test", timeout=WAIT)
    assert asked == ["unet.py", "unet.py"]
    qtbot.waitUntil(lambda: dock.plan is not None and dock.plan.required_radius == (56, 56), timeout=WAIT)
    assert "needs 56 px of context" in dock.fields.exact_note.text()
    labels = finish(qtbot, dock).data
    assert (labels != (expected >= 0.5)).sum() <= 2  # beside the threshold
    assert 0.01 < labels.mean() < 0.99
    dock.details.open()
    dock.details.check.button.click()
    qtbot.waitUntil(lambda: "own test" in dock.details.check.words.text(), timeout=WAIT)
    words = dock.details.check.words.text()
    assert "Measured with NaN: 54 + 54 px before + after a zone, as derived" in words
    assert "Its own test agrees" in words
    assert "declare a halo of 32 px; it needs 54, so 56" in dock.details.facts.toPlainText()


def test_a_package_at_another_scale_is_warned_of(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """An image with pixels twice as large as those it was trained on says so; the run goes on."""
    _, dock = opened(np.zeros((200, 200), np.float32), scale=(1, 1), units=("um", "um"), tile=176)
    dock.opener.open(nuclei(tmp_path / "nuclei"))
    qtbot.waitUntil(lambda: dock.fields.model.value == "nuclei-test" and dock.plan is not None, timeout=WAIT)
    assert "0.5" in dock.fields.image_note.text()
    assert "results may suffer" in dock.fields.image_note.text()
