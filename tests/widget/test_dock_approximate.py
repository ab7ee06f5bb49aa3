"""A model that cannot be exact in the dock: refused unless a person chooses to approximate it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish
from inexact_nets import Attentive, Needs, Steered
from napari_exactile.widget.dock import ExactileDock


def refused(
    opened: Any, qtbot: QtBot, network: nn.Module, tile: int | None = 128
) -> tuple[Any, ExactileDock]:
    """Open the dock with a model that cannot be exact, and wait until that is said."""
    viewer, dock = opened(plan=False, tile=tile)
    dock.add_model(ex.load_model(network.eval(), name="seer", title="seer", channels=1))
    qtbot.waitUntil(lambda: "annot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    return viewer, dock


def chosen(qtbot: QtBot, dock: ExactileDock, radius: int = 32) -> None:
    """Choose the approximate mode as a person does, and wait for the plan."""
    dock.fields.approximate.value = True
    dock.fields.chosen_radius.value = radius
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


def shown(field: Any) -> bool:
    return not field.native.isHidden()


def test_without_the_choice_nothing_runs(opened: Any, qtbot: QtBot) -> None:
    """The model stays refused with operator, place and reason; the choice is offered, and not made."""
    _, dock = refused(opened, qtbot, Attentive())
    assert dock.fields.exact_note.text().startswith("Cannot be exact: ")
    assert "at 'attention'" in dock.fields.exact_note.text()
    assert dock.footer.reason.text() == "The model cannot be exact: see Model."
    assert not dock.footer.run.isEnabled()
    assert shown(dock.fields.approximate)
    assert not dock.fields.approximate.value
    assert dock.fields.approximation.isHidden()
    assert not dock.fields.own_radius.enabled, "a radius alone is no choice"
    dock.start()
    assert dock.run is None


class OneSize(nn.Module):
    """Takes images of one size, which nothing in it tells."""

    def forward(self, x: Any) -> Any:
        if tuple(x.shape[2:]) != (50, 90):
            raise ValueError(f"wrong size: {tuple(x.shape[2:])}")
        return x


def test_a_model_of_one_size_is_not_offered_approximate_tiles(opened: Any, qtbot: QtBot) -> None:
    """No tile of it can be run: nothing is offered that leads nowhere, and its details do not speak of it."""
    _, dock = opened(plan=False)
    dock.add_model(ex.load_model(OneSize().eval(), name="one", title="one", channels=1))
    qtbot.waitUntil(lambda: "made for one size" in dock.fields.exact_note.text(), timeout=WAIT)
    assert dock.fields.exact_note.text().startswith("Cannot be used: ")
    assert dock.footer.reason.text() == "The model cannot be used: see Model."
    assert not shown(dock.fields.approximate)
    assert dock.fields.approximation.isHidden()
    assert dock.footer.run.text() == "Run"
    assert not dock.footer.run.isEnabled()


@pytest.mark.parametrize("network", [Attentive(), Steered()], ids=["attention", "not traced"])
def test_a_chosen_run_is_called_approximate_everywhere(
    opened: Any, qtbot: QtBot, network: nn.Module, tmp_path: Path
) -> None:
    """Note, button, layer name, metadata, footer and file say it; the labels are those of `segment`."""
    viewer, dock = refused(opened, qtbot, network)
    chosen(qtbot, dock, radius=32)
    fields, footer = dock.fields, dock.footer
    assert fields.exact_note.text().startswith("APPROXIMATE. Cannot be exact: ")
    assert footer.run.isEnabled()
    assert footer.run.text() == "Run approximately"
    assert fields.context_note.text() == "32 px (radius)"
    assert fields.tile_note.text() == "in steps of 32 px"
    layer = finish(qtbot, dock)
    assert layer.name == "APPROXIMATE radius 32: slide - seer"
    facts = layer.metadata["exactile"]
    assert (facts["exact"], facts["method"], facts["radius"]) == (False, "approximate", (32, 32))
    assert facts["reason"] in fields.exact_note.text().replace("\u200b", "")
    assert "Done: APPROXIMATE, not exact (radius 32 px)" in footer.result.text()
    image = viewer.layers["slide"].data
    expected = ex.segment(image, network, method="approximate", radius=32, tile=128)
    np.testing.assert_array_equal(layer.data, expected.labels)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: footer.result.text().endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert "APPROXIMATE: run in tiles with a radius of 32 px" in str(file.ome_metadata)


def test_the_choice_is_for_one_model(opened: Any, qtbot: QtBot) -> None:
    """Another model must be chosen anew, one that can be exact is not asked, and no session remembers it."""
    _, dock = refused(opened, qtbot, Attentive())
    chosen(qtbot, dock)
    dock.fields.model.value = "lively"
    qtbot.waitUntil(lambda: dock.plan is not None and dock.plan.exact, timeout=WAIT)
    assert not shown(dock.fields.approximate)
    assert dock.footer.run.text() == "Run"
    dock.fields.model.value = "seer"
    qtbot.waitUntil(lambda: "Cannot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    assert dock.plan is None
    assert "approximate" not in dock.fields.remembered()


def test_a_radius_is_rounded_up_to_what_tiles_are_multiples_of(opened: Any, qtbot: QtBot) -> None:
    """The radius that is used stands in the field; a typed factor changes its steps."""
    _, dock = refused(opened, qtbot, Attentive(), tile=192)
    chosen(qtbot, dock, radius=40)
    assert dock.fields.chosen_radius.value == 64
    dock.fields.factor.value = 8
    qtbot.waitUntil(lambda: dock.plan is not None and dock.plan.factor == (8, 8), timeout=WAIT)
    dock.fields.chosen_radius.value = 40
    assert dock.plan.radius == (40, 40)


def test_a_model_that_takes_no_tile_says_why(opened: Any, qtbot: QtBot) -> None:
    """Where a small tile fails, the reason and the remedy are shown; the typed factor then works."""
    _, dock = refused(opened, qtbot, Needs(48), tile=240)
    dock.fields.approximate.value = True
    qtbot.waitUntil(lambda: "run approximately" in dock.fields.exact_note.text(), timeout=WAIT)
    assert "sides must be multiples of 48" in dock.fields.exact_note.text()
    assert dock.footer.reason.text() == "The model cannot be run approximately: see Model."
    dock.fields.factor.value = 48
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert dock.plan.factor == (48, 48)


def test_it_is_cancelled_and_continued(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel keeps what is done, by its name; Continue does the rest."""
    _, dock = refused(opened, qtbot, Attentive())
    chosen(qtbot, dock)
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run.layer.name.startswith("APPROXIMATE radius 32: slide - seer (incomplete, ")
    assert dock.footer.run.text() == "Continue"
    brake.let(1000)
    assert finish(qtbot, dock).name == "APPROXIMATE radius 32: slide - seer"


def test_there_is_no_error_to_preview(opened: Any, qtbot: QtBot) -> None:
    """The preview compares with the exact result; it says that there is none."""
    _, dock = refused(opened, qtbot, Attentive())
    chosen(qtbot, dock)
    with pytest.raises(ValueError, match="no exact result to compare with"):
        dock.preview._place()


class Coarse(nn.Module):
    """Looks at the whole image, and gives a score for every 4 x 4 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.pool = Attentive(), nn.AvgPool2d(4)

    def forward(self, x: Any) -> Any:
        return self.pool(self.see(x))


def test_what_takes_no_tiles_is_not_offered(opened: Any, qtbot: QtBot) -> None:
    """A model whose output has another size than its tile cannot be approximated: and the note says so."""
    _, dock = refused(opened, qtbot, Coarse())
    assert "Nor approximate: the model cannot be run in tiles: " in dock.fields.exact_note.text()
    assert "has not the size of the tile" in dock.fields.exact_note.text()
    assert not shown(dock.fields.approximate)
    assert not dock.footer.run.isEnabled()
    dock.fields.model.value = "lively"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
