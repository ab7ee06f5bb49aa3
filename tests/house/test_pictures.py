"""The pictures of the pages show today's program: what can be read in them is what it says now."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import napari
import pytest

# The command that makes the pictures is no part of the package.
sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from pictures import IMAGES, WORDS, small_scenes
from shots.camera import Reader

# Where only files of somebody can be: "/home/...", "C:\\...".
FOLDER = re.compile(r"(?:^|[\s'\"(])(?:/\w+/|~/|[A-Z]:\\)")


@pytest.mark.timeout(300)
def test_pictures_show_what_is_seen_today(qapp: object, own_settings: None) -> None:
    """Each picture shows the layers, fields and words that its scene has today; numbers do not count."""
    reader = Reader()
    try:
        small_scenes(reader)
    finally:
        napari.Viewer.close_all()
    older = list(differing(reader.words))
    assert not older, "\n".join(["these pictures are older than the dock: `make pictures`", *older])


def differing(today: dict[str, str]) -> Iterator[str]:
    """Yield what has changed since a picture was taken."""
    for name, words in today.items():
        noted = WORDS / f"{name}.txt"
        then = noted.read_text(encoding="utf-8") if noted.exists() else ""
        yield from unified_diff(
            then.splitlines(), words.splitlines(), f"{name}.png", "today", n=0, lineterm=""
        )


def test_every_picture_has_its_words_and_no_folder_in_them() -> None:
    """Pictures of the window and their words come in pairs, and none shows a folder of some machine."""
    noted = {path.stem: path.read_text(encoding="utf-8") for path in WORDS.glob("*.txt")}
    assert {path.stem for path in IMAGES.glob("*.png")} == {*noted, "script"}
    assert not [name for name, words in noted.items() if FOLDER.search(words)]
