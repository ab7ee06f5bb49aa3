"""Whole networks in files, TorchScript and torch.export, that are damaged or could do more than compute."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari_exactile as ex
from attacks import rewritten
from napari_exactile.models.files.exported import load_exported
from napari_exactile.models.ways_out import AGAIN, EXPORTED
from sentences.table import Rows

ROWS = Rows("programs")
MORE = "{folder}/net.pt2 holds more than a network can need, and is not loaded:"
DAMAGED = "{folder}/net.pt2 is damaged:"
MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


# --- torch.export


@cache
def exported() -> bytes:
    """A good file, with sizes that are computed."""
    import torch
    from torch import nn

    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.ConvTranspose2d(2, 2, 2, 2))
    sizes = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network.eval(), (torch.zeros(1, 1, 8, 8),), dynamic_shapes=sizes)
        torch.export.save(program, Path(folder) / "net.pt2")
        return (Path(folder) / "net.pt2").read_bytes()


def loaded(folder: Path, changes: dict[str, bytes | None]) -> Any:
    """Load an exported program, some of whose files are others."""
    (folder / "good.pt2").write_bytes(exported())
    return ex.load_model(rewritten(folder / "good.pt2", folder / "net.pt2", changes))


def said(folder: Path, name: str, change: Callable[[Any], Any]) -> Any:
    """Load an exported program after a change of what one of its files says."""
    (folder / "good.pt2").write_bytes(exported())
    with zipfile.ZipFile(folder / "good.pt2") as file:
        content = json.loads(file.read(next(one for one in file.namelist() if one.endswith(name))))
    change(content)
    return loaded(folder, {name: json.dumps(content).encode()})


def graph(content: Any) -> Any:
    return content["graph_module"]["graph"]


def signature(content: Any) -> Any:
    return content["graph_module"]["module_call_graph"][0]["signature"]


def made_of(kind: str | None, context: Any) -> str:
    """How outputs are nested, in one thing of a kind."""
    spec = {"type": kind, "context": context, "children_spec": []}
    return json.dumps([1, spec])


def program(name: str, words: str, change: Callable[[Any], Any]) -> None:
    """Add a row of a program that was changed."""

    def provoke(folder: Path) -> Any:
        return said(folder, MODEL, change)

    provoke.__name__ = name
    ROWS.says(f"{MORE} {words}; {EXPORTED}")(provoke)


program(
    "operator_that_is_none",
    "the operator 'os.system', which is not known to compute and do nothing else",
    lambda one: graph(one)["nodes"][0].update(target="os.system"),
)
program("program_without_a_graph", "there is no graph in it", lambda one: one["graph_module"].pop("graph"))
program(
    "objects", "objects that are no tensors", lambda one: graph(one).update(custom_obj_values={"a": {"b": 1}})
)
program(
    "table_for_a_text", "a table instead of the text target",
    lambda one: graph(one)["nodes"][0].update(target={"a": 1}),
)  # fmt: skip
program(
    "outputs_not_described", "inputs or outputs that are not described",
    lambda one: signature(one).update(out_spec="text"),
)  # fmt: skip
program(
    "outputs_of_another_kind", "inputs or outputs in a attack.Kind",
    lambda one: signature(one).update(out_spec=made_of("attack.Kind", None)),
)  # fmt: skip
program(
    "outputs_of_other_names", """inputs or outputs called '[{"a": 1}]'""",
    lambda one: signature(one).update(out_spec=made_of("builtins.dict", '[{"a": 1}]')),
)  # fmt: skip
program(
    "names_that_are_none", "'x=1' instead of a name",
    lambda one: signature(one).update(forward_arg_names=["x=1"]),
)  # fmt: skip
program(
    "text_that_is_none", "the text 'a\\nb'",
    lambda one: graph(one)["nodes"][0]["inputs"].append({"arg": {"as_string": "a\nb"}}),
)  # fmt: skip
program("guard_that_is_code", """"open('x')\"""", lambda one: one.update(guards_code=["open('x')"]))
program(
    "guard_that_does_not_end", "an expression of 6000 characters",
    lambda one: one.update(guards_code=["1" * 6000]),
)  # fmt: skip


@ROWS.says(
    "{folder}/net.pt2 is no exported program, but holds 1 file (a): name the file that torch.export.save has "
    "written"
)
def archive_of_something(folder: Path) -> Any:
    with zipfile.ZipFile(folder / "net.pt2", "w") as file:
        file.writestr("a", b"x")
    return load_exported(folder / "net.pt2")


@ROWS.says(f"{{folder}}/net.pt2 is in the format of torch before 2.8, which holds pickles: {EXPORTED}")
def old_format(folder: Path) -> Any:
    with zipfile.ZipFile(folder / "net.pt2", "w") as file:
        file.writestr("serialized_exported_program.json", b"{}")
    return ex.load_model(folder / "net.pt2")


@ROWS.says(f"{{folder}}/net.pt2 holds compiled machine code (AOTInductor), not a network: {EXPORTED}")
def machine_code(folder: Path) -> Any:
    return loaded(folder, {"data/aotinductor/a.so": b"x"})


@ROWS.says(f"{{folder}}/net.pt2 holds pickled weights (data/weights/a.pt): {EXPORTED}")
def pickled_weights(folder: Path) -> Any:
    return loaded(folder, {"data/weights/a.pt": b"x"})


@ROWS.says(f"{{folder}}/net.pt2 holds models/model.json and models/other.json, not one program: {EXPORTED}")
def two_programs(folder: Path) -> Any:
    return loaded(folder, {"models/other.json": b"{}"})


@ROWS.says(f"{DAMAGED} it has no {WEIGHTS}, or one that is too large; copy it again")
def without_weights(folder: Path) -> Any:
    return loaded(folder, {WEIGHTS: None})


@ROWS.says(f"{DAMAGED} models/model.json cannot be read; copy it again")
def program_cut_off(folder: Path) -> Any:
    return loaded(folder, {MODEL: b"{"})


@ROWS.says(f"{DAMAGED} its table of weights cannot be read; copy it again")
def table_that_is_a_list(folder: Path) -> Any:
    return loaded(folder, {WEIGHTS: b"[]"})


@ROWS.says(f"{DAMAGED} 'a/b' is none of its weights; copy it again")
def weights_of_another_name(folder: Path) -> Any:
    return said(folder, WEIGHTS, lambda one: one["config"].update({"a/b": {}}))


@ROWS.says(f"{DAMAGED} ... is larger than its numbers; copy it again")
def weights_larger_than_their_file(folder: Path) -> Any:
    def change(content: Any) -> None:
        next(iter(content["config"].values()))["tensor_meta"]["sizes"].append({"as_int": 1 << 40})

    return said(folder, WEIGHTS, change)


@ROWS.says(
    f"{{folder}}/net.pt2 holds ... as a pickle or an object, which runs code when it is loaded: {EXPORTED}"
)
def weights_as_a_pickle(folder: Path) -> Any:
    return said(folder, WEIGHTS, lambda one: next(iter(one["config"].values())).update(use_pickle=True))


@ROWS.says(
    "{folder}/net.pt2 cannot be read as an exported program: it is damaged, or from another version of "
    f"torch; copy it again, or {EXPORTED}"
)
def program_of_another_version(folder: Path) -> Any:
    return said(folder, MODEL, lambda one: one.update(schema_version={"major": 99, "minor": 0}))


# --- TorchScript


def script(folder: Path, network: Any, change: dict[str, bytes | None] | None = None) -> Any:
    """Load a network as TorchScript, some of whose files are others."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript will go
        torch.jit.script(network.eval()).save(str(folder / "good.pt"))
    return ex.load_model(rewritten(folder / "good.pt", folder / "net.pt", change or {}))


def sourced(folder: Path, change: Callable[[bytes], bytes], network: Any = None) -> Any:
    """Load a network as TorchScript whose source was changed."""
    import torch
    from torch import nn

    network = network or nn.Sequential(nn.Conv2d(1, 2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network.eval()).save(str(folder / "first.pt"))
    with zipfile.ZipFile(folder / "first.pt") as file:
        names = [name for name in file.namelist() if name.endswith(".py")]
        texts = {name.partition("/")[2]: change(file.read(name)) for name in names}
    return ex.load_model(rewritten(folder / "first.pt", folder / "net.pt", dict(texts)))


def source(name: str, words: str, change: Callable[[bytes], bytes]) -> None:
    """Add a row of TorchScript whose source was changed."""

    def provoke(folder: Path) -> Any:
        return sourced(folder, change)

    provoke.__name__ = name
    ROWS.says(f"{{folder}}/net.pt {words}: {AGAIN}")(provoke)


NONE = "has source that is none of TorchScript"
source("source_cut_off", NONE, lambda text: text[: len(text) // 2])
source("source_in_other_letters", NONE, lambda text: text + b"\nclass A:\n  a = '\\u4e00'\n")
source("source_with_lambdas", f"{NONE} (Lambda)", lambda text: text + b"\nx = lambda: 1\n")
source("source_with_decorators", f"{NONE} (decorators)", lambda text: text + b"\n@a\ndef b():\n  return 1\n")
source(
    "statements_in_a_class", f"{NONE} (statements in a class)",
    lambda text: text + b"\nclass A:\n  if 1:\n    pass\n",
)  # fmt: skip
source(
    "value_taken_for_an_object", "takes a value for a __torch__.A without a look",
    lambda text: text + b"\ndef a(b: int) -> int:\n  return unchecked_cast(__torch__.A, b)\n",
)  # fmt: skip
source(
    "default_that_is_computed", "would run code while it is loaded (writes('x'))",
    lambda text: text + b"\ndef a(b: int=writes('x')) -> int:\n  return b\n",
)  # fmt: skip
source(
    "state_that_is_restored", "would run code while it is loaded (__setstate__)",
    lambda text: text + b"\nclass A:\n  def __setstate__(self, b: int) -> None:\n    pass\n",
)  # fmt: skip
source(
    "classes_of_torch", "holds objects of torch.classes, which are not computed by tiles",
    lambda text: text + b"\ndef a(b: int) -> int:\n  return torch.classes.c.d(b)\n",
)  # fmt: skip
source(
    "much_source", "has more than 8388608 bytes of code, and no network does",
    lambda text: text + b"#" * (8 << 20),
)  # fmt: skip


# A second class of this name in one process gets a number.
CONV = re.compile(rb"c__torch__\.torch\.nn\.modules\.conv(\.___torch_mangle_\d+)?\nConv2d\n")


def pickled(name: str, words: str, change: Callable[[bytes], bytes]) -> None:
    """Add a row of TorchScript whose pickle was changed."""

    def provoke(folder: Path) -> Any:
        from torch import nn

        script(folder, nn.Sequential(nn.Conv2d(1, 2, 3)))
        with zipfile.ZipFile(folder / "good.pt") as file:
            data = file.read("good/data.pkl")
        new = change(data)
        assert new != data
        return ex.load_model(rewritten(folder / "good.pt", folder / "net.pt", {"data.pkl": new}))

    provoke.__name__ = name
    ROWS.says(f"{{folder}}/net.pt {words}: {AGAIN}")(provoke)


pickled(
    "object_of_another_class",
    "is damaged (... of ... holds a __torch__.torch.nn.modules.container.Sequential, not: ...)",
    lambda data: CONV.sub(b"c__torch__.torch.nn.modules.container\nSequential\n", data),
)
pickled(
    "part_that_is_none", "holds os.system, which is no part of a network",
    lambda data: CONV.sub(b"cos\nsystem\n", data),
)  # fmt: skip
pickled(
    "object_of_torch_classes", "holds objects of torch.classes, which are not computed by tiles",
    lambda data: CONV.sub(b"ctorch.classes.a\nB\n", data),
)  # fmt: skip
pickled(
    "pickle_of_much", "has a pickle of ... bytes, and that of a network is small",
    lambda data: data + bytes(17 << 20),
)  # fmt: skip


@ROWS.says(
    "{folder}/net.pt cannot be read as TorchScript: it is damaged, or from another version of torch; copy it "
    f"again, or {AGAIN}"
)
def source_of_nothing(folder: Path) -> Any:
    return sourced(folder, lambda text: text.replace(b"torch.conv2d(", b"torch.no_such("))


@ROWS.says(
    "{folder}/net.pt would call aten::save, which is not among the operators that are known to compute and "
    "do nothing else, so it is not loaded: where you trust it, load it with torch.jit.load(path).eval() and "
    "pass that, or name a function that returns it (package.module:factory)"
)
def operator_that_writes(folder: Path) -> Any:
    from script_nets import Saves

    return script(folder, Saves(str(folder / "x")))
