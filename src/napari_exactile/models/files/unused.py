"""What comes with a file of a model and is not understood: it is named, so that nobody takes it for used.

Nothing of it is read but names, and nothing is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePath

from safetensors import safe_open

from napari_exactile.geometry.words import joined
from napari_exactile.models.files.archive import check_zip, is_zip
from napari_exactile.models.files.exported import is_exported
from napari_exactile.models.files.torch_files import beside_tensors, is_safetensors, is_torchscript

TEXTS = {".json", ".yaml", ".yml", ".toml"}
# What torch itself writes, below the folder that all of it lies in.
_OF_TORCH = re.compile(
    r"(data|constants|attributes|traced_inputs|bytecode|mobile_debug_handles)\.pkl"
    r"|(code|data|constants|traced_inputs|models|\.data)/.*"
    r"|version|byteorder|archive_format|archive_version|\.format_version|\.storage_alignment"
    r"|extra/producer_info\.json"
)
# What training has left in a checkpoint, which says nothing of how images are prepared.
_OF_TRAINING = re.compile(
    r"(optimi[sz]er|scheduler|lr_scheduler)s?(_states?)?(_dict)?|callbacks|loops|(rng|random)_states?"
    r"|(global_)?step|iter(ation)?s?|epochs?|(best|val|train)_\w+|loss(es)?|(pytorch-lightning|torch)_version",
    re.IGNORECASE,
)
# What files are called that say how images are prepared for the weights beside them.
_USUAL = re.compile(
    r"(metadata|inference|preprocess(ing|or)?(_config)?|transforms?|config|hparams|hyper_?parameters|args|plans"
    r"|dataset(_fingerprint)?|normali[sz]ation)\.(json|ya?ml|toml)",
    re.IGNORECASE,
)
# Entries of a folder that are looked at.
ENTRIES = 5000


def notes_of_file(path: Path) -> tuple[str, ...]:
    """Return a note for what lies in a model's file, and one for what lies beside it, if that is not used.

    The file has been loaded before, and so is safe to be looked at.
    """
    return (*notes_in_file(path), *note(_beside(path), "beside the file"))


def notes_in_file(path: Path) -> tuple[str, ...]:
    """Return a note for what lies in a model's file with its network or its weights."""
    members = check_zip(path) if is_zip(path) else ()
    in_archive = note(_not_of_torch([member.name for member in members]), "in the file")
    if is_torchscript(members) or is_exported(members):
        return in_archive
    if is_safetensors(path):
        return note(_metadata(path), "in the file's metadata")
    keys = [key for key in beside_tensors(path) if not _OF_TRAINING.fullmatch(key)]
    return (*in_archive, *note(keys, "beside the weights"))


def note(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return what is to be said of things in one place, if there are any.

    >>> note(["mean", "std"], "beside the weights")[0].partition(":")[0]
    'mean and std beside the weights are not used'
    """
    plain = ["".join(letter for letter in name if letter.isprintable())[:60] for name in names]
    if not plain:
        return ()
    verb, says = ("are", "they say") if len(plain) > 1 else ("is", "it says")
    remedy = f"if {says} how images are prepared or what the classes are, choose that yourself"
    return (f"{joined(plain)} {where} {verb} not used: {remedy}",)


def file_names(folder: Path) -> list[str]:
    """Return the names of the first files in a folder; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, ENTRIES) if entry.is_file())
    except OSError:
        return []


def _not_of_torch(names: Sequence[str]) -> list[str]:
    """Return the members of an archive that torch does not write by itself, without its folder."""
    own = (name for name in names if name.endswith(("/data.pkl", "/models/model.json")))
    folder = next(own, "").partition("/")[0] + "/"
    return sorted(name for one in names if not _OF_TORCH.fullmatch(name := one.removeprefix(folder)))


def _metadata(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return sorted(name for name in file.metadata() or {} if name != "format")


def _beside(path: Path) -> list[str]:
    """Return the files near that of a model which seem to tell how it is used.

    They have its name or a usual one; a bundle of MONAI keeps them in a folder beside that of its models.
    """
    stem, configs = path.stem.lower(), path.resolve().parent.with_name("configs")

    def is_of_model(name: str) -> bool:
        own = PurePath(name.lower())
        is_named = own.stem == stem or own.stem.startswith((f"{stem}_", f"{stem}-", f"{stem}."))
        return (is_named and own.suffix in TEXTS) or _USUAL.fullmatch(name) is not None

    bundled = file_names(configs) if path.resolve().parent.name == "models" else []
    return [
        *(name for name in file_names(path.parent) if is_of_model(name) and name != path.name),
        *(f"configs/{name}" for name in bundled if PurePath(name).suffix in TEXTS),
    ]
