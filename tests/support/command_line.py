"""Calls of the command line in tests, and what they print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from napari_exactile.cli import app

if TYPE_CHECKING:
    from torch import nn

MODEL = "colonies-demo"


def call(*arguments: object, columns: int = 200) -> Result:
    """Call the command; what is not its own error comes through."""
    # Rich tables are as wide as the terminal: let no line break.
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(
        app, [str(a) for a in arguments], catch_exceptions=False
    )


def assert_refused(result: Result, message: str, code: int = 1) -> None:
    """One sentence on stderr, nothing on stdout."""
    text = " ".join(result.stderr.replace("│", " ").split())
    assert re.search(message, text), text
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in text


def summary(result: Result) -> dict[str, str]:
    """Return the table of names and values at the end."""
    assert result.exit_code == 0, result.stderr
    pairs = (re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def use_model(monkeypatch: pytest.MonkeyPatch, module: nn.Module) -> None:
    """Let the bundled name stand for another network."""
    from napari_exactile.models import load

    model = load.load_model(module, name=MODEL)
    monkeypatch.setattr(load, "_bundled", lambda card: model)
