"""Calls of the command line, and comparisons, that ask for what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import napari_exactile as ex
from command_line import MODEL, call
from image_files import pixels
from sentences.given import SIZE, network, segmented, tiff
from sentences.table import Rows

ROWS = Rows("command")


def segment(folder: Path, *options: object) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, *options)


@ROWS.says("labels are written as TIFF: {folder}/a.png must end in .tif or .tiff")
def labels_as_a_picture(folder: Path) -> Any:
    return segment(folder, "--out", folder / "a.png")


@ROWS.says("{folder}/b.tif is a folder: name a file in it")
def labels_over_a_folder(folder: Path) -> Any:
    (folder / "b.tif").mkdir()
    return segment(folder, "--out", folder / "b.tif")


@ROWS.says("{folder}/b.tif exists already: choose another name or pass --overwrite")
def labels_over_a_file(folder: Path) -> Any:
    return segment(folder, "--out", tiff(folder / "b.tif"))


@ROWS.says("the labels would replace the image {folder}/a.tif: choose another name")
def labels_over_the_image(folder: Path) -> Any:
    return segment(folder, "--out", folder / "a.tif", "--overwrite")


@ROWS.says(
    "the folder {folder}/none cannot be written to (there is no such file or folder): choose another one"
)
def labels_in_no_folder(folder: Path) -> Any:
    return segment(folder, "--out", folder / "none" / "a.tif")


@ROWS.says("probabilities are kept in a store: let --out end in .ome.zarr")
def probabilities_in_a_file(folder: Path) -> Any:
    return segment(folder, "--probabilities", "float32", "--out", folder / "b.tif")


@ROWS.says("--min-size is of objects: add --objects or --table")
def size_of_no_objects(folder: Path) -> Any:
    return segment(folder, "--min-size", 4)


@ROWS.says("the labels and the objects are two files, not {folder}/b.tif both: choose another name")
def labels_and_objects_in_one(folder: Path) -> Any:
    return segment(folder, "--objects", folder / "b.tif", "--out", folder / "b.tif")


def preview(folder: Path, *options: object) -> Any:
    return call("preview", tiff(folder / "a.tif"), "--model", MODEL, *options)


@ROWS.says("give either --radius or --sweep")
def preview_of_nothing(folder: Path) -> Any:
    return preview(folder)


@ROWS.says("give either --tile or --zone")
def preview_of_two_sizes(folder: Path) -> Any:
    return preview(folder, "--radius", 4, "--tile", 9, "--zone", 9)


@ROWS.says("--sweep is one of radius, offset, not 'size'")
def preview_of_an_unknown_sweep(folder: Path) -> Any:
    return preview(folder, "--sweep", "size")


@ROWS.says("--csv and --plot are of a sweep: add --sweep radius instead of --radius")
def table_of_no_sweep(folder: Path) -> Any:
    return preview(folder, "--radius", 4, "--csv", folder / "a.csv")


@ROWS.says("--map is of one radius: add --radius instead of --sweep")
def map_of_a_sweep(folder: Path) -> Any:
    return preview(folder, "--sweep", "radius", "--map", folder / "b.tif")


@ROWS.says("--window takes pixels such as 0:512,100:612, not 'a'")
def window_of_letters(folder: Path) -> Any:
    return preview(folder, "--radius", 4, "--window", "a")


@ROWS.says("the window 0..99 does not lie in the image of 60 x 70 px: choose one that does")
def window_outside(folder: Path) -> Any:
    return preview(folder, "--radius", 4, "--window", "0:99,0:9")


@ROWS.says("only segment takes all images of a file: choose one")
def preview_of_all_images(folder: Path) -> Any:
    return preview(folder, "--radius", 4, "--series", "all")


@ROWS.says("--shape takes numbers of pixels such as 2048,2048, not 'large'")
def shape_of_letters(folder: Path) -> Any:
    return call("inspect", MODEL, "--shape", "large")


@ROWS.says("an image needs at least one pixel along every axis, not shape (0, 9)")
def shape_without_pixels(folder: Path) -> Any:
    return call("inspect", MODEL, "--shape", "0,9")


@ROWS.says("there is no experiment 'seams'; there are ...")
def unknown_experiment(folder: Path) -> Any:
    return call("reproduce", "seams")


@ROWS.says("radii computes no errors: leave out --size, --images, --base and --plot")
def radii_of_a_size(folder: Path) -> Any:
    return call("reproduce", "radii", "--size", 64)


def compare(folder: Path, one: Any, other: Any, **sizes: Any) -> Any:
    for name, labels in (("a", one), ("b", other)):
        tifffile.imwrite(folder / f"{name}.tif", labels, **sizes.get(name, {}))
    return call("compare", folder / "a.tif", folder / "b.tif")


@ROWS.says("labels are whole numbers, not float32: save them as such")
def labels_that_are_no_whole_numbers(folder: Path) -> Any:
    return compare(folder, np.zeros(SIZE, np.float32), np.zeros(SIZE, np.uint8))


@ROWS.says(
    "only labels of the same size can be compared, not 60 x 70 px with 70 x 60 px: choose those of the same "
    "image"
)
def labels_of_another_size(folder: Path) -> Any:
    return compare(folder, np.zeros(SIZE, np.uint8), np.zeros(SIZE[::-1], np.uint8))


@ROWS.says(
    "only labels of the same scale can be compared, not pixels of 0.5 x 0.5 µm with 1 x 1 µm: bring one of "
    "them to the scale of the other"
)
def labels_of_another_scale(folder: Path) -> Any:
    scales = {
        name: {"resolution": (n, n), "resolutionunit": "CENTIMETER"}
        for name, n in (("a", 20000), ("b", 10000))
    }
    return compare(folder, np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8), **scales)


@ROWS.says(
    "there are more than ... different labels, as if they were numbers of objects: compare labels of classes"
)
def numbers_of_objects(folder: Path) -> Any:
    labels = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE)
    return compare(folder, labels, labels)


# --- scripts


@ROWS.says("a tile needs at least 1 px, not 0")
def comparison_of_no_tile(folder: Path) -> Any:
    return ex.tiling_error(pixels(*SIZE), network(), radius=1, tile=0)


@ROWS.says("a window needs a (start, stop) for each of the 2 axes of the image")
def window_of_one_axis(folder: Path) -> Any:
    return ex.tiling_error(pixels(*SIZE), network(), radius=1, window=((0, 9),))


@ROWS.says("a sweep takes a list of numbers, such as [0, 16, 32], not 4")
def sweep_of_one_number(folder: Path) -> Any:
    return ex.radius_sweep(pixels(*SIZE), network(), radii=4)


@ROWS.says("a radius is a whole number, not 'x'")
def comparison_by_a_word(folder: Path) -> Any:
    return ex.tiling_error(pixels(*SIZE), network(), radius="x")


@ROWS.says(
    "a window is a pair of start and stop in pixels for each axis, such as ((0, 512), (100, 600)), not (0, 9)"
)
def window_of_numbers(folder: Path) -> Any:
    return ex.tiling_error(pixels(*SIZE), network(), radius=1, window=(0, 9))


@ROWS.says("connectivity is a whole number, not 'x'")
def objects_connected_by_a_word(folder: Path) -> Any:
    return ex.find_objects(np.ones(SIZE, int), connectivity="x")


@ROWS.says("a sweep needs at least one image")
def sweep_of_nothing(folder: Path) -> Any:
    return ex.radius_sweep([], network())


@ROWS.says("a radius is at least 0 px, not -4")
def sweep_below_zero(folder: Path) -> Any:
    return ex.radius_sweep(pixels(*SIZE), network(), radii=[0, -4])


@ROWS.says("an offset is at least 0 px, not -4")
def offsets_below_zero(folder: Path) -> Any:
    return ex.offset_sweep(pixels(*SIZE), network(), offsets=[0, -4])


@ROWS.says("only 1 of 4 tiles are done, and objects need all of them: let the run end first")
def objects_of_half_a_run(folder: Path) -> Any:
    heard: list[Any] = []
    found = segmented(
        pixels(*SIZE), tile=40, on_event=heard.append,
        cancel=lambda: any(isinstance(event, ex.TileFinished) for event in heard),
    )  # fmt: skip
    return ex.find_objects(found)


ROWS.add(
    objects_of_halves=(
        lambda: ex.find_objects(np.zeros(SIZE)),
        "labels are whole numbers, not float64: turn them into such",
    ),
    objects_of_nothing=(
        lambda: ex.find_objects(np.zeros((0, 4), int)),
        "the labels are empty, of shape (0, 4): choose some with pixels",
    ),
    objects_of_other_axes=(
        lambda: ex.find_objects(np.zeros(SIZE, int), axes="zyx"),
        "axes 'zyx' do not fit labels of shape (60, 70): use letters such as x, yx, zyx or tyx",
    ),
    objects_by_a_size_too_many=(
        lambda: ex.find_objects(np.ones(SIZE, int), pixel_size=(1, 1, 1)),
        "a pixel has a size along y, x, not (1, 1, 1): give one for each",
    ),
    objects_in_something_else=(
        lambda: ex.find_objects(np.ones(SIZE, int), out=np.zeros((2, 2), int)),
        "out is an array of whole numbers of shape (60, 70), not int64 (2, 2)",
    ),
    objects_by_zones_of_nothing=(
        lambda: ex.find_objects(np.ones(SIZE, int), zone=0),
        "a zone has at least one pixel along each of 2 axes, not 0",
    ),
    objects_too_many_for_their_type=(
        lambda: ex.find_objects(np.indices(SIZE).sum(0) % 2, out=np.zeros(SIZE, np.uint8)),
        "there are more than 255 pieces of objects: pass an `out` of a larger type",
    ),
    objects_connected_by_nothing=(
        lambda: ex.find_objects(np.zeros(SIZE, int), connectivity=3),
        "connectivity is from 1 to 2 for axes 'yx', not 3",
    ),
)


@ROWS.says("{folder}/a.ome.zarr holds no report: name a store that `exactile segment` wrote")
def help_for_no_store(folder: Path) -> Any:
    return call("doctor", folder / "a.ome.zarr")
