"""What is sent to those who are asked for help tells all that matters, and names nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from torch import nn

import napari_exactile as ex
from napari_exactile.run.store.report_file import earlier_report
from napari_exactile.run.words.diagnostics import diagnostics, unquoted

PERSON, FOLDER, IMAGE, TITLE = "jane_o'doe", "Jane O'Doe (patient 17)", "scan's 'last' (2)", "Doe's net, v2"
NAMES = ("jane", "doe", "patient", "scan", "(2)", "net, v2", "stroma", "noteworthy", "secret-host")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder called after a person, who is logged in by this name."""
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, PERSON)
    monkeypatch.setattr("platform.node", lambda: "secret-host")
    monkeypatch.setattr("platform.release", lambda: "6.1.0-secret-host")
    (tmp_path / FOLDER).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / FOLDER))
    return tmp_path / FOLDER


def segmented(folder: Path, pixels: object) -> Path:
    """Segment a file with a model of hostile names into a store; return the store."""
    image, store = folder / f"{IMAGE}.tif", folder / f"{IMAGE}.ome.zarr"
    tifffile.imwrite(image, pixels)
    model = ex.load_model(
        nn.Conv2d(1, 2, 3, padding=1).eval(), name=TITLE, title=TITLE, classes=("patient (1)", "stroma"),
        notes=("noteworthy: jane's.tif is not used",), source=str(folder / "doe.pt"),
    )  # fmt: skip
    ex.segment(image, model, output=store)
    return store


def test_names_stay_out(folder: Path) -> None:
    """Names of the person, the computer, folders, files, models and classes do not appear; numbers do."""
    image = np.random.default_rng(0).integers(0, 255, (70, 90)).astype(np.uint8)
    store = segmented(folder, image)
    plan = ex.plan_tiles(ex.analyse("colonies-demo", (512, 512)), tile=304)
    text = diagnostics(plan, earlier_report(store), [store.parent])
    assert not [name for name in NAMES if name in text.lower()]
    for words in ("70 x 90 px", "304 px", "GB free where labels go", "1, left out", "one of your own"):
        assert words in text
    assert ex.__version__ in text


def test_warnings_keep_their_words_and_lose_the_names(folder: Path) -> None:
    """A warning that names a class is told without it."""
    store = segmented(folder, np.zeros((40, 50), np.uint8))
    text = diagnostics(report=earlier_report(store))
    assert "all pixels have the same label, " in text
    assert not [name for name in NAMES if name in text.lower()]


def test_what_is_quoted_goes_whatever_it_holds() -> None:
    """Quotes and brackets within names do not let a part of them through."""
    hostile = ("o'doe", "a (b) doe", "'doe' and 'doe'", ") doe (", "doe\t'")
    for name in hostile:
        assert "doe" not in unquoted(f"the label '{name}' is odd")
        assert "doe" not in unquoted(f"the same label ({name})")


def test_without_anything_it_tells_the_installation() -> None:
    """Before a plan and a run there are versions and the machine, by sections."""
    text = diagnostics()
    sections = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert sections == ["Versions", "Machine", "Plan", "Last report"]
    assert text.count("none yet") == 2
    for name in ("python", "torch", "zarr", "memory", "devices", "disk", "processor"):
        assert f"  {name}" in text
