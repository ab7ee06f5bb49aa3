"""A file that a person picks to be written: beside the image, or where the last one went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

# What a kind of file is called, how its name ends if the person says nothing, and how it may end otherwise.
Kind = Sequence[str]

# Where the last file went that was proposed to lie in a folder, for as long as the program runs.
_last: dict[Path, Path] = {}


def pick_file(parent: QWidget, title: str, proposed: Path, kinds: Sequence[Kind]) -> Path | None:
    """Let the person pick a file of one of these kinds; None where they think better of it.

    The window begins with the proposed place, or where the last file went that was proposed for its folder.
    A name without an ending of the chosen kind gets its first one, and what it would replace then is asked.
    """
    start = _last.get(proposed.parent, proposed.parent) / proposed.name
    patterns = [f"{name} ({' '.join(f'*{ending}' for ending in endings)})" for name, *endings in kinds]
    name, chosen = QFileDialog.getSaveFileName(parent, title, str(start), ";;".join(patterns))
    if not name:
        return None
    path = _ended(name, str(start), kinds[patterns.index(chosen) if chosen in patterns else 0], kinds)
    if str(path) != name and path.exists() and not _replaces(parent, path):
        return None
    _last[proposed.parent] = path.parent
    return path


def _ended(name: str, start: str, chosen: Kind, kinds: Sequence[Kind]) -> Path:
    """Return the path for a name, which ends as one of the kinds does.

    One that was only proposed follows the chosen kind; what a person has typed counts more than that.
    """
    ending = next((one for kind in kinds for one in kind[1:] if name.lower().endswith(one)), None)
    if ending is None:
        return Path(f"{name}{chosen[1]}")
    if name == start and ending not in chosen[1:]:
        return Path(f"{name[: -len(ending)]}{chosen[1]}")
    return Path(name)


def _replaces(parent: QWidget, path: Path) -> bool:
    """Ask whether a file may be replaced that has another name than was typed."""
    words = f"{path.name} exists already. Replace it?"
    return QMessageBox.question(parent, "Replace it?", words) == QMessageBox.StandardButton.Yes
