"""What people take for a model of PyTorch and is none: it is named, with what to do instead.

Nothing of it is read but its first bytes and the names of files.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import chain, islice
from pathlib import Path

from napari_exactile.geometry.words import joined
from napari_exactile.models.ways_out import FACTORY, IN_TORCH, ONLY_TORCH, ONNX

HEAD_BYTES = 4096
ENTRIES = 2000  # of a folder, that are looked at

Other = tuple[str, str]  # what it is, and what to do

_KERAS = ("a network or weights of Keras", IN_TORCH)
_TENSORFLOW = ("a network of TensorFlow", IN_TORCH)
_ONNX = ("a network of ONNX", ONNX)
_ENGINE = ("an engine of TensorRT, for one kind of GPU", "open the network that it was made from")
_HTML = ("a page of HTML and not the file itself", "download it again")
_TIFF = ("a TIFF image", "name the file of a model")

# How files begin, at which byte.
_BEGINNINGS: tuple[tuple[int, bytes, Other], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", ("an HDF5 file, as Keras writes", IN_TORCH)),
    (4, b"TFL3", ("a network of TensorFlow Lite", IN_TORCH)),
    (4, b"ORTM", ("a network of ONNX Runtime", ONNX)),
    (4, b"ET12", ("a program of ExecuTorch, for one device", "open the network that it was made from")),
    (0, b"ftrt", _ENGINE),
    (0, b"GGUF", ("a language model (GGUF)", "only networks that take images run here")),
    (0, b"\xac\xed\0\5", ("an object of Java, as Weka writes", ONLY_TORCH)),
    (0, b"MATLAB ", ("a file of MATLAB", ONLY_TORCH)),
    (0, b"\x93NUMPY", ("an array of numpy", "name the file of a model")),
    (0, b"version https://git-lfs", ("a pointer of git-lfs and not the file", "fetch it with git lfs pull")),
    *((0, start, _HTML) for start in (b"<!DO", b"<!do", b"<htm", b"<HTM")),
    *((0, start, _TIFF) for start in (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")),
    (0, b"\x89PNG", ("a PNG image", "name the file of a model")),
    (0, b"\xff\xd8\xff", ("a JPEG image", "name the file of a model")),
)
_PACKED = (
    (0, b"\x1f\x8b", "gzip"), (0, b"BZh", "bzip2"), (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"), (0, b"Rar!", "RAR"), (257, b"ustar", "tar"),
)  # fmt: skip

# How files are called whose first bytes tell little.
_CALLED: tuple[tuple[str, Other], ...] = (
    (r"onnx|ort", _ONNX),
    (r"keras|h5|hdf5", _KERAS),
    (r"pb|pbtxt|meta|index|data-\d+-of-\d+", _TENSORFLOW),
    (r"tflite", ("a network of TensorFlow Lite", IN_TORCH)),
    (r"mlmodel|mlpackage", ("a network of Core ML", IN_TORCH)),
    (r"caffemodel|prototxt", ("a network of Caffe", IN_TORCH)),
    (r"pdparams|pdmodel|pdiparams", ("a network of PaddlePaddle", IN_TORCH)),
    (r"params", ("a file of weights of MXNet", IN_TORCH)),
    (r"weights", ("a file of weights of Darknet", IN_TORCH)),
    (r"engine|plan|trt", _ENGINE),
    (r"ilp", ("a project of ilastik", ONLY_TORCH)),
    (r"py|ipynb", ("source code of Python", FACTORY)),
)
# What lies in archives and folders.
_HELD: tuple[tuple[str, Other], ...] = (
    (r"(.*/)?saved_model\.pb", ("a network of TensorFlow (SavedModel)", IN_TORCH)),
    (r"(.*/)?model\.weights\.h5", ("a network of Keras", IN_TORCH)),
    (r"(.*/)?weights_\w+\.h5", ("a model of StarDist or CSBDeep, whose weights are of Keras", IN_TORCH)),
    (r".*\.data-\d+-of-\d+", ("a checkpoint of TensorFlow", IN_TORCH)),
    (r"(.*/)?Data/com\.apple\.CoreML/.*", ("a network of Core ML", IN_TORCH)),
    (r"MAR-INF/.*", ("an archive of TorchServe", "unpack it and open the model in it")),
    (r"(.*/)?\.data/extern_modules", ("a package of torch.package, which runs code", FACTORY)),
    (r"[^/]*\.npy", ("an archive of arrays of numpy", "name the file of a model")),
    (
        r".*\.distcp",
        (
            "a checkpoint in parts",
            "join them with torch.distributed.checkpoint.format_utils.dcp_to_torch_save",
        ),
    ),
)
_OF_ONNX = re.compile(rb"\x08[\x01-\x20]\x12[\x01-\x7f][\w.\- ]+")  # its version, and what wrote it
_OF_TORCH = re.compile(r"(.*/)?[^/]+\.(pt|pth|ts|torchscript|pt2|safetensors|ckpt|bin)")


def is_called_otherwise(name: str) -> bool:
    """Return whether a name ends as that of a model which is not for PyTorch."""
    return _by_name(name) is not None


def other_file(path: Path, members: Collection[str] = ()) -> str:
    """Return what a file is that is no model of PyTorch, and what to do, if that can be told; "" if not.

    `members` are the names in it, where it is an archive.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    project = path.suffix.lower() == ".ilp"  # one of many kinds of HDF5
    found = _held(members) or (not project and _by_content(head)) or _by_name(path.name) or _inside(members)
    return f"{path} {said(found)}" if found else ""


def other_folder(path: Path) -> str:
    """Return what a folder is that is no package, and what to do: which files in it may be models, if any."""
    entries = islice(chain(path.glob("*"), path.glob("*/*")), ENTRIES)
    names = sorted(one.relative_to(path).as_posix() for one in entries)
    if found := _by_name(path.name) or _held(names):
        return f"{path} {said(found)}"
    models = _of_torch(names)
    return f"{path} is a folder: name a file in it{f', {joined(models, 3)}' if models else ''}"


def _inside(members: Collection[str]) -> Other | None:
    models = _of_torch(members)
    return ("an archive", f"unpack it and open {joined(models, 3)}") if models else None


def _of_torch(names: Collection[str]) -> list[str]:
    return [name for name in names if _OF_TORCH.fullmatch(name)]


def said(found: Other) -> str:
    """Return what something is and what to do, without a subject."""
    what, remedy = found
    if not remedy:
        return f"is {what}"
    return f"is {what}{', and' if remedy.startswith(ONLY_TORCH) else ':'} {remedy}"


def _by_name(name: str) -> Other | None:
    suffix = name.lower().rpartition(".")[2] if "." in name else ""
    return next((found for kind, found in _CALLED if re.fullmatch(kind, suffix)), None)


def _held(names: Collection[str]) -> Other | None:
    return next((found for kind, found in _HELD if any(re.fullmatch(kind, name) for name in names)), None)


def _by_content(head: bytes) -> Other | None:
    for place, start, found in _BEGINNINGS:
        if head.startswith(start, place):
            return found
    for place, start, how in _PACKED:
        if head.startswith(start, place):
            return f"packed with {how}", "unpack it and open the model in it"
    if head.startswith(b"<?xml"):
        kind = "a network of OpenVINO" if b"<net " in head else "a text of XML"
        return kind, IN_TORCH
    if head.lstrip().startswith(b"{"):
        return _of_json(head)
    return _ONNX if _OF_ONNX.match(head) else None


def _of_json(head: bytes) -> Other:
    if b'"weight_map"' in head:
        return "a list of files with weights", "open the network that they are the weights of"
    if b'"modelTopology"' in head:
        return "a network of TensorFlow.js", IN_TORCH
    return "a text and no model", "name the file of a model"
