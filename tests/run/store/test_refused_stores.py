"""What a store says of itself can be wrong in every way: that is told in a sentence, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import napari_exactile as ex
from napari_exactile.images.read.from_labels import open_labels
from napari_exactile.run.engine.events import words_of
from napari_exactile.run.store.state import state_of
from sentences.given import constant, image, say, store, verified, without_journal
from sentences.style import FOREIGN, faults
from store_mutants import small_mutants

FEW, MANY = 6, 300


def content_of(path: Path) -> dict[str, bytes]:
    """All files of a store but the lock, in which a process leaves its number."""
    files = (file for file in path.rglob("*") if file.is_file() and file.name != "lock")
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def told(path: Path, act: Callable[[], Any], may_change: bool = False) -> list[str]:
    """What an act on a store says of it; what is refused, and what only looks, changes nothing."""
    before = content_of(path)
    try:
        found = act()
    except (ValueError, OSError, ex.TileError) as error:
        said = words_of(error).replace(str(path.parent), "")
        assert path.name in said, said
        assert not [*faults(said)], said
        is_begun = isinstance(error, ex.TileError)
        assert is_begun or content_of(path) == before, said
        return []
    assert may_change or content_of(path) == before
    if isinstance(found, ex.Verification):
        return [*found.faults, *found.notes, found.check.reason]
    return found if may_change else []


def continued(path: Path) -> list[str]:
    """Continue the run of a store, and return what was put right."""
    heard: list[Any] = []
    constant(image(), path, on_event=heard.append)
    return [words for event in heard if isinstance(event, ex.StoreOpened) for words in event.mended]


def try_mutants(path: Path, seed: int, count: int) -> None:
    sound = path.with_name("sound")
    shutil.copytree(path, sound)
    for name, done, content in small_mutants(sound, seed, count):
        shutil.rmtree(path)
        shutil.copytree(sound, path)
        (path / name).unlink()
        if content is not None:
            (path / name).write_bytes(content)
        told(path, lambda: state_of(path))
        told(path, lambda: open_labels(path))
        told(path, lambda: ex.open_image(path))
        words = told(path, lambda: verified(path))
        words += told(path, lambda: continued(path), may_change=True)
        assert not [one for one in words if FOREIGN.search(one)], (name, done, words)


def old_store(folder: Path) -> Path:
    """A store that says as little of itself as those of earlier versions."""
    return without_journal(store(folder), lambda about: about.pop("files") and about)


@pytest.mark.parametrize("make", [store, old_store])
def test_wrong_files_of_stores(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Whichever file it is, whoever looks at it, continues or opens it hears of it in words of ours."""
    try_mutants(make(tmp_path), 0, FEW)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("make", [store, old_store])
def test_many_wrong_files_of_stores(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """The same, hundreds of times."""
    try_mutants(make(tmp_path), 1, MANY)


def test_a_refusal_mends_nothing(tmp_path: Path) -> None:
    """A damaged store that another run cannot continue keeps its damage, for the run that can."""
    path = store(tmp_path)
    (path / "0" / "zarr.json").write_text("null")
    journal = path / "exactile" / "journal"
    journal.write_bytes(journal.read_bytes()[:-9])
    before = content_of(path)
    with pytest.raises(ValueError, match="was begun with another tile"):
        constant(image(), path, tile=44)
    assert content_of(path) == before
    assert len(continued(path)) >= 1
    assert verified(path).agrees


def test_what_does_not_help_is_not_written(tmp_path: Path) -> None:
    """Where the journal itself says wrongly what a file of zarr was, that file stays as it is."""
    path = store(tmp_path)
    say(path / "0" / "zarr.json", lambda about: about.update(shape=[1, 2]))
    path = without_journal(path, lambda about: about["files"]["0/zarr.json"].update(shape="x"))
    before = (path / "0" / "zarr.json").read_bytes()
    with pytest.raises(ValueError, match="do not describe these labels"):
        constant(image(), path)
    assert (path / "0" / "zarr.json").read_bytes() == before
