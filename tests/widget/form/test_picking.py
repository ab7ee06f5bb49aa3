"""Files that a person picks: where the window begins, what a name becomes, and what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_exactile.widget.form import picking

KINDS = (("OME-TIFF", ".ome.tif", ".tif", ".tiff"), ("OME-Zarr", ".ome.zarr", ".zarr"))


@pytest.fixture
def picked(qapp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that answers the window by a name and a kind; it returns the path and where this began."""
    monkeypatch.setattr(picking, "_last", {})
    parent, proposed = QWidget(), tmp_path / "labels.ome.tif"

    def pick(name: str, kind: int = 0) -> tuple[Path | None, Path]:
        began = list[str]()

        def answer(_parent: Any, _title: str, start: str, kinds: str) -> tuple[str, str]:
            began.append(start)
            return (str(Path(start).parent / name) if name else ""), kinds.split(";;")[kind]

        monkeypatch.setattr(picking.QFileDialog, "getSaveFileName", answer)
        return picking.pick_file(parent, "Save labels", proposed, KINDS), Path(began[0])

    return pick


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a.ome.tif", 0, "a.ome.tif"), ("a.tiff", 1, "a.tiff"), ("a.TIF", 0, "a.TIF"), ("a", 0, "a.ome.tif"),
        ("a", 1, "a.ome.zarr"), ("a.v2", 0, "a.v2.ome.tif"), ("a.ome.zarr", 0, "a.ome.zarr"),
        ("labels.ome.tif", 1, "labels.ome.zarr"), ("a.zarr", 1, "a.zarr"),
    ],
)  # fmt: skip
def test_names_end_as_their_kind(picked: Any, tmp_path: Path, name: str, kind: int, expected: str) -> None:
    """What is typed counts; without an ending, or where only the kind was changed, the kind gives it."""
    assert picked(name, kind) == (tmp_path / expected, tmp_path / "labels.ome.tif")


def test_the_window_begins_where_the_last_file_went(picked: Any, tmp_path: Path) -> None:
    """At first it is the proposed folder, then the one of the last file that was picked."""
    (tmp_path / "results").mkdir()
    assert picked("")[0] is None
    assert picked("results/a.tif")[1].parent == tmp_path
    assert picked("")[1] == tmp_path / "results" / "labels.ome.tif"
    assert picked("b.tif")[0] == tmp_path / "results" / "b.tif"


def test_nothing_is_replaced_under_a_name_that_nobody_typed(
    picked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a name that was given an ending exists, that is asked; of typed ones the window asks."""
    (tmp_path / "a.ome.tif").touch()
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(picking.QMessageBox, "question", lambda *_: answers.pop(0))
    assert picked("a")[0] is None
    assert picked("a")[0] == tmp_path / "a.ome.tif"
    assert picked("a.ome.tif")[0] == tmp_path / "a.ome.tif"
    assert not answers
