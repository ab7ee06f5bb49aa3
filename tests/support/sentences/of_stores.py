"""Stores that are none, are damaged, or are of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from sentences.given import constant, cut, image, network, say, store, verified, without_journal
from sentences.table import Rows

ROWS = Rows("stores")
OTHERWISE = "choose another name for the labels, or begin anew and overwrite it"
RUN = "{folder}/a.ome.zarr is damaged in exactile/run.json"


@ROWS.says("{folder}/a.ome.zarr is no label store of napari-exactile: choose one that it has written")
def no_store(folder: Path) -> Any:
    return verified(folder / "a.ome.zarr")


@ROWS.says(f"{RUN} (it is damaged, and nothing else says what the labels are of): {OTHERWISE}")
def run_cut_off(folder: Path) -> Any:
    path = without_journal(store(folder), lambda about: about)
    cut(path / "exactile" / "run.json", 200)
    return verified(path)


@ROWS.says(f"{RUN} (it is missing, and nothing else says what the labels are of): {OTHERWISE}")
def run_deleted(folder: Path) -> Any:
    path = without_journal(store(folder), lambda about: about)
    (path / "exactile" / "run.json").unlink()
    return verified(path)


@ROWS.says(f"{RUN} (it does not say which version wrote it): {OTHERWISE}")
def run_of_nothing(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: {}))


@ROWS.says(
    "{folder}/a.ome.zarr was written by another version of napari-exactile: use that one, or choose another "
    "name for the labels"
)
def other_version(folder: Path) -> Any:
    return constant(image(), without_journal(store(folder), lambda about: about | {"format": 99}))


@ROWS.says(f"{RUN} (it says nothing of identity): {OTHERWISE}")
def run_without_identity(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: about.pop("identity") and about))


@ROWS.says(f"{RUN} (identity.tile is not a whole number or a text): {OTHERWISE}")
def run_with_a_wrong_field(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: about["identity"].update(tile=[])))


@ROWS.says(f"{RUN} (its zones do not fit the image): {OTHERWISE}")
def zones_that_do_not_fit(folder: Path) -> Any:
    return constant(image(), without_journal(store(folder), lambda about: about.update(zone=[0, 0])))


@ROWS.says(f"{RUN} (its zones are not as many as its tiles): {OTHERWISE}")
def another_number_of_tiles(folder: Path) -> Any:
    return constant(image(), without_journal(store(folder), lambda about: about.update(tiles=999)))


@ROWS.says(f"{RUN} (its images have not the axes of these labels): {OTHERWISE}")
def images_of_other_axes(folder: Path) -> Any:
    path = store(folder)
    return constant(image(), without_journal(path, lambda about: about["images"]["labels"].update(spatial=1)))


@ROWS.says(
    "{folder}/a.ome.zarr cannot be computed again by its model and settings: a radius of 0 px is too small: "
    "this model "
    'needs 1 px. Leave it out, or choose the method "whole-tile" to see the error that it makes'
)
def settings_that_do_not_work(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: about["settings"].update(radius=0)))


@ROWS.says(f"{RUN} (its settings cannot be used: method is not one of what is known): {OTHERWISE}")
def settings_of_another_method(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: about["settings"].update(method="guess")))


@ROWS.says(
    f"{RUN} (it does not say where image and model came from: image is not a table of names): {OTHERWISE}"
)
def origin_that_is_none(folder: Path) -> Any:
    return verified(without_journal(store(folder), lambda about: about["origin"].update(image=5)))


@ROWS.says(f"{{folder}}/a.ome.zarr was begun with another tile (40, now 44): {OTHERWISE}")
def another_tile(folder: Path) -> Any:
    return constant(image(), store(folder), tile=44)


@ROWS.says("{folder}/a.ome.zarr was made from another model: name the image and the model of its run")
def another_model(folder: Path) -> Any:
    return ex.verify(store(folder), image(), network())


@ROWS.says("{folder}/a.ome.zarr does not say where its model came from: name the model")
def model_of_no_file(folder: Path) -> Any:
    return ex.verify(store(folder), image())


@ROWS.says("{folder}/a.ome.zarr does not say which file its image is: name the image")
def image_of_no_file(folder: Path) -> Any:
    return ex.verify(store(folder), model=network())


@ROWS.says("the image of {folder}/a.ome.zarr is not at {folder}/a.npy any more: name the image")
def image_that_is_gone(folder: Path) -> Any:
    np.save(folder / "a.npy", image())
    path = store(folder, image=folder / "a.npy")
    (folder / "a.npy").unlink()
    return ex.verify(path, model=network())


@ROWS.says("{folder}/a.ome.zarr is a file: choose another name for the labels")
def file_in_its_place(folder: Path) -> Any:
    (folder / "a.ome.zarr").write_text("")
    return store(folder)


@ROWS.says("{folder}/a.ome.zarr holds something else: choose another name for the labels")
def folder_in_its_place(folder: Path) -> Any:
    (folder / "a.ome.zarr" / "photos").mkdir(parents=True)
    return store(folder)


@ROWS.says("there is no folder {folder}/none for the labels: make it, or choose another one")
def no_folder(folder: Path) -> Any:
    return constant(image(), folder / "none" / "a.ome.zarr")


@ROWS.says("the labels would replace the image {folder}/a.npy: choose another name")
def image_in_its_place(folder: Path) -> Any:
    np.save(folder / "a.npy", image())
    return constant(folder / "a.npy", folder / "a.npy")


@ROWS.says("{folder}/a.ome.zarr holds labels, not an image: open the image that they are of")
def store_as_an_image(folder: Path) -> Any:
    return ex.open_image(store(folder))


@ROWS.says("at least one window is compared, not 0")
def no_windows(folder: Path) -> Any:
    return ex.verify(store(folder), image(), network(), windows=0)


# --- stores that do not say enough


def without_files(about: Any) -> None:
    """Say as little as stores of earlier versions did of the files of zarr."""
    about.pop("files")


@ROWS.says(
    "{folder}/a.ome.zarr is damaged in a zarr.json, or exactile/run.json (they do not describe these "
    "labels): " + OTHERWISE
)
def old_store_cut_off(folder: Path) -> Any:
    path = without_journal(store(folder), without_files)
    cut(path / "0" / "zarr.json", 60)
    return verified(path)


@ROWS.says("{folder}/a.ome.zarr is damaged in a zarr.json (it does not describe these labels): " + OTHERWISE)
def old_store_of_another_shape(folder: Path) -> Any:
    path = without_journal(store(folder), without_files)
    say(path / "0" / "zarr.json", lambda about: about.update(shape=[61, 70]))
    return verified(path)


@ROWS.says(
    "tile ... failed: {folder}/a.ome.zarr is damaged in 0/zarr.json (nothing can be written by "
    "what it "
    "says): " + OTHERWISE
)
def old_store_of_another_code(folder: Path) -> Any:
    path = without_journal(store(folder), without_files)
    say(
        path / "0" / "zarr.json",
        lambda about: about["codecs"][0]["configuration"].update(index_codecs=[]),
    )
    return constant(image(), path)


@ROWS.says(
    "the image of {folder}/a.ome.zarr is not as its run took it: axes 'yx' do not fit 'image', of shape "
    "(70,): it has 1 axis, so give 1 letter"
)
def image_taken_in_another_way(folder: Path) -> Any:
    np.save(folder / "a.npy", image())
    path = store(folder, image=folder / "a.npy")
    without_journal(path, lambda about: about["origin"]["image"]["arrays"][0].update(part=[0, None]))
    return ex.verify(path, model=network())


def with_model(folder: Path, source: str) -> Any:
    path = without_journal(store(folder), lambda about: about["origin"]["model"].update(source=source))
    return ex.verify(path, image())


@ROWS.says("the model of {folder}/a.ome.zarr is made by code, os:getcwd: name the model to run that code")
def model_made_by_code(folder: Path) -> Any:
    return with_model(folder, "os:getcwd")


@ROWS.says("the model of {folder}/a.ome.zarr cannot be had: .... Name the model")
def model_that_is_gone(folder: Path) -> Any:
    return with_model(folder, "gone.pt")
