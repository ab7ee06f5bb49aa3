"""`exactile segment` of many images: a row for each, an exit code that says whether any failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_exactile as ex
from command_line import MODEL, assert_refused, call
from napari_exactile.cli.segmenting import many
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.run.many.batch import ManyRun
from plates import plate


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        image = draw_colonies((60, 70), seed=ord(name)).image
        tifffile.imwrite(tmp_path / f"images/{name}.tif", image, metadata={"axes": "YX"})
    return tmp_path / "images"


def lines(text: str) -> list[list[str]]:
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def test_a_folder_becomes_a_folder_of_labels(images: Path) -> None:
    """Each image has a row and labels by its name; a second time, all are skipped."""
    out = images.parent / "out"
    done = call("segment", images, "--model", MODEL, "--out", out, "--count-objects", "--jobs", 2)
    assert done.exit_code == 0, done.stderr
    rows = lines(done.stdout)
    assert [row[0] for row in rows] == [str(images / "a.tif"), str(images / "b.tif")]
    assert [row[-1] for row in rows] == ["done", "done"]
    assert all(row[-2].endswith("colony") for row in rows)
    assert f"2 images; the table is {out / 'summary.csv'}" in done.stdout
    again = call("segment", images, "--model", MODEL, "--out", out, "--count-objects")
    assert [row[-1] for row in lines(again.stdout)] == ["skipped", "skipped"]
    assert ex.verify(out / "a_labels.ome.zarr").agrees


def test_the_exit_code_says_whether_any_failed(images: Path) -> None:
    """One image that fails is told on stderr; the others are done, and the code is 1."""
    (images / "c.tif").write_text("no image")
    done = call(
        "segment", images / "c.tif", images / "a.tif", "--model", MODEL, "--out", images.parent / "out"
    )
    assert done.exit_code == 1
    assert [row[-1] for row in lines(done.stdout)] == ["FAILED", "done"]
    assert done.stderr.count("cannot be opened as a TIFF file") == 1
    assert "2 images, 1 failed" in done.stdout


@pytest.mark.parametrize("names", [None, "{folder}-{number}.tif"])
def test_one_image_goes_to_a_folder_where_one_is_named(images: Path, names: str | None) -> None:
    """A single file is one of many where --out is a folder; a file or a store are still its own."""
    more = ["--names", names] if names else []
    done = call("segment", images / "a.tif", "--model", MODEL, "--out", images.parent / "out", *more)
    assert done.exit_code == 0, done.stderr
    found = {path.name for path in (images.parent / "out").iterdir()}
    assert found == {"summary.csv", "summary.json", "images-1.tif" if names else "a_labels.ome.zarr"}


def test_patterns_plates_and_settings_files(images: Path) -> None:
    """What is meant is found, and settings files count for all images."""
    path = plate(images.parent / "p.ome.zarr", np.zeros((40, 50), np.uint16), fields=1)
    file = images.parent / "exactile.toml"
    file.write_text(f'tile = 224\n[model]\nname = "{MODEL}"')
    out = images.parent / "out"
    done = call("segment", images / "*.tif", path, "--settings", file, "--out", out)
    assert done.exit_code == 0, done.stderr
    names = {one.name for one in out.glob("*.ome.zarr")}
    assert names == {f"{name}_labels.ome.zarr" for name in ("a", "b", "p_A_1_0", "p_B_2_0")}


def test_ctrl_c_says_how_to_go_on(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped from outside, what is done is kept, and a sentence tells how much."""
    steps = ManyRun.steps

    def stopping(run: ManyRun) -> object:
        for event in steps(run):
            if isinstance(event, ex.ImageStarted) and event.number == 1:
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(ManyRun, "steps", stopping)
    arguments = ["segment", images, "--model", MODEL, "--out", images.parent / "out"]
    assert_refused(call(*arguments), "Stopped with 1 of 2 images done: the same command continues", 130)
    monkeypatch.undo()
    assert [row[-1] for row in lines(call(*arguments).stdout)] == ["skipped", "done"]


def test_one_image_is_not_many() -> None:
    """Whatever could be said of one image before is still said of one."""
    image = Path("a.tif")
    for out in (None, Path("b.tif"), Path("b.ome.zarr"), Path("b.png")):
        assert not many.are_many([image], out, None)
    assert many.are_many([image, image], Path("b.tif"), None)
