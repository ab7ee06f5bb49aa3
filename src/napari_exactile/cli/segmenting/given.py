"""What a person chose: the options that were typed, and what a settings file says beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from napari_exactile import Model, SettingsFile

# What no settings file says: images, where results go, consent, and the file itself.
BESIDE = ("images", "out", "names", "objects", "table", "overwrite", "trust_code", "settings")


def typed_in(ctx: typer.Context) -> dict[str, Any]:
    """Return the options that were typed and that settings files have too, by their keys, as they are meant.

    Raises BadParameter for a text that means nothing.
    """
    typed = {name: value for name, value in ctx.params.items() if name not in BESIDE and _is_typed(ctx, name)}
    return {name: _MEANT[name](value) if name in _MEANT else value for name, value in typed.items()}


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def chosen_from(typed: Mapping[str, Any], file: Path | None) -> SettingsFile:
    """Return what was typed, and for the rest what a file says, if there is one.

    Raises ValueError for what no run can have, or a file that cannot be used.
    """
    from dataclasses import replace

    import msgspec

    from napari_exactile import Settings, SettingsFile

    chosen = SettingsFile() if file is None else SettingsFile.load(file)
    settings = {name: value for name, value in typed.items() if name in Settings.names()}
    around = {name: value for name, value in typed.items() if name not in {*settings, "model"}}
    return replace(
        chosen,
        settings=replace(chosen.settings, **settings),
        around=msgspec.structs.replace(chosen.around, **around),
    )


def loader(model: str | None, chosen: SettingsFile, trust_code: bool) -> Callable[[], Model]:
    """Return what loads the model that was typed, or that the file names; refuses where there is none."""
    if model is None and chosen.model is None:
        raise typer.BadParameter("no model is named: pass --model, or --settings with a file that names one")

    def load() -> Model:
        from napari_exactile import load_model

        return chosen.load_model(trust_code) if model is None else load_model(model, trust_code=trust_code)

    return load


def _number(option: str) -> Callable[[str], int | Literal["auto"]]:
    def number(text: str) -> int | Literal["auto"]:
        try:
            return "auto" if text == "auto" else int(text)
        except ValueError:
            raise typer.BadParameter(f"{option} takes a number of pixels or auto, not {text!r}") from None

    return number


def _bytes(option: str) -> Callable[[str], int]:
    """Return what makes bytes of "2GB", "512 MiB" or "1000000"."""

    def meant(text: str) -> int:
        from napari_exactile.run.file.plain import bytes_of

        try:
            return bytes_of(option, text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return meant


def _sizes(text: str) -> tuple[float, ...]:
    """Return the sizes of pixels that "0.5" or "2 0.5 0.5" mean."""
    from napari_exactile.images.about.units import micrometres

    try:
        size = tuple(micrometres(one, "um") for one in text.replace(",", " ").split())
        if len(size) not in {1, 2, 3}:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"--pixel-size takes micrometres such as 0.5, not {text!r}") from None
    return size * 2 if len(size) == 1 else size


def _region(text: str) -> tuple[tuple[int, int], ...]:
    """Return the pairs that "0:512,100:600" means."""
    try:
        pairs = [tuple(map(int, side.split(":"))) for side in text.split(",")]
        return tuple((start, stop) for start, stop in pairs)
    except ValueError:
        raise typer.BadParameter(f"--region takes pixels such as 0:512,100:600, not {text!r}") from None


def _plane(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        raise typer.BadParameter(f"--plane takes a number such as 3, or 3,0, not {text!r}") from None


_MEANT: dict[str, Callable[[Any], Any]] = {
    **{name: _number(f"--{name}") for name in ("tile", "radius", "factor")},
    **{f"{name}_limit": _bytes(f"--{name}-limit") for name in ("memory", "scratch")},
    "pixel_size": _sizes,
    "region": _region,
    "plane": _plane,
    "axes": str.lower,
}
