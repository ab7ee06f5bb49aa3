"""The identity of a model that lies in files: one hash of all that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path


def digest_of(source: str) -> str:
    """Return the sha256 over the files of a model, by where it came from; "" where that is no file.

    Of a package in a folder, they are its description and all files there that this names. Raises OSError.
    """
    path = Path(source)
    if not source or not path.exists():
        return ""
    found = sha256()
    for file in _files(path):
        with file.open("rb") as stream:
            found.update(f"{file.name} {file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """Yield the files that a model at a path is made of, in an order that does not depend on the disk."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path
        if path.suffix.lower() in {".yaml", ".yml"}:
            text = path.read_text(errors="replace")
            others = (file for file in path.parent.rglob("*") if file.is_file() and file != path)
            yield from sorted(file for file in others if file.name in text)
