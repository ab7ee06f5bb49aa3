"""Models that cannot be loaded: files of other programs, what would run code, and what holds no network."""

from __future__ import annotations

import gzip
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from sentences.given import tiff
from sentences.table import Row, Rows

ROWS = Rows("models")
CONVERTED = (
    "and only networks of PyTorch run here: give its weights to the same network in PyTorch and pass that, "
    "as in "
    "load_model(network.eval())"
)
EXPORT = (
    "torch.export.save(torch.export.export(network.eval(), (image,), dynamic_shapes=({2: AUTO, 3: AUTO},)), "
    '"network.pt2"), where AUTO is torch.export.Dim.AUTO'
)
ONNX = (
    "and only networks of PyTorch run here: convert it with the package onnx2torch, and pass what it gives, "
    "as in "
    "load_model(onnx2torch.convert(path).eval()), or export the network that it was made from"
)
STATE = f"save network.state_dict() in it, or the whole network: {EXPORT}"
ORIGINAL = "open the network that it was made from"


@ROWS.says("a model takes at least one channel, not 0")
def no_channels(folder: Path) -> Any:
    from sentences.given import network

    return ex.load_model(network(), channels=0)


# --- what is no model of PyTorch


def held(*names: str) -> Callable[[Path], Any]:
    """Make a zip archive, or a folder, with files of these names."""

    def make(path: Path) -> None:
        if path.suffix in {".zip", ".keras", ".npz", ".mar"}:
            with zipfile.ZipFile(path, "w") as archive:
                for name in names:
                    archive.writestr(name, b"x")
            return
        path.mkdir()
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(b"x")

    return make


def pickled(thing: Callable[[], Any], protocol: int = 4) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(pickle.dumps(thing(), protocol=protocol))


def saved(thing: Callable[[], Any], *, zipped: bool = True) -> Callable[[Path], Any]:
    """Save what torch saves."""

    def make(path: Path) -> None:
        import torch

        torch.save(thing(), path, _use_new_zipfile_serialization=zipped)

    return make


def layer() -> Any:
    from torch import nn

    return nn.Conv2d(1, 2, 3)


def quantised() -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such numbers will go
        return {"weight": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)}


def half_complex() -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are new
        return {"weight": torch.zeros(2, dtype=torch.complex32)}


OTHERS: dict[str, tuple[bytes | Callable[[Path], Any], str]] = {
    "net.onnx": (b"\x08\x08\x12\x07pytorch", f"is a network of ONNX, {ONNX}"),
    "net.ort": (b"\x18\0\0\0ORTM", f"is a network of ONNX Runtime, {ONNX}"),
    "net.h5": (b"\x89HDF\r\n\x1a\n", f"is an HDF5 file, as Keras writes, {CONVERTED}"),
    "net.keras": (held("config.json", "model.weights.h5"), f"is a network of Keras, {CONVERTED}"),
    "net.pb": (b"\n\x05input", f"is a network of TensorFlow, {CONVERTED}"),
    "saved_model": (held("saved_model.pb"), f"is a network of TensorFlow (SavedModel), {CONVERTED}"),
    "net.tflite": (b"\x1c\0\0\0TFL3", f"is a network of TensorFlow Lite, {CONVERTED}"),
    "tfjs.json": (b'{"modelTopology": {}}', f"is a network of TensorFlow.js, {CONVERTED}"),
    "2D_nuclei": (
        held("config.json", "weights_best.h5"),
        f"is a model of StarDist or CSBDeep, whose weights are of Keras, {CONVERTED}",
    ),
    "net.mlmodel": (b"\x08\x04\x12\x20\n\x05", f"is a network of Core ML, {CONVERTED}"),
    "net.pdmodel": (b"\n\x04main", f"is a network of PaddlePaddle, {CONVERTED}"),
    "net.caffemodel": (b"\n\x05lenet", f"is a network of Caffe, {CONVERTED}"),
    "net.xml": (b"<?xml version='1.0'?><net name='x'>", f"is a network of OpenVINO, {CONVERTED}"),
    "net.engine": (b"ftrt", f"is an engine of TensorRT, for one kind of GPU: {ORIGINAL}"),
    "net.pte": (b"\x1c\0\0\0ET12", f"is a program of ExecuTorch, for one device: {ORIGINAL}"),
    "net.gguf": (b"GGUF\3\0", "is a language model (GGUF): only networks that take images run here"),
    "weka.model": (b"\xac\xed\0\5sr", "is an object of Java, as Weka writes, and only networks of PyTorch "
    "run here"),
    "cells.ilp": (b"\x89HDF\r\n\x1a\n", "is a project of ilastik, and only networks of PyTorch run here"),
    "net.py": (
        b"import torch\n",
        "is source code of Python: name a function that makes it and loads its weights, as in "
        "load_model('my_package.nets:make')",
    ),
    "net.pt.gz": (
        lambda path: path.write_bytes(gzip.compress(b"x")),
        "is packed with gzip: unpack it and open the model in it",
    ),
    "page.pt": (b"<!DOCTYPE html>", "is a page of HTML and not the file itself: download it again"),
    "lfs.pt": (
        b"version https://git-lfs.example/spec/v1\n",
        "is a pointer of git-lfs and not the file: fetch it with git lfs pull",
    ),
    "image.tif": (tiff, "is a TIFF image: name the file of a model"),
    "config.json": (b'{"a": 1}', "is a text and no model: name the file of a model"),
    "net.npz": (held("a.npy"), "is an archive of arrays of numpy: name the file of a model"),
    "net.mar": (
        held("MAR-INF/MANIFEST.json"), "is an archive of TorchServe: unpack it and open the model in it",
    ),
    "bundle.zip": (held("b/models/model.pt"), "is an archive: unpack it and open b/models/model.pt"),
    "bundle": (held("models/model.ts"), "is a folder: name a file in it, models/model.ts"),
    "parts": (
        held(".metadata", "__0_0.distcp"),
        "is a checkpoint in parts: join them with "
        "torch.distributed.checkpoint.format_utils.dcp_to_torch_save",
    ),
    "nothing": (
        b"\0\1\2",
        "is no model file that is known, TorchScript, torch.export (.pt2), or weights (of torch.save or "
        f"safetensors): where it was made, export the network itself: {EXPORT}",
    ),
    # --- pickles, and what torch has saved
    "forest.pkl": (
        b"\x80\x02csklearn.ensemble\nForest\n)\x81.",
        "is a pickle of scikit-learn, and only networks of PyTorch run here",
    ),
    "arrays.pkl": (
        pickled(lambda: {"w": np.zeros(3)}),
        "is a pickle of arrays of numpy, which torch has not written: where it holds weights, make tensors "
        "of "
        "them and save these with torch.save(state, path)",
    ),
    "network.pkl": (
        pickled(layer),
        "is a pickle of Python (torch.nn.modules.conv.Conv2d, ...), which torch has not written: where you "
        "trust it, load it with pickle, and save it with torch.save(network.state_dict(), path) or export "
        "it: "
        f"{EXPORT}",
    ),
    "network.pt": (
        saved(layer),
        "is a pickle that runs code when it is loaded (torch.nn.modules.conv.Conv2d, ...): where you trust "
        "it, "
        f"pass the network, load_model(torch.load(path, weights_only=False).eval()), or export it: {EXPORT}",
    ),
    "old.pt": (
        saved(layer, zipped=False),
        "is a pickle that runs code when it is loaded (torch.nn.modules.conv.Conv2d, ...): where you trust "
        "it, "
        f"pass the network, load_model(torch.load(path, weights_only=False).eval()), or export it: {EXPORT}",
    ),
    "quantised.pt": (
        saved(quantised),
        "holds quantised numbers, whose rounding is not followed: save the network as it was before it was "
        "quantised",
    ),
    "half_complex.pt": (
        saved(half_complex),
        "holds numbers of the type complex32, which are not computed with: save it in float32",
    ),
}  # fmt: skip


def _row(name: str, make: bytes | Callable[[Path], Any], words: str) -> Row:
    def provoke(folder: Path) -> Any:
        path = folder / name
        if isinstance(make, bytes):
            path.write_bytes(make)
        else:
            make(path)
        return ex.load_model(path)

    return Row("models", name, f"{{folder}}/{name} {words}", provoke)


ROWS.extend(_row(name, make, words) for name, (make, words) in OTHERS.items())


@ROWS.says("there is no file {folder}/net.onnx")
def no_such_file(folder: Path) -> Any:
    return ex.load_model(folder / "net.onnx")


@ROWS.says(
    "{folder}/other.pth: its weights fit no built-in network (tensors: 2, weight, bias): load the weights "
    "into "
    f"your network and pass that, or save the whole network instead: {EXPORT}"
)
def weights_of_another_network(folder: Path) -> Any:
    saved(lambda: layer().state_dict())(folder / "other.pth")
    return ex.load_model(folder / "other.pth")


# --- what was copied badly, and what was asked of it


def made(name: str, make: bytes | Callable[[Path], Any], words: str, cut: int = 0, **facts: Any) -> None:
    """Add a row of a file that is made, has so many bytes cut off its end, and is loaded with facts."""

    def provoke(folder: Path) -> Any:
        path = folder / name
        if isinstance(make, bytes):
            path.write_bytes(make)
        else:
            make(path)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        return ex.load_model(path, **facts)

    ROWS.append(Row("models", name, f"{{folder}}/{name} {words}", provoke))


def state() -> Any:
    return layer().state_dict()


def safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state(), path)


def scripted(path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript will go
        torch.jit.script(layer().eval()).save(str(path))


def forked(path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(forks()).save(str(path))


def forks() -> Any:
    import torch
    from torch import nn

    class Forks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.jit.wait(torch.jit.fork(torch.relu, x))

    return Forks().eval()


made("empty.pt", b"", "is empty: it was perhaps not copied to its end; copy it again")
made(
    "cut.pt",
    saved(state),
    "is a zip archive that does not end as one: it was cut off or added to; copy it again",
    9,
)
made("cut.safetensors", safetensors, "is damaged, or was cut off: copy it again", 9)
made(
    "cut_old.pt",
    saved(state, zipped=False),
    "announces more numbers than it holds: it was perhaps cut off; copy it again",
    9,
)
made("no_pickle.pkl", b"\x80\x02\xff\xff", "is damaged: its pickle cannot be read; copy it again")
made("nothing_in_it.pt", saved(dict), f"holds a dictionary of nothing, not tensors by their names: {STATE}")
made(
    "checkpoint.pt", saved(lambda: {"epoch": 3}),
    f"holds a dictionary of epoch, not tensors by their names: {STATE}",
)  # fmt: skip
made(
    "chosen.pt", scripted, "holds a whole network, of which nothing is to be chosen: leave out architecture",
    architecture="unet",
)  # fmt: skip

ROWS.add(
    nobody=(
        lambda: ex.load_model("nobody"),
        "there is no model called 'nobody'; the bundled ones are colonies-demo: name one, or a file",
    ),
    no_module=(
        lambda: ex.load_model(3),
        "a model is a file, the name of a bundled one or a torch.nn.Module, not a int",
    ),
    no_factory=(
        lambda: ex.load_model("no_such_package:net"),
        "no_such_package:net cannot be imported: there is no no_such_package; install it, or add its folder "
        "to PYTHONPATH",
    ),
    without_weights=(
        lambda: ex.load_model(layer().to("meta").eval()),
        "the model has no weights yet: its tensors lie on torch's meta device; load them first",
    ),
    other_axes=(
        lambda: ex.load_model(layer().eval(), axes="xy"),
        "the axes of a model are one of x, yx and zyx, not 'xy'",
    ),
    other_kind=(
        lambda: ex.load_model(layer().eval(), kind="labels"),
        "kind is one of classes, threshold, values, not 'labels'",
    ),
)
