"""What a package of bioimage.io says, or brings, beyond what is understood here: named, and not used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from napari_exactile.models.bioimageio.package import NAMES, Package
from napari_exactile.models.files.unused import TEXTS, file_names, note, notes_in_file

# Other programs run these before and after the network.
_MACROS = {".ijm", ".groovy", ".bsh"}
_ENVIRONMENT = re.compile(r"(conda|environment|requirements)[\w.-]*", re.IGNORECASE)
# What is used of a description, or changes no label.
_UNDERSTOOD = {
    "type", "format_version", "name", "description", "documentation", "authors", "cite", "license", "icon",
    "git_repo", "id", "id_emoji", "links", "maintainers", "uploader", "packaged_by", "parent", "tags",
    "timestamp", "training_data", "version", "version_number", "version_comment", "covers", "download_url",
    "rdf_source", "inputs", "outputs", "weights", "test_inputs", "test_outputs", "sample_inputs",
    "sample_outputs", "attachments", "config",
}  # fmt: skip
_OF_INPUTS = {
    "id", "name", "axes", "data", "data_type", "data_range", "shape", "description", "preprocessing",
    "sample_tensor", "test_tensor",
}  # fmt: skip
# Folders in a package that are looked into.
_FOLDERS = 50


def notes_of_package(package: Package) -> tuple[str, ...]:
    """Return notes for fields of a description, files of its package, and parts of its weights."""
    files = sorted({*_attached(package), *_undeclared(package)})
    found = (*note(_fields(package.content), "in the description"), *note(files, "in the package"))
    return (*found, *(one for file in _weights(package) for one in notes_in_file(file)))


def _fields(content: dict[str, Any]) -> list[str]:
    own = [_named(name, value) for name, value in content.items() if value and name not in _UNDERSTOOD]
    config = content.get("config")
    sections = config.items() if isinstance(config, dict) else ()
    # Those of the collection itself, which have no meaning for an image.
    of_others = [str(name) for name, one in sections if one and name != "bioimageio" and str(name)[:1] != "_"]
    of_inputs = (item for one in content.get("inputs", ()) for item in one.items())
    more = [f"inputs.{name}" for name, value in of_inputs if value and name not in _OF_INPUTS]
    return [*own, *(f"config.{name}" for name in of_others), *dict.fromkeys(more)]


def _named(name: str, value: Any) -> str:
    kind = value.get("name") if isinstance(value, dict) else None
    return f"{name} ({kind})" if isinstance(kind, str) else str(name)


def _attached(package: Package) -> Iterator[str]:
    """Yield attached files that other programs read, or run before and after the network."""
    for source in _texts(package.content.get("attachments")):
        if PurePath(source).suffix.lower() in TEXTS | _MACROS and not _is_environment(source):
            yield source


def _undeclared(package: Package) -> Iterator[str]:
    """Yield files of texts in a package, or in a folder of it, that its description does not name."""
    declared = {PurePath(one).as_posix() for one in _texts(package.content)}
    folders = [package.folder, *(package.folder / name for name in _folder_names(package))]
    for file in (folder / name for folder in folders for name in file_names(folder)):
        name = file.relative_to(package.folder).as_posix()
        is_description = file.name in NAMES or file.name.endswith((".rdf.yaml", ".bioimageio.yaml"))
        is_text = file.suffix.lower() in TEXTS and not is_description and not _is_environment(name)
        if is_text and name not in declared:
            yield name


def _folder_names(package: Package) -> list[str]:
    with os.scandir(package.folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))[:_FOLDERS]


def _is_environment(name: str) -> bool:
    return _ENVIRONMENT.fullmatch(PurePath(name).name) is not None


def _weights(package: Package) -> Iterator[Any]:
    """Yield the file that the network was loaded from, where it lies in the package."""
    weights = package.description.weights
    entry = weights.torchscript or weights.pytorch_state_dict
    if entry is not None and (file := package.folder / str(entry.source)).is_file():
        yield file


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    for part in parts:
        yield from _texts(part)
