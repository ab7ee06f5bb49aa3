"""All that a person chose for runs but images, places and consent: a settings file, and what it means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from msgspec.structs import asdict

from napari_exactile import models
from napari_exactile.carried import Carried
from napari_exactile.models.bioimageio.weights import NeedsConsentError
from napari_exactile.models.card import BUNDLED
from napari_exactile.models.digest import digest_of
from napari_exactile.models.files.formats import FACTORY
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.file.plain import in_json, meant, plain
from napari_exactile.run.file.records import Around, Content, ModelRecord, in_file
from napari_exactile.run.file.text import as_text, write_text
from napari_exactile.run.plan import given
from napari_exactile.run.plan.settings import Settings

# Of what stands beside settings, what one image alone does not need.
NOT_OF_SEGMENT = ("connectivity", "min_size", "count_objects", "jobs")


class OtherModelError(Carried, ValueError):
    """A model's files are not those that settings were made with.

    >>> import napari_exactile as ex
    >>> try:
    ...     raise ex.OtherModelError("net.pt", "exactile.toml")
    ... except ex.OtherModelError as error:
    ...     print(str(error).partition(":")[0])
    the model net.pt is not the one that exactile.toml was made with, as its content is another
    """

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        super().__init__(
            f"the model {source} is not the one that {file} was made with, as its content is another: put "
            "that one back, or name this one (--model) if you mean it"
        )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by its name, or by the whole path of its file with a hash of it, and facts that people gave.

    >>> from napari_exactile.run.task.chosen import ModelChoice
    >>> ModelChoice("colonies-demo").loaded().name
    'colonies-demo'
    """

    source: str
    sha256: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model) -> Self | None:
        """Return which model this is, all files of which are read; None for one that is in no file."""
        source = model.card.source
        if BUNDLED.get(model.name) is model.card:
            source = model.name
        if not source:
            return None
        if Path(source).exists():
            source = str(Path(source).absolute())
        return cls(source, model_digest(source), dict(model.facts))

    @classmethod
    def of_record(cls, record: ModelRecord, folder: Path) -> Self:
        """Return what a file in this folder names; raises ValueError for facts that are none."""
        source = record.name or os.path.normpath(folder / (record.path or ""))
        facts = {name: _listed(value) for name, value in meant(record.facts).items()}
        return cls(source, record.sha256, facts)

    @property
    def is_file(self) -> bool:
        """Whether it is named by a path."""
        return Path(self.source).is_absolute()

    def as_plain(self, folder: Path | None) -> dict[str, Any]:
        """Return what a file says of it: the path of the model is relative to the file's folder, if known."""
        named = {"path": relative(self.source, folder)} if self.is_file else {"name": self.source}
        facts = {"facts": plain(self.facts)} if self.facts else {}
        return named | ({"sha256": self.sha256} if self.sha256 else {}) | facts

    def check(self, file: str) -> None:
        """Raise ValueError where the model of a settings file is not there, OtherModelError for another."""
        if self.is_file and not Path(self.source).exists():
            raise ValueError(
                f"the model {self.source} that {file} names is not there: put it back, or name another one "
                "(--model)"
            )
        if self.sha256 and model_digest(self.source) != self.sha256:
            raise OtherModelError(self.source, file)

    def loaded(
        self, trust_code: bool = False, file: str = "the settings", any_content: bool = False
    ) -> Model:
        """Load it, and check that it is the same; raises as `check` and `load_model` do.

        A function that makes a network is code, which a file alone must not let run: NeedsConsentError.
        """
        if FACTORY.fullmatch(self.source) and not trust_code:
            raise NeedsConsentError(
                f"{file} names the model {self.source}, which is code that would be run: where you trust it, "
                "pass trust_code=True (--trust-code), or choose another model",
                (self.source,),
            )
        if not any_content:
            self.check(file)
        return load_model(self.source, trust_code=trust_code, **self.facts)


def model_digest(source: str) -> str:
    """Return a hash of a model's files, also of a bundled one; "" for what is in no file here."""
    if card := BUNDLED.get(source):
        source = str(Path(models.__path__[0], card.weights))
    try:
        about = Path(source).stat()
        return _digest(source, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError):
        return ""


@lru_cache(maxsize=8)
def _digest(source: str, _changed: int, _size: int) -> str:
    return digest_of(source)


def relative(path: str, folder: Path | None) -> str:
    """Return a path as it is said from a folder, with slashes; as it is where there is no way."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix() if folder is not None else path
    except ValueError:  # it lies on another drive
        return path


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """All that a settings file says: `settings`, `model`, and what is `around` them; it is never changed.

    `around` is how an image is taken (axes, plane, series, allow_missing, grey, pixel_size), whether labels
    in stores are checked, and what counts as an object (connectivity, min_size). `name` is what the file is
    called in sentences. `options` are what `segment` takes by name, and `load_model` loads the model.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "exactile.toml")
    ...     _ = path.write_text('axes = "yx"\\ntile = 256\\n[model]\\nname = "colonies-demo"')
    ...     chosen = ex.SettingsFile.load(path)
    >>> image = np.zeros((200, 200), np.uint16)
    >>> ex.segment(image, chosen.load_model(), **chosen.options()).report.zone
    (64, 64)
    """

    settings: Settings = field(default_factory=Settings)
    model: ModelChoice | None = None
    around: Around = field(default_factory=Around)
    name: str = "the settings"

    @classmethod
    def of(cls, model: str | Path | Model, **settings: Any) -> Self:
        """Return the settings, by the names of their fields, of a model, all files of which are read.

        Raises what `load_model` and `Settings` do, and ValueError for a model that is in no file.
        """
        choice = ModelChoice.of(load_model(model))
        if choice is None:
            raise ValueError(
                "the model is in no file that settings could name: save it, and load it from there"
            )
        return cls(Settings(**settings), choice)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return what a file says; the model's path is relative to the file's folder.

        The model is not loaded, nor looked for. Raises ValueError, in a sentence that names the file, for
        what cannot be read, is no TOML, is misspelt, or has a value that no run can have.
        """
        path = given.path("a settings file", path)
        content = Content.of_file(path, Settings.names())
        with in_file(path):
            return cls._of(content, path.absolute().parent, str(path))

    @classmethod
    def of_plain(cls, content: Mapping[str, Any], name: str) -> Self:
        """Return what tables mean that are in no file of their own, such as those in a report."""
        return cls._of(Content.of_tables(content, Settings.names()), Path.cwd(), name)

    @classmethod
    def _of(cls, content: Content, folder: Path, name: str) -> Self:
        model = None if content.model is None else ModelChoice.of_record(content.model, folder)
        return cls(Settings(**content.settings), model, content.around, name)

    def save(self, path: str | Path) -> None:
        """Write a file; raises ValueError where it cannot be written."""
        path = given.path("a settings file", path)
        write_text(path, self.as_plain(path.absolute().parent))

    def as_plain(self, folder: Path | None = None) -> dict[str, Any]:
        """Return the tables of a file in this folder, if it is known."""
        model = {"model": self.model.as_plain(folder)} if self.model else {}
        return self.around.as_plain() | self.settings.as_plain() | model

    def as_json(self) -> dict[str, Any]:
        """Return the same for a report."""
        return in_json(self.as_plain())

    def as_text(self) -> str:
        """Return the same as TOML, with whole paths."""
        return as_text(self.as_plain())

    def options(self) -> dict[str, Any]:
        """Return what `segment` takes by name: all settings, how the image is taken, and the check."""
        around = {name: value for name, value in asdict(self.around).items() if name not in NOT_OF_SEGMENT}
        return around | {name: getattr(self.settings, name) for name in Settings.names()}

    def load_model(self, trust_code: bool = False) -> Model:
        """Load the model; raises ValueError where none is named or it is not there, OtherModelError."""
        if self.model is None:
            raise ValueError(f"{self.name} names no model: choose one")
        return self.model.loaded(trust_code, self.name)
