"""Many images that cannot be found, named or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import napari_exactile as ex
from command_line import MODEL, call
from napari_exactile.run.many import named
from sentences.given import network, tiff
from sentences.table import Rows

ROWS = Rows("many")


def images(folder: Path) -> Path:
    (folder / "day1").mkdir()
    tiff(folder / "day1" / "a.tif")
    tiff(folder / "day1" / "b.tif")
    return folder / "day1"


def segmented(folder: Path, what: Any, out: str = "out", **more: Any) -> Any:
    try:
        return ex.segment_many(what, network(), folder / out, **more)
    finally:
        assert not (folder / "out").exists(), "nothing is written before it is refused"


def refused(folder: Path, *images: Any, **more: Any) -> str:
    """The sentence in the row of an image."""
    raise ValueError(segmented(folder, *images, **more).rows[0].message)


@ROWS.says("images are paths of files and folders, such as ['a.tif', 'day1'], not 3")
def number(folder: Path) -> Any:
    return segmented(folder, 3)


@ROWS.says("there is no image to segment: name files, folders or patterns such as 'day1/*.tif'")
def nothing(folder: Path) -> Any:
    return segmented(folder, [])


@ROWS.says("the pattern {folder}/*.tif matches no image: correct it, or name files and folders")
def pattern_of_nothing(folder: Path) -> Any:
    return segmented(folder, str(folder / "*.tif"))


@ROWS.says("there is no file or folder {folder}/a.tif: correct its name")
def no_file(folder: Path) -> Any:
    return segmented(folder, [folder / "a.tif"])


@ROWS.says(
    "the folder {folder}/empty holds no image: choose another one, or a pattern such as "
    "'{folder}/empty/**/*.tif'"
)
def empty_folder(folder: Path) -> Any:
    (folder / "empty").mkdir()
    return segmented(folder, folder / "empty")


@ROWS.says("{folder}/empty cannot be read (access is denied): choose another folder")
def closed_folder(folder: Path) -> Any:
    (folder / "empty").mkdir()
    with patch.object(Path, "iterdir", side_effect=PermissionError(13, "no")):
        return segmented(folder, folder / "empty")


@ROWS.says(
    "the labels of {folder}/day1/a.tif and of {folder}/a.tif would both be called a_labels.ome.zarr: let "
    'their names differ, such as by --names "{folder}_{name}_labels.ome.zarr"'.replace(
        '"{folder}_', '"{{folder}}_'
    ).replace("{{folder}}", "{folder}")
)
def same_names(folder: Path) -> Any:
    return segmented(folder, [images(folder) / "a.tif", tiff(folder / "a.tif")])


@ROWS.says("names of labels must end in .ome.zarr or .tif, not '{name}.png': such as {name}_labels.ome.zarr")
def names_of_pictures(folder: Path) -> Any:
    return segmented(folder, images(folder), names="{name}.png")


@ROWS.says("'{name.tif' is no pattern for names: write it such as {name}_labels.ome.zarr")
def names_without_an_end(folder: Path) -> Any:
    return segmented(folder, images(folder), names="{name.tif")


@ROWS.says("there is no {nam} in names: use {name} instead")
def names_of_something_else(folder: Path) -> Any:
    return segmented(folder, images(folder), names="{nam}.tif")


@ROWS.says("'x/{name}.tif' names folders, and labels go to one: leave slashes out")
def names_of_folders(folder: Path) -> Any:
    return segmented(folder, images(folder), names="x/{name}.tif")


@ROWS.says("{folder}/day1/a.tif is a file: choose a folder for the labels")
def out_is_a_file(folder: Path) -> Any:
    return segmented(folder, images(folder), "day1/a.tif")


@ROWS.says("the folder {folder}/out cannot be written to (access is denied): choose another one")
def out_cannot_be_written(folder: Path) -> Any:
    images(folder)
    with patch.object(named.tempfile, "TemporaryFile", side_effect=PermissionError(13, "no")):
        return segmented(folder, folder / "day1")


@ROWS.says("the labels would replace the image {folder}/day1/a.tif: choose another name")
def out_over_the_images(folder: Path) -> Any:
    return segmented(folder, images(folder), "day1", names="{name}.tif")


@ROWS.says("probabilities are kept in stores: let names end in .ome.zarr")
def probabilities_in_files(folder: Path) -> Any:
    return segmented(folder, images(folder), names="{name}_labels.tif", probabilities=True)


@ROWS.says(
    "pixels without a value are replaced image by image: leave out --together, or ignore, and say what they "
    "become (normalization 'nan 0; z-score')"
)
def together_without_values(folder: Path) -> Any:
    return segmented(folder, images(folder), together=True, ignore=float("nan"))


@ROWS.says(
    "in {folder}/exactile.toml, jobs is a number of images at once from 1 to 64, not 0: correct it, or leave "
    "it out"
)
def no_jobs(folder: Path) -> Any:
    path = folder / "exactile.toml"
    path.write_text("jobs = 0")
    return ex.SettingsFile.load(path)


@ROWS.says(
    "{folder}/out/a.tif exists already, of another image, model or settings: choose another folder, or "
    "overwrite it (--overwrite)"
)
def file_of_something_else(folder: Path) -> Any:
    path = images(folder) / "a.tif"
    (folder / "out").mkdir()
    tiff(folder / "out" / "a.tif")
    raise ValueError(ex.segment_many(path, network(), folder / "out", names="{name}.tif").rows[0].message)


# --- the command line


@ROWS.says("the labels of many images go to a folder: pass --out FOLDER")
def nowhere(folder: Path) -> Any:
    return call("segment", images(folder), "--model", MODEL)


@ROWS.says("--objects and --table are files of one image: of many, pass --count-objects")
def table_of_many(folder: Path) -> Any:
    return call("segment", images(folder), "--model", MODEL, "--out", folder / "out", "--table", "a.csv")


@ROWS.says("--count-objects is of many images: name several, or let --out be a folder")
def count_of_one(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, "--count-objects")
