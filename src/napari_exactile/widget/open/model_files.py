"""Which files are models, by their names and their first bytes."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

PATTERNS = ("*.pt", "*.pth", "*.ts", "*.torchscript", "*.pt2", "*.safetensors", "*.zip", "*.yaml")
"""What models are called; the manifest names the same."""
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
# At the top level of YAML, or of JSON, which is YAML too.
MODEL = re.compile(rb"""(^|[{,]\s*)['"]?type['"]?\s*:\s*['"]?model\b""", re.MULTILINE)
HEAD = 1 << 16
"""Bytes that are enough to tell."""


def is_model_file(path: Path) -> bool:
    """Tell whether a file holds a model, by its name and first bytes: weights and videos share endings."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        match path.suffix.lower():
            case ".pt" | ".pth":
                return head.startswith((ZIP, PICKLE))
            case ".ts" | ".torchscript" | ".pt2":
                return head.startswith(ZIP)
            case ".safetensors":
                return head[8:9] == b"{"  # after the length of the header that it begins
            case ".yaml":
                return MODEL.search(head) is not None
            case ".zip":
                return _describes_a_model(path)
    except OSError:
        pass
    return False


def is_model_folder(path: Path) -> bool:
    """Tell whether a folder is a package: whether it has a description, of a model."""
    try:
        return any(is_model_file(path / name) for name in DESCRIPTIONS)
    except OSError:
        return False


def _describes_a_model(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            texts = [name for name in archive.namelist() if name.endswith(DESCRIPTIONS)]
            return any(MODEL.search(archive.open(name).read(HEAD)) for name in texts)
    except BadZipFile:
        return False
