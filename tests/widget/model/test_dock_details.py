"""The window behind "Details...": it shows what the analysis says, follows the model, goes with the dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication
from torch import nn

import napari_exactile as ex
from docks import WAIT, finish, lively_model, opened_details
from inexact_nets import Attentive
from napari_exactile.images.normalize.steps import Affine, Clip, Percentiles, ZScore
from napari_exactile.network.layers import HEADINGS
from napari_exactile.run.check import checks
from napari_exactile.run.words import card as about
from napari_exactile.run.words.details import details_of
from napari_exactile.widget.model.details import CLASSES, LAYERS
from room import narrow


def norms() -> ex.Model:
    """A network with two operators that look at the whole image."""
    layers = (
        nn.Conv2d(1, 4, 3, padding=1),
        nn.InstanceNorm2d(4),
        nn.Conv2d(4, 2, 3, padding=1),
        nn.InstanceNorm2d(2),
    )
    return ex.load_model(nn.Sequential(*layers).eval(), name="norms", title="norms")


def with_card(model: ex.Model, **facts: Any) -> ex.Model:
    return replace(model, card=replace(model.card, **facts))


def cells(dialog: Any) -> list[tuple[str, ...]]:
    table = dialog.table
    columns = range(table.columnCount())
    return [tuple(table.item(row, column).text() for column in columns) for row in range(table.rowCount())]


def test_every_layer_has_a_row(opened: Any, qtbot: QtBot) -> None:
    """The window is modeless and holds the facts, a row per layer under its headings; all can be copied."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    analysis = dock._chooser.choice.task.analysis
    assert not dialog.isModal()
    assert "lively" in dialog.windowTitle()
    assert cells(dialog) == [layer.cells for layer in analysis.layers]
    headings = [dialog.table.horizontalHeaderItem(column).text() for column in range(len(HEADINGS))]
    assert tuple(headings) == HEADINGS
    text = dialog.facts.toPlainText()
    for fact in ("multiples of 4 px", "22 + 22 px before + after a zone", "24 px: the context", "Eq. 1"):
        assert fact in text
    assert "whole tiles" not in text
    dialog.copy.click()
    assert QApplication.clipboard().text().endswith(analysis.explain())


def test_it_follows_the_model_and_keeps_what_it_knows(opened: Any, qtbot: QtBot) -> None:
    """Another model or image shows its own layers; a setting changes nothing."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    before = cells(dialog)
    dock.fields.tile.value = 112
    assert dialog.copy.isEnabled()
    dock.add_model(lively_model("wider", classes=5))
    qtbot.waitUntil(lambda: "wider" in dialog.facts.toPlainText(), timeout=WAIT)
    assert dialog.windowTitle() == "wider - details"
    assert cells(dialog) != before
    assert dialog.classes.table.rowCount() == 5
    dock.add_model(with_card(lively_model("numbers"), kind="values"))
    qtbot.waitUntil(lambda: "numbers, not classes" in dialog.facts.toPlainText(), timeout=WAIT)
    assert not dialog.tabs.isTabVisible(CLASSES)


def test_a_refused_model_has_reasons_and_no_table(opened: Any, qtbot: QtBot) -> None:
    """Each refusal is there in full, and that the model can be run approximately; nothing else is shown."""
    _, dock = opened(plan=False)
    dock.add_model(ex.load_model(Attentive().eval(), name="seer", title="<seer>"))
    qtbot.waitUntil(lambda: "annot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    dialog = opened_details(qtbot, dock)
    text, analysis = dialog.facts.toPlainText(), dock._chooser.known[1]
    for refusal in analysis.refusals:
        assert str(refusal) in text
    assert "run approximately" in text
    assert "<seer>" in text, "names are no HTML"
    assert not dialog.tabs.isTabVisible(LAYERS)
    dialog.copy.click()
    assert QApplication.clipboard().text().endswith(analysis.explain())


def test_it_closes_with_the_dock(opened: Any, qtbot: QtBot) -> None:
    """Hiding the dock, or taking it away, closes the window."""
    viewer, dock = opened(show=True)
    dialog = opened_details(qtbot, dock)
    assert dialog.isVisible()
    dock.parentWidget().hide()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=WAIT)
    dock.parentWidget().show()
    dock.fields.details.native.click()
    assert dialog.isVisible()
    viewer.window.remove_dock_widget(dock)
    assert not dialog.isVisible()


def test_an_analysis_that_is_under_way_is_waited_for(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an analysis there is nothing to open, and an open window says that it waits."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    monkeypatch.setattr(dock.planner, "ask", lambda *rest: None)
    dock.add_model(lively_model("another"))
    assert not dock.fields.details.enabled
    assert "not been analysed" in dialog.facts.toPlainText()
    assert not dialog.copy.isEnabled()


def test_operators_that_look_at_the_whole_image_are_told() -> None:
    """How many there are, the passes that they take, and why whole tiles cannot be exact, once for all."""
    model = norms()
    facts = dict(details_of(model, ex.analyse(model, (64, 64))).facts)
    assert facts["whole image"] == "2 operators look at all of it: 2 passes before the last"
    assert facts["whole tiles"].startswith("cannot be exact by themselves, because of ")
    assert "at '1' and 1 more: it looks at the whole image" in facts["whole tiles"]


def test_what_the_card_says_is_told_in_words() -> None:
    """Source, input, pixels, output, halo, sizes, licence and citation; what is not known is left out."""
    plain = lively_model("plain")
    model = with_card(
        plain, source="/models/plain.zip", channel_names=("DAPI",), pixel_size=0.65, halo=(16, 16),
        normalization=(Percentiles(1, 99, joint=True), Clip(0, 1)), minimum=(64, 64), step=(16, 16),
        licence="MIT", citation="A. Author, 2024", postprocessing=(Affine((1.0,), (2.0,)),),
    )  # fmt: skip
    analysis = ex.analyse(model, (64, 64))
    assert about.about(model, analysis) == (
        ("model", "plain"),
        ("source", "/models/plain.zip"),
        ("takes", "axes y, x; 1 channel (DAPI); float32"),
        (
            "pixels become",
            "percentiles 1 and 99 of the whole image become 0 and 1, of all channels together; "
            "clipped to 0 .. 1",
        ),
        ("trained at", "0.65 µm per px"),
        ("gives", "3 channels, the best class of each pixel; probabilities, as the model says"),
        ("afterwards", "minus 1, by 2"),
        ("declared", "its makers allow sizes of 64 + n * 16 px; tiles here are multiples of 4 px"),
        ("declared", "its makers declare a halo of 16 px; it needs 22, so 24"),
        ("licence", "MIT"),
        ("please cite", "A. Author, 2024"),
    )
    assert [name for name, _ in about.about(plain, analysis)] == ["model", "takes", "pixels become", "gives"]
    enough = with_card(plain, halo=(22, 22))
    assert "22 are enough" in dict(about.about(enough, analysis))["declared"]
    bundled = ex.load_model("colonies-demo")
    assert dict(about.about(bundled, analysis))["source"] == "comes with napari-exactile"


def test_normalisations_have_words() -> None:
    """Each kind of step says what becomes of pixels, and of which pixels it asks that."""
    assert about.pixels_become("none") == "left as they are"
    assert about.pixels_become("min-max").startswith("the least and the largest of the whole image")
    assert about.pixels_become((ZScore(joint=True),)).endswith("of all channels together")


def test_the_check_agrees_with_what_was_derived(opened: Any, qtbot: QtBot) -> None:
    """Check measures the context in the background, not during a run; another model takes the words back."""
    _, dock = opened()
    check = opened_details(qtbot, dock).check
    check.button.click()
    assert not check.button.isEnabled()
    qtbot.waitUntil(check.button.isEnabled, timeout=WAIT)
    assert check.words.text() == "Measured with NaN: 22 + 22 px before + after a zone, as derived."
    dock.start()
    assert not check.button.isEnabled()
    assert "waits until the run has ended" in check.words.text()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert check.button.isEnabled()
    assert check.words.text() == ""
    check.button.click()
    qtbot.waitUntil(lambda: check.words.text().startswith("Measured"), timeout=WAIT)
    dock.add_model(lively_model("another"))
    assert check.words.text() == ""


def test_a_context_that_is_wrong_fails_the_check(model: ex.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NaN comes from farther away than was derived, the check says so in capitals."""
    monkeypatch.setattr(checks, "measure_context", lambda *rest: ((22, 30), (22, 22)))
    (words,) = checks.checks_of(model, ex.analyse(model, (64, 64)))
    assert words.startswith("THE CHECK FAILS: measured with NaN, 22 + 30, 22 + 22 px")
    assert "derived 22 + 22" in words


class Swallows(nn.Module):
    """Its output knows no NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return (self.convolution(x) > 0).float()


@pytest.mark.parametrize(
    ("module", "reason"), [(Swallows(), "swallows NaN"), (Attentive(), "without a derived context")]
)
def test_what_cannot_be_measured_says_why(module: nn.Module, reason: str) -> None:
    """An operator that swallows NaN, and a model that cannot be exact, are no failures of the check."""
    model = ex.load_model(module.eval(), name="m", title="m")
    (words,) = checks.checks_of(model, ex.analyse(model, (64, 64)))
    assert words.startswith("Not measurable: ")
    assert reason in words


def test_one_check_that_breaks_leaves_the_others(model: ex.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check has its sentence, also where one raises."""

    def breaks(*rest: Any) -> Any:
        yield "begun"
        raise OSError("the disk is gone")

    monkeypatch.setattr(checks, "CHECKS", (breaks, lambda *rest: iter(["fine"])))
    said = list(checks.checks_of(model, ex.analyse(model, (64, 64))))
    assert said == ["begun", "A check failed: the disk is gone", "fine"]


def test_another_pixel_size_is_warned_of(opened: Any, qtbot: QtBot) -> None:
    """More than a quarter away from what the model was trained at is a warning, above and below, not less."""
    viewer, dock = opened(plan=False, scale=(1.3, 1.3), units=("um", "um"))
    image, note = viewer.layers["slide"], dock.fields.image_note
    dock.fields.model.value = "colonies-demo"
    assert "trained at 0.65\u00a0µm\u00a0per\u00a0px; this image has 1.3: " in note.text()
    assert note.styleSheet(), "a warning"
    for size, wrong in {0.8: False, 0.82: True, 0.49: False, 0.48: True}.items():
        image.scale = size, size
        assert ("trained at" in note.text()) is wrong, size
    image.units = "pixel", "pixel"
    assert "trained at" not in note.text()
    image.units, image.scale = ("nm", "nm"), (1300, 650)
    assert "this image has 1.3" in note.text(), "along one axis"
    dock.fields.model.value = "lively"
    assert "trained at" not in note.text()
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


def test_nothing_of_it_is_cut_off(opened: Callable[..., Any], qtbot: QtBot) -> None:
    """Words and buttons of every tab have the room they ask for, and layers need no scrolling sideways."""
    appearance = get_settings().appearance
    before = appearance.font_size, appearance.theme
    _, dock = opened(show=True)
    try:
        for appearance.font_size, appearance.theme in ((9, "dark"), (14, "light")):
            dock.details.close()
            dialog = opened_details(qtbot, dock)
            dialog.check.button.click()
            qtbot.waitUntil(dialog.check.button.isEnabled, timeout=WAIT)
            for tab in range(dialog.tabs.count()):
                dialog.tabs.setCurrentIndex(tab)
                qtbot.waitUntil(lambda d=dialog: not narrow(d), timeout=WAIT)
            assert dialog.table.font() == dialog.copy.font()
            assert not dialog.table.horizontalScrollBar().isVisible()
            assert dialog.facts.document().size().width() <= dialog.facts.width()
    finally:
        appearance.font_size, appearance.theme = before


def test_what_comes_with_a_model_and_is_not_used(
    opened: Callable[..., Any], qtbot: QtBot, tmp_path: Path
) -> None:
    """It stands under the model as a warning, among what Details say, and in the report."""
    _, dock = opened()
    assert not dock.fields.model_note.styleSheet()
    path = tmp_path / "bundle.ts"
    network = torch.jit.script(nn.Conv2d(1, 2, 3, padding=1).eval())
    torch.jit.save(network, path, _extra_files={"inference.json": "{}"})
    dock.opener.open(path)
    qtbot.waitUntil(lambda: dock.fields.model.value == "bundle" and dock.plan is not None, timeout=WAIT)
    words = "extra/inference.json in the file is not used: if it says how images are prepared"
    assert dock.fields.model_note.text().replace("\u200b", "").startswith(words)
    assert dock.fields.model_note.styleSheet()
    assert words in opened_details(qtbot, dock).facts.toPlainText()
    finish(qtbot, dock)
    assert dock.run.series.report().notes[0].startswith(words)
