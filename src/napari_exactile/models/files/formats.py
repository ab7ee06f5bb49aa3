"""The network in a file, whatever wrote it: told by what is in the file, not by what it is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn
from torch.export import ExportedProgram

from napari_exactile.models.architectures import NoArchitectureError, network_of
from napari_exactile.models.files.archive import (
    Member,
    ModelFileError,
    below,
    check_zip,
    is_zip,
    require_file,
)
from napari_exactile.models.files.exported import is_exported, load_exported
from napari_exactile.models.files.others import is_called_otherwise, other_file, other_folder
from napari_exactile.models.files.torch_files import (
    is_safetensors,
    is_torchscript,
    load_state,
    load_torchscript,
)
from napari_exactile.models.ways_out import AGAIN

SUFFIXES = (".pt", ".pth", ".ts", ".torchscript", ".pt2", ".safetensors", ".ckpt", ".bin", ".zip")
FACTORY = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
KNOWN = "TorchScript, torch.export (.pt2), or weights (of torch.save or safetensors)"


def is_path(what: str) -> bool:
    """Return whether a text names a file rather than a model: by a separator, a suffix, or as it is there."""
    named = what.lower().endswith(SUFFIXES) or is_called_otherwise(what)
    return "/" in what or "\\" in what or named or Path(what).exists()


def network_in(path: Path, architecture: str | None = None, **parameters: Any) -> nn.Module | ExportedProgram:
    """Return the network in a file; nothing in it is run.

    Weights alone are loaded into the built-in `architecture` that they fit. Raises ModelFileError for what is
    no model, is damaged or is not safe.
    """
    if path.is_dir():
        raise ModelFileError(other_folder(path))
    require_file(path)
    members = check_zip(path) if is_zip(path) else ()
    whole = is_torchscript(members) or is_exported(members)
    if whole and (architecture or parameters):
        names = ", ".join(parameters) or "architecture"
        raise ModelFileError(
            f"{path} holds a whole network, of which nothing is to be chosen: leave out {names}"
        )
    if is_torchscript(members):
        return load_torchscript(path)
    if is_exported(members):
        return load_exported(path)
    _refuse_others(path, members)
    try:
        return network_of(load_state(path), architecture, **parameters)
    except NoArchitectureError as error:
        raise ModelFileError(f"{path}: {error}") from error


def made_by(factory: str) -> nn.Module:
    """Return the network that package.module:factory makes, in evaluation mode. This runs code.

    Raises ValueError where there is no such function or it makes something else.
    """
    module, _, name = factory.partition(":")
    try:
        make = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        remedy = "install it, or add its folder to PYTHONPATH"
        raise ValueError(f"{factory} cannot be imported: there is no {error.name}; {remedy}") from error
    except ImportError as error:
        raise ValueError(f"{factory} cannot be imported: {error}; mend what it imports") from error
    if make is None:
        raise ValueError(
            f"{factory} cannot be imported: there is no {name} in {module}; name one that is there"
        )
    made = make() if callable(make) else make
    if not isinstance(made, nn.Module):
        raise ValueError(
            f"{factory} makes a {type(made).__name__}, not a torch.nn.Module: name a function that "
            "returns one"
        )
    return made.eval()


def _refuse_others(path: Path, members: Sequence[Member]) -> None:
    """Refuse what torch has not written; pickles are told apart where they are read."""
    with path.open("rb") as file:
        pickled = file.read(1) == b"\x80" or any(below(member.name) == "data.pkl" for member in members)
    if pickled or is_safetensors(path):
        return
    if words := other_file(path, [member.name for member in members]):
        raise ModelFileError(words)
    if not members:
        raise ModelFileError(f"{path} is no model file that is known, {KNOWN}: {AGAIN}")
