"""Images that are no multiple of F: the reference is the pass that people would run, where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets import BasicUNet
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from command_line import assert_refused, call
from integer_nets import integer_image, make_integer
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.evaluate.words import error_remarks
from napari_exactile.geometry.frame import AS_IT_IS
from napari_exactile.geometry.interval import Box, Interval, box_shape, slices
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.analysis import analyse_module
from napari_exactile.run.check.spot_check import RESIZED, FinishedLabels, check_windows
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task, make_task
from napari_exactile.run.words.summary import exactness, summary_lines
from proofs import many
from tiled_scores import job_of, tiled

ODD = (401, 602)

pytestmark = pytest.mark.usefixtures("one_thread")


class Strided(nn.Module):
    """Two steps down, and back up to the size of what came in."""

    def __init__(self, mode: str = "nearest", axes: int = 2) -> None:
        super().__init__()
        conv: Any = nn.Conv2d if axes == 2 else nn.Conv3d
        self.down = nn.Sequential(conv(1, 4, 3, 2, 1), nn.ReLU(), conv(4, 6, 3, 2, 1), nn.ReLU())
        self.skip, self.last, self.mode = conv(1, 6, 3, padding=1), conv(6, 3, 1), mode

    def forward(self, x: Tensor) -> Tensor:
        up = F.interpolate(self.down(x), size=x.shape[2:], mode=self.mode)
        return self.last(up + self.skip(x))


class Halves(nn.Module):
    """Halves x and doubles it again, so that only even lengths fit along x; along y it takes any."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, (3, 2), (1, 2), (1, 0))
        self.up = nn.ConvTranspose2d(4, 2, (1, 2), (1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x)) + x


def lively(net: nn.Module) -> nn.Module:
    net = net.eval().requires_grad_(False)
    randomise(net, seed=3)
    return net


def whole_numbers(net: nn.Module) -> ex.Model:
    """Return an integer-valued network, in which no sum is rounded."""
    return ex.load_model(make_integer(net.eval(), seed=5).double(), normalization="none")


def picture(shape: tuple[int, ...]) -> NDArray[np.float32]:
    image: NDArray[np.float32] = integer_image(shape, seed=2)[0, 0].numpy()
    return image


def said(result: Any) -> str:
    return str(dict(summary_lines(result.report, "a.tif")))


def people_run(net: nn.Module, image: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that somebody gets who calls the network."""
    with torch.no_grad():
        labels: NDArray[Any] = net(torch.from_numpy(image)[None, None])[0].argmax(0).numpy()
        return labels


def reflected(image: NDArray[Any], factor: tuple[int, ...]) -> NDArray[Any]:
    """Return the image as the papers pad it."""
    return np.pad(image, [(0, -n % f) for n, f in zip(image.shape, factor, strict=True)], mode="reflect")


@pytest.mark.parametrize("shape", [ODD, (401, 600), (399, 602), (37, 53), (5, 90), (3, 2)])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_integers_come_out_alike(shape: tuple[int, int], mode: str) -> None:
    """A network that resizes back to its input gives, in tiles, the labels of net(image), none differing."""
    model, image = whole_numbers(Strided(mode)), picture(shape)
    result = ex.segment(image, model, tile=64)
    np.testing.assert_array_equal(result.labels, people_run(model.module, image))
    assert result.report.exact
    assert set(result.report.padding) == {AS_IT_IS}
    assert result.report.tiles > 1 or max(shape) < 60


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Strided("bilinear"), ODD),
        (lambda: Strided("bicubic"), (203, 250)),
        (lambda: BasicUNet(2, 1, 3, features=(4, 4, 8, 8, 16, 4)), (203, 250)),
        (lambda: Strided("trilinear", axes=3), (23, 26, 37)),
    ],
    ids=["bilinear", "bicubic", "BasicUNet", "trilinear"],
)
def test_is_what_people_run(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    """Scores in tiles are those of net(image), within the rounding of float64."""
    net = lively(make()).double()
    job = job_of(net, analyse_module(net, 1, shape))
    assert set(job.task.analysis.padding) == {AS_IT_IS}
    image = torch.from_numpy(job.source.read(tuple(Interval(0, n) for n in shape)))[None]
    with torch.no_grad():
        expected = net(image.double())
    torch.testing.assert_close(tiled(job), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(41, 61), (40, 61), (41, 60)])
def test_only_axes_that_need_it_are_padded(shape: tuple[int, int]) -> None:
    """A network that takes any length along y and even ones along x is padded along x alone."""
    model, image = whole_numbers(Halves()), picture(shape)
    result = ex.segment(image, model, tile=16)
    padded = reflected(image, (1, 2))
    np.testing.assert_array_equal(result.labels, people_run(model.module, padded)[: shape[0], : shape[1]])
    told = AS_IT_IS if shape[1] % 2 == 0 else "reflected to 62 px"
    assert result.report.padding == (AS_IT_IS, told)
    assert (f"x {told}" in said(result)) is (shape[1] % 2 == 1)


def test_a_package_forbids_a_size() -> None:
    """Sizes that the makers of a model do not allow are padded, though the network would take them."""
    free, image = whole_numbers(Strided()), picture((41, 62))
    model = replace(free, card=replace(free.card, minimum=(16, 16), step=(16, 1)))
    result = ex.segment(image, model, tile=32)
    assert result.report.padding == ("reflected to 44 px", AS_IT_IS)
    np.testing.assert_array_equal(result.labels, people_run(model.module, reflected(image, (4, 1)))[:41])


def test_always_is_the_papers_way(tmp_path: Path) -> None:
    """padding="always" pads every axis, in scripts and files, and the report says what it compares with."""
    model, image = whole_numbers(Strided()), picture((203, 250))
    result = ex.segment(image, model, tile=64, padding="always", output=tmp_path / "a.zarr")
    expected = people_run(model.module, reflected(image, (4, 4)))[:203, :250]
    np.testing.assert_array_equal(result.labels, expected)
    assert (expected != people_run(model.module, image)).any()
    report = json.loads((tmp_path / "a.zarr/exactile/report.json").read_text())
    assert report["tiling"]["padding"] == ["reflected to 204 px", "reflected to 252 px"]
    assert "along y reflected to 204 px, along x reflected to 252 px" in report["reference"]
    assert report["spot_check"]["differing"] == 0
    with pytest.raises(ValueError, match=r"begun with another padding: "):
        ex.segment(image, model, tile=64, output=tmp_path / "a.zarr")


def test_the_command_line_says_what_is_padded(tmp_path: Path) -> None:
    """Without an option, a size that fits is taken as it is; what is padded is said."""
    tifffile.imwrite(tmp_path / "a.tif", picture((70, 81)))
    net = make_integer(Halves().eval(), 5).float()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 1, 16, 16)), tmp_path / "a.pt")
    words = ["segment", tmp_path / "a.tif", "--model", tmp_path / "a.pt", "--out", tmp_path / "out.tif"]
    assert "y as it is, x reflected to 82 px" in call(*words).stdout
    assert_refused(
        call(*words, "--overwrite", "--padding", "sometimes"),
        "padding is one of auto, always, not 'sometimes'",
    )


@pytest.mark.parametrize("method", ["whole-tile", "trimmed"])
def test_whole_tiles_pad(method: str) -> None:
    """Where resizing at the true size leaves no grid, whole tiles pad and say so; trimmed ones need not."""
    model, image = whole_numbers(Strided()), picture((203, 250))
    result = ex.segment(image, model, tile=96, method=method)
    padded = method == "whole-tile"
    expected = reflected(image, (4, 4)) if padded else image
    np.testing.assert_array_equal(result.labels, people_run(model.module, expected)[:203, :250])
    assert result.report.exact
    assert (AS_IT_IS not in result.report.padding) is padded
    assert ("reflected" in said(result)) is padded


def test_the_preview_pads() -> None:
    """The preview of an undersized radius compares with the padded pass, and says that a run would not."""
    model, image = whole_numbers(Strided()), picture((203, 250))
    errors = TilingErrors(LocalEngine(image_task(image, model, Settings(), "yx")))
    errors.prepare()
    window: Box = (Interval(0, 203), Interval(0, 250))
    reference = errors.reference(window)
    np.testing.assert_array_equal(
        reference.labels, people_run(model.module, reflected(image, (4, 4)))[:203, :250]
    )
    error = errors.error(reference, (64, 64), (0, 0))
    assert error.misclassified > 0
    assert any("padded to multiples of 4 px" in remark for remark in error_remarks(error))


def test_a_spot_check_goes_by_index_tables() -> None:
    """Windows of a network that resizes to an uneven size are computed again in crops; errors are found."""
    model, image = whole_numbers(Strided("nearest")), picture(ODD)
    series = Series(make_task(image, model, Settings(tile=96), "yx"))
    for _event in series.run():
        pass
    labels = np.array(series.labels)

    def check() -> SpotCheck:
        finished = FinishedLabels.of(series, lambda _plane, box: labels[slices(box)])
        steps = check_windows(finished, 12, 0, lambda: None, 0)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: SpotCheck = end.value
                return found

    checked = check()
    assert checked.how == RESIZED
    assert checked.labels > 10_000
    assert checked.differing == 0
    labels[:] = np.roll(labels, 1, axis=0)
    assert check().differing > 1000


@settings(deadline=None, max_examples=many(30))
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 6))
def test_zones_partition_the_labels(rows: int, columns: int, tiles: int) -> None:
    """Whatever the size, zones have parts that do not overlap and leave nothing out."""
    analysis = analyse_module(Strided().eval(), 1, (rows, columns))
    count = np.zeros(analysis.grid.shape, int)
    for y in range(0, rows, 4 * tiles):
        for x in range(0, columns, 4 * tiles):
            zone = Interval(y, min(y + 4 * tiles, rows)), Interval(x, min(x + 4 * tiles, columns))
            part = analysis.part(zone)
            assert part is not None
            assert box_shape(part) == box_shape(zone)
            count[slices(part)] += 1
    assert (count == 1).all()


def test_exact_says_what_was_padded() -> None:
    """Where labels are those of a padded pass, the sentence that calls them exact says so itself."""
    model, image = whole_numbers(Strided()), picture((203, 250))
    for method, words in (
        ("whole-tile", "whole image, padded (y reflected to 204 px, x reflected to 252 px)"),
        ("trimmed", "whole image"),
    ):
        report = ex.segment(image, model, tile=96, method=method).report
        assert exactness(report).endswith(words)
