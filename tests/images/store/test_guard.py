"""Results never destroy what they are made of, whatever its files and folders are called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
import ome_files
from command_line import MODEL, assert_refused, call
from image_files import pixels, write_ngff
from napari_exactile.images.store.guard import refuse_over
from slow_run import image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def content(folder: Path) -> dict[str, bytes]:
    """Return all that a folder holds."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def finished(folder: Path) -> Path:
    """Return a store that is finished."""
    ex.segment(image(), network(), output=folder / "labels.ome.zarr")
    return folder / "labels.ome.zarr"


def store_that_holds_the_image(folder: Path) -> tuple[Any, Path]:
    store = finished(folder)
    tifffile.imwrite(store / "image.tif", image())
    return store / "image.tif", store


def store_deep_over_the_image(folder: Path) -> tuple[Any, Path]:
    store = finished(folder)
    (store / "a" / "b").mkdir(parents=True)
    np.save(store / "a" / "b" / "image.npy", image())
    return store / "a" / "b" / "image.npy", store


def begun_store_that_holds_the_image(folder: Path) -> tuple[Any, Path]:
    """A crash left the beginnings of a store, and somebody put the image there."""
    store = folder / "labels.ome.zarr"
    (store / "exactile").mkdir(parents=True)
    (store / "exactile" / "lock").touch()
    tifffile.imwrite(store / "image.tif", image())
    return store / "image.tif", store


def array_by_another_name(folder: Path) -> tuple[Any, Path]:
    zarr.create_array(folder / "image.zarr", data=image(), chunks=(64, 64))
    (folder / "link.zarr").symlink_to(folder / "image.zarr")
    return zarr.open_array(folder / "image.zarr", mode="r"), folder / "link.zarr"


def store_in_a_zarr(folder: Path) -> tuple[Any, Path]:
    zarr.create_array(folder / "image.zarr", data=image(), chunks=(64, 64))
    return folder / "image.zarr", folder / "image.zarr" / "labels.ome.zarr"


def store_in_a_group(folder: Path) -> tuple[Any, Path]:
    write_ngff(folder / "image.ome.zarr", image(), "0.5", axes="yx")
    return folder / "image.ome.zarr", folder / "image.ome.zarr" / "labels.ome.zarr"


def store_in_the_zarr_of_a_layer(folder: Path) -> tuple[Any, Path]:
    zarr.create_array(folder / "image.zarr", data=image(), chunks=(64, 64))
    return zarr.open_array(folder / "image.zarr", mode="r"), folder / "image.zarr" / "c" / "labels.ome.zarr"


def store_through_a_link(folder: Path) -> tuple[Any, Path]:
    path, _store = store_in_a_zarr(folder)
    (folder / "elsewhere").symlink_to(path)
    return path, folder / "elsewhere" / "labels.ome.zarr"


def store_that_holds_a_companion(folder: Path) -> tuple[Any, Path]:
    store = finished(folder)
    path = ome_files.positions(folder, [image()[:64, :72]] * 2)
    (folder / "f1.ome.tif").rename(store / "f1.ome.tif")
    (folder / "f1.ome.tif").symlink_to(store / "f1.ome.tif")
    return ex.open_image(path, series=1), store


def store_that_holds_a_mapped_file(folder: Path) -> tuple[Any, Path]:
    path, store = store_deep_over_the_image(folder)
    return np.load(path, mmap_mode="r")[:, 1:], store


@pytest.mark.parametrize("make", [
    store_that_holds_the_image, store_deep_over_the_image, begun_store_that_holds_the_image,
    array_by_another_name, store_in_a_zarr, store_in_a_group, store_in_the_zarr_of_a_layer,
    store_through_a_link, store_that_holds_a_companion, store_that_holds_a_mapped_file,
])  # fmt: skip
@pytest.mark.parametrize("overwrite", [False, True])
def test_stores_stay_away_from_the_image(
    tmp_path: Path, make: Callable[[Path], tuple[Any, Path]], overwrite: bool
) -> None:
    """A store over an image, around it or in it is refused before anything is touched, by every name."""
    what, out = make(tmp_path)
    before = content(tmp_path)
    words = r"the labels would (replace|lie in) .*image .*: choose a"
    with pytest.raises(ValueError, match=words):
        ex.segment(what, network(), output=out, overwrite=overwrite)
    assert content(tmp_path) == before


def test_labels_of_a_zarr_have_a_place_in_it(tmp_path: Path) -> None:
    """The group in which an OME-Zarr has its labels is where a store may lie; the image stays as it is."""
    write_ngff(tmp_path / "image.ome.zarr", image(), "0.5", axes="yx")
    out = tmp_path / "image.ome.zarr" / "labels" / "ours"
    result = ex.segment(tmp_path / "image.ome.zarr", network(), output=out)
    np.testing.assert_array_equal(result.labels[...], ex.segment(image(), network()).labels)
    assert ex.verify(out, model=network()).agrees


def test_stores_beside_the_image_are_fine(tmp_path: Path) -> None:
    """A folder beside the image, with a name that begins as its own does, is none of it."""
    zarr.create_array(tmp_path / "image", data=image(), chunks=(64, 64))
    for out in (tmp_path / "image.ome.zarr", tmp_path / "image_labels.zarr"):
        ex.segment(tmp_path / "image", network(), output=out)
        ex.segment(tmp_path / "image", network(), output=out, overwrite=True)


@pytest.mark.parametrize("left", ["notes.txt", "image.tif", ".git", "other.zarr"])
def test_only_labels_are_removed(tmp_path: Path, left: str) -> None:
    """A store in whose folder something else lies is not replaced: the sentence names it."""
    store = finished(tmp_path)
    (store / left).mkdir() if "." not in left[1:] else (store / left).write_text("mine")
    before = content(tmp_path)
    with pytest.raises(ValueError, match=rf"labels\.ome\.zarr holds {left} beside labels: move that away"):
        ex.segment(image() + 1, network(), output=store, overwrite=True)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["f1.ome.tif", "link.tif", "hard.tif"])
@pytest.mark.parametrize("option", ["--out", "--objects"])
def test_commands_never_replace_a_file_of_the_image(tmp_path: Path, name: str, option: str) -> None:
    """No file that an image is made of is written to, by none of its names, --overwrite or not."""
    path = ome_files.positions(tmp_path, [pixels(64, 72)] * 2)
    (tmp_path / "link.tif").symlink_to(tmp_path / "f1.ome.tif")
    os.link(tmp_path / "f1.ome.tif", tmp_path / "hard.tif")
    before = content(tmp_path)
    target = ("--out", tmp_path / "labels.tif") if option == "--objects" else ()
    command = ("segment", path, "--model", MODEL, "--series", "1", *target, option, tmp_path / name)
    assert_refused(call(*command, "--overwrite"), r"would replace the image")
    assert content(tmp_path) == before


def test_tables_and_maps_never_replace_the_image(tmp_path: Path) -> None:
    """Neither does a table, nor a map, that is linked to the image."""
    tifffile.imwrite(tmp_path / "image.tif", pixels(64, 72))
    for name in ("table.csv", "map.tif"):
        (tmp_path / name).symlink_to(tmp_path / "image.tif")
    before = content(tmp_path)
    model = ("--model", MODEL, "--overwrite")
    table = call("segment", tmp_path / "image.tif", *model, "--table", tmp_path / "table.csv")
    assert_refused(table, "the table would replace the image")
    shown = call("preview", tmp_path / "image.tif", *model, "--radius", 16, "--map", tmp_path / "map.tif")
    assert_refused(shown, "the map would replace the image")
    assert content(tmp_path) == before


@pytest.mark.parametrize("which", [0, 1])
def test_a_comparison_replaces_none_of_what_it_compares(tmp_path: Path, which: int) -> None:
    """Its table is written over no file of the labels, nor of those drawn by hand."""
    labels = pixels(64, 72) % 3
    tifffile.imwrite(tmp_path / "one.tif", labels)
    path = ome_files.positions(tmp_path, [labels] * 2)
    (tmp_path / "table.csv").symlink_to(("one.tif", path.name)[which])
    before = content(tmp_path)
    done = call("compare", tmp_path / "one.tif", path, "--csv", tmp_path / "table.csv", "--overwrite")
    assert_refused(done, "the table would replace the image")
    assert content(tmp_path) == before


def test_what_is_not_complete_replaces_nothing(tmp_path: Path) -> None:
    """Labels have another name while they are written: an image that is called so is left alone."""
    path = tmp_path / "labels.tif.part"
    tifffile.imwrite(path, image())
    before = content(tmp_path)
    done = call("segment", path, "--model", MODEL, "--out", tmp_path / "labels.tif", "--device", "cpu")
    assert_refused(done, "the labels would replace the image .*part: choose another name")
    assert content(tmp_path) == before


def test_labels_of_an_array_in_a_group_go_beside_it(tmp_path: Path) -> None:
    """Without a name, labels of a part of a zarr go beside the whole of it, not into it."""
    write_ngff(tmp_path / "image.ome.zarr", pixels(90, 100), "0.5", axes="yx")
    done = call("segment", tmp_path / "image.ome.zarr" / "s0", "--model", MODEL, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "image.ome_s0_labels.tif").exists()


@pytest.mark.parametrize(
    ("out", "file", "words"),
    [
        ("a/x", "a/x", "would replace the image"),
        ("a", "a/b/x", "would replace the folder"),
        ("a/b/x/new", "a/b", "would lie in the image"),
        ("a/b/y", "a/b/x", None),
        ("a/new", "a/b/x", None),
        ("ab", "a/b/x", None),
    ],
)
def test_both_directions(tmp_path: Path, out: str, file: str, words: str | None) -> None:
    """A result may lie beside its image, and neither be it, nor hold it, nor lie in it."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").touch()
    (tmp_path / "a" / "b" / "x").touch()
    if words is None:
        refuse_over(tmp_path / out, [tmp_path / file], "it")
        return
    with pytest.raises(ValueError, match=f"^it {words}"):
        refuse_over(tmp_path / out, [tmp_path / file], "it")
