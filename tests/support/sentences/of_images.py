"""Files that are no images, are damaged, or do not fit what is asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

import napari_exactile as ex
from command_line import MODEL, call
from image_files import pixels, write_ngff
from napari_exactile.images.planes import source_of
from sentences.given import SIZE, cut, opened, say, segmented, tiff
from sentences.table import Rows

ROWS = Rows("images")
AGAIN = "it is damaged, or was cut off; copy it again from where it came from"
DESCRIPTIONS = "its zarr.json (.zarray, .zgroup, .zattrs)"

# --- TIFF


@ROWS.says("{folder}/a.tif cannot be opened as a TIFF file: there is no such file or folder")
def no_file(folder: Path) -> Any:
    return opened(folder / "a.tif")


@ROWS.says(f"{{folder}}/a.tif cannot be opened as a TIFF file: {AGAIN}")
def tiff_of_four_bytes(folder: Path) -> Any:
    return opened(folder / "a.tif", b"II*\0")


@ROWS.says(f"{{folder}}/a.tif cannot be opened as a TIFF file: {AGAIN}")
def tiff_that_is_empty(folder: Path) -> Any:
    return opened(folder / "a.tif", b"")


@ROWS.says(
    "{folder}/a.tif cannot be opened as a TIFF file: it does not begin as one, whatever its name says; save "
    "it as OME-TIFF"
)
def tiff_that_is_text(folder: Path) -> Any:
    return opened(folder / "a.tif", b"a letter")


@ROWS.says(
    "{folder}/a.tif cannot be opened as a TIFF file: it ends before its pixels do, as if it had been cut "
    "off; copy it again"
)
def tiff_cut_off(folder: Path) -> Any:
    return opened(cut(tiff(folder / "a.tif", tile=(32, 32), compression="zlib"), -400))


@ROWS.says("{folder}/a.tif cannot be opened as a TIFF file: it is a folder")
def tiff_that_is_a_folder(folder: Path) -> Any:
    (folder / "a.tif").mkdir()
    return opened(folder / "a.tif")


@ROWS.says(
    "{folder}/a.tif cannot be opened as a TIFF file: no codec for its compression (34888) is installed, "
    "neither is one in imagecodecs; save it with another one, such as deflate or zstd"
)
def tiff_of_unknown_compression(folder: Path) -> Any:
    path = tiff(folder / "a.tif", compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34888)
    return opened(path)


@ROWS.says(
    "{folder}/a.vsi holds a thumbnail only, and its slide lies in .ets files, which cannot be opened: "
    "export it as OME-TIFF"
)
def thumbnail_of_a_slide(folder: Path) -> Any:
    return opened(tiff(folder / "a.vsi"))


@ROWS.says(
    "'a.tif' has 1 channel, but the model takes 5 channels: if its axis 'i' holds them, say so (axes='cyx', "
    "--axes cyx)"
)
def tiff_of_five_pages(folder: Path) -> Any:
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for plane in pixels(5, *SIZE):
            file.write(plane, contiguous=False, metadata=None)
    return segmented(folder / "a.tif", channels=5)


@ROWS.says("axes 'cyxc' name 'c' twice: give each axis of 'image', of shape (3, 60, 70, 3), its own letter")
def axes_named_twice(folder: Path) -> Any:
    return segmented(np.zeros((3, *SIZE, 3), np.uint8), channels=3, axes="cyxc")


@ROWS.says("axes 'cyx' do not fit 'a.tif', of shape (60, 70): it has 2 axes, so give 2 letters")
def more_letters_than_axes(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, "--axes", "CYX")


@ROWS.says("axes 'xy' do not fit 'a.tif': give y and x as the last ones, and c for channels")
def axes_in_another_order(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, "--axes", "xy")


@ROWS.says("axes are a letter for each axis of 'image', such as 'yx' or 'cyx', not 5")
def axes_that_are_a_number(folder: Path) -> Any:
    return segmented(np.zeros(SIZE), axes=5)


@ROWS.says(
    "the axes of 'image', of shape (4, 60, 70), are not clear: give a letter for each, such as axes='cyx' "
    "(--axes cyx)"
)
def axes_that_are_not_clear(folder: Path) -> Any:
    return segmented(np.zeros((4, *SIZE)))


@ROWS.says(
    "'image' has 3 channels, but the model takes 1 channel: choose an image of 1 channel, or another model"
)
def too_many_channels(folder: Path) -> Any:
    return segmented(np.zeros((3, *SIZE)), axes="cyx")


# --- numpy


@ROWS.says(f"{{folder}}/a.npy cannot be opened as a numpy array: {AGAIN}")
def array_of_negative_shape(folder: Path) -> Any:
    np.save(folder / "a.npy", pixels(*SIZE))
    content = (folder / "a.npy").read_bytes()
    return opened(folder / "a.npy", content.replace(b"(60, 70)", b"(-6, 70)"))


@ROWS.says(f"{{folder}}/a.npy cannot be opened as a numpy array: {AGAIN}")
def array_that_is_text(folder: Path) -> Any:
    return opened(folder / "a.npy", b"a letter")


@ROWS.says(
    "{folder}/a.npy cannot be opened as a numpy array: it ends before its pixels do, as if it had been cut "
    "off; copy it again"
)
def array_cut_off(folder: Path) -> Any:
    np.save(folder / "a.npy", pixels(*SIZE))
    return opened(cut(folder / "a.npy", -100))


@ROWS.says(
    "{folder}/a.npy cannot be opened as a numpy array: it holds objects of Python, not numbers; save it as "
    "an array of numbers"
)
def array_of_objects(folder: Path) -> Any:
    np.save(folder / "a.npy", np.array([None, "a"], object), allow_pickle=True)
    return opened(folder / "a.npy")


@ROWS.says("'image' has pixels of type complex128: only real numbers can be used")
def complex_pixels(folder: Path) -> Any:
    return segmented(np.zeros(SIZE, complex))


@ROWS.says("'image' is empty, of shape (0, 70): choose an image with pixels")
def no_pixels(folder: Path) -> Any:
    return segmented(np.zeros((0, 70)))


@ROWS.says("'image' is a tensor of bfloat16, which no array can hold: pass its float(), loaded on the CPU")
def tensor_of_bfloat16(folder: Path) -> Any:
    import torch

    return segmented(torch.zeros(SIZE, dtype=torch.bfloat16))


# --- zarr


@ROWS.says("{folder}/a.zarr is a folder without a zarr array or an OME-Zarr image: choose one that holds one")
def folder_without_zarr(folder: Path) -> Any:
    (folder / "a.zarr").mkdir()
    return opened(folder / "a.zarr")


@ROWS.says(
    f"{{folder}}/a.zarr cannot be opened as zarr: {DESCRIPTIONS} is damaged; copy it again, or write it anew"
)
def zarr_cut_off(folder: Path) -> Any:
    zarr.create_array(folder / "a.zarr", data=pixels(*SIZE))
    cut(folder / "a.zarr" / "zarr.json", 100)
    return opened(folder / "a.zarr")


@ROWS.says(
    "{folder}/a.zarr cannot be opened as zarr: no codec 'crunched' is installed, in which its chunks are "
    "written; install it, or save it with zstd"
)
def zarr_of_unknown_codec(folder: Path) -> Any:
    zarr.create_array(folder / "a.zarr", data=pixels(*SIZE), zarr_format=3)
    path = folder / "a.zarr" / "zarr.json"
    path.write_text(path.read_text().replace('"zstd"', '"crunched"'))
    return opened(folder / "a.zarr")


@ROWS.says(
    f"{{folder}}/a.zarr cannot be opened as zarr: {10**15} x {10**15} px are more than any disk holds: "
    f"{DESCRIPTIONS} is damaged; copy it again, or write it anew"
)
def zarr_of_absurd_size(folder: Path) -> Any:
    zarr.create_array(folder / "a.zarr", shape=(10**15, 10**15), chunks=(512, 512), dtype="u1")
    return opened(folder / "a.zarr")


@ROWS.says("{folder}/a.zarr is a zarr group without an image: name one of its members, a, b")
def zarr_of_several_arrays(folder: Path) -> Any:
    group = zarr.create_group(folder / "a.zarr")
    for name in "ab":
        group.create_array(name, data=pixels(*SIZE))
    return opened(folder / "a.zarr")


@ROWS.says("{folder}/a.zarr is a zarr group without an image: choose a folder that holds one")
def zarr_of_nothing(folder: Path) -> Any:
    zarr.create_group(folder / "a.zarr")
    return opened(folder / "a.zarr")


@ROWS.says("{folder}/a.zarr is a plate of many images: name one of them, such as its folder A/1/0")
def plate(folder: Path) -> Any:
    zarr.create_group(folder / "a.zarr").attrs["ome"] = {"plate": {}}
    return opened(folder / "a.zarr")


@ROWS.says("{folder}/a.zarr/labels/cells holds labels, not an image: open the image that they are of")
def labels_as_an_image(folder: Path) -> Any:
    write_ngff(folder / "a.zarr", pixels(1, *SIZE), "0.5")
    return opened(folder / "a.zarr" / "labels" / "cells")


def ngff(folder: Path, change: Any) -> Any:
    write_ngff(folder / "a.zarr", pixels(1, *SIZE), "0.5")
    say(folder / "a.zarr" / "zarr.json", lambda about: change(about["attributes"]["ome"]["multiscales"][0]))
    return opened(folder / "a.zarr", series=0)


@ROWS.says(
    "{folder}/a.zarr is incomplete: the level 'nope' that it names is not there; put what is missing in its "
    "place, or take what there is (allow_missing, --allow-missing)"
)
def level_that_is_not_there(folder: Path) -> Any:
    return ngff(folder, lambda image: image["datasets"][1].update(path="nope"))


@ROWS.says(
    "{folder}/a.zarr cannot be opened as zarr: its axes c, y, x, t do not fit its shape, 1 x 60 x 70; copy "
    "it again, or write it anew"
)
def axes_that_do_not_fit_their_array(folder: Path) -> Any:
    return ngff(folder, lambda image: image["axes"].append({"name": "t"}))


# --- others


@ROWS.says(
    "{folder}/a.png is no image that can be opened: TIFF (SVS, NDPI, SCN and BIF, too), OME-Zarr and zarr "
    "(folders or zip files) and .npy can; save it as OME-TIFF or OME-Zarr"
)
def picture(folder: Path) -> Any:
    return opened(folder / "a.png", b"\x89PNG" + bytes(100))


@ROWS.says("'aaaaaaa...' is no name that a file can have: give that of the image")
def name_that_is_too_long(folder: Path) -> Any:
    return ex.open_image("a" * 5000)


@ROWS.says(
    "https:/example.org/a.tif is a remote address, which cannot be opened: copy the image to this machine"
)
def remote_address(folder: Path) -> Any:
    return ex.open_image("https://example.org/a.tif")


@ROWS.says("'a.tif' has no image 3: it holds 1 image: 0 (60 x 70)")
def image_that_is_not_there(folder: Path) -> Any:
    return opened(tiff(folder / "a.tif"), series=3)


@ROWS.says("series chooses an image of a file: give the file's path")
def series_of_an_array(folder: Path) -> Any:
    return segmented(pixels(*SIZE), series=1)


@ROWS.says("grey is one of luminance, red, green, blue, not 'pink'")
def grey_of_no_kind(folder: Path) -> Any:
    return segmented(pixels(*SIZE, 3), axes="yxc", grey="pink")


@ROWS.says("'image' has no red, green and blue channels to make grey of: leave grey out")
def grey_of_a_plane(folder: Path) -> Any:
    return segmented(pixels(*SIZE), grey="red")


@ROWS.says("grey is made of arrays and files: let the source's read() give one channel")
def grey_of_a_source(folder: Path) -> Any:
    return segmented(source_of(pixels(3, *SIZE), 3, "cyx"), grey="red")
