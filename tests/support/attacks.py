"""Model files that do harm where they are trusted, and what must become of them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import napari_exactile as ex
from napari_exactile.models.files.archive import ModelFileError

# torch warns of much that is in such files.
IGNORED = ["ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"]
UNWARNED = [pytest.mark.filterwarnings(one) for one in IGNORED]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What an attack would make."""
    return tmp_path / "executed"


class Payload:
    """Unpickled, it makes a file: it stands for whatever an attacker likes to do."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def assert_refused(path: Path, marker: Path, words: str = "") -> None:
    """One sentence with the name of the file, and nothing has run."""
    with pytest.raises(ModelFileError, match=words) as caught:
        ex.load_model(path)
    assert not marker.exists()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def assert_executes(load: Callable[[], object], marker: Path) -> None:
    """The same file does its work where it is trusted: the tests above can fail."""
    with suppress(Exception):  # after the payload, there is no model in it
        load()
    assert marker.exists()


def rewritten(source: Path, target: Path, changes: dict[str, bytes | None]) -> Path:
    """Copy an archive with other contents for the named members, or without them."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].split("/")[0]
        contents: dict[str, bytes | None] = {name: old.read(name) for name in old.namelist()}
        contents |= {f"{root}/{name}": data for name, data in changes.items()}
        for name, data in contents.items():
            if data is not None:
                new.writestr(name, data)
    return target
