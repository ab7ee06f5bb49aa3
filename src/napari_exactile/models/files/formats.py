"""The network in a file, whatever wrote it: told by what is in the file, not by what it is called."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn
from torch.export import ExportedProgram

from napari_exactile.models.architectures import NoArchitectureError, network_of
from napari_exactile.models.files.archive import ModelFileError, check_zip, is_zip, require_file
from napari_exactile.models.files.exported import is_exported, load_exported
from napari_exactile.models.files.torch_files import (
    SCRIPT,
    is_safetensors,
    is_torchscript,
    load_state,
    load_torchscript,
)

SUFFIXES = (".pt", ".pth", ".ts", ".torchscript", ".pt2", ".safetensors", ".ckpt", ".bin", ".zip")
FACTORY = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
KNOWN = "TorchScript, torch.export (.pt2), or weights (a state dict or safetensors)"
# How files begin that people take for models of torch.
_OTHERS = {
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"<!DO": "a page of HTML and not the file itself: download it again",
    b"<htm": "a page of HTML and not the file itself: download it again",
    b"vers": "perhaps a pointer of git-lfs and not the file itself: fetch it with git lfs pull",
}


def is_path(what: str) -> bool:
    """Return whether a text names a file rather than a model: by a separator, a suffix, or as it is there."""
    return "/" in what or "\\" in what or what.lower().endswith(SUFFIXES) or Path(what).exists()


def network_in(path: Path, architecture: str | None = None, **parameters: Any) -> nn.Module | ExportedProgram:
    """Return the network in a file; nothing in it is run.

    Weights alone are loaded into the built-in `architecture` that they fit. Raises ModelFileError for what is
    no model, is damaged or is not safe.
    """
    require_file(path)
    members = check_zip(path) if is_zip(path) else ()
    whole = is_torchscript(members) or is_exported(members)
    if whole and (architecture or parameters):
        names = ", ".join(parameters) or "architecture"
        raise ModelFileError(f"{path} holds a whole network, of which nothing is to be chosen: {names}")
    if is_torchscript(members):
        return load_torchscript(path)
    if is_exported(members):
        return load_exported(path)
    _refuse_others(path)
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
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{factory} cannot be imported: {error}") from error
    made = make() if callable(make) else make
    if not isinstance(made, nn.Module):
        raise ValueError(f"{factory} makes a {type(made).__name__}, not a torch.nn.Module")
    return made.eval()


def _refuse_others(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    for magic, kind in _OTHERS.items():
        if start.startswith(magic):
            raise ModelFileError(f"{path} is {kind}; models are {KNOWN}")
    if not (is_zip(path) or is_safetensors(path) or start.startswith(b"\x80")):
        raise ModelFileError(f"{path} is no model file that is known, {KNOWN}: {SCRIPT}")
