"""Files that torch writes, read without running what is in them: TorchScript, and weights alone.

torch never sees a file of TorchScript: what is data is copied into a new one, and its source is written anew
from what was understood of it. Only operators that are known to compute and do nothing else may be in it.
"""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_exactile import torchscript
from napari_exactile.apart import TrialError
from napari_exactile.models.files import archive
from napari_exactile.models.files.archive import (
    Member,
    ModelFileError,
    below,
    check_zip,
    is_zip,
    listed,
    read,
    require_file,
)
from napari_exactile.models.files.operators import PURE
from napari_exactile.models.files.others import said
from napari_exactile.models.files.pickles import Scan, is_of_torch, scan, what_is_pickled
from napari_exactile.models.files.script_objects import check_objects
from napari_exactile.models.files.script_source import CODE_BYTES, UnsafeSourceError, rewritten
from napari_exactile.models.files.storages import (
    PICKLE_BYTES,
    DamagedPickleError,
    Described,
    OtherNumbersError,
    bytes_of_tensors,
    check_tensors,
    other_numbers,
)
from napari_exactile.models.ways_out import AGAIN, STATE, TRUSTED
from napari_exactile.torchscript import NoTorchScriptError
from napari_exactile.wrappers import names_inside

PROTOCOL = 3  # the newest that torch reads without running code
OTHERWISE = (
    "where you trust it, load it with torch.jit.load(path).eval() and pass that, or name a function that "
    "returns it (package.module:factory)"
)

Looked = TypeVar("Looked")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_RECORDS = re.compile(r"(data|constants)/[\w.]+")
_TOLD = ("version", ".data/version", "byteorder")  # of the file as a whole, in a few letters
# What a pickle of TorchScript names: tensors, lists, and the classes in its own source.
_NAMED = re.compile(
    r"__torch__\.[\w.]+|torch\.\w+Storage|torch\._utils\._rebuild_tensor_v2|collections\.OrderedDict"
    r"|torch\.device|torch\.jit\._pickle\.(build_\w+list|restore_type_tag)"
)


def load_torchscript(path: str | Path) -> nn.Module:
    """Return the network of a TorchScript file, on the CPU and in evaluation mode.

    Nothing of it has run: files whose loading would run a part of it, and those with any operator that is not
    known to compute and do nothing else, are refused. It is loaded in a process of its own first. Raises
    ModelFileError for them, for damaged files and for what is no TorchScript.
    """
    path = Path(path)
    members = check_zip(path)
    if not is_torchscript(members):
        raise ModelFileError(
            f"{path} is no TorchScript, but holds {listed(member.name for member in members)}: name the "
            "file that torch.jit.save has written"
        )
    with tempfile.TemporaryDirectory(prefix="exactile-") as folder:
        copy = Path(folder) / "network.pt"
        _copy_script(path, members, copy)
        return _compiled(path, copy).eval()


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by their names, on the CPU.

    Reads safetensors and what torch.save makes of a state dict, also one in a dictionary with other things
    ("state_dict", "model", ...); what DataParallel, torch.compile and the like write in front of all names is
    taken off.
    Raises ModelFileError for other files, pickled networks among them, which only running them would load.
    """
    path = Path(path)
    require_file(path)
    state = _safetensors(path) if is_safetensors(path) else _tensors_in(path, _unpickled(path))
    if not state:
        raise ModelFileError(f"{path} holds no tensors: save network.state_dict() in it")
    return names_inside(state)


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


def _copy_script(path: Path, members: tuple[Member, ...], copy: Path) -> None:
    """Write what torch needs of the file into a new one: checked pickles, source written anew, numbers."""
    names = {below(member.name): member for member in members}
    source = {name: one for name, one in names.items() if name.startswith("code/") and name.endswith(".py")}
    if sum(one.size for one in source.values()) > CODE_BYTES:
        raise ModelFileError(f"{path} has more than {CODE_BYTES} bytes of code, and no network does: {AGAIN}")
    records = {name: one for name, one in names.items() if _RECORDS.fullmatch(name)}
    sizes = {name: one.size for name, one in records.items()}
    pickles = {
        kind: _checked_pickle(path, names[f"{kind}.pkl"], kind, sizes) for kind in ("data", "constants")
    }
    try:
        sources = {name: rewritten(read(path, one.name)) for name, one in source.items()}
        for _data, described in pickles.values():
            check_objects(described.holds, sources)
    except UnsafeSourceError as error:
        raise ModelFileError(f"{path} {error}: {AGAIN}") from error
    texts = {name: one.text for name, one in sources.items()}
    texts |= {f"{kind}.pkl": data for kind, (data, _described) in pickles.items()}
    texts |= {name: read(path, names[name].name)[:16] for name in _TOLD if name in names}
    archive.copy(
        path, copy, {f"network/{name}": text for name, text in texts.items()},
        {f"network/{name}": one.name for name, one in records.items()},
    )  # fmt: skip


def _checked_pickle(
    path: Path, member: Member, kind: str, sizes: Mapping[str, int]
) -> tuple[bytes, Described]:
    """Return a pickle of TorchScript that describes only tensors that are there, and runs nothing."""
    if member.size > PICKLE_BYTES:
        raise ModelFileError(
            f"{path} has a pickle of {member.size} bytes, and that of a network is small: {AGAIN}"
        )
    data = read(path, member.name)
    if re.search(rb"torch\s*[.\n]\s*classes\s*[.\n]", data):
        raise ModelFileError(
            f"{path} holds objects of torch.classes, which are not computed by tiles: {AGAIN}"
        )
    own = {name.removeprefix(f"{kind}/"): size for name, size in sizes.items() if name.startswith(f"{kind}/")}
    described = _described(path, data, own)
    if others := sorted(name for name in described.names if not _NAMED.fullmatch(name)):
        raise ModelFileError(f"{path} holds {others[0]}, which is no part of a network: {AGAIN}")
    return data, described


def _described(path: Path, data: bytes, sizes: Mapping[str, int]) -> Described:
    """Return what a pickle describes, if all of it is there and can be computed with."""
    return _looked_at(path, check_tensors, data, sizes)


def _looked_at(path: Path, look: Callable[..., Looked], data: bytes, *more: Any) -> Looked:
    """Return what is seen in a pickle; what is wrong with it is said of the file."""
    try:
        return look(data, *more)
    except DamagedPickleError as error:
        raise ModelFileError(f"{path} is damaged: {error}; copy it again") from error
    except OtherNumbersError as error:
        raise ModelFileError(f"{path} {error}") from error


def _compiled(path: Path, copy: Path) -> nn.Module:
    """Return the network, unless it calls what is not known to compute and do nothing else, anywhere."""
    try:
        module, kinds = torchscript.load(copy)
    except TrialError as error:
        raise ModelFileError(
            f"{path} is not loaded: tried in a process of its own, it {error}; {AGAIN}"
        ) from error
    except NoTorchScriptError as error:
        raise ModelFileError(f"{path} cannot be read as TorchScript: {error}") from error
    except Exception as error:  # damaged files fail in every way
        raise ModelFileError(
            f"{path} cannot be read as TorchScript: it is damaged, or from another version of torch; copy it "
            f"again, or {AGAIN}"
        ) from error

    if others := sorted(kinds - PURE):
        raise ModelFileError(
            f"{path} would call {others[0]}, which is not among the operators that are known to compute and "
            f"do nothing else, so it is not loaded: {OTHERWISE}"
        )
    return module


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged, or was cut off: copy it again") from error


def _unpickled(path: Path) -> Any:
    """Return what torch.save has written, where it is made of tensors, numbers, strings and lists."""
    if is_zip(path):
        _check_zipped(path)
    else:
        _check_legacy(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles fail in every way
        raise ModelFileError(f"{path} cannot be read as weights: it is damaged; copy it again") from error


def _check_zipped(path: Path) -> None:
    """Refuse code in the pickle of a zipped file, and tensors that are not all there."""
    members = check_zip(path)
    pickled = [member for member in members if below(member.name) == "data.pkl"]
    if is_torchscript(members) or len(pickled) != 1:
        kind = "TorchScript and no file of weights" if is_torchscript(members) else "no file of weights"
        raise ModelFileError(f"{path} is {kind}, but holds {listed(one.name for one in members)}: {STATE}")
    if pickled[0].size > PICKLE_BYTES:
        raise ModelFileError(
            f"{path} has a pickle of {pickled[0].size} bytes, and that of weights is small: {STATE}"
        )
    data, folder = read(path, pickled[0].name), pickled[0].name.removesuffix(".pkl") + "/"
    _refuse_code(path, scan(io.BytesIO(data), str(path)))
    sizes = {one.name.removeprefix(folder): one.size for one in members if one.name.startswith(folder)}
    _described(path, data, sizes)


def _check_legacy(path: Path) -> None:
    """Refuse code, and numbers that would reserve more memory than the file has, in a file of torch < 1.6."""
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            raise ModelFileError(
                f"{path} is no file of weights, and begins neither as torch's nor as safetensors do: {STATE}"
            )
        file.seek(0)
        if not is_of_torch(file):
            file.seek(0)
            raise ModelFileError(f"{path} {said(what_is_pickled(file))}")
        file.seek(0)
        _refuse_code(path, scan(file, str(path), pickles=3))
        start = file.tell()
        _refuse_code(path, scan(file, str(path)))
        length = file.tell() - start
        _refuse_code(path, scan(file, str(path)))
        held = path.stat().st_size - file.tell()
        file.seek(start)
        data = file.read(length)
    if _looked_at(path, bytes_of_tensors, data) > held:
        raise ModelFileError(
            f"{path} announces more numbers than it holds: it was perhaps cut off; copy it again"
        )


def _refuse_code(path: Path, found: Scan) -> None:
    if found.protocol > PROTOCOL:
        raise ModelFileError(f"{path} is pickled by protocol {found.protocol}: save it with torch.save alone")
    if "torch._utils._rebuild_qtensor" in found.names:
        remedy = "save the network as it was before it was quantised"
        raise ModelFileError(f"{path} holds quantised numbers, whose rounding is not followed: {remedy}")
    code = found.code
    types = [
        name for name in code if isinstance(getattr(torch, name.removeprefix("torch."), None), torch.dtype)
    ]
    if types:
        raise ModelFileError(f"{path} {other_numbers(types[0].removeprefix('torch.'))}")
    if code:
        names = ", ".join(code[:3]) + (", ..." if len(code) > 3 else "")
        raise ModelFileError(f"{path} is a pickle that runs code when it is loaded ({names}): {TRUSTED}")


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
    keys = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else ""
    kind = f"a dictionary of {keys or 'nothing'}" if isinstance(found, Mapping) else "something else"
    raise ModelFileError(f"{path} holds {kind}, not tensors by their names: {STATE}")
