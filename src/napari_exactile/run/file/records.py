"""What stands in a settings file beside the fields of `Settings`: the model, and how an image is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from msgspec import field
from msgspec.structs import asdict

from napari_exactile.images.grey import Grey
from napari_exactile.models.card import ModelCard
from napari_exactile.record import Count, Number, Record
from napari_exactile.run.file.keys import check_keys
from napari_exactile.run.file.plain import meant, plain
from napari_exactile.run.file.text import read_text
from napari_exactile.version import SETTINGS_FORMAT

# What weights alone are loaded into, and the parameters of these networks.
ARCHITECTURE = (
    "architecture", "levels", "convolutions", "kernel", "base", "in_channels", "softmax", "growth", "blocks",
    "bottleneck",
)  # fmt: skip
# Facts that come with a model, and that nobody gives.
OWN = {"source", "notes", "citation", "licence", "weights"}
FACTS = ({one.name for one in fields(ModelCard)} - OWN) | {*ARCHITECTURE}

MOST_JOBS = 64
Kept = TypeVar("Kept", bound=Record)


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Let what is wrong with the values of a file be said with its name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"in {path}, {error}") from error


class ModelRecord(Record, frozen=True, kw_only=True):
    """A model by its name, or by the path of its file with a hash of it, and facts that a person gave."""

    name: str | None = None
    path: str | None = None
    sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Around(Record, frozen=True, kw_only=True, omit_defaults=True):
    """How an image is taken, how labels are checked, and what counts as an object of them.

    `plane` is the only one of a stack that is segmented; `check` is a number of windows, or whether there are
    any.
    """

    axes: str | None = None
    plane: tuple[Count, ...] | None = None
    series: int | str | None = None
    allow_missing: bool = False
    grey: Grey | None = None
    pixel_size: tuple[Number, ...] | None = None
    check: bool | Count = True
    connectivity: Literal[1, 2, 3] | None = None
    min_size: Count | None = None
    # Of many images.
    count_objects: bool = False
    jobs: int = 1

    @classmethod
    def of(cls, content: Any) -> Self:
        """Return what somebody has written; raises ValueError, naming what is wrong in it."""
        found = super().of(content)
        if found.pixel_size is not None and not all(size > 0 for size in found.pixel_size):
            raise ValueError("pixel_size is a list of micrometres above 0, such as [0.5, 0.5]")
        if not 1 <= found.jobs <= MOST_JOBS:
            raise ValueError(f"jobs is a number of images at once from 1 to {MOST_JOBS}, not {found.jobs}")
        return found

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all that is known here, which are keys of settings files."""
        return cls.__struct_fields__

    def as_plain(self) -> dict[str, Any]:
        """Return what is not as it is anyway, as TOML can hold it."""
        defaults = asdict(Around())
        return plain({name: value for name, value in asdict(self).items() if value != defaults[name]})


@dataclass(frozen=True, slots=True)
class Content:
    """A settings file that has been read: nothing in it is misspelt; `settings` are those of `Settings`."""

    model: ModelRecord | None
    around: Around
    settings: dict[str, Any]

    @classmethod
    def of_tables(cls, content: Mapping[str, Any], names: tuple[str, ...]) -> Self:
        """Return what tables mean, where `names` are the fields of settings; raises ValueError."""
        check_keys(content, {*names, *Around.names(), "model", "format"})
        if content.get("format", SETTINGS_FORMAT) != SETTINGS_FORMAT:
            raise ValueError("they were written by another version of napari-exactile: use that one")
        model = content.get("model")
        if isinstance(model, dict):
            check_keys(model, ModelRecord.__struct_fields__, " of the model")
            facts = model.get("facts", {})
            check_keys(facts if isinstance(facts, dict) else (), FACTS, " among the facts of the model")
        around = _of(Around, {name: value for name, value in content.items() if name in Around.names()})
        settings = {name: value for name, value in content.items() if name in names}
        return cls(None if model is None else _named(_of(ModelRecord, model)), around, meant(settings))

    @classmethod
    def of_file(cls, path: Path, names: tuple[str, ...]) -> Self:
        """Return what a file says; raises ValueError, naming the file, for what is wrong in it."""
        content = read_text(path)
        with in_file(path):
            return cls.of_tables(content, names)


def _of(kind: type[Kept], content: Any) -> Kept:
    try:
        return kind.of(content)
    except ValueError as error:
        raise ValueError(f"{error}: correct it, or leave it out") from error


def _named(model: ModelRecord) -> ModelRecord:
    if (model.name is None) == (model.path is None):
        raise ValueError("the model is named by its name or by its path: give one of them")
    return model
