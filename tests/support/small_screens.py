"""Screens so small that little images need coarser levels: a fixture, found by its name."""

from __future__ import annotations

import pytest

from napari_exactile.images import overview


@pytest.fixture
def small_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images of 200 pixels a side count as large."""
    monkeypatch.setattr(overview, "SHOWN_AT_ONCE", 100 * 100)
    monkeypatch.setattr(overview, "SIDE", 32)
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 20 * 20)
