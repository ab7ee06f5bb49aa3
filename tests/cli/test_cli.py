"""The command line gives what the functions give, says mistakes in a sentence, and never overwrites."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary, use_model
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.images.store.tiff import open_tiff

COMMANDS = ("segment", "inspect", "preview", "compare", "reproduce")


@pytest.fixture(scope="module")
def colonies() -> np.ndarray:
    """Return a picture that is a few F wide."""
    return draw_colonies((100, 130), seed=2_000_100).image


@pytest.fixture
def image(tmp_path: Path, colonies: np.ndarray) -> Path:
    """Return a TIFF file with pixel size."""
    path = tmp_path / "colonies.tif"
    size = {"PhysicalSizeY": 0.65, "PhysicalSizeX": 0.325}
    tifffile.imwrite(path, colonies, ome=True, metadata=size | {"axes": "YX"})
    return path


# --- help ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([name, "--help"] for name in COMMANDS), ["--version"]],
)
def test_help_is_quick(arguments: list[str]) -> None:
    """Help and version load neither torch nor napari nor anything that reads images."""
    code = (
        "import sys; from napari_exactile.cli import app\n"
        f"app({arguments}, standalone_mode=False)\n"
        "heavy = {'torch', 'napari', 'qtpy', 'zarr', 'numpy', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(done.stdout.splitlines()) > 1


def test_version() -> None:
    """The version is the installed package's."""
    assert call("--version").stdout == f"exactile {version('napari-exactile')}\n"


# --- inspect ---------------------------------------------------------------------------------------------


def test_inspect_says_what_a_model_needs() -> None:
    """F, context, radius and the paper's radius are the analysis's, and every layer has a row."""
    result = call("inspect", MODEL, "--shape", "300,200")
    facts = summary(result)
    assert facts["size factor (F)"] == "multiples of 16 px"
    assert facts["context"] == "94 + 94 px before + after a zone"
    assert facts["radius"].startswith("96 px")
    assert facts["paper's Eq. 1"] == "92 px, rounded up 96 px"
    assert facts["result"] == "can be exact"
    layers = ex.analyse(MODEL, (300, 200)).layers
    assert len([line for line in result.stdout.splitlines() if line.startswith("│")]) == len(layers)
    assert "transposed convolution" in result.stdout


@pytest.mark.parametrize("width", [60, 80, 120])
def test_inspect_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """In a narrow terminal long places are shortened and columns left out; every layer has one line."""
    from torch import nn

    deep = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3, padding=1))
    for name in ("convolutions", "third_of_the_blocks", "encoder", "the_whole_network"):
        deep = nn.Sequential(OrderedDict([(name, deep)]))
    use_model(monkeypatch, deep.eval())
    result = call("inspect", MODEL, "--shape", "64,64", columns=width)
    table = [line for line in result.stdout.splitlines() if line[:1] in "┏┡│└" and line]
    assert max(map(len, table)) <= width
    assert [line.split("│")[1].strip() for line in table if "│" in line] == ["relu", "convolution"]
    assert ("M mult-adds" in result.stdout) == (width > 60)


def test_inspect_takes_the_shape_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three lengths are depth, height and width; a network for planes says what to do with a stack."""
    from torch import nn

    use_model(monkeypatch, nn.Conv3d(1, 2, (1, 3, 5), padding=(0, 1, 2)).eval())
    facts = summary(call("inspect", MODEL, "--shape", "8,64,64"))
    assert facts["context"] == "0 + 0, 1 + 1, 2 + 2 px before + after a zone"
    use_model(monkeypatch, nn.Conv2d(1, 2, 3, padding=1).eval())
    assert_refused(call("inspect", MODEL, "--shape", "8,64,64"), "made for 2D images.+ one by one")


def test_inspect_says_where_the_papers_radius_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """For networks whose radius the papers' equation misses, that is said."""
    from napari_exactile.models import load

    use_model(monkeypatch, load.UNet(levels=1, convolutions=1, base=2).eval())
    assert summary(call("inspect", MODEL))["paper's Eq. 1"] == "4 px, rounded up 4 px: too small"


def test_inspect_refuses_what_cannot_be_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused model gives exit code 1 and a sentence with operator, place and reason."""
    from torch import nn

    use_model(monkeypatch, nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(-1)).eval())
    assert_refused(call("inspect", MODEL), "Error: this model cannot be exact in tiles: .+ at '1': .+")


def test_passes_over_the_image_are_told(monkeypatch: pytest.MonkeyPatch, image: Path) -> None:
    """`inspect` says how many come before the labels, and `segment` how many there were."""
    from torch import nn

    use_model(monkeypatch, nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.InstanceNorm2d(2)).eval())
    told = summary(call("inspect", MODEL))["whole image"]
    assert told == "1 operator looks at all of it: 1 pass before the last"
    done = summary(call("segment", image, "--model", MODEL, "--scratch-limit", "1MB"))
    assert done["passes"] == "2 over the image: the last one gives the labels"
    assert done["result"].startswith("exact")
    wrong = call("segment", image, "--model", MODEL, "--overwrite", "--scratch-limit", "x")
    assert_refused(wrong, "--scratch-limit takes", 2)


@pytest.mark.parametrize(("shape", "code"), [("wide", 2), ("2048x2048", 2), ("", 2), ("0,5", 1)])
def test_inspect_refuses_shapes(shape: str, code: int) -> None:
    """What is no shape, or an empty one, is refused."""
    assert_refused(call("inspect", MODEL, "--shape", shape), "--shape takes numbers|at least one pixel", code)


def test_an_unknown_model_is_refused(image: Path) -> None:
    """The known names are named, in every command."""
    message = f"Error: there is no model called 'unet'; the bundled ones are {MODEL}"
    assert_refused(call("inspect", "unet"), message)
    assert_refused(call("segment", image, "--model", "unet"), message)


# --- segment ---------------------------------------------------------------------------------------------


def test_segment_writes_the_labels(image: Path, colonies: np.ndarray) -> None:
    """The file holds the labels that `segment` gives, with the image's pixel size; the summary says how."""
    out = image.with_name("labels.tif")
    result = call("segment", image, "--model", MODEL, "--out", out, "--tile", 240)
    expected = ex.segment(colonies, MODEL, tile=240)
    assert 0 < expected.labels.mean() < 1
    opened, said = open_tiff(out), summary(result)
    np.testing.assert_array_equal(opened.array[:], expected.labels)
    assert (opened.axes, opened.pixel_size) == ("yx", (0.65, 0.325))
    assert said["image"] == "colonies.tif, 100 x 130 px"
    assert (said["model"], said["zone (ZoR)"], said["tiles"]) == (MODEL, "48 px", str(expected.report.tiles))
    assert said["context (radius)"] == "94 px needed, radius 96 px"
    padded = "padded (y reflected to 112 px, x reflected to 144 px)"
    assert said["result"] == f"exact: the labels of one pass over the whole image, {padded}"
    assert said["near-ties"] == f"{expected.report.near_ties:,} pixels"
    assert said["labels"] == str(out)


def test_labels_go_beside_the_image(image: Path) -> None:
    """Without --out, the labels stand beside the image under its name."""
    call("segment", image, "--model", MODEL)
    assert {path.name for path in image.parent.iterdir()} == {"colonies.tif", "colonies_labels.tif"}


@pytest.mark.parametrize("axes", ["tyx", "zyx"])
def test_stacks_are_segmented_plane_by_plane(tmp_path: Path, axes: str) -> None:
    """Each plane is normalised on its own and gets the labels that it gets alone; the axes stay."""
    planes = np.stack([draw_colonies((40, 50), seed=seed).image // (seed + 1) for seed in (0, 1, 2)])
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, planes, ome=True, metadata={"axes": axes.upper()})
    said = summary(call("segment", path, "--model", MODEL))
    opened = open_tiff(tmp_path / "stack_labels.tif")
    assert opened.axes == axes
    expected = [ex.segment(plane, MODEL) for plane in planes]
    np.testing.assert_array_equal(opened.array[:], np.stack([result.labels for result in expected]))
    assert said["image"] == "stack.tif, 3 x 40 x 50 px"
    assert said["tiles"] == str(sum(result.report.tiles for result in expected))


def test_channels_go_to_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The axis c holds the model's channels; an image with others is refused by name and number."""
    from torch import nn

    use_model(monkeypatch, nn.Conv2d(3, 2, 3, padding=1).eval())
    path, pixels = (
        tmp_path / "rgb.tif",
        np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8),
    )
    tifffile.imwrite(path, pixels, photometric="rgb")
    call("segment", path, "--model", MODEL)
    expected = ex.segment(pixels, MODEL).labels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "rgb_labels.tif"), expected)
    tifffile.imwrite(path, pixels[..., 0])
    refused = call("segment", path, "--model", MODEL, "--overwrite")
    assert_refused(refused, "Error: 'rgb.tif' has 1 channel, but the model takes 3 channels")


def test_axes_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file does not say that an axis holds channels, --axes does."""
    from torch import nn

    use_model(monkeypatch, nn.Conv2d(2, 2, 3, padding=1).eval())
    path, pixels = tmp_path / "two.tif", np.random.default_rng(0).random((2, 20, 30), np.float32)
    tifffile.imwrite(path, pixels, photometric="minisblack")
    assert_refused(call("segment", path, "--model", MODEL), "has 1 channel, but the model takes 2 channels")
    call("segment", path, "--model", MODEL, "--axes", "CYX")
    expected = ex.segment(pixels, MODEL, axes="cyx").labels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "two_labels.tif"), expected)


def test_an_undersized_radius_is_never_silent(image: Path) -> None:
    """It is refused unless the method is whole-tile, and then the summary says inexact."""
    arguments = ("segment", image, "--model", MODEL, "--radius", 16, "--tile", 80)
    message = "radius of 16 px is too small: this model needs 96 px. .+ choose the method .whole-tile."
    assert_refused(call(*arguments), message)
    assert [path.name for path in image.parent.iterdir()] == [image.name]
    said = summary(call(*arguments, "--method", "whole-tile"))
    assert said["result"] == "INEXACT: the radius is 16 px, but this model needs 96 px"
    with tifffile.TiffFile(said["labels"]) as file:
        assert said["result"] in str(file.ome_metadata)


def test_settings_reach_the_run(image: Path) -> None:
    """A memory limit makes automatic tiles smaller."""
    large = summary(call("segment", image, "--model", MODEL, "--memory-limit", "2GB"))
    small = summary(call("segment", image, "--model", MODEL, "--memory-limit", "1 MB", "--overwrite"))
    assert int(large["tiles"]) < int(small["tiles"])


# --- refused, before anything is computed ----------------------------------------------------------------


@pytest.fixture
def no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a test gets as far as computing."""
    from at_the_door import meet

    meet(monkeypatch, before=lambda _tile, _check: pytest.fail("it computes"))


@pytest.mark.usefixtures("no_computing")
def test_nothing_is_overwritten(image: Path) -> None:
    """An existing file, a folder, and the image itself are refused before anything is computed."""
    out = image.with_name("labels.tif")
    out.write_bytes(b"mine")
    command = ("segment", image, "--model", MODEL, "--out")
    assert_refused(call(*command, out), "labels.tif exists already: choose another name or pass --overwrite")
    assert out.read_bytes() == b"mine"
    before = image.read_bytes()
    assert_refused(call(*command, image, "--overwrite"), "the labels would replace the image")
    assert image.read_bytes() == before
    folder = image.with_name("folder.tif")
    folder.mkdir()
    assert_refused(call(*command, folder, "--overwrite"), "folder.tif is a folder")


def test_overwrite_replaces_the_file(image: Path) -> None:
    """With --overwrite, the labels take the place of what was there."""
    out = image.with_name("colonies_labels.tif")
    out.write_bytes(b"mine")
    summary(call("segment", image, "--model", MODEL, "--overwrite"))
    assert open_tiff(out).array.shape == (100, 130)


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("labels.png", "must end in .tif or .tiff"),
        ("nowhere/labels.tif", r"the folder .+nowhere cannot be written to \(there is no such file"),
    ],
)
def test_outputs_that_cannot_be_written(image: Path, out: str, message: str) -> None:
    """Names of other formats and folders that are not there are refused before anything is computed."""
    assert_refused(call("segment", image, "--model", MODEL, "--out", image.parent / out), message)


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--tile", "big"], "--tile takes a number of pixels or auto, not 'big'", 2),
        (["--tile", "0"], "a tile needs at least 1 px, not 0", 1),
        (["--tile", "100"], "a tile of 100 px is too small: .+ the smallest tile is 208 px", 1),
        (["--radius", "-5"], "a radius is at least 0 px, not -5", 1),
        (
            ["--method", "cone"],
            "method is one of auto, trimmed, skewed, whole-tile, approx.+, not 'cone'",
            1,
        ),
        (["--device", "mps"], r"Apple's GPU \(mps\) is not offered", 1),
        (["--normalization", "max"], "normalization is one of", 1),
        (["--memory-limit", "lots"], "--memory-limit takes bytes such as 2GB, not 'lots'", 2),
        (["--memory-limit", "-1GB"], "the memory limit is at least 1 byte", 1),
        (["--axes", "xy"], "axes 'xy' do not fit 'colonies.tif'", 1),
    ],
)
def test_settings_that_no_run_can_have(image: Path, options: list[str], message: str, code: int) -> None:
    """Each is said in one sentence with the offending value, and nothing is written."""
    assert_refused(call("segment", image, "--model", MODEL, *options), message, code)
    assert [path.name for path in image.parent.iterdir()] == [image.name]


def test_files_that_are_no_image(tmp_path: Path) -> None:
    """Missing files, other formats, and pixels that are no numbers are said in one sentence."""
    missing, text, nan = tmp_path / "none.tif", tmp_path / "text.tif", tmp_path / "nan.tif"
    text.write_text("hello")
    tifffile.imwrite(nan, np.where(np.eye(20) > 0, np.nan, 1))
    assert_refused(
        call("segment", missing, "--model", MODEL),
        "none.tif cannot be opened as a TIFF file: there is no such",
    )
    assert_refused(call("segment", text, "--model", MODEL), "text.tif cannot be opened as a TIFF file")
    assert_refused(call("segment", nan, "--model", MODEL), "'nan.tif' has NaN pixels, first at y 0, x 0")
    assert {path.name for path in tmp_path.iterdir()} == {"text.tif", "nan.tif"}


# --- demo ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "window.png"])
def test_demo_is_the_widgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """The command hands the path of the screenshot, if any, to the widget's demonstration."""
    asked: list[Path | None] = []
    monkeypatch.setitem(sys.modules, "napari_exactile.widget.demo", SimpleNamespace(run_demo=asked.append))
    path = name and tmp_path / name
    assert call("demo", *(["--screenshot", path] if path else [])).exit_code == 0
    assert asked == [path]


# --- stopped and failing ---------------------------------------------------------------------------------


def raise_at_second_tile(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    from at_the_door import meet

    def stopped(tile: Any, _check: Any) -> None:
        if tile.index == 1:
            raise error

    meet(monkeypatch, before=stopped)


def test_ctrl_c_writes_nothing(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted run says how many tiles were done, writes nothing, and exits with 130."""
    raise_at_second_tile(monkeypatch, KeyboardInterrupt())
    result = call("segment", image, "--model", MODEL, "--tile", 240, "--method", "trimmed")
    tiles = len(ex.plan_tiles(ex.analyse(MODEL, (100, 130)), tile=240))
    assert_refused(result, f"Stopped with 1 of {tiles} tiles done: nothing was written", 130)
    assert [path.name for path in image.parent.iterdir()] == [image.name]


def test_a_failing_tile_is_said(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside a tile names the tile; nothing is written."""
    raise_at_second_tile(monkeypatch, RuntimeError("the device is gone"))
    result = call("segment", image, "--model", MODEL, "--tile", 240)
    assert_refused(result, r"Error: tile 2 \(pixels 0..48 x 48..96\) failed: the device is gone")
    assert [path.name for path in image.parent.iterdir()] == [image.name]


def test_programming_errors_keep_their_traceback(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nobody's mistake but ours is not dressed up as one."""
    monkeypatch.setattr("napari_exactile.images.store.tiff.save_labels", lambda *_, **__: {}["ours"])
    with pytest.raises(KeyError, match="ours"):
        call("segment", image, "--model", MODEL)


def test_the_installed_command(image: Path) -> None:
    """The command `exactile` itself writes the labels, and ends mistakes with code 1 and one line."""
    pytest.importorskip("torch")
    exactile = Path(sys.executable).with_name("exactile")
    command = [exactile, "segment", image, "--model", MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "exact: the labels of one pass" in done.stdout
    assert image.with_name("colonies_labels.tif").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert re.fullmatch(r"Error: .* exists already: choose another name or pass --overwrite\n", again.stderr)
