"""`exactile preview` measures what `tiling_error` and the sweeps measure, and says it in words."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from torch import nn

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary, use_model
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet

# This network has F = 2 and needs a radius of 6 px; Eq. 1 says 4.
REQUIRED = 6


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Let the bundled name stand for a small network whose errors are many."""
    module = UNet(levels=1, convolutions=1, base=3).eval()
    randomise(module, 5)
    use_model(monkeypatch, module)
    return module


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 70)).astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path, pixels: np.ndarray) -> Path:
    """Return a TIFF file with pixel size."""
    path = tmp_path / "noise.tif"
    size = {"PhysicalSizeY": 0.65, "PhysicalSizeX": 0.325}
    tifffile.imwrite(path, pixels, ome=True, metadata=size | {"axes": "YX"})
    return path


def files(image: Path) -> set[str]:
    return {path.name for path in image.parent.iterdir()} - {image.name}


# --- one radius


def test_an_undersized_radius_is_said_plainly(image: Path, pixels: np.ndarray, net: nn.Module) -> None:
    """The numbers are `tiling_error`'s; the words say that the geometry is not exact and what is needed."""
    said = summary(call("preview", image, "--model", MODEL, "--radius", 2, "--tile", 20))
    error = ex.tiling_error(pixels, net, radius=2, tile=20)
    assert error.misclassified > 10
    assert said["image"] == "noise.tif, 60 x 70 px"
    assert (said["model"], said["size factor (F)"]) == ("colonies-demo", "multiples of 2 px")
    assert said["radius needed"].startswith("6 px")
    assert said["paper's Eq. 1"] == "4 px, rounded up 4 px: too small"
    assert (said["zone (ZoR)"], said["tile"]) == ("16 px", "20 px")
    assert said["context (radius)"].startswith("2 px")
    assert said["window"] == "y 0..60, x 0..70: 4,200 pixels"
    assert said["geometry"] == "NOT EXACT: the radius is 2 px, but this model needs 6 px"
    assert said["error"].startswith(f"{error.misclassified:,} pixels differ (")
    assert said["RMSE"] == f"{error.rmse:.2g}"
    assert said["near-ties"] == f"{error.near_ties} of the pixels that differ"


@pytest.mark.usefixtures("net")
def test_the_required_radius_is_exact(image: Path) -> None:
    """With all the context that the model needs the geometry is exact and no pixel differs."""
    said = summary(call("preview", image, "--model", MODEL, "--radius", REQUIRED, "--tile", 28))
    assert said["geometry"] == "exact: each tile sees all that its zone depends on"
    assert said["error"].startswith("No pixel differs")


@pytest.mark.usefixtures("net")
def test_a_radius_off_the_grid_is_not_exact(image: Path) -> None:
    """A radius that is large enough but no multiple of F is named as such, with what would do."""
    said = summary(call("preview", image, "--model", MODEL, "--radius", 7, "--zone", 16))
    assert said["geometry"].startswith(
        "NOT EXACT: the radius is 7 px, but this model needs 6 px or more, in mult"
    )
    assert said["note"] == "7 px is no multiple of 2: tiles start off the grid"
    assert said["tile"] == "30 px"


def test_a_window_bounds_what_is_compared(image: Path, pixels: np.ndarray, net: nn.Module) -> None:
    """Only the window's pixels count, and only they are in the map, which is not that of the whole image."""
    out = image.with_name("map.tif")
    arguments = ("--radius", 0, "--zone", 16, "--window", "3:40,10:70", "--map", out)
    said = summary(call("preview", image, "--model", MODEL, *arguments))
    error = ex.tiling_error(pixels, net, radius=0, zone=16, window=((3, 40), (10, 70)))
    assert said["window"] == "y 3..40, x 10..70: 2,220 pixels"
    assert said["map"] == str(out)
    written = tifffile.imread(out)
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written, error.error_map)
    assert written.max() > 0
    with tifffile.TiffFile(out) as file:
        assert 'PhysicalSizeX="0.325"' in str(file.ome_metadata)
        assert "radius 0 px, pixels 3..40 x 10..70" in str(file.ome_metadata)


def test_of_a_stack_the_first_plane_counts(tmp_path: Path, pixels: np.ndarray, net: nn.Module) -> None:
    """The plane that was compared is named, with how many there are."""
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, np.stack([pixels, pixels.T[:60, :].repeat(2, 1)[:, :70]]), metadata={"axes": "TYX"}
    )
    said = summary(call("preview", path, "--model", MODEL, "--radius", 0, "--zone", 16, "--axes", "TYX"))
    assert said["image"] == "stack.tif, t 0 (the first of 2 planes), 60 x 70 px"
    error = ex.tiling_error(pixels, net, radius=0, zone=16)
    assert said["error"].startswith(f"{error.misclassified:,} pixels differ")


@pytest.mark.usefixtures("net")
def test_normalisation_reaches_the_comparison(image: Path) -> None:
    """Without normalisation the same tiles give other errors."""
    arguments = ("preview", image, "--model", MODEL, "--radius", 0, "--zone", 16, "--normalization")
    assert summary(call(*arguments, "none"))["RMSE"] != summary(call(*arguments, "z-score"))["RMSE"]


# --- sweeps


def table(text: str) -> list[list[str]]:
    """Return the cells of the table's rows."""
    rows = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


@pytest.mark.parametrize("kind", ["radius", "offset"])
def test_a_sweep_is_a_table(image: Path, pixels: np.ndarray, net: nn.Module, kind: str) -> None:
    """Rows, CSV file and picture show the sweep that `radius_sweep` and `offset_sweep` give."""
    out, plot = image.with_name("sweep.csv"), image.with_name("sweep.png")
    result = call(
        "preview", image, "--model", MODEL, "--sweep", kind, "--zone", 16, "--csv", out, "--plot", plot
    )
    said = summary(result)
    expected = {"radius": ex.radius_sweep, "offset": ex.offset_sweep}[kind](pixels, net, zone=16)
    rows = table(result.stdout)
    assert [int(row[0]) for row in rows] == [point.value for point in expected.points]
    assert [int(row[2]) for row in rows] == [point.misclassified for point in expected.points]
    assert [row[1] for row in rows] == [f"{point.rmse:.2g}" for point in expected.points]
    assert [row[6] for row in rows] == ["yes" if point.exact else "no" for point in expected.points]
    assert rows[0 if kind == "radius" else 1][2] != "0"
    read = list(csv.DictReader(out.read_text().splitlines()))
    assert [float(row["rmse"]) for row in read] == [point.rmse for point in expected.points]
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert (said["table"], said["plot"]) == (str(out), str(plot))
    assert said["paper's Eq. 1"].endswith("too small")


@pytest.mark.usefixtures("net")
def test_a_tile_must_leave_a_zone_to_every_radius(image: Path) -> None:
    """A sweep whose largest radius leaves no zone of the tile is refused, naming a tile that would do."""
    refused = call("preview", image, "--model", MODEL, "--sweep", "radius", "--tile", 20)
    assert_refused(refused, "Error: a tile of 20 px is too small: .+ the smallest tile is 22 px")


# --- refused


@pytest.fixture
def no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a test gets as far as computing."""
    for name in ("reference", "error"):
        monkeypatch.setattr(TilingErrors, name, lambda *_, **__: pytest.fail("it computes"))


@pytest.mark.usefixtures("net", "no_computing")
@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (
            ["--radius", "2", "--window", "0:10,65:75"],
            "the window 65..75 does not lie in the image of 60 x 70",
            1,
        ),
        (["--radius", "2", "--window", "0:10"], "a window needs a .start, stop. for each of the 2 axes", 1),
        (["--radius", "2", "--window", "all"], "--window takes pixels such as 0:512,100:612, not 'all'", 2),
        (
            ["--radius", "12", "--tile", "20"],
            "a tile of 20 px is too small: .+ the smallest tile is 26 px",
            1,
        ),
        (["--radius", "-2"], "a radius is at least 0 px, not -2", 1),
        (["--radius", "2", "--zone", "0"], "a zone needs at least 1 px, not 0", 1),
        (["--radius", "2", "--device", "mps"], "is not offered", 1),
        (["--radius", "2", "--normalization", "max"], "normalization is one of", 1),
        (["--radius", "2", "--axes", "xy"], "axes 'xy' do not fit 'noise.tif'", 1),
        ([], "give either --radius or --sweep", 2),
        (["--radius", "2", "--sweep", "radius"], "give either --radius or --sweep", 2),
        (["--radius", "2", "--tile", "9", "--zone", "9"], "give either --tile or --zone", 2),
        (["--sweep", "tile"], "--sweep is one of radius, offset, not 'tile'", 2),
        (["--radius", "2", "--csv", "x.csv"], "--csv and --plot are of a sweep", 1),
        (["--sweep", "radius", "--map", "x.tif"], "--map is of one radius", 1),
        (["--sweep", "radius", "--csv", "x.txt"], "the table is written as CSV: x.txt must end in .csv", 1),
        (
            ["--sweep", "radius", "--plot", "no/x.png"],
            "the folder no cannot be written to \\(there is no such file",
            1,
        ),
    ],
)
def test_what_cannot_be_compared(
    image: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str, code: int
) -> None:
    """Each is said in one sentence, before anything is computed, and nothing is written."""
    monkeypatch.chdir(image.parent)
    assert_refused(call("preview", image, "--model", MODEL, *options), message, code)
    assert files(image) == set()


@pytest.mark.usefixtures("net", "no_computing")
@pytest.mark.parametrize(
    ("option", "name"), [("--csv", "mine.csv"), ("--plot", "mine.png"), ("--map", "mine.tif")]
)
def test_no_file_is_overwritten(image: Path, option: str, name: str) -> None:
    """Files that exist are left as they are, and the image is never replaced."""
    out = image.with_name(name)
    out.write_bytes(b"mine")
    kind = ("--radius", 2) if option == "--map" else ("--sweep", "radius")
    refused = call("preview", image, "--model", MODEL, *kind, option, out)
    assert_refused(refused, "exists already: choose another name or pass --overwrite")
    assert out.read_bytes() == b"mine"
    refused = call("preview", image, "--model", MODEL, "--radius", 2, "--map", image, "--overwrite")
    assert_refused(refused, "the map would replace the image")


@pytest.mark.usefixtures("net")
def test_overwrite_replaces_the_files(image: Path) -> None:
    """With --overwrite, the map takes the place of what was there."""
    out = image.with_name("mine.tif")
    out.write_bytes(b"mine")
    summary(
        call("preview", image, "--model", MODEL, "--radius", 2, "--zone", 16, "--map", out, "--overwrite")
    )
    assert tifffile.imread(out).shape == (60, 70)


def test_files_and_models_that_are_none(tmp_path: Path, image: Path) -> None:
    """Missing files, pixels that are no numbers, and unknown models are said in one sentence."""
    nan = tmp_path / "nan.tif"
    tifffile.imwrite(nan, np.where(np.eye(20) > 0, np.nan, 1))
    options = ("--model", MODEL, "--radius", 16)
    assert_refused(call("preview", tmp_path / "no.tif", *options), "no.tif cannot be opened as a TIFF file")
    assert_refused(call("preview", nan, *options), "'nan.tif' has NaN pixels, first at y 0, x 0")
    unknown = call("preview", image, "--model", "unet", "--radius", 16)
    assert_refused(unknown, f"there is no model called 'unet'; the bundled ones are {MODEL}")


def test_a_model_that_cannot_be_exact_is_refused(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to compare to: the operator, its place and the reason are named."""
    use_model(monkeypatch, nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(-1)).eval())
    refused = call("preview", image, "--model", MODEL, "--radius", 2)
    assert_refused(refused, "Error: this model cannot be exact in tiles: .+ at '1': .+")


@pytest.mark.usefixtures("net")
def test_ctrl_c_writes_nothing(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted comparison says so in one sentence and exits with 130."""

    def stopped(*_arguments: object, **_settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TilingErrors, "error", stopped)
    out = image.with_name("map.tif")
    result = call("preview", image, "--model", MODEL, "--radius", 2, "--zone", 16, "--map", out)
    assert_refused(result, "Stopped: nothing was written", 130)
    assert files(image) == set()
