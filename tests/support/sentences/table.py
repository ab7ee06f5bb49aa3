"""Rows of a table of sentences: a real input, and what is said of it, word by word.

A file of rows begins with `ROWS = Rows("part")` and has a function for each sentence:

    @ROWS.says("{folder}/a.npy is ...: copy it again")
    def cut_off(folder: Path) -> Any:
        ...

which is given an empty folder and raises what a script hears, or returns what `command_line.call` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_exactile.run.engine.events import words_of

# What a person can put right; anything else is an error of the program.
EXPECTED = (ValueError, OSError, RuntimeError)
ANYTHING = "..."
BOX = re.compile("[│╭╮╰╯─]")


@dataclass(frozen=True)
class Row:
    """A sentence, and what provokes it: "{folder}" stands for the folder, "..." for any words."""

    part: str
    name: str
    words: str
    provoke: Callable[[Path], Any]

    def __str__(self) -> str:
        return f"{self.part}-{self.name}"

    def said(self, folder: Path) -> str:
        """Provoke it, and return what was said, with "{folder}" for the folder."""
        try:
            result = self.provoke(folder)
        except EXPECTED as error:
            return words_of(error).replace(str(folder), "{folder}")
        words = " ".join(BOX.sub(" ", result.stderr).split())  # the frame of errors about options
        assert result.exit_code, words
        return re.split(r"Error: |Invalid value: ", words)[-1].replace(str(folder), "{folder}")

    def is_said_by(self, sentence: str) -> bool:
        """Tell whether a sentence is that of the row."""
        parts = map(re.escape, self.words.split(ANYTHING))
        return re.fullmatch(".+".join(parts), sentence) is not None


class Rows(list[Row]):
    """The rows of one part of the program."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def says(self, words: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
        """Add the function below as what provokes these words."""

        def keep(provoke: Callable[[Path], Any]) -> Callable[[Path], Any]:
            self.append(Row(self._part, provoke.__name__, words, provoke))
            return provoke

        return keep

    def add(self, **provoked: tuple[Callable[[], Any], str]) -> None:
        """Add rows, by their names, that need no folder."""
        for name, (provoke, words) in provoked.items():
            self.append(Row(self._part, name, words, lambda folder, provoke=provoke: provoke()))
