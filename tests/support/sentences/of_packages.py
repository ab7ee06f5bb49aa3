"""Packages of bioimage.io that are damaged, mean harm, or ask for what cannot be done exactly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import napari_exactile as ex
import packages
from napari_exactile.models.bioimageio.description import load_package
from packages import step, v04, v05, write
from sentences.table import Rows

ROWS = Rows("packages")
AGAIN = "download the package again"
INEXACT = "this cannot be done exactly here; choose another model"
Z = "zero_mean_unit_variance"


def torchscript(folder: Path) -> dict[str, Any]:
    """The entry of a network that gives back what it takes."""
    from torch import nn

    return packages.torchscript(folder, nn.Identity())


def described(folder: Path, change: Callable[[Any], Any] = dict, **described: Any) -> Path:
    """Write a package of that network whose description was changed."""
    description = v05(**{"torchscript": torchscript(folder / "p"), "halo": 0} | described)
    change(description)
    return write(folder / "p", description)


def loaded(folder: Path, **more: Any) -> Any:
    return ex.load_model(described(folder, **more))


# --- descriptions


def text(folder: Path, content: str | bytes) -> Any:
    return ex.load_model(write(folder / "p", content))


def doubled() -> str:
    """A few letters that stand for a billion."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


@ROWS.says(f"{{folder}}/p has a description that stands for more than 50000 values: {AGAIN}")
def billion_laughs(folder: Path) -> Any:
    return text(folder, doubled())


@ROWS.says(f"{{folder}}/p has a description with more than 1000 brackets: {AGAIN}")
def brackets(folder: Path) -> Any:
    return text(folder, "[" * 5000)


@ROWS.says(f"{{folder}}/p has a description that is nested too deeply: {AGAIN}")
def depths(folder: Path) -> Any:
    return text(folder, "- " * 5000)


@ROWS.says(f"{{folder}}/p has a description of more than 128 kB, and none is: {AGAIN}")
def long_description(folder: Path) -> Any:
    return text(folder, "a: " + "x" * (128 << 10))


@ROWS.says(f"{{folder}}/p has a description that is not valid YAML in line ...: mend it, or {AGAIN}")
def no_yaml(folder: Path) -> Any:
    return text(folder, "a: 1\n{b: [")


@ROWS.says(f"{{folder}}/p has a description without fields: {AGAIN}")
def list_of_numbers(folder: Path) -> Any:
    return text(folder, "[1, 2]")


@ROWS.says(f"{{folder}}/p has a description that cannot be understood: {AGAIN}")
def numbers_for_names(folder: Path) -> Any:
    return text(folder, "1: 2\n3: 4")


@ROWS.says(f"{{folder}}/p has no valid description (wrong or missing: ...): mend it, or {AGAIN}")
def nothing_but_a_type(folder: Path) -> Any:
    return text(folder, "type: model")


@ROWS.says("{folder}/p describes a dataset, not a model: name the package of a model")
def data_set(folder: Path) -> Any:
    return text(
        folder,
        "{type: dataset, format_version: 0.3.0, name: cells, description: b, authors: [{name: c}], "
        "cite: [{text: d, doi: 10.1000/xyz123}], license: MIT}",
    )


@ROWS.says(
    "the package's tensor raw has the axes batch, y, x, channel: only batch, channel and then space (z, y, "
    "x) can be used; choose another model"
)
def axes_in_another_order(folder: Path) -> Any:
    def change(description: Any) -> None:
        axes = description["inputs"][0]["axes"]
        description["inputs"][0]["axes"] = [axes[i] for i in (0, 2, 3, 1)]

    return ex.load_model(described(folder, change))


@ROWS.says("the package's network takes 2 inputs (raw, mask), not one image: choose another model")
def two_inputs(folder: Path) -> Any:
    def change(description: Any) -> None:
        description["inputs"].append(description["inputs"][0] | {"id": "mask"})

    return ex.load_model(described(folder, change))


@ROWS.says("the package has no output 'triple': name one of its own, prob")
def output_that_is_not_there(folder: Path) -> Any:
    return ex.load_model(described(folder), output="triple")


@ROWS.says("{folder} has no rdf.yaml or bioimageio.yaml: name the folder or zip file of a package")
def folder_of_nothing(folder: Path) -> Any:
    return load_package(folder)


@ROWS.says(
    'packages of bioimage.io need bioimageio.spec: install it with pip install "napari-exactile[bioimageio]"'
)
def without_bioimageio_spec(folder: Path) -> Any:
    path = described(folder)
    with patch.dict(sys.modules, {"bioimageio.spec": None}):
        return ex.load_model(path)


# --- files of a package


def with_weights(folder: Path, source: str) -> Path:
    """A package whose weights lie there."""
    return described(folder, torchscript={"source": source, "pytorch_version": "2.6"})


@ROWS.says("{folder}/p names a file outside of the package, ../net.pt: move it into the package")
def weights_outside(folder: Path) -> Any:
    (folder / "net.pt").write_bytes(b"x")
    return ex.load_model(with_weights(folder, "../net.pt"))


@ROWS.says(f"{{folder}}/p lacks the file net.pt, which its description names: {AGAIN}")
def weights_missing(folder: Path) -> Any:
    return ex.load_model(with_weights(folder, "net.pt"))


@ROWS.says(
    "script.pt is not the file that its description means, but another one (its sha256 differs): " + AGAIN
)
def weights_changed(folder: Path) -> Any:
    path = described(folder)
    (path / "script.pt").write_bytes(b"x")
    return ex.load_model(path)


@ROWS.says(
    "{folder}/p/net.pt is no zip archive, though it should be one: copy it again from where it came from"
)
def weights_that_are_no_archive(folder: Path) -> Any:
    path = with_weights(folder, "net.pt")
    (path / "net.pt").write_bytes(b"text")
    return ex.load_model(path)


@ROWS.says(
    "{folder}/p/net.pt is no TorchScript, but holds ... files (...): name the file that torch.jit.save has "
    "written"
)
def weights_that_are_no_torchscript(folder: Path) -> Any:
    import torch

    path = with_weights(folder, "net.pt")
    torch.save({"weight": torch.zeros(2)}, path / "net.pt")
    return ex.load_model(path)


@ROWS.says(
    "{folder}/p refers to https://127.0.0.1:9/net.pt, which cannot be fetched: check the connection, or "
    "download that file into the package and name it there"
)
def weights_that_cannot_be_fetched(folder: Path) -> Any:
    return ex.load_model(with_weights(folder, "https://127.0.0.1:9/net.pt"))


@ROWS.says(
    "there is no model called 'affable-shark'; the bundled ones are colonies-demo: name one, or a file; "
    "affable-shark cannot be fetched from bioimage.io: check the name and the connection, or download the "
    "package and name its file"
)
def package_that_cannot_be_fetched(folder: Path) -> Any:
    import bioimageio.spec

    def offline(*_arguments: Any, **_options: Any) -> Path:
        raise OSError("no route to host")

    with patch.object(bioimageio.spec, "save_bioimageio_package_as_folder", offline):
        return ex.load_model("affable-shark")


@ROWS.says(
    "{folder}/p has weights for ONNX only: networks for PyTorch (TorchScript, or weights with their "
    "code) can be used here; choose another model"
)
def weights_for_others(folder: Path) -> Any:
    onnx = {"source": "w.onnx", "opset_version": 15}
    return ex.load_model(write(folder / "p", v05(halo=0, onnx=onnx)))


# --- code of a package


def with_code(folder: Path, code: str, **entry: Any) -> Any:
    """Load a package whose network is made by code."""
    from torch import nn

    (folder / "p").mkdir()
    (folder / "p" / "net.py").write_text(code)
    own = {"source": "net.py", "callable": "net", "sha256": packages.sha256(folder / "p" / "net.py")}
    weights = packages.state_dict(folder / "p", nn.Conv2d(1, 1, 1), entry or own)
    return ex.load_model(write(folder / "p", v05(pytorch_state_dict=weights, halo=0)), trust_code=True)


@ROWS.says(f"net of {{folder}}/p makes no torch.nn.Module: {AGAIN}")
def code_that_makes_a_number(folder: Path) -> Any:
    return with_code(folder, "def net(): return 3")


@ROWS.says(f"net of {{folder}}/p takes other arguments than its description gives it: {AGAIN}")
def code_with_other_arguments(folder: Path) -> Any:
    return with_code(folder, "def net(a): return a")


@ROWS.says(f"net of {{folder}}/p cannot be made (no weights here): {AGAIN}")
def code_that_fails(folder: Path) -> Any:
    return with_code(folder, "def net(): raise ValueError('no weights here')")


@ROWS.says(f"the network of {{folder}}/p is made by net, which is not in net.py: {AGAIN}")
def code_without_its_function(folder: Path) -> Any:
    return with_code(folder, "")


@ROWS.says(f"net.py cannot be imported (...): install what it needs, or {AGAIN}")
def code_that_cannot_be_imported(folder: Path) -> Any:
    return with_code(folder, "import no_such_package_at_all")


@ROWS.says("the network of {folder}/p is made by no_such_library, which is not installed: install it")
def code_of_a_library(folder: Path) -> Any:
    return with_code(folder, "", import_from="no_such_library", callable="net")


@ROWS.says(
    "the weights of {folder}/p do not fit its network (missing: ...; not in it: weight and bias): " + AGAIN
)
def weights_of_another_network(folder: Path) -> Any:
    return with_code(folder, "from torch import nn\ndef net(): return nn.Sequential(nn.Conv2d(1, 1, 1))")


# --- steps that cannot be had


def steps(name: str, words: str, before: list[Any], after: list[Any], channels: int = 2) -> None:
    """Add a row of a package that asks for steps before and after its network."""

    def provoke(folder: Path) -> Any:
        names = ["red", "green"][:channels]
        return loaded(folder, channels=names, classes=names, before=before, after=after)

    provoke.__name__ = name
    ROWS.says(f"the package asks for {words}: {INEXACT}")(provoke)


FLOAT = step("ensure_dtype", dtype="float32")
DATA_SET = "with the statistics of a data set (per_dataset)"
steps("of_a_data_set", f"{Z} {DATA_SET}", [step(Z, axes=["batch", "y", "x"])], [])
steps("along_one_axis", f"{Z} along x only", [step(Z, axes=["x"])], [])
steps(
    "of_another_tensor", "scale_range with the percentiles of another tensor (raw)",
    [step("scale_range", reference_tensor="raw")], [],
)  # fmt: skip
steps("to_percentiles", "clip to percentiles", [step("clip", min_percentile=1.0, max=3.0)], [])
steps(
    "along_y", "scale_linear along y", [step("scale_linear", axis="y", gain=[2.0, 3.0])], [],
)  # fmt: skip
steps(
    "three_values", "scale_linear with 3 values for 2 channels",
    [step("scale_linear", axis="channel", gain=[2.0, 3.0, 4.0])], [],
)  # fmt: skip
steps("sigmoid_before", "sigmoid as preprocessing", [step("sigmoid")], [])
steps(
    "whole_numbers", "ensure_dtype to uint8, where pixels are computed in float32",
    [step("clip", min=0.0), step("ensure_dtype", dtype="uint8")], [],
)  # fmt: skip
steps("softmax_along_y", "softmax along y", [], [step("softmax", axis="y")])
steps(
    "linear_after_sigmoid", "scale_linear beside sigmoid", [],
    [step("sigmoid"), step("scale_linear", gain=2.0)],
)  # fmt: skip
steps(
    "softmax_and_threshold", "binarize after softmax", [], [step("softmax"), step("binarize", threshold=0.3)]
)
steps(
    "two_thresholds", "binarize with several thresholds", [],
    [step("binarize", axis="channel", threshold=[0.3, 0.4])],
)  # fmt: skip
steps(
    "threshold_of_two", "binarize at 2.0, and thresholds are probabilities between 0 and 1", [],
    [step("binarize", threshold=2.0)],
)  # fmt: skip
steps(
    "whole_numbers_out", "ensure_dtype to int16, which changes what the network returns", [],
    [step("ensure_dtype", dtype="int16")],
)  # fmt: skip
steps("softmax_of_one", "softmax over a single channel", [], [step("softmax")], channels=1)


@ROWS.says(f"the package asks for {Z} {DATA_SET}: {INEXACT}")
def old_mode_of_a_data_set(folder: Path) -> Any:
    before = {"name": Z, "kwargs": {"mode": "per_dataset", "axes": "yx"}}
    return ex.load_model(write(folder / "p", v04(before=[before], torchscript=torchscript(folder / "p"))))
