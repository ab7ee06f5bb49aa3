"""`--settings` and `exactile settings`: the command line does what a file says, and what is typed wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary
from napari_exactile.cli import app
from napari_exactile.cli.segmenting.given import BESIDE
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.run.file.records import Around


@pytest.fixture(scope="module")
def colonies() -> np.ndarray:
    return draw_colonies((100, 130), seed=2_000_100).image


@pytest.fixture
def image(tmp_path: Path, colonies: np.ndarray) -> Path:
    tifffile.imwrite(tmp_path / "a.tif", colonies)
    return tmp_path / "a.tif"


def labels(path: Path) -> Any:
    return tifffile.imread(path)


def test_every_option_is_in_the_file() -> None:
    """Each option of `segment` is a key of settings files, and the other way round, but for those beside."""
    command = typer.main.get_command(app).commands["segment"]  # type: ignore[attr-defined]
    options = {one.name for one in command.params} - {*BESIDE, "help"}
    assert options == {*ex.Settings.names(), *Around.names(), "model"}


def test_a_file_does_what_the_options_do(tmp_path: Path, image: Path) -> None:
    """Labels by a file are those by the same options, whatever kind each of them is of."""
    path, out = tmp_path / "exactile.toml", tmp_path / "a.ome.zarr"
    options = [
        "--region",
        "0:96,16:128",
        "--normalization",
        "joint z-score",
        "--ignore",
        "0",
        "--tile",
        "224",
    ]
    done = call("segment", image, "--model", MODEL, *options, "--stream", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert call("settings", out, "--out", path).stdout == f"settings in {path}\n"
    assert call("settings", out).stdout == path.read_text()
    again = ex.SettingsFile.load(path)
    assert again.settings == ex.Settings(
        region=((0, 96), (16, 128)), normalization="joint z-score", ignore=0, tile=224, stream=True
    )
    told = summary(call("segment", image, "--settings", path, "--out", tmp_path / "b.tif"))
    assert told["zone (ZoR)"] == "32 px"
    assert np.array_equal(
        labels(tmp_path / "b.tif"), np.asarray(ex.segment(image, MODEL, **again.options()).labels)
    )


def test_options_win_over_the_file(tmp_path: Path, image: Path) -> None:
    """What is typed beside a file counts, flags and the model among it, and the rest stays the file's."""
    path = tmp_path / "exactile.toml"
    path.write_text('tile = 224\ntogether = true\n[model]\npath = "gone.pt"')
    more = ["--tile", 256, "--no-together", "--model", MODEL]
    told = summary(call("segment", image, "--settings", path, *more, "--out", tmp_path / "a.ome.zarr"))
    assert told["zone (ZoR)"] == "64 px"
    assert "together" not in call("settings", tmp_path / "a.ome.zarr").stdout


def test_objects_take_what_the_file_says(tmp_path: Path, image: Path) -> None:
    """What counts as an object may stand in the file, whether or not objects are wanted this time."""
    path, table = tmp_path / "exactile.toml", tmp_path / "objects.csv"
    path.write_text(f'min_size = 1000000\n[model]\nname = "{MODEL}"')
    assert summary(call("segment", image, "--settings", path))
    call("segment", image, "--settings", path, "--table", table, "--overwrite")
    assert len(table.read_text().splitlines()) == 1


def test_settings_are_never_overwritten_unasked(tmp_path: Path, image: Path) -> None:
    """A file that is there stays as it is, unless --overwrite says otherwise."""
    out = tmp_path / "a.ome.zarr"
    call("segment", image, "--model", MODEL, "--out", out)
    (tmp_path / "a.toml").write_text("mine")
    assert_refused(call("settings", out, "--out", tmp_path / "a.toml"), "exists already")
    assert (tmp_path / "a.toml").read_text() == "mine"
    assert call("settings", out, "--out", tmp_path / "a.toml", "--overwrite").exit_code == 0
    assert "colonies-demo" in (tmp_path / "a.toml").read_text()
