"""Grey made of colour images: the same numbers in whatever part it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

import napari_exactile as ex
from command_line import assert_refused, call, summary
from napari_exactile.geometry.interval import Interval, full_box
from napari_exactile.images.grey import GREYS, WEIGHTS, Grey
from napari_exactile.images.source import ArraySource
from napari_exactile.run.store.report_file import earlier_report
from napari_exactile.run.words.report import report_text


def colours(dtype: type = np.uint8, alpha: bool = False) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (83, 71, 4 if alpha else 3)).astype(dtype)


def network() -> nn.Module:
    torch.manual_seed(2)
    layers = nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
    return nn.Sequential(*layers, nn.Conv2d(4, 3, 3, padding=1)).eval()


def grey_image(image: np.ndarray, grey: Grey) -> np.ndarray:
    """The whole image as grey, by another way."""
    if grey != "luminance":
        return image[..., GREYS.index(grey) - 1]
    red, green, blue = np.moveaxis(image[..., :3].astype(np.float32), -1, 0)
    weights = [np.float32(weight) for weight in WEIGHTS]
    return weights[0] * red + weights[1] * green + weights[2] * blue


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("grey", GREYS)
def test_grey_is_the_same_in_every_part(grey: Grey, dtype: type) -> None:
    """Each box gives, to the bit, what the whole grey image has there; alpha does not count."""
    image = colours(dtype, alpha=True)
    source, whole = ArraySource(image, -1, grey=grey), grey_image(image, grey)
    assert (source.channels, source.shape) == (1, whole.shape)
    parts = (Interval(3, 60), Interval(17, 18)), (Interval(82, 83), Interval(0, 71))
    for box in (full_box(whole.shape), *parts):
        part = source.read(box)[0]
        assert np.array_equal(part, whole[tuple(slice(side.start, side.stop) for side in box)])


@pytest.mark.parametrize("grey", GREYS)
def test_tiles_of_grey_are_one_pass_over_grey(grey: Grey) -> None:
    """Labels are those of one pass over the grey image, whether it was made before or as it is read."""
    image, net = colours(), network()
    expected = ex.segment_whole(grey_image(image, grey), net)
    tiled, whole = ex.segment(image, net, tile=40, grey=grey), ex.segment_whole(image, net, grey=grey)
    assert np.array_equal(whole.labels, expected.labels)
    assert (tiled.labels != expected.labels).sum() <= tiled.report.near_ties
    assert tiled.report.exact


def test_a_store_knows_what_its_image_was_read_as(tmp_path: Path) -> None:
    """The command makes grey, the report says how, verify makes it again, another grey is another image."""
    tifffile.imwrite(tmp_path / "a.tif", colours(), photometric="rgb")
    torch.jit.script(network()).save(tmp_path / "net.pt")
    out, options = tmp_path / "a.ome.zarr", ("--model", tmp_path / "net.pt", "--tile", 40)
    summary(call("segment", tmp_path / "a.tif", *options, "--out", out, "--grey", "luminance"))
    assert "luminance: 0.2125 red + 0.7154 green + 0.0721 blue" in report_text(earlier_report(out))
    assert ex.verify(out).agrees
    again = call("segment", tmp_path / "a.tif", *options, "--out", out, "--grey", "red")
    assert_refused(again, "was begun with another image content")
    assert summary(call("segment", tmp_path / "a.tif", *options, "--out", out, "--grey", "luminance"))


def test_what_cannot_become_grey_is_refused() -> None:
    """Images without colours, sources of one's own and unknown names are refused in a sentence."""
    net = network()
    with pytest.raises(ValueError, match="has no red, green and blue channels"):
        ex.segment(np.zeros((2, 64, 64), np.uint8), net, axes="cyx", grey="red")
    with pytest.raises(ValueError, match="grey is one of luminance, red, green, blue, not 'mean'"):
        ex.segment(colours(), net, grey="mean")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="let the source's read"):
        ex.segment(ArraySource(np.zeros((64, 64), np.uint8)), net, grey="red")
