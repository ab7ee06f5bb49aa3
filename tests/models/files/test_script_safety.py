"""TorchScript from a file computes and does nothing else, wherever in the file the attack is written."""

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from attacks import assert_executes, assert_refused, rewritten
from napari_exactile import torchscript
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.files.operators import EXPORTED, PURE
from packages import torchscript as torchscript_entry
from packages import v05, write, zipped

IGNORED = ["ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"]
pytestmark = [pytest.mark.filterwarnings(one) for one in IGNORED]
IMAGE = torch.zeros(1, 1, 8, 8)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


# --- what runs when the network runs ------------------------------------------------------------------------


def writes(path: str) -> int:
    torch.save("text", path)
    return 1


def waits(path: str) -> int:
    return torch.jit.wait(torch.jit.fork(writes, path))


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[empty-body]
        pass


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


class Network(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.layer = nn.Conv2d(1, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Saves(Network):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return self.layer(x)


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


# --- what runs while it is loaded ---------------------------------------------------------------------------


class SavesWhileLoaded(Network):
    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)

    def forward(self, x: Tensor) -> Tensor:
        return x


@torch.jit.script
class Restored:
    def __init__(self, path: str) -> None:
        self.path = path

    def __getstate__(self) -> str:
        return self.path

    def __setstate__(self, path: str) -> None:
        self.path = path
        torch.save("text", path)


class HoldsAnObject(Network):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.held = Restored(path)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if len(self.held.path) else x


@pytest.mark.parametrize("kind", [SavesWhileLoaded, HoldsAnObject])
def test_nothing_runs_while_it_is_loaded(
    tmp_path: Path, marker: Path, kind: Callable[[str], nn.Module]
) -> None:
    """What restores an object would run before anybody could look at it: such files are refused."""
    path = tmp_path / "net.pt"
    torch.jit.script(nn.Sequential(kind(str(marker)))).save(str(path))
    marker.unlink(missing_ok=True)
    assert_refused(path, marker, r"would run code while it is loaded \(__setstate__\)")
    assert_executes(lambda: torch.jit.load(str(path)), marker)


# The same in other letters: what torch reads after all is the last.
OTHER_WRITINGS: list[tuple[bytes, bytes]] = [
    (b"def __setstate__(", b"def  \\\n  __setstate__ ("),
    (b"def __setstate__(", b"def # (\n  __setstate__("),
    (b"def __setstate__(", b"def\t__setstate__("),
    (b"class Restored", b'"""\n"""\nclass Restored'),
]


def change_source(path: Path, new: Path, old_text: bytes, new_text: bytes) -> Path:
    """Replace text in all source of a TorchScript file."""
    with zipfile.ZipFile(path) as file:
        names = [name for name in file.namelist() if name.endswith(".py")]
        texts = {name.partition("/")[2]: file.read(name).replace(old_text, new_text) for name in names}
    assert any(new_text in text for text in texts.values())
    return rewritten(path, new, dict(texts))


@pytest.mark.parametrize(("text", "other"), OTHER_WRITINGS)
def test_it_is_found_however_it_is_written(tmp_path: Path, marker: Path, text: bytes, other: bytes) -> None:
    """Spaces, comments and joined lines hide nothing: what torch gets is written anew."""
    torch.jit.script(HoldsAnObject(str(marker))).save(str(tmp_path / "good.pt"))
    marker.unlink(missing_ok=True)
    assert_refused(change_source(tmp_path / "good.pt", tmp_path / "net.pt", text, other), marker)


class Defaults(Network):
    def forward(self, x: Tensor, number: int = 3) -> Tensor:
        return self.layer(x) * number * writes(self.path)


def test_defaults_are_not_computed(tmp_path: Path, marker: Path) -> None:
    """The default of an argument may be any expression, and torch computes it while it loads the file."""
    torch.jit.script(Defaults(str(marker))).save(str(tmp_path / "good.pt"))
    call = b'number: int=__torch__.test_script_safety.writes("%s")' % str(marker).encode()
    path = change_source(tmp_path / "good.pt", tmp_path / "net.pt", b"number: int=3", call)
    assert_refused(path, marker, "would run code while it is loaded")
    assert_executes(lambda: torch.jit.load(str(path)), marker)


def test_objects_of_other_libraries_are_refused(tmp_path: Path, marker: Path) -> None:
    """torch.classes are code of C++ that restores itself from what the file says."""
    engine = next(name for name in torch.backends.quantized.supported_engines if name != "none")
    torch.backends.quantized.engine = engine
    network = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)).eval())
    torch.jit.script(network).save(str(tmp_path / "net.pt"))
    assert_refused(tmp_path / "net.pt", marker, "torch.classes")


# --- objects ----------------------------------------------------------------------------------------------


@torch.jit.script
class Small:
    def __init__(self) -> None:
        self.a = 1


@torch.jit.script
class Large:
    def __init__(self) -> None:
        self.a = 1
        self.b = [2]


class Scales(Network):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class HoldsObjects(Network):
    part: Layer

    def __init__(self) -> None:
        super().__init__("")
        self.small, self.larges = Small(), [Large(), Large()]
        self.part = Scales("")

    def forward(self, x: Tensor) -> Tensor:
        return self.part.forward(self.layer(x)) * (self.small.a + len(self.larges[0].b))


def test_objects_are_what_their_fields_say(tmp_path: Path, marker: Path) -> None:
    """torch would read the second field of an object that has one, and lists of objects are looked into."""
    torch.jit.script(HoldsObjects()).save(str(tmp_path / "good.pt"))
    assert ex.analyse(ex.load_model(tmp_path / "good.pt"), (16, 16)).refusals == ()
    with zipfile.ZipFile(tmp_path / "good.pt") as file:
        data = file.read("good/data.pkl")
    for old, new in ((b" Large", b" Small"), (b"\nLarge\n", b"\nSmall\n"), (b"\nSmall\n", b"\nLarge\n")):
        if old in data:
            path = rewritten(tmp_path / "good.pt", tmp_path / "net.pt", {"data.pkl": data.replace(old, new)})
            assert_refused(
                path, marker, r"is damaged \((larges|small) of .* holds a __torch__\.\S+(Small|Large), not"
            )


def test_values_are_not_taken_for_objects(tmp_path: Path, marker: Path) -> None:
    """A cast that torch does not check could make an object of anything."""
    torch.jit.script(HoldsObjects()).save(str(tmp_path / "good.pt"))
    call = b"unchecked_cast(__torch__.test_script_safety.Large, self.small)"
    path = change_source(tmp_path / "good.pt", tmp_path / "net.pt", b"self.small", call)
    assert_refused(path, marker, "without a look")


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


# --- torch without it ---------------------------------------------------------------------------------------


def test_nothing_else_needs_torchscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is giving it up: without it, other networks are read and computed, and its files are refused."""
    torch.jit.script(Network("").eval()).save(str(tmp_path / "net.pt"))
    monkeypatch.setattr(torchscript, "_jit", None)
    monkeypatch.setattr(torchscript, "_Script", None)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()).eval()
    assert ex.segment(IMAGE[0, 0].numpy(), network).labels.shape == (8, 8)
    with pytest.raises(ValueError, match=r"has no TorchScript; .* torch.export.save"):
        ex.load_model(tmp_path / "net.pt")


def test_torchscript_has_one_home() -> None:
    """One module calls it, by a name that may be missing; others at most name it in a sentence."""
    folder = Path(ex.__file__).parent
    assert not [path.name for path in folder.rglob("*.py") if "torch.jit" in _code_of(path)]


def _code_of(path: Path) -> str:
    """Return the imports and attributes that a file uses, without its texts."""
    tree = ast.parse(path.read_text())
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.ImportFrom)]
    return " ".join(names)
