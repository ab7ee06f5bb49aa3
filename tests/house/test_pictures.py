"""The pictures of the pages show today's program: what can be read in them is what it says now."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"
WORDS = IMAGES / "words"
# Where only files of somebody can be: "/home/...", "C:\\...".
FOLDER = re.compile(r"(?:^|[\s'\"(])(?:/\w+/|~/|[A-Z]:\\)")


@pytest.mark.timeout(600)
def test_pictures_show_what_is_seen_today(tmp_path: Path) -> None:
    """Each picture shows the layers, fields and words that its scene has today; numbers do not count."""
    pytest.importorskip("napari")
    pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / "scripts/pictures.py"), "--words", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    today = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.txt")}
    older = list(differing(today))
    assert not older, "\n".join(["these pictures are older than the dock: `make pictures`", *older])
    assert sorted(today) == sorted(path.stem for path in WORDS.glob("*.txt"))


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
