"""A run as a command, and as a script, that do the same as the dock."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

from napari_exactile.images.normalize.steps import Step
from napari_exactile.run.task.chosen import NOT_OF_SEGMENT, ModelChoice, SettingsFile

NO_OPTION = "no option of the command says {}: save the settings, and pass them with --settings"
# So many letters stay on one line of a script.
LINE = 88


def as_command(chosen: SettingsFile, image: str | Path, out: str | Path | None = None) -> str:
    """Return the line that segments an image so; raises ValueError for what no option says."""
    model = _model(chosen)
    if model.facts:
        raise ValueError(NO_OPTION.format("what was said of the model"))
    parts = ["exactile", "segment", str(image), "--model", model.source]
    for name, value in _plain(chosen).items():
        parts += _option(name, value)
    parts += ["--out", str(out)] if out else []
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)


def as_script(chosen: SettingsFile, image: str | Path, out: str | Path | None = None) -> str:
    """Return the script that segments an image so, into memory or a store."""
    model = _model(chosen)
    options = {
        name: value for name, value in _plain(chosen, meant=True).items() if name not in NOT_OF_SEGMENT
    }
    output = {"output": str(out)} if out else {}
    lines = [
        "import napari_exactile as ex",
        "",
        f"model = {_call('ex.load_model', [repr(model.source)], model.facts)}",
        f"result = {_call('ex.segment', [repr(str(image)), 'model'], options | output)}",
        "print(result.report)",
    ]
    return "\n".join(lines) + "\n"


def _model(chosen: SettingsFile) -> ModelChoice:
    if chosen.model is None:
        raise ValueError("the model is in no file: save it, and open it from there, for others to find it")
    return chosen.model


def _plain(chosen: SettingsFile, meant: bool = False) -> dict[str, Any]:
    """Return what is not as it is anyway, by its names: as files have it, or as it is meant."""
    content = chosen.around.as_plain() | chosen.settings.as_plain()
    return {name: chosen.options().get(name, value) for name, value in content.items()} if meant else content


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    match name, value:
        case "probabilities", True:
            return [option, "float32"]
        case _, bool():
            return [option if value else f"--no-{name.replace('_', '-')}"]
        case "check", _:
            raise ValueError(NO_OPTION.format(f"how many windows are checked ({value})"))
        case "normalization", list():
            raise ValueError(NO_OPTION.format("these steps of a normalisation"))
        case "region", _:
            return [option, ",".join(f"{start}:{stop}" for start, stop in value)]
        case _, list():
            return [option, ",".join(map(str, value))]
    return [option, str(value)]


def _call(function: str, given: list[str], named: Mapping[str, Any]) -> str:
    """Return a call in Python, over several lines where it is long."""
    parts = [*given, *(f"{name}={_code(value)}" for name, value in named.items())]
    line = f"{function}({', '.join(parts)})"
    return line if len(line) <= LINE else f"{function}(\n    " + ",\n    ".join(parts) + ",\n)"


def _code(value: Any) -> str:
    """Return a value as a script writes it."""
    if isinstance(value, float) and isnan(value):
        return 'float("nan")'
    if isinstance(value, Step):
        return f"ex.{value!r}"
    if isinstance(value, tuple | list):
        inside = ", ".join(_code(one) for one in value)
        return f"({inside}{',' * (len(value) == 1)})"
    return f"ex.{value!r}" if type(value).__name__ == "Interval" else repr(value)
