"""`verify` finds what differs between a store and the labels of one pass, long after the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from torch import nn

import napari_exactile as ex
from command_line import MODEL
from integer_nets import integer_unet
from integer_runs import integer_model, pixels, unet
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.store.store import LabelStore
from napari_exactile.run.check import spot_check
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Checking, TileFinished
from slow_run import TILE, TILES, image, network, until_ready
from verified_stores import change, unet_store

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return unet_store(tmp_path)


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_a_right_store(store: Path) -> None:
    """All zones are as they were written, the windows are the same to the bit, and no file is changed."""
    before, heard = content(store), list[events.Event]()
    found = ex.verify(store, model=unet(), windows=12, on_event=heard.append)
    assert found.agrees
    assert (found.zones, found.damaged, found.tiles, found.all_tiles) == (20, (), 20, 20)
    assert (len(found.check.windows), found.check.differing, found.check.largest) == (12, 0, 0)
    assert content(store) == before
    assert [event for event in heard if event.what == "zones"][-1] == Checking(20, 20, "zones")
    assert heard[-1] == Checking(12, 12)


def test_windows_are_others_each_time(store: Path) -> None:
    """Without a seed other windows are drawn, with the seed of an earlier check the same ones."""
    one, other = (ex.verify(store, model=unet(), windows=3).check for _ in range(2))
    assert one.windows != other.windows
    assert ex.verify(store, model=unet(), windows=3, seed=one.seed).check.windows == one.windows


def test_a_changed_label_is_found_by_its_checksum(store: Path) -> None:
    """One label that somebody changed damages its zone; windows are drawn from the others."""
    change(store, (40, 70))
    found = ex.verify(store, model=unet(), windows=40)
    assert not found.agrees
    (damage,) = found.damaged
    assert damage.zone.box == (Interval(32, 64), Interval(64, 96))
    assert damage.describe() == "labels 32..64 x 64..96, level 0"
    assert found.check.agrees


def test_a_file_that_cannot_be_read_is_damage(store: Path) -> None:
    """A shard that was cut off is told like a changed one."""
    shard = max((store / "0").rglob("c/*/*"), key=lambda path: path.stat().st_size)
    shard.write_bytes(shard.read_bytes()[:-9])
    found = ex.verify(store, model=unet())
    assert found.damaged
    assert not found.agrees


def test_other_levels_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A level that is not level 0, thinned, is damage too: it is what viewers show."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)
    np.save(tmp_path / "image.npy", pixels(100, 150))
    ex.segment(tmp_path / "image.npy", unet(), tile=56, output=tmp_path / "a.ome.zarr")
    change(tmp_path / "a.ome.zarr", (20, 30), "1")
    found = ex.verify(tmp_path / "a.ome.zarr", model=unet())
    assert [damage.levels for damage in found.damaged] == [(1,)]
    assert found.damaged[0].describe() == "labels 32..64 x 32..64, level 1"


def test_labels_that_are_wrong_from_the_start_are_found_by_windows(store: Path) -> None:
    """Where checksums are those of wrong labels, windows that cover them differ, and no others do."""
    opened = LabelStore(store)
    box = Interval(32, 64), Interval(64, 96)
    opened.write((), box, (opened.read((), box) + 1) % 3)
    (record,) = [r for r in opened.journal.records if r.get("box") == [[32, 64], [64, 96]]]
    opened.journal.append(record | {"crc": opened.finish((), box).checksum})
    opened.close()
    found = ex.verify(store, model=unet(), windows=12, seed=1)
    assert (found.damaged, found.agrees) == ((), False)
    for window in found.check.windows:
        y, x = (
            range(max(w.start, b.start), min(w.stop, b.stop)) for w, b in zip(window.box, box, strict=True)
        )
        assert window.differing == len(y) * len(x)
    assert 0 < found.check.differing < found.check.labels


def test_a_moved_image(store: Path) -> None:
    """An image that lies elsewhere now is asked for, and taken from there."""
    image = store.parent / "image.npy"
    image.rename(store.parent / "moved.npy")
    with pytest.raises(ValueError, match=r"is not at .*image\.npy any more: name the image"):
        ex.verify(store, model=unet())
    assert ex.verify(store, store.parent / "moved.npy", unet()).agrees
    assert ex.verify(store, pixels(100, 150), unet()).agrees


def test_another_image_or_model_is_refused(store: Path) -> None:
    """What is not what the labels were made from is refused, saying what differs."""
    other = pixels(100, 150)
    other[0, 0] += 1
    with pytest.raises(ValueError, match="was made from another image content: name the image and the model"):
        ex.verify(store, other, unet())
    with pytest.raises(ValueError, match=r"another image shape \(\[1, 100, 150\], now \[1, 96, 150\]\)"):
        ex.verify(store, other[:96], unet())
    wrong = integer_model(integer_unet(2, levels=2, convolutions=1, base=4, classes=3))
    with pytest.raises(ValueError, match="was made from another model: name"):
        ex.verify(store, model=wrong)
    with pytest.raises(ValueError, match="another decision"):
        ex.verify(store, model=integer_model(unet().module, kind="threshold"))


def test_what_is_not_known_is_asked_for(tmp_path: Path) -> None:
    """An array without a file and a network without a name cannot be found again."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(image(), network(), tile=TILE, output=path)
    with pytest.raises(ValueError, match="does not say where its model came from: name the model"):
        ex.verify(path)
    with pytest.raises(ValueError, match="does not say which file its image is: name the image"):
        ex.verify(path, model=network())
    assert ex.verify(path, image(), network()).agrees
    with pytest.raises(ValueError, match="is no label store"):
        ex.verify(tmp_path, image(), network())
    with pytest.raises(ValueError, match="at least one window"):
        ex.verify(path, image(), network(), windows=0)


def test_what_is_known_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store remembers a TIFF, a zarr array or a .npy file, with its axes, and a model's name or file."""
    monkeypatch.chdir(tmp_path)
    torch.jit.script(network()).save("net.pt")
    colours = np.stack([image()[:80, :90]] * 2)
    np.save("image.npy", colours)
    tifffile.imwrite("image.tif", colours, metadata={"axes": "TYX"}, ome=True)
    array = zarr.create_array("image.zarr", shape=colours.shape, chunks=(1, 64, 64), dtype="uint16")
    array[:] = colours
    for name in "image.npy", "image.tif", "image.zarr":
        ex.segment(name, "net.pt", axes="tyx", output=tmp_path / f"{name}.ome.zarr")
    ex.segment("image.npy", MODEL, axes="tyx", output=tmp_path / "bundled.ome.zarr")
    os.chdir("/")
    for store in tmp_path.glob("*.ome.zarr"):
        assert ex.verify(store).agrees, store
    (tmp_path / "net.pt").unlink()
    with pytest.raises(ValueError, match=r"the model of .* cannot be had: .*Name the model"):
        ex.verify(tmp_path / "image.tif.ome.zarr")


def test_a_store_cannot_make_anybody_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that code makes is made only if somebody names it, or trusts the store."""
    (tmp_path / "made_here.py").write_text("from slow_run import network as made\n")
    monkeypatch.syspath_prepend(tmp_path)
    path, name = tmp_path / "a.ome.zarr", "made_here:made"
    ex.segment(image(), name, output=path, tile=TILE)
    with pytest.raises(ValueError, match="is made by code, made_here:made: name the model"):
        ex.verify(path, image())
    assert ex.verify(path, image(), name).agrees
    assert ex.verify(path, image(), trust_code=True).agrees


def stopped(path: Path) -> int:
    done: list[int] = []

    def count(event: events.Event) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    ex.segment(image(), network(), tile=TILE, output=path, on_event=count, cancel=lambda: len(done) >= 3)
    return len(done)


def test_an_incomplete_store(tmp_path: Path) -> None:
    """Windows lie in finished zones only, and it can still be continued."""
    path = tmp_path / "a.ome.zarr"
    done = stopped(path)
    found = ex.verify(path, image(), network(), windows=30)
    assert found.agrees
    assert (found.tiles, found.all_tiles) == (done, TILES)
    labels: Any = zarr.open_group(path, mode="r")["0"]
    for window in found.check.windows:
        part = labels[tuple(slice(side.start, side.stop) for side in window.box)]
        assert part.max() < 3, "an unfinished label"
    assert ex.segment(image(), network(), tile=TILE, output=path).report.tiles_done == TILES


def test_a_store_without_a_finished_zone(tmp_path: Path) -> None:
    """There is nothing to compare, which is said."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(image(), network(), tile=TILE, output=path, **until_ready())
    found = ex.verify(path, image(), network())
    assert (found.tiles, found.check.reason) == (0, "not possible: no zone is finished and whole")


def test_a_run_that_learned_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Cancelled before its image is measured, a run removes the store that it has made, and nothing else."""
    path = tmp_path / "folder" / "a.ome.zarr"
    path.parent.mkdir()
    with pytest.raises(ValueError, match="cancelled before its first tile"):
        ex.segment(image(), network(), tile=TILE, output=path, cancel=lambda: True)
    assert not path.exists()
    assert path.parent.exists()
    ex.segment(image(), network(), tile=TILE, output=path, **until_ready())
    assert path.exists(), "measuring is not lost"
    ex.segment(image(), network(), tile=TILE, output=path, cancel=lambda: True)
    assert path.exists(), "what an earlier run has found stays"


def test_a_stack_is_verified_with_the_statistics_of_each_plane(tmp_path: Path) -> None:
    """Each plane is normalised as it was in the run."""
    path, stack = tmp_path / "a.ome.zarr", np.stack([image(), image()[::-1] * 3 + 7])
    ex.segment(stack, network(), axes="tyx", tile=TILE, output=path)
    found = ex.verify(path, stack, network(), windows=10, seed=1)
    assert found.agrees
    assert {window.plane for window in found.check.windows} == {(0,), (1,)}
    change(path, (1, 5, 6))
    (damage,) = ex.verify(path, stack, network()).damaged
    assert damage.describe() == "plane 1, labels 0..66 x 0..66, level 0"


@pytest.mark.parametrize(
    "settings",
    # Of fractions, the network's remainders make leaps of last bits: both ways are to compute them alike.
    [{"region": (Interval(5, 90), Interval(20, 140)), "method": "trimmed"}, {"method": "whole-tile"}],
)
def test_settings_are_those_of_the_run(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Region, method and normalization come from the store."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(pixels(100, 150), unet(), tile=56, output=path, ignore=0, normalization="min-max", **settings)
    found = ex.verify(path, pixels(100, 150), unet())
    assert found.agrees


def test_networks_that_look_at_the_whole_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over the whole image is the check; where it is too large, checksums are all there is."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 1))
    net, path = net.double().eval(), tmp_path / "a.ome.zarr"
    ex.segment(image(), net, tile=TILE, output=path)
    found = ex.verify(path, image(), net)
    assert (found.agrees, found.check.how) == (True, spot_check.WHOLE)
    assert found.check.rmse is None, "nobody has gathered the statistics anew"
    monkeypatch.setattr("napari_exactile.run.store.verify.WHOLE_PIXELS", 100)
    found = ex.verify(path, image(), net)
    assert found.agrees
    assert "not possible: a crop of the image gives something else" in found.check.reason


def test_labels_with_too_little_context_differ(tmp_path: Path) -> None:
    """A run that was INEXACT is told from a right one: its labels are not those of one pass."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(pixels(100, 150), unet(), tile=16, radius=0, method="whole-tile", output=path)
    found = ex.verify(path, pixels(100, 150), unet())
    assert (found.agrees, found.exact, found.damaged) == (False, False, ())
