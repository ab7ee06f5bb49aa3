"""The network of a bioimage.io package: its TorchScript, or its weights in what its code makes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from napari_exactile.carried import Carried
from napari_exactile.geometry.words import joined
from napari_exactile.models.bioimageio.package import FETCHED_AGAIN, Package, check_sha256
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.files.torch_files import load_state, load_torchscript

OURS = ("pytorch_state_dict", "torchscript")


class NeedsConsentError(Carried, ValueError):
    """Raised before code is imported that came with a model; `names` are its files or modules.

    >>> import napari_exactile as ex
    >>> try:
    ...     raise ex.NeedsConsentError("the model comes with code: unet.py", ("unet.py",))
    ... except ex.NeedsConsentError as error:
    ...     print(error, error.names)
    the model comes with code: unet.py ('unet.py',)
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


def load_weights(package: Package, trust_code: bool) -> nn.Module:
    """Return a package's network in evaluation mode: its TorchScript where there is one.

    Otherwise the network is made by code, which is imported only if `trust_code`. Raises NeedsConsentError
    without it, and ModelFileError where there are no weights for PyTorch, or where they do not fit.
    """
    weights = package.description.weights
    if weights.torchscript is not None:
        module: nn.Module = load_torchscript(package.path(weights.torchscript))
    elif weights.pytorch_state_dict is not None:
        module = _from_code(package, weights.pytorch_state_dict, trust_code)
    else:
        raise ModelFileError(
            f"{package.source} has weights for {_formats(weights)} only: "
            "networks for PyTorch (TorchScript, or weights with their code) can be used here; "
            "choose another model"
        )
    for parameter in module.parameters():  # TorchScript has no requires_grad_ for all at once
        parameter.requires_grad_(False)
    return module.eval()


def _from_code(package: Package, entry: Any, trust_code: bool) -> nn.Module:
    architecture = entry.architecture
    if not trust_code:
        raise _consent(package, architecture)
    state, make = package.path(entry), _imported(package, architecture)
    try:
        module = make(**architecture.kwargs)
    except TypeError as error:
        raise ModelFileError(
            f"{architecture.callable} of {package.source} takes other arguments than its description gives "
            f"it: {FETCHED_AGAIN}"
        ) from error
    except Exception as error:
        raise ModelFileError(
            f"{architecture.callable} of {package.source} cannot be made ({_first_line(error)}): "
            f"{FETCHED_AGAIN}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ModelFileError(
            f"{architecture.callable} of {package.source} makes no torch.nn.Module: {FETCHED_AGAIN}"
        )
    weights = load_state(state)
    try:
        module.load_state_dict(weights, strict=entry.strict)
    except RuntimeError as error:
        raise ModelFileError(
            f"the weights of {package.source} do not fit its network ({_unlike(module, weights)}): "
            f"{FETCHED_AGAIN}"
        ) from error
    return module


def _unlike(module: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Return the names that only the network has, only the weights, or both in other shapes."""
    own = module.state_dict()
    both = [name for name in weights if name in own]
    unlike = {
        "missing": [name for name in own if name not in weights],
        "not in it": [name for name in weights if name not in own],
        "of another shape": [name for name in both if weights[name].shape != own[name].shape],
    }
    return "; ".join(f"{what}: {joined(names, 3)}" for what, names in unlike.items() if names)


def _first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200].rstrip(".")


def _consent(package: Package, architecture: Any) -> NeedsConsentError:
    name, callable_ = _code(architecture), architecture.callable
    return NeedsConsentError(
        f"{package.source} brings no network, but code that makes one: {callable_} in {name}. Importing it "
        "runs it with all your rights, so that it can read, change and send your files. If you trust those "
        "who wrote it, load the model with trust_code=True.",
        (name,),
    )


def _code(architecture: Any) -> str:
    """Return the file that defines a network, or the module of a library."""
    return str(architecture.source if hasattr(architecture, "source") else architecture.import_from)


def _imported(package: Package, architecture: Any) -> Callable[..., Any]:
    if hasattr(architecture, "source"):
        module = _run_file(package.path(architecture), architecture.sha256, str(architecture.source))
    else:
        module = _library(package, str(architecture.import_from))
    found: Callable[..., Any] | None = getattr(module, str(architecture.callable), None)
    if found is None:
        raise ModelFileError(
            f"the network of {package.source} is made by {architecture.callable}, which is not in "
            f"{_code(architecture)}: {FETCHED_AGAIN}"
        )
    return found


def _run_file(path: Path, sha256: Any, name: str) -> ModuleType:
    """Import a source file under a name of its own, so that it cannot stand for another module."""
    source = path.read_bytes()
    check_sha256(source, sha256, name)  # of these very bytes, whatever is in the file by now
    private = f"_exactile_code_{hashlib.sha256(source).hexdigest()[:16]}"
    module = ModuleType(private)
    module.__file__ = str(path)
    sys.modules[private] = module  # dataclasses look there
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[private]
        raise ModelFileError(
            f"{name} cannot be imported ({_first_line(error)}): install what it needs, or {FETCHED_AGAIN}"
        ) from error
    return module


def _library(package: Package, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ModelFileError(
            f"the network of {package.source} is made by {name}, which is not installed: install it"
        ) from error


def _formats(weights: Any) -> str:
    known = {key: value for key, value in dict(weights).items() if value is not None and key not in OURS}
    return ", ".join(value.weights_format_name for value in known.values()) or "no format"
