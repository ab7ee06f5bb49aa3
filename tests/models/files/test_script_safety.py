"""TorchScript from a file computes and does nothing else, wherever in the file the attack is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from attacks import UNWARNED, assert_executes, assert_refused
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.files.operators import EXPORTED, PURE
from packages import torchscript as torchscript_entry
from packages import v05, write, zipped
from script_nets import IMAGE, Layer, Network, Saves, writes

pytestmark = UNWARNED


# --- what runs when the network runs ------------------------------------------------------------------------


def waits(path: str) -> int:
    return torch.jit.wait(torch.jit.fork(writes, path))


@torch.jit.script
class Writer:
    def __init__(self, path: str) -> None:
        self.path = path

    def write(self) -> int:
        torch.save("text", self.path)
        return 1

    def __enter__(self) -> int:
        return self.write()

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        pass


class Maps(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + torch.from_file(self.path, True, 1)


class Forks(Network):
    def forward(self, x: Tensor) -> Tensor:
        future = torch.jit.fork(writes, self.path)
        torch.jit.wait(future)
        return self.layer(x)


class ForksInABranch(Network):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[0]):
            if x.shape[1] > 0:
                torch.jit.wait(torch.jit.fork(waits, self.path))
        return self.layer(x)


class Awaits(Network):
    def forward(self, x: Tensor) -> Tensor:
        awaitable = torch.jit._awaitable(writes, self.path)
        torch.jit._awaitable_wait(awaitable)
        return self.layer(x)


class ForksItself(Network):
    """What is forked is a method of a part, which is called nowhere else."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.part = Saves(path)

    def forward(self, x: Tensor) -> Tensor:
        return torch.jit.wait(torch.jit.fork(self.part, x))


class ThroughAnInterface(Network):
    part: Layer

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.part = Saves(path)

    def forward(self, x: Tensor) -> Tensor:
        return self.part.forward(x)


class WithAnObject(Network):
    def forward(self, x: Tensor) -> Tensor:
        Writer(self.path).write()
        return self.layer(x)


class EntersAnObject(Network):
    def forward(self, x: Tensor) -> Tensor:
        with Writer(self.path):
            pass
        return self.layer(x)


def write_before(module: Any, given: tuple[Tensor]) -> None:
    torch.save("text", module.path)


def write_after(module: Any, given: tuple[Tensor], output: Tensor) -> None:
    torch.save("text", module.path)


class Hooked(Network):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.register_forward_hook(write_after)


class HookedBefore(Network):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.register_forward_pre_hook(write_before)


ATTACKS: list[Callable[[str], nn.Module]] = [
    Saves, Maps, Forks, ForksInABranch, Awaits, ForksItself, ThroughAnInterface, WithAnObject, EntersAnObject,
    HookedBefore, Hooked,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("inside", [False, True])
def test_nothing_is_written(
    tmp_path: Path, marker: Path, attack: Callable[[str], nn.Module], inside: bool
) -> None:
    """Whatever calls what touches files, it is found before anything runs, also in a part of the network."""
    path, network = tmp_path / "net.pt", attack(str(marker)).eval()
    torch.jit.script(nn.Sequential(nn.Identity(), network) if inside else network).save(str(path))
    assert_refused(path, marker, r"aten::(save|from_file), which is not among the operators")
    assert_executes(lambda: torch.jit.load(str(path))(IMAGE), marker)


def test_packages_write_nothing(tmp_path: Path, marker: Path) -> None:
    """TorchScript in a package of bioimage.io, which needs no consent, is looked at in the same way."""
    folder = tmp_path / "package"
    write(folder, v05(torchscript=torchscript_entry(folder, Forks(str(marker))), halo=0))
    with pytest.raises(ModelFileError, match=r"aten::save, which is not among the operators"):
        ex.load_model(zipped(folder))
    assert not marker.exists()


class Exponentiates(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.matrix_exp(x)


def test_what_is_harmless_and_not_listed_is_named(tmp_path: Path, marker: Path) -> None:
    """The sentence names the operator and the way out."""
    torch.jit.trace(Exponentiates(), IMAGE, check_trace=False).save(str(tmp_path / "net.pt"))
    assert_refused(
        tmp_path / "net.pt",
        marker,
        r"would call aten::linalg_matrix_exp, .*: where you trust it, load it with",
    )


# --- the list -----------------------------------------------------------------------------------------------


def test_listed_operators_are_pure() -> None:
    """No listed operator has to do with files, other processes, Python, or objects of other libraries."""
    kinds = ("Future", "Await", "PyObject", "__torch__", "Capsule", "RRef", "Stream", "Generator ")
    for schema in torch._C._jit_get_all_schemas():
        if schema.name in EXPORTED:
            assert "filename" not in str(schema)
            assert not any(kind in str(one.type) for one in schema.arguments for kind in kinds), schema


@pytest.mark.parametrize(
    "name",
    ["aten::save", "aten::from_file", "aten::load", "prim::fork", "prim::awaitable", "prim::Closure",
     "prim::Print", "prim::PythonOp", "prim::CallOptional", "aten::open", "aten::manual_seed",
     "aten::_reshape_alias", "aten::set_", "aten::resize_", "aten::set_data", "aten::wait",
     "aten::_native_batch_norm_legit"],
)  # fmt: skip
def test_the_list_leaves_out(name: str) -> None:
    """What touches more than values, and what believes the sizes that it is given."""
    assert name not in PURE


def test_every_name_of_the_list_is_an_operator() -> None:
    """All are known to this torch, or steps of its interpreter: none was misspelt."""
    known = {schema.name for schema in torch._C._jit_get_all_schemas()}
    steps = {
        "CallFunction", "CallMethod", "Constant", "CreateObject", "DictConstruct", "Enter", "Exit", "GetAttr",
        "If", "ListConstruct", "ListUnpack", "Loop", "SetAttr", "TupleConstruct", "TupleSlice", "isinstance",
    }  # fmt: skip
    assert {name for name in EXPORTED if name not in known} == {f"prim::{step}" for step in steps}
