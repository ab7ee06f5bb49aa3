"""Files and folders that are no models of PyTorch are named as what they are, with a way out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.files.archive import ModelFileError

ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.3.0:\x8f\x01\n?\n\x01x"


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def held(*names: str) -> Callable[[Path], object]:
    """A zip archive with files of these names."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")

    return make


def folder(*names: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(b"x")
        path.mkdir(exist_ok=True)

    return make


def packed(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("net.pt"))


def image(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))


# The file's name, what makes it, and what is said of it after its name.
OTHERS: list[tuple[str, Callable[[Path], object], str]] = [
    ("net.onnx", content(ONNX), "is a network of ONNX, and only networks of PyTorch run here: convert it"),
    ("net.model", content(ONNX), "is a network of ONNX, and only networks of PyTorch run here: convert it"),
    ("net.ort", content(b"\x18\0\0\0ORTM"), "is a network of ONNX Runtime.*onnx2torch"),
    (
        "net.h5",
        content(b"\x89HDF\r\n\x1a\n" + bytes(99)),
        "is an HDF5 file, as Keras writes, and only networks of",
    ),
    (
        "net.keras",
        held("metadata.json", "config.json", "model.weights.h5"),
        "is a network of Keras, and only",
    ),
    (
        "net.pb",
        content(b"\n\x05input"),
        "is a network of TensorFlow, and only networks of PyTorch run here: give",
    ),
    ("net.ckpt.data-00000-of-00001", content(b"\0\1\2"), "is a network of TensorFlow, and only networks of"),
    (
        "net.tflite",
        content(b"\x1c\0\0\0TFL3" + bytes(9)),
        "is a network of TensorFlow Lite, and only networks",
    ),
    (
        "net.mlmodel",
        content(b"\x08\x04\x12\x20\n\x05"),
        "is a network of Core ML, and only networks of PyTorch",
    ),
    (
        "net.caffemodel",
        content(b"\n\x04lenet"),
        "is a network of Caffe, and only networks of PyTorch run here",
    ),
    (
        "net.pdmodel",
        content(b"\n\x04main"),
        "is a network of PaddlePaddle, and only networks of PyTorch run here",
    ),
    ("net.engine", content(b"ftrt" + bytes(9)), "is an engine of TensorRT, for one kind of GPU: open the"),
    ("net.plan", content(bytes(9)), "is an engine of TensorRT, for one kind of GPU: open the network that"),
    ("net.pte", content(b"\x1c\0\0\0ET12"), "is a program of ExecuTorch, for one device: open the network"),
    (
        "net.xml",
        content(b"<?xml version='1.0'?><net name='x'>"),
        "is a network of OpenVINO, and only networks of",
    ),
    (
        "net.weights",
        content(bytes(20)),
        "is a file of weights of Darknet, and only networks of PyTorch run here",
    ),
    ("net.ilp", content(b"\x89HDF\r\n\x1a\n"), "is a project of ilastik, and only networks"),
    ("weka.model", content(b"\xac\xed\0\5sr"), "is an object of Java, as Weka writes, and only networks of"),
    ("net.gguf", content(b"GGUF\3\0\0\0"), r"is a language model \(GGUF\): only networks that take images"),
    ("model.json", content(b'{"modelTopology": {}}'), "is a network of TensorFlow.js, and only networks of"),
    (
        "net.bin.index.json",
        content(b'{"weight_map": {}}'),
        "is a list of files with weights: open the network",
    ),
    ("config.json", content(b'{"a": 1}'), "is a text and no model: name the file of a model"),
    (
        "net.py",
        content(b"import torch\n"),
        "is source code of Python: name a function that makes it and loads",
    ),
    ("net.npz", held("a.npy", "b.npy"), "is an archive of arrays of numpy: name the file of a model"),
    ("net.npy", content(b"\x93NUMPY\1\0"), "is an array of numpy: name the file of a model"),
    ("net.mar", held("MAR-INF/MANIFEST.json", "net.pt"), "is an archive of TorchServe: unpack it and open"),
    (
        "bundle.zip",
        held("b/models/model.pt", "b/configs/inference.json"),
        "is an archive: unpack it and open b/models/model.pt$",
    ),
    ("net.pt.gz", lambda path: path.write_bytes(gzip.compress(b"x")), "is packed with gzip: unpack it and"),
    ("net.pt.bz2", lambda path: path.write_bytes(bz2.compress(b"x")), "is packed with bzip2: unpack it and"),
    (
        "net.pt.xz",
        lambda path: path.write_bytes(lzma.compress(b"x")),
        "is packed with xz: unpack it and open",
    ),
    ("net.tar", packed, "is packed with tar: unpack it and open the model in it"),
    ("net.pt", content(b"<!DOCTYPE html>"), "is a page of HTML and not the file itself: download it again"),
    (
        "net.pt",
        content(b"version https://git-lfs.example/spec/v1\n"),
        "is a pointer of git-lfs and not the file",
    ),
    ("image.tif", image, "is a TIFF image: name the file of a model"),
    ("cells.png", content(b"\x89PNG\r\n"), "is a PNG image: name the file of a model"),
    (
        "saved",
        folder("saved_model.pb", "variables/variables.index"),
        r"is a network of TensorFlow \(SavedModel",
    ),
    ("2D_demo", folder("config.json", "weights_best.h5"), "is a model of StarDist or CSBDeep, whose weights"),
    (
        "net.mlpackage",
        folder("Manifest.json"),
        "is a network of Core ML, and only networks of PyTorch run here",
    ),
    (
        "dcp",
        folder(".metadata", "__0_0.distcp"),
        "is a checkpoint in parts: join them with torch.distributed",
    ),
    (
        "bundle",
        folder("models/model.ts", "configs/x.json"),
        "is a folder: name a file in it, models/model.ts$",
    ),
    ("empty", folder(), "is a folder: name a file in it$"),
]


@pytest.mark.parametrize(("name", "make", "words"), OTHERS, ids=[name for name, _make, _words in OTHERS])
def test_other_files_are_named_with_the_way_out(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    """Networks of other frameworks, packed files, images, texts and folders are said to be what they are."""
    make(tmp_path / name)
    with pytest.raises(ModelFileError, match=words) as caught:
        ex.load_model(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("name", ["net.onnx", "net.h5", "net.keras", "net.pb", "net.tflite", "net.engine"])
def test_a_missing_file_of_another_kind_is_a_missing_file(name: str) -> None:
    """A name that ends as a model of another framework is that of a file, and not of a bundled model."""
    with pytest.raises(ModelFileError, match=f"there is no file {name}"):
        ex.load_model(name)


# --- pickles ------------------------------------------------------------------------------------------------


PICKLES: list[tuple[str, Callable[[], object], str]] = [
    ("forest.pkl", lambda: b"\x80\x02csklearn.ensemble._forest\nForest\n)\x81.", "a pickle of scikit-learn"),
    ("arrays.pkl", lambda: pickle.dumps({"w": np.zeros((2, 2))}), "a pickle of arrays of numpy, which"),
    ("old.pkl", lambda: pickle.dumps({"w": np.zeros(3)}, protocol=2), "a pickle of arrays of numpy, which"),
    ("plain.pkl", lambda: pickle.dumps({"epochs": 3}), "a pickle of numbers and texts, which"),
    ("state.pkl", lambda: pickle.dumps(nn.Conv2d(1, 2, 3).state_dict()), "which torch has not written"),
    ("net.pkl", lambda: pickle.dumps(nn.Conv2d(1, 2, 3)), r"a pickle of Python \(torch.nn.modules.conv"),
    ("joblib.pkl", lambda: b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x05Array\x93\xff", "a pickle of joblib"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "words"), PICKLES, ids=[name for name, _data, _words in PICKLES])
def test_pickles_that_torch_has_not_written_are_not_damaged(
    tmp_path: Path, name: str, data: Callable[[], bytes], words: str
) -> None:
    """What a pickle holds is said, and what to do; it is called damaged only where it cannot be read."""
    (tmp_path / name).write_bytes(data())
    with pytest.raises(ModelFileError, match=words) as caught:
        ex.load_model(tmp_path / name)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_network_names_ways_that_lead_somewhere(tmp_path: Path, zipped: bool) -> None:
    """torch.save of a whole network: to pass what torch.load gives is a way out, and it works."""
    network, path = nn.Conv2d(1, 2, 3, padding=1).eval(), tmp_path / "net.pt"
    torch.save(network, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ModelFileError, match=r"load_model\(torch.load\(path, weights_only=False\).eval\(\)\)"
    ):
        ex.load_model(path)
    loaded = ex.load_model(torch.load(path, weights_only=False).eval())
    assert ex.analyse(loaded, (32, 32)).refusals == ()
