"""Files that torch writes, read without running what is in them: TorchScript, and weights alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from napari_exactile.geometry.words import counted
from napari_exactile.models.archive import Member, ModelFileError, check_zip, is_zip, read, require_file
from napari_exactile.models.pickles import Scan, scan

CONVERT = (
    "where you trust it, save it as TorchScript, torch.jit.script(network).save(...), or its state_dict()"
)
SCRIPT = "where it was made, save it again with torch.jit.script(network).save(...)"
PROTOCOL = 3  # the newest that torch reads without running code
PICKLE_BYTES = 64 << 20  # names, shapes and the like, without the weights
CODE_BYTES = 64 << 20

# Operators of TorchScript are those of torch; these touch files, whatever their arguments.
_LIBRARIES = {"aten", "prim", "prims", "quantized", "_quantized", "torchvision"}
_TOUCH_FILES = {"aten::save", "aten::from_file"}
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")

jit: Any = torch.jit  # its types are those of Python, not of what it makes


def load_torchscript(path: str | Path) -> nn.Module:
    """Return the network of a TorchScript file, on the CPU and in evaluation mode.

    Nothing of it has run: files whose loading would run a part of it, or that hold operators which touch
    files, are refused. Raises ModelFileError for them and for what is no TorchScript.
    """
    path = Path(path)
    members = check_zip(path)
    if not is_torchscript(members):
        raise ModelFileError(
            f"{path} is no TorchScript: it holds {listed(member.name for member in members)}"
        )
    _check_script(path, members)
    try:
        module: nn.Module = jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, AttributeError, EOFError) as error:
        raise ModelFileError(f"{path} cannot be read as TorchScript: {first_line(error)}") from error
    for kind in sorted(_operators(module)):
        if kind.split("::")[0] not in _LIBRARIES or kind in _TOUCH_FILES or "::rpc" in kind:
            raise ModelFileError(f"{path} would call {kind}, which does more than compute: it is not loaded")
    return module.eval()


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by their names, on the CPU.

    Reads safetensors and what torch.save makes of a state dict, also one in a dictionary with other things
    ("state_dict", "model", ...); "module." in front of all names, which DataParallel writes, is taken off.
    Raises ModelFileError for other files, pickled networks among them, which only running them would load.
    """
    path = Path(path)
    require_file(path)
    state = _safetensors(path) if is_safetensors(path) else _tensors_in(path, _unpickled(path))
    if not state:
        raise ModelFileError(f"{path} holds no tensors")
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def is_torchscript(members: tuple[Member, ...]) -> bool:
    """Return whether an archive holds what torch.jit.save writes."""
    names = {below(member.name) for member in members}
    return "constants.pkl" in names and "data.pkl" in names and any(n.startswith("code/") for n in names)


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins with the length of its header and the header."""
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return len(start) == 9 and start[8:] == b"{" and length < path.stat().st_size


def below(name: str) -> str:
    """Return the name of a member without the folder that all of torch's files lie in."""
    return name.partition("/")[2]


def listed(names: Any) -> str:
    """Return the first names and how many there are."""
    names = list(names)
    return f"{counted(len(names), 'file')} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def first_line(error: Exception) -> str:
    """Return the first line of what torch says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200].rstrip(".")


def _check_script(path: Path, members: tuple[Member, ...]) -> None:
    """Refuse code that runs while the file is loaded: __setstate__ and classes that are not TorchScript."""
    texts = [member for member in members if member.name.endswith((".py", ".pkl"))]
    if sum(member.size for member in texts) > CODE_BYTES:
        raise ModelFileError(f"{path} has more than {CODE_BYTES} bytes of code: no network does")
    for member in texts:
        text = read(path, member.name)
        if b"__setstate__" in text:
            raise ModelFileError(f"{path} would run code while it is loaded (__setstate__): {SCRIPT}")
        if re.search(rb"torch\s*[.\n]\s*classes\s*[.\n]", text):
            raise ModelFileError(
                f"{path} holds objects of torch.classes, which are not computed by tiles: {SCRIPT}"
            )


def _operators(module: Any) -> set[str]:
    """Return the operators of all methods and hooks of all parts, and of the functions that they call."""
    kinds: set[str] = set()
    for part in module.modules():
        script = part._c
        methods = [script._get_method(name) for name in script._method_names()]
        for method in (*methods, *script._get_forward_hooks(), *script._get_forward_pre_hooks()):
            graph = method.graph.copy()
            torch._C._jit_pass_inline(graph)
            kinds.update(_kinds(graph))
    return kinds


def _kinds(block: Any) -> Iterator[str]:
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _kinds(inner)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {first_line(error)}") from error


def _unpickled(path: Path) -> Any:
    """Return what torch.save has written, where it is made of tensors, numbers, strings and lists."""
    records = _check_zipped(path) if is_zip(path) else _check_legacy(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles fail in every way
        raise ModelFileError(f"{path} cannot be read as weights: {first_line(error)}") from error
    # torch believes what a pickle says of the length of a record, and would read on behind its end.
    tensors = (leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor))
    if records is not None and any(tensor.untyped_storage().nbytes() not in records for tensor in tensors):
        raise ModelFileError(f"{path} is damaged: a tensor is not as long as its numbers")
    return found


def _check_zipped(path: Path) -> frozenset[int] | None:
    """Refuse code in the pickle of a zipped file; return the bytes of its records."""
    members = check_zip(path)
    pickled = [member for member in members if below(member.name) == "data.pkl"]
    if is_torchscript(members) or len(pickled) != 1:
        kind = "TorchScript" if is_torchscript(members) else "not a file of weights"
        raise ModelFileError(f"{path} is {kind}: it holds {listed(member.name for member in members)}")
    if pickled[0].size > PICKLE_BYTES:
        raise ModelFileError(f"{path} has a pickle of {pickled[0].size} bytes: that of weights is small")
    _refuse_code(path, scan(io.BytesIO(read(path, pickled[0].name)), str(path)))
    return frozenset(member.size for member in members)


def _check_legacy(path: Path) -> frozenset[int] | None:
    """Refuse code, and numbers that would reserve more memory than the file has, in a file of torch < 1.6."""
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            raise ModelFileError(
                f"{path} is no file of weights: it begins neither as torch's nor as safetensors do"
            )
        file.seek(0)
        found = scan(file, str(path), pickles=5)
    _refuse_code(path, found)
    if found.largest > path.stat().st_size:
        raise ModelFileError(f"{path} announces more numbers than it holds: it was perhaps cut off")
    return None  # torch reads its weights in a row, and fails where there are too few


def _refuse_code(path: Path, found: Scan) -> None:
    if found.protocol > PROTOCOL:
        raise ModelFileError(f"{path} is pickled by protocol {found.protocol}: save it with torch.save alone")
    if code := found.code:
        names = ", ".join(code[:3]) + (", ..." if len(code) > 3 else "")
        raise ModelFileError(f"{path} is a pickle that runs code when it is loaded ({names}): {CONVERT}")


def beside_tensors(path: Path) -> tuple[str, ...]:
    """Return what else a file has in the dictionary that `load_state` found tensors in.

    It was looked at by then: nothing is checked again.
    """
    found = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(path))
    if not isinstance(found, Mapping) or _is_state(found):
        return ()
    used = next((key for key in _WRAPPERS if key in found and _is_state(found[key])), None)
    return tuple(str(key) for key in found if key != used)


def _is_state(one: Any) -> bool:
    return isinstance(one, Mapping) and bool(one) and all(isinstance(value, Tensor) for value in one.values())


def _tensors_in(path: Path, found: Any) -> dict[str, Tensor]:
    inner = [found] + [found[key] for key in _WRAPPERS if isinstance(found, Mapping) and key in found]
    for one in inner:
        if _is_state(one):
            return {str(name): tensor.detach() for name, tensor in one.items()}
    kind = (
        f"a dictionary of {', '.join(map(str, list(found)[:5]))}"
        if isinstance(found, Mapping)
        else "no state dict"
    )
    raise ModelFileError(f"{path} holds {kind}, not tensors by their names: {CONVERT}")
