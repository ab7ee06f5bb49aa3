"""The small files of a store beside its pixels and its journal: what is wrong with them, and put right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET, UnsetType

from napari_exactile.images.store.journal import Content, read_json, write_json
from napari_exactile.record import Record
from napari_exactile.version import STORE_FORMAT

OWN = "exactile"
RUN = f"{OWN}/run.json"
# In a line of the journal, what `run.json` says; in a file of zarr, what may be added to.
ABOUT, ATTRIBUTES = "about", "attributes"

CHANGED = "not as it was written"

Files = Mapping[str, Content]
# What is the same in every store, also in those of earlier versions, which say of no other file what it was.
EVERYWHERE: Files = {f"{OWN}/zarr.json": {ATTRIBUTES: {}, "zarr_format": 3, "node_type": "group"}}


class AboutLine(Record, frozen=True, kw_only=True):
    """The line of the journal that says what `run.json` says; it is the first, but in stores of old."""

    plane: tuple[int, ...] = ()
    about: Content
    seconds: float = 0.0


class ImageFacts(Record, frozen=True, kw_only=True):
    """What must be known of an image to write it: how many axes are spatial, and which is the channels'."""

    spatial: int
    channel: int | None


class StoreFacts(Record, frozen=True, kw_only=True):
    """What a store says of its own: its images by name, and what its files of zarr said at first.

    Stores of earlier versions say nothing of the files.
    """

    images: dict[str, ImageFacts]
    files: dict[str, Content] | UnsetType = UNSET

    @classmethod
    def in_store(cls, path: Path, about: Content) -> StoreFacts:
        """Return what a store says; raise ValueError where it is of another version, or damaged."""
        if "images" not in about:
            refuse_version(path, about)
        try:
            return cls.of(about)
        except ValueError as error:
            raise damaged_beyond(path, RUN, str(error)) from error

    @property
    def written(self) -> Files:
        """What is known of the files of zarr."""
        return EVERYWHERE if self.files is UNSET else self.files


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a store that is not as it was written, and what continuing the run does about it.

    Both say "{be}" or "{are}" for their verb, as they are told before and after.
    """

    what: str
    remedy: str

    @property
    def found(self) -> str:
        """A sentence for somebody who only looks."""
        now = f"{self.what}: {self.remedy} when the run is continued"
        return now.format(be="is", are="are")

    @property
    def mended(self) -> str:
        """A sentence for what has been put right."""
        return f"{self.what}: {self.remedy}".format(be="was", are="were")


def be(count: int) -> str:
    """Return the verb of a `Fault` for so many things."""
    return "{be}" if count == 1 else "{are}"


def about_of(path: Path, records: Sequence[Content]) -> tuple[Content, list[Fault]]:
    """Return what a store was made of, and what is wrong with the file that says it.

    It stands in `run.json` and, but for stores of earlier versions, in the journal. Raises ValueError where
    neither says it.
    """
    kept = told_in(records)
    about, wrong = _read(path / RUN)
    if kept is None:
        if about is None:
            raise damaged_beyond(path, RUN, f"it is {wrong}, and nothing else says what the labels are of")
        return about, []
    if about == kept:
        return kept, []
    words = f"{RUN} {{be}} {wrong or CHANGED}"
    return kept, [Fault(words, "it {be} written again, from the journal")]


def told_in(records: Iterable[Content]) -> Content | None:
    """Return what the lines of a journal say that its store was made of; None where none does."""
    for record in records:
        if ABOUT in record:
            with suppress(ValueError):
                return AboutLine.of(record).about
    return None


def refuse_version(path: Path, about: Content) -> None:
    """Raise ValueError where a store is of another version, or does not say of which it is."""
    version = about.get("format")
    if version == STORE_FORMAT:
        return
    if not isinstance(version, int):
        raise damaged_beyond(path, RUN, "it does not say which version wrote it")
    raise ValueError(
        f"{path} was written by another version of napari-exactile: use that one, or choose another name for "
        "the labels"
    )


def damaged_beyond(path: Path, what: str, words: str) -> ValueError:
    """Return the error for a store that cannot be continued any more, because of `what`."""
    return ValueError(
        f"{path} is damaged in {what} ({words}): choose another name for the labels, or begin anew and "
        "overwrite it"
    )


def _read(path: Path) -> tuple[Content | None, str]:
    """Return what a file says, or what is wrong with it."""
    try:
        return read_json(path), ""
    except FileNotFoundError:
        return None, "missing"
    except ValueError:
        return None, "damaged"


def files_of(path: Path) -> dict[str, Content]:
    """Return what the files of zarr say in a sound store, by their names in it; kept tensors are none."""
    files = (file.relative_to(path) for file in path.rglob("zarr.json"))
    names = sorted(file.as_posix() for file in files if file.parts[0] != OWN or len(file.parts) == 2)
    return {name: read_json(path / name) for name in names}


def file_faults(path: Path, files: Files) -> Iterator[tuple[str, Fault]]:
    """Yield the files of zarr that do not say what they said at first; others may have added to it."""
    for name, written in files.items():
        found, wrong = _read(path / name)
        if found is None or not _holds(found, written):
            yield name, Fault(f"{name} {{be}} {wrong or CHANGED}", "it {be} written again")


def _holds(found: Content, written: Content) -> bool:
    """Tell whether a file says what was written; attributes may have been added."""
    rest = all(key in found and found[key] == value for key, value in written.items() if key != ATTRIBUTES)
    has_some = isinstance(found.get(ATTRIBUTES), dict) or ATTRIBUTES not in written
    return rest and has_some and _attributes(written).items() <= _attributes(found).items()


def write_again(path: Path, name: str, written: Content) -> None:
    """Let a file of zarr say what it said at first; attributes that were added stay."""
    found, _wrong = _read(path / name)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    write_json(path / name, written | {ATTRIBUTES: _attributes(found or {}) | _attributes(written)})


@contextmanager
def put_back(files: Iterable[Path]) -> Iterator[None]:
    """Let files be as they were before this block if it raises something."""
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is not None:
                file.write_bytes(content)
            else:
                file.unlink(missing_ok=True)
        raise


def _attributes(content: Content) -> Content:
    attributes = content.get(ATTRIBUTES)
    return attributes if isinstance(attributes, dict) else {}
