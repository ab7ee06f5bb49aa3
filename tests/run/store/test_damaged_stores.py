"""Whatever is damaged in a store: verify and continuing say it in a sentence, and labels come out right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

import napari_exactile as ex
from kept_stores import KEPT, STORES, Pooled, digests, pixels
from napari_exactile.run.engine.events import Event, Surveying, TileFinished
from sentences.style import FOREIGN
from store_mutants import Mutant, damage

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (131, 151)
FEW, MANY = range(40), range(1000, 1600)


@dataclass(frozen=True)
class Case:
    """A store, and the run that it is of; `stop` says after which event it was left."""

    norm: bool = False
    planes: int = 0
    settings: tuple[tuple[str, Any], ...] = (("tile", 60),)
    stop: Callable[[list[Event]], bool] = lambda heard: False

    def run(self, path: Path, **more: Any) -> ex.Result:
        return ex.segment(self.image, self.model, output=path, **dict(self.settings), **more)

    @property
    def image(self) -> np.ndarray:
        return pixels(SHAPE, self.planes)

    @property
    def model(self) -> ex.Model:
        return ex.load_model(Pooled(self.norm).eval())

    def make(self, path: Path) -> None:
        heard = list[Event]()
        with suppress(ValueError):  # it was stopped before its first tile
            self.run(path, on_event=heard.append, cancel=lambda: self.stop(heard))

    def verify(self, path: Path) -> ex.Verification:
        return ex.verify(path, self.image, self.model, seed=0, windows=2)


def tiles(heard: list[Event]) -> int:
    return sum(isinstance(event, TileFinished) for event in heard)


def in_second_pass(heard: list[Event]) -> int:
    return sum(isinstance(event, Surveying) and event.number == 2 for event in heard)


CASES = {
    "finished": Case(),
    "stopped": Case(stop=lambda heard: tiles(heard) >= 4),
    "stack": Case(planes=2, settings=(("tile", 90), ("axes", "tyx")), stop=lambda heard: tiles(heard) >= 7),
    "together": Case(planes=2, settings=(("tile", 90), ("axes", "tyx"), ("together", True))),
    "probabilities": Case(settings=(("tile", 90), ("probabilities", True))),
    "passes": Case(norm=True),
    "in a pass": Case(norm=True, stop=lambda heard: in_second_pass(heard) >= 4),
    "after passes": Case(norm=True, stop=lambda heard: tiles(heard) >= 3),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _several_levels(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_exactile.images.pyramid.COARSEST", 2**12)
        yield


@pytest.fixture
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old stores have the levels that images have without tests."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**18)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict[str, str]]]:
    """Stores to be copied and damaged, and what they hold when they are finished."""
    folder, known = tmp_path_factory.mktemp("stores"), dict[str, tuple[Path, dict[str, str]]]()

    def make(name: str) -> tuple[Path, dict[str, str]]:
        if name not in known:
            path = folder / f"{name}.ome.zarr"
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            CASES[name].make(path)
            known[name] = path, digests(CASES[name].run(folder / "complete.ome.zarr", overwrite=True))
            torch.set_num_threads(threads)
        return known[name]

    return make


def sentence(error: Exception) -> str:
    """What is said to people: one sentence, of ours, that says what to do."""
    words = str(error)
    assert words, type(error)
    assert "\n" not in words.strip(), words
    assert len(words) < 600, words
    assert not FOREIGN.search(words), words
    return words


def harmless(mutant: Mutant, before: bytes, after: bytes | None) -> bool:
    """Whether nothing that counts has been lost: the same JSON, or more; notes of what is not complete.

    In a journal: no line but the last, which a crash cuts off, or the one that a report ends a run with.
    """
    if mutant.name.endswith("journal"):
        lost = set(before.splitlines()).difference((after or b"").splitlines())
        return all(b'"report":' in line for line in lost)
    if ".part/" in mutant.name or before == after:
        return True
    return mutant.name.endswith("zarr.json") and added_to(before, after or b"")


def open_harmless(mutant: Mutant, before: bytes, after: bytes | None) -> bool:
    """The same for a run that has not come to its labels: lines that are lost could have been so by a crash,
    and of what describes a tensor that is kept, not all matters."""
    is_small = mutant.name.endswith("journal") or (
        mutant.name.endswith("zarr.json") and "kept" in mutant.name
    )
    return is_small or harmless(mutant, before, after)


def old_harmless(mutant: Mutant, before: bytes, after: bytes | None) -> bool:
    """The same for stores of earlier versions, whose small files nothing else tells of."""
    return mutant.name.endswith(".json") or harmless(mutant, before, after)


def added_to(before: bytes, after: bytes) -> bool:
    """Whether a file of zarr says what it said, and at most has attributes that were added."""
    try:
        old, new = (json.loads(content) for content in (before, after))
        kept = old.pop("attributes").items() <= new.pop("attributes").items()
    except (ValueError, KeyError, AttributeError, TypeError):
        return False
    return bool(kept and old == new)


def try_mutant(
    case: Case | Old, path: Path, mutant: Mutant, before: bytes, expected: dict[str, str],
    may_agree: Callable[[Mutant, bytes, bytes | None], bool] = harmless,
) -> None:  # fmt: skip
    """Verify and continue a damaged store; afterwards it is whole."""
    file = path / mutant.name
    holds_before = decoded(path, mutant.name, before)
    after = file.read_bytes() if file.exists() else None
    try:
        found = case.verify(path)
    except (ValueError, OSError) as error:
        sentence(error)
    else:
        for fault in found.faults:
            sentence(ValueError(fault))
        same = "/c/" in mutant.name and decoded(path, mutant.name, after) == holds_before
        assert not found.agrees or same or may_agree(mutant, before, after), f"{mutant}: {found}"
    try:
        result = case.run(path)
    except (ValueError, OSError) as error:
        words = sentence(error)
        assert "overwrite" in words or "another" in words, words
        result = case.run(path, overwrite=True)
    assert digests(result) == expected, mutant
    after_all = case.verify(path)
    assert after_all.agrees, (mutant, after_all)
    assert after_all.tiles == after_all.all_tiles


def decoded(path: Path, name: str, content: bytes | None) -> bytes | None:
    """What a level of an image holds where one of its files has this content."""
    if "/c/" not in name or content is None or "kept" in name:
        return None
    file, level = path / name, name.partition("/c/")[0]
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(content)
    try:
        array: Any = zarr.open_array(path / level, mode="r")
        return bytes(np.ascontiguousarray(array[...]).data)
    except Exception:
        return None
    finally:
        file.unlink() if before is None else file.write_bytes(before)


def copied(path: Path, folder: Path) -> Path:
    return Path(shutil.copytree(path, folder / "a.ome.zarr"))


def try_seed(made: Any, folder: Path, seed: int) -> None:
    name = list(CASES)[seed % len(CASES)]
    store, expected = made(name)
    path = copied(store, folder)
    files = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    mutant = damage(path, seed)
    may_agree = open_harmless if name == "in a pass" else harmless
    try_mutant(CASES[name], path, mutant, files[path / mutant.name], expected, may_agree)


@pytest.mark.parametrize("seed", FEW)
def test_mutants(made: Any, tmp_path: Path, seed: int) -> None:
    """One file is damaged in one way: it is said, nothing else fails, and labels are those of one run."""
    try_seed(made, tmp_path, seed)


@dataclass(frozen=True)
class Old:
    """A store of an earlier version."""

    name: str

    def run(self, path: Path, **more: Any) -> ex.Result:
        one = KEPT[self.name]
        settings = {"normalization": "none", "device": "cpu", "pixel_size": (0.5, 0.5)} | one.settings | more
        return ex.segment(pixels(one.shape, one.planes), Pooled(one.norm).eval(), output=path, **settings)

    def verify(self, path: Path) -> ex.Verification:
        one = KEPT[self.name]
        return ex.verify(path, pixels(one.shape, one.planes), Pooled(one.norm).eval(), seed=0, windows=2)


def try_old(folder: Path, seed: int) -> None:
    old = STORES / "format-3"
    case = Old(list(KEPT)[seed % len(KEPT)])
    path = copied(old / f"{case.name}.ome.zarr", folder)
    files = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    mutant = damage(path, seed)
    expected = json.loads((old / "expected.json").read_text())[case.name]
    may_agree = open_harmless if case.name == "killed-in-a-pass" else old_harmless
    try_mutant(case, path, mutant, files[path / mutant.name], expected, may_agree)


@pytest.mark.usefixtures("_as_it_is")
@pytest.mark.parametrize("seed", range(12))
def test_mutants_of_old_stores(tmp_path: Path, seed: int) -> None:
    """Stores of earlier versions, which say less of themselves, come to the same end."""
    try_old(tmp_path, seed)


@pytest.mark.prove
@pytest.mark.usefixtures("_as_it_is")
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_mutants_of_old_stores(tmp_path: Path, seed: int) -> None:
    """The same, hundreds of times."""
    try_old(tmp_path, seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_many_mutants(made: Any, tmp_path: Path, seed: int) -> None:
    """The same, hundreds of times."""
    try_seed(made, tmp_path, seed)
