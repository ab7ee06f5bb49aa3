"""Passes over the whole image that a run had finished when it ended, however it ended, are not done again."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

import napari_exactile as ex
from napari_exactile.images.store.journal import Journal
from napari_exactile.network.whole.moments import Moments
from napari_exactile.run.engine.events import Event, Surveying, TileFinished
from napari_exactile.run.engine.local import engine
from napari_exactile.run.engine.passes.pass_records import PassRecord, known_passes
from slow_run import SMALL, TILE, image, looking_at_all

pytestmark = pytest.mark.usefixtures("one_thread")
PROGRAM = Path(__file__).parents[2] / "support" / "slow_run.py"


# How passes go over the image: tile by tile, or walked, in so small strips that a pass has many.
chosen: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True, params=["trimmed", "skewed"])
def method(request: pytest.FixtureRequest) -> Iterator[str]:
    chosen["method"] = request.param
    with patch("napari_exactile.run.plan.bands.FAST", SMALL):
        yield request.param


@pytest.fixture(scope="module")
def undisturbed(method: str, tmp_path_factory: pytest.TempPathFactory) -> ex.Result:
    """What a run gives that nothing stops."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result, heard = segment(tmp_path_factory.mktemp("whole") / "a.ome.zarr")
    torch.set_num_threads(threads)
    assert passes(heard) == [1, 2, 3]
    return result


def segment(path: Path, **more: Any) -> tuple[ex.Result, list[Event]]:
    """Segment into a store; return what was told, too."""
    heard = list[Event]()
    settings = {"image": image(), "model": looking_at_all(), "tile": TILE, "probabilities": True}
    return ex.segment(**settings | chosen | {"output": path, "on_event": heard.append} | more), heard


def stopped(path: Path, number: int, done: int, **more: Any) -> list[Event]:
    """Segment into a store until so much of a pass is done, in tiles or percent; return what was told."""
    heard = list[Event]()

    def there() -> bool:
        last = heard[-1] if heard else None
        return isinstance(last, Surveying) and last.number == number and last.done >= done

    with pytest.raises(ValueError, match="cancelled before its first tile"):
        segment(path, on_event=heard.append, cancel=there, **more)
    return heard


def passes(heard: list[Event]) -> list[int]:
    """Return the numbers of the passes that were begun."""
    return [event.number for event in heard if isinstance(event, Surveying) and event.done == 0]


def kept_in(path: Path) -> list[Path]:
    """Return the tensors that are kept in a store for later passes."""
    return sorted(file for file in (path / "exactile" / "kept").glob("*") if file.suffix != ".json")


def assert_same(result: ex.Result, undisturbed: ex.Result) -> None:
    """Labels and probabilities are the same bytes."""
    assert result.labels[:].tobytes() == undisturbed.labels[:].tobytes()
    assert result.probabilities[:].tobytes() == undisturbed.probabilities[:].tobytes()


def killed_at(path: Path, number: int | None, done: int) -> str:
    """Let a process continue until so much of a pass, or a tile, is done, kill it, and return what it did
    first."""
    program = [sys.executable, PROGRAM, path, "0.02", chosen["method"]]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told: Iterator[str] = map(str.strip, process.stdout)
        assert next(told) == "ready"
        first = next(told)
        assert any(is_at(line, number, done) for line in chain([first], told)), "it ended before"
        process.kill()
    return first


def is_at(line: str, number: int | None, done: int) -> bool:
    words = line.split()
    if number is None:
        return words[0] == str(done)
    return words[:2] == ["pass", str(number)] and int(words[2]) >= done


def test_a_run_killed_again_and_again_does_each_finished_pass_once(
    tmp_path: Path, undisturbed: ex.Result
) -> None:
    """Killed within each of its passes, it begins with that one, and ends with the bytes of one run."""
    path = tmp_path / "a.ome.zarr"
    assert killed_at(path, 1, 5) == "pass 1 0"
    assert killed_at(path, 2, 5) == "pass 1 0"
    assert killed_at(path, 3, 0) == "pass 2 0"
    assert killed_at(path, None, 3) == "pass 3 0"
    assert kept_in(path), "this is about tensors that are kept, too"
    result, heard = segment(path)
    assert not passes(heard)
    assert 0 not in [event.index for event in heard if isinstance(event, TileFinished)]
    assert_same(result, undisturbed)
    assert not (path / "exactile" / "kept").exists()


def test_what_was_kept_decides_and_not_what_is_free_now(tmp_path: Path, undisturbed: ex.Result) -> None:
    """A run goes on with the tensors that it was begun with, whatever the limit is by then."""
    path = tmp_path / "a.ome.zarr"
    stopped(path, 3, 2)
    result, heard = segment(path, scratch_limit=0)
    assert passes(heard) == [3]
    assert_same(result, undisturbed)
    stopped(path, 3, 2, scratch_limit=0, overwrite=True)
    assert not kept_in(path)
    result, heard = segment(path)
    assert passes(heard) == [3]
    np.testing.assert_array_equal(result.labels[:], undisturbed.labels[:])


def test_passes_of_an_older_fold_are_built_upon(
    tmp_path: Path, undisturbed: ex.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was gathered in float64 throughout counts: the pass that was cut is done anew; labels stay."""
    path = tmp_path / "a.ome.zarr"
    with monkeypatch.context() as older:
        older.setattr(Moments, "part", lambda self, tensor, box: self._in_double(tensor))
        stopped(path, 3, 2)
    result, heard = segment(path)
    assert passes(heard) == [3]
    np.testing.assert_array_equal(result.labels[:], undisturbed.labels[:])
    np.testing.assert_allclose(result.probabilities[:], undisturbed.probabilities[:], atol=1e-6)


@pytest.mark.parametrize("first", [0, 2**30])
def test_memory_that_is_free_now_changes_nothing(
    tmp_path: Path, undisturbed: ex.Result, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Tensors are in memory, too, where there is room: before and after a stop that may differ."""
    path, room = tmp_path / "a.ome.zarr", [first]
    monkeypatch.setattr(engine, "scratch_memory", lambda: room[0])
    stopped(path, 3, 2)
    room[0] = 2**30 - room[0]
    result, heard = segment(path)
    assert passes(heard) == [3]
    assert_same(result, undisturbed)


def test_a_disk_with_little_room_keeps_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tensors do not fit beside the labels, passes begin at the image instead."""
    path, asked = tmp_path / "a.ome.zarr", list[Path]()
    monkeypatch.setattr("napari_exactile.run.store.stored.free_bytes", lambda path: asked.append(path) or 0)
    stopped(path, 3, 2)
    assert asked
    assert not kept_in(path)
    _, heard = segment(path)
    assert passes(heard) == [3]


def spoil(path: Path, damage: str) -> None:
    """Damage what a run has left that was stopped in its third pass."""
    journal, description = path / "exactile" / "journal", next((path / "exactile" / "kept").glob("*.json"))
    tensor = description.with_suffix("")
    content = bytearray(tensor.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "number":
            text = journal.read_bytes()
            place = text.index(b'"values":', text.index(b'"pass":1')) + 30
            changed = b"B" if text[place : place + 1] == b"A" else b"A"
            journal.write_bytes(text[:place] + changed + text[place + 1 :])
        case "bit":
            tensor.write_bytes(content)
        case "cut":
            tensor.write_bytes(content[:-20])
        case "zeros":
            tensor.write_bytes(bytes(len(content)))
        case "lost":
            tensor.unlink()
        case "description":
            description.write_text("{")
        case "incomplete":
            description.unlink()


@pytest.mark.parametrize(
    "damage", ["number", "bit", "cut", "zeros", "lost", "description", "incomplete"]
)  # fmt: skip
def test_what_is_damaged_is_found_out_again(tmp_path: Path, undisturbed: ex.Result, damage: str) -> None:
    """A changed number or tensor is never used: as many passes are done again as give it anew."""
    path = tmp_path / "a.ome.zarr"
    stopped(path, 3, 2)
    spoil(path, damage)
    # Stopped once more, before the passes are where they were.
    heard = stopped(path, 2, 3)
    assert passes(heard) == [1, 2]
    result, heard = segment(path)
    assert passes(heard) == [2, 3]
    assert_same(result, undisturbed)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"image": image() + np.uint16(1)}, "another image content"),
        ({"model": torch.nn.Sequential(looking_at_all(), torch.nn.Conv2d(3, 3, 1)).eval()}, "another model"),
        ({"tile": TILE + 2}, "another tile"),
        ({"normalization": "min-max"}, "another normalization"),
    ],
)
def test_passes_of_something_else_are_refused(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    """What was found with another image, model or setting is not used; it stays for its own run."""
    path = tmp_path / "a.ome.zarr"
    stopped(path, 3, 2)
    with pytest.raises(ValueError, match=words):
        segment(path, **other)
    assert passes(segment(path)[1]) == [3]
    _, heard = segment(path, overwrite=True, **other)
    assert passes(heard) == [1, 2, 3]


def test_planes_of_a_stack_have_passes_of_their_own(tmp_path: Path) -> None:
    """Stopped in a pass of its second plane, a stack goes on there; what the first has kept is gone."""
    path, stack = tmp_path / "a.ome.zarr", np.stack([image(), image()[::-1]])
    more: dict[str, Any] = {"image": stack, "axes": "tyx"}
    whole, _ = segment(tmp_path / "whole.ome.zarr", **more)
    heard = list[Event]()
    segment(path, on_event=heard.append, cancel=lambda: passes(heard).count(3) == 2, **more)
    kept = (path / "exactile" / "kept").glob("*")
    assert [folder.name for folder in kept] == ["1"]
    result, heard = segment(path, **more)
    assert passes(heard) == [3]
    assert_same(result, whole)
    assert not (path / "exactile" / "kept").exists()


def test_a_damaged_zone_of_finished_labels_takes_what_passes_it_needs(
    tmp_path: Path, undisturbed: ex.Result
) -> None:
    """What was kept is gone by then: it is made anew for the zone, which becomes what it was."""
    path = tmp_path / "a.ome.zarr"
    segment(path)
    shard = next(file for file in sorted(path.glob("0/c/**/*")) if file.is_file())
    shard.write_bytes(shard.read_bytes()[:-20])
    result, heard = segment(path)
    assert passes(heard)
    assert_same(result, undisturbed)
    assert not (path / "exactile" / "kept").exists()


NUMBERS = [0.0, -0.0, 1 / 3, math.pi * 1e300, 5e-324, math.inf, -math.inf, math.nan]


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    """Through the journal and back, values have the bytes and shapes that they had."""
    numbers = torch.tensor(NUMBERS, dtype=torch.float64)
    values = {3: (numbers.reshape(1, 2, 4, 1),), 12: (numbers[2], numbers[7], numbers[:0])}
    Journal(tmp_path / "journal").append(PassRecord.said_of(0, values).as_json())
    (again,) = known_passes(map(PassRecord.of, Journal(tmp_path / "journal").records))
    assert again.keys() == values.keys()
    for key, one in values.items():
        assert [tensor.shape for tensor in again[key]] == [tensor.shape for tensor in one]
        assert [t.numpy().tobytes() for t in again[key]] == [t.numpy().tobytes() for t in one]


def test_passes_count_in_order() -> None:
    """Of passes after one that is missing nothing is known; one done again makes those after it void."""

    def known(*numbers: tuple[int, float]) -> list[float]:
        records = [PassRecord.said_of(n, {0: (torch.tensor(v).double(),)}) for n, v in numbers]
        return [float(values[0][0]) for values in known_passes(records)]

    assert known() == []
    assert known((0, 1), (1, 2), (2, 3)) == [1, 2, 3]
    assert known((0, 1), (2, 3)) == [1]
    assert known((0, 1), (2, 3), (1, 5)) == [1, 5]
    assert known((0, 1), (1, 2), (2, 3), (1, 5)) == [1, 5]
