"""Models come from files of every kind that torch writes, and give the labels of the saved network."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import napari_exactile as ex
from command_line import assert_refused, call, summary
from napari_exactile.geometry.frame import AS_IT_IS
from napari_exactile.geometry.interval import round_up
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.files.torch_files import load_state
from napari_exactile.models.load import load_file
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from zoo.monai_nets import PRESENT
from zoo.registry import calibrated

# Tracing warns that sizes may be baked in: those of these networks are not.
IGNORED = ["ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"]
pytestmark = [*(pytest.mark.filterwarnings(one) for one in IGNORED), pytest.mark.usefixtures("one_thread")]

IMAGE = np.random.default_rng(0).normal(size=(45, 38))
SIZES = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}


def lively(network: nn.Module, seed: int = 3) -> nn.Module:
    network = network.eval().requires_grad_(False)
    randomise(network, seed)
    return network


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return lively(UNet(levels=2, base=2, classes=3, softmax=False))


def example(network: nn.Module, side: int = 32) -> torch.Tensor:
    return torch.zeros(1, 1, side, side, dtype=next(network.parameters()).dtype)


def script(network: nn.Module, path: Path) -> None:
    torch.jit.script(network).save(str(path))


def trace(network: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.trace(network, example(network), check_trace=False), path)


def freeze(network: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.freeze(torch.jit.script(network)), path)


def export(network: nn.Module, path: Path, side: int = 32) -> None:
    program = torch.export.export(network, (example(network, side),), dynamic_shapes=(SIZES,))
    torch.export.save(program, path)


def export_fixed(network: nn.Module, path: Path) -> None:
    torch.export.save(torch.export.export(network, (example(network),)), path)


def state(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def old_state(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)


def checkpoint(network: nn.Module, path: Path) -> None:
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": tensors, "loss": 0.5}, path)


def safetensors(network: nn.Module, path: Path) -> None:
    # Counters of training steps are left out, as many do.
    save_file({n: t for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}, path)


KINDS = {
    "net.pt": script, "net.ts": trace, "net.torchscript": freeze, "script.pth": script, "net.pt2": export,
    "program.pt": export, "net.pth": state, "old.pth": old_state, "checkpoint.pt": checkpoint,
    "net.safetensors": safetensors, "no_suffix": script,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_files_give_the_labels_of_the_network(net: nn.Module, tmp_path: Path, name: str) -> None:
    """Whatever wrote the file and whatever it is called: tiles give the labels of the eager network."""
    path = tmp_path / name
    KINDS[name](net, path)
    model = ex.load_model(str(path))
    result = ex.segment(IMAGE, model, tile=72)
    assert result.report.exact
    whole = ex.segment_whole(IMAGE, net)
    assert len(np.unique(whole.labels)) == 3
    np.testing.assert_array_equal(result.labels, whole.labels)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        torch.compile,
        torch.optim.swa_utils.AveragedModel,
        lambda one: nn.DataParallel(torch.compile(one)),
    ],
)
def test_weights_of_wrapped_networks_are_those_of_the_network(
    net: nn.Module, tmp_path: Path, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    """What wrappers put in front of all names is taken off, however many there are."""
    torch.save(wrap(net).state_dict(), tmp_path / "net.pth")
    state, own = load_state(tmp_path / "net.pth"), net.state_dict()
    assert state.keys() == own.keys()
    assert all(torch.equal(state[name], own[name]) for name in own)


def test_the_card_says_where_the_model_came_from(net: nn.Module, tmp_path: Path) -> None:
    """Name and title are the file's, the source is its path, the rest is found out; given facts win."""
    path = tmp_path / "nuclei v2.pth"
    state(net, path)
    card = ex.load_model(path).card
    assert (card.name, card.title, card.source) == ("nuclei v2", "nuclei v2", str(path))
    assert (card.channels, card.axes, card.probabilities) == (1, "yx", None)
    facts = {
        "name": "mine",
        "source": "a friend",
        "classes": ("sky", "cell", "edge"),
        "normalization": "none",
    }
    card = ex.load_model(path, **facts).card
    assert {name: getattr(card, name) for name in facts} == facts
    assert card.title == "nuclei v2"


def test_a_file_wins_over_the_name_of_nothing(
    net: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain name is a file where one is there; a bundled name stays the bundled model."""
    monkeypatch.chdir(tmp_path)
    for name in ("nuclei", "colonies-demo"):
        script(net, tmp_path / name)
    assert ex.load_model("nuclei").card.source == "nuclei"
    assert ex.load_model("colonies-demo").card.source == ""
    with pytest.raises(ValueError, match="there is no model called 'nothing'"):
        ex.load_model("nothing")


def test_networks_saved_in_training_mode_are_evaluated(tmp_path: Path) -> None:
    """A file that was saved before .eval() is put into evaluation mode: it cannot be meant for training."""
    path = tmp_path / "training.pt"
    script(UNet(levels=1, base=2).train(), path)
    assert ex.analyse(ex.load_model(path), IMAGE.shape).refusals == ()


def test_an_export_of_one_size_says_which(net: nn.Module, tmp_path: Path) -> None:
    """A program of a fixed size is refused with that size and what to do."""
    export_fixed(net, tmp_path / "fixed.pt2")
    (refusal,) = ex.analyse(ex.load_model(tmp_path / "fixed.pt2"), (70, 61)).refusals
    assert "exported for images of one size, 32 x 32 px" in refusal.reason
    assert "torch.export.Dim.DYNAMIC for the spatial axes" in refusal.remedy


# --- weights ---------------------------------------------------------------------------------------------

NETWORKS = [
    UNet(levels=1, convolutions=1, kernel=5, base=3, in_channels=2, classes=1),
    UNet(levels=4, convolutions=3, base=2, classes=5),
    FCDenseNet.named(56, growth=2, base=4),
    FCDenseNet(growth=3, blocks=(1, 2), bottleneck=3, base=5, kernel=5, in_channels=3, classes=4),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_parameters_are_found_out_from_the_weights(network: nn.Module, tmp_path: Path) -> None:
    """Levels, widths, kernels, channels and classes follow from the shapes; every weight is where it was."""
    state(network, tmp_path / "weights.pth")
    loaded = ex.load_model(tmp_path / "weights.pth").module
    assert repr(loaded) == repr(network.eval())
    assert not loaded.training
    before, after = network.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_given_parameters_are_taken(net: nn.Module, tmp_path: Path) -> None:
    """The architecture and its parameters can be said; softmax makes the output probabilities."""
    path = tmp_path / "net.safetensors"
    safetensors(net, path)
    model = ex.load_model(path, architecture="unet", levels=2, classes=3, softmax=True)
    assert ex.analyse(model, (64, 64)).gives.span.scale == "probabilities"
    assert model.module.softmax


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"architecture": "unet", "levels": 3}, r"fit the architecture unet with levels 3, convolutions 2"),
        ({"architecture": "fc-densenet"}, r"do not fit the architecture fc-densenet: load the weights"),
        ({"architecture": "vit"}, r"no architecture 'vit': name unet or fc-densenet"),
        ({"levles": 2}, r"no unet has a parameter called levles: choose from levels, "),
    ],
)
def test_parameters_that_do_not_fit_are_said(
    net: nn.Module, tmp_path: Path, how: dict[str, Any], message: str
) -> None:
    """Another architecture, other parameters and misspelt ones give a sentence with the file's name."""
    state(net, tmp_path / "net.pth")
    with pytest.raises(ModelFileError, match=rf"net\.pth.*{message}"):
        ex.load_model(tmp_path / "net.pth", **how)


def test_weights_of_other_networks_are_described(tmp_path: Path) -> None:
    """Weights that fit nothing built-in: how many, the first names, and how to save the network instead."""
    state(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)), tmp_path / "other.pth")
    words = r"fit no built-in network \(tensors: 4, 0.weight, 0.bias, 1.weight, ...\).*torch.export.save"
    with pytest.raises(ModelFileError, match=words):
        ex.load_model(tmp_path / "other.pth")
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "nothing.pth")
    with pytest.raises(ModelFileError, match="holds a dictionary of epoch, optimizer, not tensors"):
        ex.load_model(tmp_path / "nothing.pth")


def test_a_whole_network_takes_no_parameters(net: nn.Module, tmp_path: Path) -> None:
    """An architecture for a file that holds its own is a mistake, and said to be one."""
    script(net, tmp_path / "net.pt")
    with pytest.raises(ModelFileError, match="holds a whole network, of which nothing is to be chosen"):
        ex.load_model(tmp_path / "net.pt", architecture="unet")


def test_torchscript_is_no_state(net: nn.Module, tmp_path: Path) -> None:
    """Whoever asks for weights alone is told what the file is."""
    script(net, tmp_path / "net.pt")
    with pytest.raises(ModelFileError, match="is TorchScript"):
        load_state(tmp_path / "net.pt")


# --- factories -------------------------------------------------------------------------------------------


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package with factories be importable."""
    (tmp_path / "my_nets.py").write_text(
        "from pathlib import Path\nimport torch\n"
        f"Path({str(tmp_path / 'imported')!r}).touch()\n"
        "def small():\n    return torch.nn.Conv2d(1, 2, 3, padding=1)\n"
        "def number():\n    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("factories")
def test_factories_make_models() -> None:
    """package.module:factory is called, put into evaluation mode, and is the model's source."""
    model = ex.load_model("my_nets:small")
    assert (model.card.name, model.card.source, model.module.training) == ("small", "my_nets:small", False)
    assert ex.segment(IMAGE, model).labels.shape == IMAGE.shape


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("my_nets:number", "makes a int, not a torch.nn.Module"),
        ("my_nets:nothing", "cannot be imported"),
        ("no_such_package:net", "cannot be imported"),
    ],
)
def test_factories_that_make_no_model_are_said(factory: str, message: str) -> None:
    """A missing package or function, and a function that makes something else, give one sentence."""
    with pytest.raises(ValueError, match=message):
        ex.load_model(factory)


@pytest.mark.usefixtures("factories")
def test_files_are_never_factories(tmp_path: Path) -> None:
    """What asks for a file, as the dock does, imports nothing."""
    with pytest.raises(ModelFileError, match="there is no file my_nets:small"):
        load_file("my_nets:small")
    assert not (tmp_path / "imported").exists()


# --- the command line ------------------------------------------------------------------------------------


def test_the_command_line_takes_files_and_factories(net: nn.Module, tmp_path: Path, factories: None) -> None:
    """`inspect` and `segment` take a path or a factory for a model, with its labels."""
    import tifffile

    script(net, tmp_path / "net.pt")
    tifffile.imwrite(tmp_path / "image.tif", IMAGE.astype(np.float32))
    inspected = summary(call("inspect", tmp_path / "net.pt", "--shape", "64,64"))
    assert inspected["model"] == "net"
    assert summary(call("inspect", "my_nets:small", "--shape", "64,64"))["model"] == "small"
    summary(call("segment", tmp_path / "image.tif", "--model", tmp_path / "net.pt"))
    labels = tifffile.imread(tmp_path / "image_labels.tif")
    whole = ex.segment_whole(IMAGE.astype(np.float32), net)
    np.testing.assert_array_equal(labels, whole.labels)


def test_the_command_line_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    """A file that is no model is one sentence with its name."""
    (tmp_path / "net.pt").write_bytes(b"PK\3\4 and no more")
    assert_refused(call("inspect", tmp_path / "net.pt"), r"net\.pt is a zip archive that does not end as one")
    assert_refused(call("inspect", tmp_path / "none.pt"), r"there is no file .*none\.pt")


# --- MONAI -----------------------------------------------------------------------------------------------

MONAI: dict[str, dict[str, Any]] = {
    "UNet": {"channels": (4, 8, 8), "strides": (2, 2), "num_res_units": 1},
    "DynUNet": {
        "kernel_size": [3] * 3, "strides": [1, 2, 2], "upsample_kernel_size": [2] * 2, "filters": [4, 8, 8],
    },
    "SegResNet": {"init_filters": 8, "blocks_down": (1, 1), "blocks_up": (1,)},
    "AttentionUnet": {"channels": (4, 8), "strides": (2,)},
    "BasicUNet": {"features": (4, 4, 8, 8, 8, 4)},
    "FlexibleUNet": {"backbone": "resnet10", "decoder_channels": (16, 8, 8, 8, 4)},
    "VNet": {},
}  # fmt: skip
# How each is saved: DynUNet holds its layers twice, which scripting does not follow; FlexibleUNet halves
# the image five times and needs a larger example.
SAVED: list[tuple[str, str, Callable[[nn.Module, Path], None]]] = [
    ("UNet", "net.pt", script),
    ("DynUNet", "net.pt", trace),
    ("SegResNet", "net.pt", script),
    ("AttentionUnet", "net.pt", script),
    ("BasicUNet", "net.pt", trace),
    ("FlexibleUNet", "net.pt", script),
    ("VNet", "net.pt", script),
    *((name, "net.pt2", partial(export, side=64 if name == "FlexibleUNet" else 32)) for name in MONAI),
]


Labelled = tuple[nn.Module, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def of_monai() -> Callable[[str], Labelled]:
    """Return what makes a network in float64, where all labels agree, and its labels by how it is padded."""

    @cache
    def made(name: str) -> Labelled:
        from monai.networks import nets

        network = getattr(nets, name)(spatial_dims=2, in_channels=1, out_channels=3, **MONAI[name])
        network = calibrated(lively(network, seed=0), (2, 1, 32, 32)).double()
        return network, {
            padding: ex.segment_whole(IMAGE, deepcopy(network), padding=padding).labels
            for padding in ("auto", "always")
        }

    return made


@pytest.mark.skipif(not PRESENT, reason="MONAI is not installed; it comes with the extra `test`")
@pytest.mark.parametrize(("name", "file", "save"), SAVED)
def test_files_of_monai_networks_are_exact(
    of_monai: Callable[[str], Labelled],
    tmp_path: Path,
    name: str,
    file: str,
    save: Callable[[nn.Module, Path], None],
) -> None:
    """Scripted, traced and exported, they come out of the file and give the eager labels in tiles.

    What was recorded for one size takes fewer sizes than the network: the image is padded for it then.
    """
    network, labels = of_monai(name)
    save(deepcopy(network), tmp_path / file)
    model = ex.load_model(tmp_path / file)
    analysis = ex.analyse(model, IMAGE.shape)
    assert analysis.refusals == ()
    tile = round_up(IMAGE.shape[0] // 2, max(analysis.factor)) + 2 * max(analysis.radius)
    result = ex.segment(IMAGE, model, tile=tile)
    whole = labels["auto" if set(result.report.padding) == {AS_IT_IS} else "always"]
    assert result.report.exact
    assert len(np.unique(whole)) > 1
    np.testing.assert_array_equal(result.labels, whole)
