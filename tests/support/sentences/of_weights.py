"""Files of weights, their architectures and cards, that do not fit together or hold what no weights are."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import napari_exactile as ex
from attacks import rewritten
from napari_exactile.models.card import ModelCard
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.files.torch_files import load_state
from napari_exactile.models.ways_out import STATE, WHOLE
from sentences.of_models import saved, scripted
from sentences.table import Rows

ROWS = Rows("weights")


def unet() -> Mapping[str, Any]:
    from napari_exactile.models.unet import UNet

    return UNet(levels=1, base=2, softmax=False).state_dict()


def loaded(folder: Path, **facts: Any) -> Any:
    """Load weights of a U-Net with these parameters."""
    saved(unet)(folder / "net.pth")
    return ex.load_model(folder / "net.pth", **facts)


def changed(folder: Path, change: Any) -> Any:
    """Load weights whose pickle is what `change` makes of a good one."""
    saved(lambda: {"weight": __import__("torch").zeros(4)})(folder / "good.pth")
    with zipfile.ZipFile(folder / "good.pth") as file:
        data = file.read("good/data.pkl")
    new = change(data)
    assert new != data
    return ex.load_model(rewritten(folder / "good.pth", folder / "net.pth", {"data.pkl": new}))


# --- architectures


@ROWS.says("{folder}/net.pth: there is no architecture 'vit': name unet or fc-densenet")
def unknown_architecture(folder: Path) -> Any:
    return loaded(folder, architecture="vit")


@ROWS.says("{folder}/net.pth: no unet has these parameters: levels must be at least 1, not 0")
def no_levels(folder: Path) -> Any:
    return loaded(folder, levels=0)


@ROWS.says(
    "{folder}/net.pth: no unet has these parameters: kernel must be odd and at least 1, so that padding is "
    "symmetric, not 2"
)
def even_kernel(folder: Path) -> Any:
    return loaded(folder, kernel=2)


@ROWS.says(
    "{folder}/net.pth: no unet has a parameter called levles: choose from levels, convolutions, "
    "kernel, base, in_channels, classes and softmax"
)
def misspelt_parameter(folder: Path) -> Any:
    return loaded(folder, levles=2)


@ROWS.says(
    "{folder}/net.pth: no unet can be made with levels one, convolutions 2, kernel 3, base 2, in_channels 1, "
    "classes 2: give whole numbers that fit together"
)
def parameter_of_another_type(folder: Path) -> Any:
    return loaded(folder, levels="one")


@ROWS.says(
    "{folder}/net.pth: its weights (tensors: ..., encoder.0.0.weight, ...) do not fit the architecture unet "
    f"with levels 3, ...: {WHOLE}"
)
def weights_of_other_parameters(folder: Path) -> Any:
    return loaded(folder, levels=3)


ROWS.add(
    no_growth=(lambda: FCDenseNet(growth=0), "growth must be at least 1, not 0"),
    even_kernel_of_densenet=(
        lambda: FCDenseNet(kernel=4),
        "kernel must be odd and at least 1, so that padding is symmetric, not 4",
    ),
    unknown_densenet=(
        lambda: FCDenseNet.named(99),
        "there is no FC-DenseNet-99: choose one of 56, 67, 103",
    ),
    names_of_other_channels=(
        lambda: ModelCard("a", "a", channel_names=("red", "green")),
        "1 channel has not the names red, green: give one name for each",
    ),
)


# --- functions that make a network


def made_by(folder: Path, code: str, name: str) -> Any:
    """Load what a module of somebody's own makes."""
    (folder / f"{name}.py").write_text(code)
    with patch.object(sys, "path", [str(folder), *sys.path]):
        return ex.load_model(f"{name}:net")


@ROWS.says(
    "nets_of_nothing:net cannot be imported: there is no net in nets_of_nothing; name one that is there"
)
def function_that_is_not_there(folder: Path) -> Any:
    return made_by(folder, "", "nets_of_nothing")


@ROWS.says("nets_of_three:net makes a int, not a torch.nn.Module: name a function that returns one")
def function_that_makes_a_number(folder: Path) -> Any:
    return made_by(folder, "def net(): return 3", "nets_of_three")


@ROWS.says("nets_of_none:net cannot be imported: ...; mend what it imports")
def function_that_needs_something_else(folder: Path) -> Any:
    return made_by(folder, "from torch import no_such_thing", "nets_of_none")


# --- files


@ROWS.says("{folder}/net.pt holds no tensors: save network.state_dict() in it")
def safetensors_of_nothing(folder: Path) -> Any:
    from safetensors.torch import save_file

    save_file({}, folder / "net.pt")
    return ex.load_model(folder / "net.pt")


@ROWS.says(f"{{folder}}/list.pt holds something else, not tensors by their names: {STATE}")
def list_of_tensors(folder: Path) -> Any:
    saved(lambda: [1, 2])(folder / "list.pt")
    return ex.load_model(folder / "list.pt")


@ROWS.says(f"{{folder}}/net.pt is TorchScript and no file of weights, but holds ... files (...): {STATE}")
def network_as_weights(folder: Path) -> Any:
    scripted(folder / "net.pt")
    return load_state(folder / "net.pt")


@ROWS.says(
    f"{{folder}}/net.pt is no file of weights, and begins neither as torch's nor as safetensors do: {STATE}"
)
def text_as_weights(folder: Path) -> Any:
    (folder / "net.pt").write_text("weights")
    return load_state(folder / "net.pt")


@ROWS.says("{folder}/net.pt is pickled by protocol 4: save it with torch.save alone")
def newer_protocol(folder: Path) -> Any:
    import torch

    torch.save(unet(), folder / "net.pt", pickle_protocol=4)
    return ex.load_model(folder / "net.pt")


@ROWS.says(f"{{folder}}/net.pt has a pickle of ... bytes, and that of weights is small: {STATE}")
def pickle_of_much(folder: Path) -> Any:
    saved(lambda: {"text": "x" * (17 << 20)})(folder / "net.pt")
    return ex.load_model(folder / "net.pt")


@ROWS.says("{folder}/net.pth is damaged: a tensor is not as long as its numbers; copy it again")
def longer_than_its_numbers(folder: Path) -> Any:
    return changed(folder, lambda data: re.sub(rb"(cpuq.K)\x04", lambda found: found[1] + b"\x50", data))


@ROWS.says("{folder}/net.pth is damaged: a tensor reaches behind the end of its numbers; copy it again")
def larger_than_its_numbers(folder: Path) -> Any:
    return changed(folder, lambda data: data.replace(b"K\4\x85", b"K\x50\x85"))


@ROWS.says("{folder}/net.pth is damaged: a tensor has no size; copy it again")
def size_of_text(folder: Path) -> Any:
    return changed(folder, lambda data: data.replace(b"K\4\x85", b"X\1\0\0\0x\x85"))


@ROWS.says("{folder}/net.pt is damaged: its pickle is nested too deeply; copy it again")
def lists_in_lists(folder: Path) -> Any:
    import torch

    deep: Any = []
    for _ in range(250):
        deep = [deep]
    torch.save(deep, folder / "net.pt")
    return ex.load_model(folder / "net.pt")


@ROWS.says("{folder}/net.pth cannot be read as weights: it is damaged; copy it again")
def pickle_of_no_tensors(folder: Path) -> Any:
    # The sum of a dictionary's items is that of no tensor: torch's own reader stumbles.
    return changed(folder, lambda data: data.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9"))
