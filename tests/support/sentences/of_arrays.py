"""Arrays, and what people's own code gives, that are no images, or are not what was opened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr

import napari_exactile as ex
import ome_files
from image_files import pixels
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.images.source import ArraySource, LayeredSource
from sentences.given import SIZE, opened, segmented
from sentences.table import Rows

ROWS = Rows("arrays")


@ROWS.says("'image' has dask blocks of unknown size: call its compute_chunk_sizes(), or compute it, first")
def dask_of_unknown_size(folder: Path) -> Any:
    lazy = da.from_array(pixels(*SIZE))
    return segmented(lazy[lazy[:, 0] > 9])


@ROWS.says(
    "the pixels of 'image' cannot be read: in its dask block 0, 0, it gives 30 x 70 where it has announced "
    "60 x 70; let both be the same"
)
def dask_of_other_blocks(folder: Path) -> Any:
    lazy = da.from_array(pixels(*SIZE), chunks=-1)
    return segmented(
        lazy.map_blocks(lambda block: block[::2], dtype=lazy.dtype, meta=np.zeros((0, 0), lazy.dtype))
    )


class Own:
    """A source of somebody's own, which gives what it is told to."""

    shape, channels, name = SIZE, 1, "mine"

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def read(self, box: Any) -> Any:
        return self.gives


@ROWS.says(
    "the pixels of 'mine' cannot be read: it gives None instead of an array of numpy; let it return one"
)
def source_of_nothing(folder: Path) -> Any:
    return segmented(Own(None))


@ROWS.says(
    "the pixels of 'mine' cannot be read: it gives 1 x 2 x 2 where it has announced 1 x ...; let both be "
    "the same"
)
def source_of_another_shape(folder: Path) -> Any:
    return segmented(Own(np.zeros((1, 2, 2))))


class Liar:
    """An array that gives another type than it announces."""

    shape, ndim, dtype = SIZE, 2, np.dtype("uint8")

    def __getitem__(self, index: Any) -> Any:
        return np.zeros(SIZE, np.float32)[index]


@ROWS.says(
    "the pixels of 'image' cannot be read: it gives float32 where it has announced uint8; let both be the "
    "same"
)
def array_of_another_type(folder: Path) -> Any:
    return segmented(Liar())


@ROWS.says("the images that hold the channels differ in shape: choose those of one shape")
def channels_of_other_shapes(folder: Path) -> Any:
    return LayeredSource(tuple(ArraySource(pixels(*shape)) for shape in (SIZE, SIZE[::-1])))


@ROWS.says(
    "'image' has 1 channel, but the model takes 3 channels: choose an image of 3 channels, or another model"
)
def too_few_channels(folder: Path) -> Any:
    return segmented(pixels(*SIZE), channels=3)


@ROWS.says(
    "'image', of shape (60,), has 1 axis, but the model takes y and x: choose an image that has these, or "
    "another model"
)
def too_few_axes(folder: Path) -> Any:
    return segmented(pixels(60))


@ROWS.says("axes 'tyx' do not fit 'image': give z, y and x in this order, and c for channels")
def whole_stack(folder: Path) -> Any:
    from sentences.given import network

    return ex.segment_whole(pixels(2, *SIZE), network(), axes="tyx")


@ROWS.says("a shape is two numbers of pixels, at least 1 each, not (0, 9)")
def drawing_of_nothing(folder: Path) -> Any:
    return draw_colonies((0, 9))


# --- files that change


def saved(folder: Path) -> Path:
    np.save(folder / "a.npy", pixels(*SIZE))
    return folder / "a.npy"


@ROWS.says("{folder}/a.npy has been changed since it was opened: open it again")
def file_that_was_changed(folder: Path) -> Any:
    image = opened(saved(folder))
    np.save(folder / "a.npy", pixels(*SIZE)[:50])
    return segmented(image)


@ROWS.says("{folder}/a.npy has become shorter since it was opened; copy it again")
def file_that_became_shorter(folder: Path) -> Any:
    image = opened(saved(folder))
    os.truncate(folder / "a.npy", 500)
    return image.array[...]


@ROWS.says(
    "the pixels of 'image' cannot be read: {folder}/a.npy has become shorter since it was mapped; copy it "
    "again"
)
def mapped_file_that_became_shorter(folder: Path) -> Any:
    image = np.load(saved(folder), mmap_mode="r")
    os.truncate(folder / "a.npy", 500)
    return segmented(image)


@ROWS.says("{folder}/a.zarr cannot be read any more (there is no such file or folder): open it again")
def folder_that_is_gone(folder: Path) -> Any:
    zarr.create_array(folder / "a.zarr", data=pixels(*SIZE))
    image = opened(folder / "a.zarr")
    shutil.rmtree(folder / "a.zarr")
    return segmented(image)


@ROWS.says(
    "the pixels of 'a.zarr' cannot be read: a chunk of it is damaged, or was cut off; copy it again from "
    "where it came from"
)
def chunk_that_is_damaged(folder: Path) -> Any:
    zarr.create_array(folder / "a.zarr", data=pixels(*SIZE))
    next(path for path in (folder / "a.zarr" / "c").rglob("*") if path.is_file()).write_bytes(b"no chunk")
    return segmented(folder / "a.zarr", normalization="z-score")


# --- files that belong together


@ROWS.says("{folder}/a.tif cannot be opened as a TIFF file: it holds no image; save it again")
def tiff_of_no_image(folder: Path) -> Any:
    return opened(folder / "a.tif", b"II*\0" + bytes(90))


@ROWS.says(
    "{folder}/a.companion.ome cannot be opened as a TIFF file: none of the files that it describes is "
    "there; put them beside it"
)
def description_of_no_files(folder: Path) -> Any:
    inside = ome_files.image("A", ome_files.in_file(0))
    return opened(folder / "a.companion.ome", ome_files.ome(inside, "all"))


@ROWS.says(
    "{folder}/f0.ome.tif cannot be opened as a TIFF file: f1.ome.tif holds planes of 32 x 72 uint16 among "
    "planes of 64 x 72 uint16; save images of one size, or each by itself"
)
def planes_of_another_size(folder: Path) -> Any:
    path = ome_files.volume(folder, ome_files.planes(3))
    ome_files.write(folder, 1, ome_files.planes(1)[0, :32], "")
    return opened(path)


@ROWS.says(
    "{folder}/f0.ome.tif cannot be opened as a TIFF file: f1.ome.tif, which holds planes of it, cannot be "
    "read: it is damaged, or was cut off; copy it again from where it came from"
)
def planes_of_a_damaged_file(folder: Path) -> Any:
    path = ome_files.volume(folder, ome_files.planes(3))
    (folder / "f1.ome.tif").write_bytes(b"II*\0")
    return opened(path)


@ROWS.says(
    "{folder}/f0.ome.tif is incomplete: 1 of 3 planes (z 1) is missing: f1.ome.tif is not there; put what "
    "is missing in its place, or take what there is (allow_missing, --allow-missing)"
)
def planes_of_a_missing_file(folder: Path) -> Any:
    path = ome_files.volume(folder, ome_files.planes(3))
    (folder / "f1.ome.tif").unlink()
    return opened(path)


@ROWS.says(
    "{folder}/a.zarr cannot be opened as zarr: it does not say where its levels lie (datasets, path); copy "
    "it again, or write it anew"
)
def zarr_without_levels(folder: Path) -> Any:
    zarr.create_group(folder / "a.zarr").attrs["ome"] = {
        "multiscales": [{"axes": [{"name": "y"}, {"name": "x"}]}]
    }
    return opened(folder / "a.zarr")
