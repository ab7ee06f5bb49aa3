"""A model file never executes code: each attack works on the loader that trusts, and not on this one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import napari_exactile as ex
from attacks import UNWARNED, Payload, assert_executes, assert_refused, rewritten
from napari_exactile.models.files.archive import ModelFileError, check_zip
from napari_exactile.models.files.exported import load_exported
from napari_exactile.models.files.expressions import UnsafeExpressionError, guard, size_expression
from napari_exactile.models.files.torch_files import load_state, load_torchscript

pytestmark = UNWARNED


# --- pickles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.bin", "net", "net.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_do_not_run(tmp_path: Path, marker: Path, name: str, zipped: bool, protocol: int) -> None:
    """Code in a pickle is named in the sentence and does not run, whatever the file is called."""
    path = tmp_path / name
    torch.save(
        {"weight": torch.zeros(2), "x": Payload(marker)}, path,
        pickle_protocol=protocol, _use_new_zipfile_serialization=zipped,
    )  # fmt: skip
    words = r"mkdir.*torch.export.save" if protocol == 2 else "protocol 4"
    assert_refused(path, marker, words)
    assert_executes(lambda: torch.load(io.BytesIO(path.read_bytes()), weights_only=False), marker)


def test_bare_pickles_do_not_run(tmp_path: Path, marker: Path) -> None:
    """What pickle.dump writes is no model file of torch."""
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps(Payload(marker)))
    assert_refused(path, marker)
    assert_executes(lambda: pickle.loads(path.read_bytes()), marker)


def test_pickled_networks_are_refused_with_the_remedy(tmp_path: Path, marker: Path) -> None:
    """torch.save(network) needs its code: the sentence says which class it is and how to save it instead."""
    path = tmp_path / "net.pth"
    torch.save(nn.Sequential(nn.Conv2d(1, 1, 1)), path)
    assert_refused(path, marker, r"torch.nn.modules.container.Sequential.*torch.export.save\(")


# --- torch.export -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a good file, with sizes that are computed: one side is halved and doubled."""
    path = tmp_path_factory.mktemp("exported") / "net.pt2"
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.ConvTranspose2d(2, 2, 2, 2))
    sizes = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    program = torch.export.export(network.eval(), (torch.zeros(1, 1, 8, 8),), dynamic_shapes=sizes)
    torch.export.save(program, path)
    return path


def program_of(path: Path) -> Any:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read(next(name for name in file.namelist() if name.endswith("model.json"))))


def with_program(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    program = program_of(source)
    change(program)
    return rewritten(source, target, {"models/model.json": json.dumps(program).encode()})


def torch_payload(marker: Path) -> bytes:
    file = io.BytesIO()
    torch.save(({"x": Payload(marker)},), file)
    return file.getvalue()


def test_sample_inputs_are_never_read(exported: Path, tmp_path: Path, marker: Path) -> None:
    """A pickle in place of the sample inputs runs in torch.export.load; here it is left out."""
    path = rewritten(exported, tmp_path / "net.pt2", {"data/sample_inputs/model.pt": torch_payload(marker)})
    assert ex.analyse(ex.load_model(path), (16, 16)).refusals == ()
    assert not marker.exists()
    assert_executes(lambda: torch.export.load(path), marker)


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_pickled_weights_and_constants_are_refused(
    exported: Path, tmp_path: Path, marker: Path, kind: str
) -> None:
    """Old files of pickled tensors are refused: torch would unpickle them with all that pickle can do."""
    path = rewritten(exported, tmp_path / "net.pt2", {f"data/{kind}/model.pt": torch_payload(marker)})
    assert_refused(path, marker, rf"pickled weights \(data/{kind}/model.pt\).*export it again")
    assert_executes(lambda: torch.export.load(path), marker)


@pytest.mark.parametrize("path_name", ["tensor_0", "opaque_obj_0"])
def test_single_pickled_constants_are_refused(
    exported: Path, tmp_path: Path, marker: Path, path_name: str
) -> None:
    """A constant that the table calls a pickle or an object is refused."""
    row = {"path_name": path_name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"c": row}}).encode()
    payload = pickle.dumps(Payload(marker)) if "opaque" in path_name else torch_payload(marker)
    changes = {"data/constants/model_constants_config.json": config, f"data/constants/{path_name}": payload}
    path = rewritten(exported, tmp_path / "net.pt2", changes)
    assert_refused(path, marker, "which runs code when it is loaded")
    assert_executes(lambda: torch.export.load(path), marker)


def test_the_format_before_is_refused(tmp_path: Path, marker: Path) -> None:
    """Archives of torch before 2.8 hold pickles of weights."""
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as file:
        for name in ("serialized_exported_program.json", "serialized_state_dict.pt", "version"):
            file.writestr(name, torch_payload(marker))
    assert_refused(tmp_path / "net.pt2", marker, "format of torch before 2.8, which holds pickles")


def first_size(program: Any) -> Any:
    """Return the table of a size that is an expression."""
    values = program["graph_module"]["graph"]["tensor_values"].values()
    sizes = (size for value in values for size in value["sizes"] if "as_expr" in size)
    return next(sizes)["as_expr"]


def attack_size(program: Any, code: str) -> None:
    first_size(program)["expr_str"] = code


def attack_guard(program: Any, code: str) -> None:
    program["guards_code"] = [code]


def attack_argument(program: Any, code: str) -> None:
    """Write into the head of a function, which names the argument twice: the quotes close at the second."""
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    call["forward_arg_names"] = [f'x={code}):\n    """\n    print(([']


def attack_structure(program: Any, code: str) -> None:
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    enum = json.dumps([{"__enum__": True, "fqn": "attack:X", "name": "x"}])
    spec = {"type": "builtins.dict", "context": enum, "children_spec": []}
    call["out_spec"] = json.dumps([1, spec])


ATTACKS = [attack_size, attack_guard, attack_argument, attack_structure]


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_is_never_evaluated(
    exported: Path, tmp_path: Path, marker: Path, attack: Callable[[Any, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Sizes, guards, names of arguments and structures that torch evaluates or imports are refused."""
    (tmp_path / "attack.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    code = f"__import__('os').mkdir({str(marker)!r})"
    path = with_program(exported, tmp_path / "net.pt2", lambda program: attack(program, code))
    assert_refused(path, marker, "holds more than a network can need")
    assert_executes(lambda: torch.export.load(path).module()(torch.zeros(1, 1, 8, 8)), marker)


@pytest.mark.parametrize("name", ["x=1", "x, y", "x\ny", "x)", "'", "x.y"])
def test_arguments_have_names(exported: Path, tmp_path: Path, marker: Path, name: str) -> None:
    """What is written into the head of a function is a name."""

    def change(program: Any) -> None:
        call = program["graph_module"]["module_call_graph"][0]["signature"]
        call["forward_arg_names"] = [name]

    assert_refused(with_program(exported, tmp_path / "net.pt2", change), marker, "instead of a name")


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.hub.load",
        "torch.ops.aten.from_file.default",
        "os.system",
        "builtins.eval",
        "torch.ops.aten.save.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten._reshape_alias.default",
        "torch.ops.prims.resize.default",
        "torch.ops.aten.randperm.default",
    ],
)
def test_only_operators_are_called(exported: Path, tmp_path: Path, marker: Path, target: str) -> None:
    """What a step calls is an operator of torch that computes, or arithmetic."""

    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = target

    path = with_program(exported, tmp_path / "net.pt2", change)
    assert_refused(path, marker, f"the operator '{target}'")


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row["tensor_meta"]["sizes"].append({"as_int": 1 << 40}),
        lambda row: row["tensor_meta"]["sizes"].append({"as_int": -1}),
        lambda row: row.update(path_name="weight_99"),
        lambda row: row.update(path_name="../../models/model.json"),
        lambda row: row.update(tensor_meta=None),
    ],
)
def test_weights_are_as_large_as_their_numbers(
    exported: Path, tmp_path: Path, marker: Path, change: Callable[[Any], None]
) -> None:
    """A table that asks for more memory than the file has numbers, or for another file, is refused."""
    with zipfile.ZipFile(exported) as file:
        config = json.loads(file.read(next(n for n in file.namelist() if n.endswith("weights_config.json"))))
    change(next(iter(config["config"].values())))
    name = "data/weights/model_weights_config.json"
    path = rewritten(exported, tmp_path / "net.pt2", {name: json.dumps(config).encode()})
    assert_refused(path, marker)


@pytest.mark.parametrize(
    "text",
    ["2*s0 + 1", "Mul(Integer(2), Symbol('s0', positive=True, integer=True))", "Max(1, FloorDiv(s0 - 1, 8))",
     "Pow(Symbol('s0'), Integer(2))", "Float('0.5', precision=53)", "true",
     "FloatPow(ToFloat(Symbol('s0')), Float('0.5', precision=53))"],
)  # fmt: skip
def test_sizes_are_arithmetic(text: str) -> None:
    """What torch writes for sizes passes, written anew with the same meaning."""
    assert size_expression(text).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["L['x'].size()[3] // 2 != 1", "max(1, L['x'].size()[2] * 4) >= -3",
     "L['xs'][0].size()[2] == 4 or 2 < L['x'].stride()[1]",
     "torch.sym_max(1, L['x'].size()[3] // 2) != torch.sym_min(2, L['x'].size()[2])",
     "math.trunc(0.5 * torch.sym_float(L['x'].size()[2])) >= 2",
     "(1 if L['x'].size()[2] > 3 else 2) * round(L['x'].size()[2] / 2) < 9"],
)  # fmt: skip
def test_guards_are_conditions_on_sizes(text: str) -> None:
    """What torch writes for guards passes."""
    assert guard(text) == text


@pytest.mark.parametrize(
    "text",
    ["open('x')", "s0.__class__", "[s0 for s0 in (1,)]", "lambda: 1", "f'{s0}'", "(s0 := 1)", "9**9**9",
     "Symbol('__import__')", "Integer('1')", "Max(*s0)", "os", "s0 if s1 else s2", "Pow(10, Pow(10, 10))",
     "1 << 99", "'text'", "L['x'].__class__", "L['x'].size().__class__", "L['x'].size()['a']", "L",
     "max(1, key=s0)", "Pow(Pow(9, 8), 8)", "(9 ** 8) ** 8", "FloatPow(2, 9)",
     "torch.sym_max.__class__", "torch.load('x')", "torch.sym_max('x', 1)", "torch.os.sym_max(1, 2)",
     "math.sym_max(1)", "open('x') if 1 else 2",
     "", "1;2", "1" * 30, "(" * 9000, "-" * 4000 + "1", "#", "s0\nimport os"],
)  # fmt: skip
@pytest.mark.parametrize("understand", [size_expression, guard])
def test_anything_else_is_no_arithmetic(text: str, understand: Callable[[str], str]) -> None:
    """Calls, attributes, strings, comprehensions and endless powers are refused."""
    with pytest.raises(UnsafeExpressionError):
        understand(text)


# --- weights -----------------------------------------------------------------------------------------------


def test_numbers_behind_the_end_are_not_read(tmp_path: Path, marker: Path) -> None:
    """A pickle that says a record is longer than it is would show whatever lies behind it in memory."""
    torch.save({"weight": torch.zeros(4)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as file:
        data = file.read("good/data.pkl")
    # The number of elements of the storage, and of the tensor.
    longer = data.replace(b"cpuq\x04K\x04", b"cpuq\x04K\x50").replace(b"K\x04\x85", b"K\x50\x85")
    assert longer != data
    path = rewritten(tmp_path / "good.pth", tmp_path / "net.pth", {"data.pkl": longer})
    assert_refused(path, marker)


def test_old_files_reserve_no_more_than_they_hold(tmp_path: Path, marker: Path) -> None:
    """An old file that announces a billion numbers is refused before they are reserved."""
    good, path = tmp_path / "good.pth", tmp_path / "net.pth"
    torch.save({"weight": torch.zeros(0x1234)}, good, _use_new_zipfile_serialization=False)
    path.write_bytes(good.read_bytes().replace(b"M\x34\x12", b"J\x00\x00\x00\x40"))
    assert_refused(path, marker, "announces more numbers than it holds")


def test_old_files_may_hold_any_whole_number(tmp_path: Path) -> None:
    """A seed, say, in a checkpoint of old is no length of a tensor: the weights are loaded."""
    network = nn.Conv2d(1, 2, 3)
    content = {"state_dict": network.state_dict(), "seed": 1 << 62, "hash": 1 << 200}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(load_state(tmp_path / "net.pth")["weight"], network.weight)


def test_tensors_of_old_files_lie_in_their_numbers(tmp_path: Path, marker: Path) -> None:
    """A tensor that is larger than its storage, for which torch would reserve memory, is refused."""
    good, path = tmp_path / "good.pth", tmp_path / "net.pth"
    torch.save({"weight": torch.zeros(0x1234)}, good, _use_new_zipfile_serialization=False)
    data = good.read_bytes()
    assert data.count(b"M\x34\x12") == 2  # the length of the numbers, and then of the tensor
    before, _, after = data.rpartition(b"M\x34\x12")
    path.write_bytes(before + b"J\x00\x00\x00\x40" + after)
    assert_refused(path, marker, "a tensor reaches behind the end of its numbers")


# --- damage -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good_files(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return good files of each kind."""
    folder = tmp_path_factory.mktemp("good")
    network = nn.Conv2d(1, 2, 3)
    torch.jit.script(network).save(str(folder / "script"))
    torch.save(network.state_dict(), folder / "state")
    torch.save(network.state_dict(), folder / "old", _use_new_zipfile_serialization=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"net.pt2": exported.read_bytes()}


@pytest.mark.parametrize("kind", ["script", "state", "old", "net.pt2"])
def test_files_that_were_cut_off_are_said_to_be(
    good_files: dict[str, bytes], tmp_path: Path, marker: Path, kind: str
) -> None:
    """A file that ends anywhere before its end gives one sentence."""
    data = good_files[kind]
    for length in {1, 2, 4, 8, 30, len(data) // 3, len(data) // 2, len(data) - 30, len(data) - 1}:
        (tmp_path / "net.pt").write_bytes(data[:length])
        assert_refused(tmp_path / "net.pt", marker)


@pytest.mark.parametrize("load", [ex.load_model, load_state, load_torchscript, load_exported, check_zip])
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\x00", ""), (bytes(range(256)) * 9, ""), (b"PK\3\4" + bytes(99), ""),
     (b"\x80\x02" + bytes(99), ""), (b"\x09" + bytes(7) + b"{nonsense}", ""), (b"\x89HDF\r\n", "")],
)  # fmt: skip
def test_other_files_are_no_models(
    tmp_path: Path, load: Callable[[Path], object], content: bytes, words: str
) -> None:
    """Empty files, random bytes and files of other programs give one sentence from every reader."""
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("load", [ex.load_model, load_state, load_torchscript, load_exported, check_zip])
def test_folders_and_missing_files_are_said_to_be(tmp_path: Path, load: Callable[[Path], object]) -> None:
    """A folder is no file, and what is not there is not there."""
    with pytest.raises(ModelFileError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ModelFileError, match="there is no file"):
        load(tmp_path / "none.pt")
