"""A run that ended early, however it ended, continues where it was, to the labels of one that did not."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from torch import nn

import napari_exactile as ex
from napari_exactile.images.store.journal import Journal, read_json, records_in
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import TileError, TileFinished
from slow_run import TILE, TILES, image, network

# One tile is computed while two wait to be written, and the next may have begun when a run is stopped.
IN_FLIGHT = 4

pytestmark = pytest.mark.usefixtures("one_thread")
PROGRAM = Path(__file__).parents[2] / "support" / "slow_run.py"


@pytest.fixture(autouse=True)
def _many_shards_and_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images this small have several levels, and shards of 2 x 2 zones."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)
    monkeypatch.setattr("napari_exactile.images.store.shards.SHARD_PIXELS", 2**14)


def run(path: Path, *image_and_net: Any, **more: Any) -> set[int]:
    """Segment into a store and return the numbers of the tiles that were computed."""
    return set(order(path, *image_and_net, **more))


def order(path: Path, pixels: Any = None, net: nn.Module | None = None, **more: Any) -> list[int]:
    """Segment into a store and return the numbers of the tiles in the order in which they were computed."""
    heard: list[events.Event] = []
    pixels = image() if pixels is None else pixels
    ex.segment(pixels, net or network(), output=path, on_event=heard.append, **({"tile": TILE} | more))
    return [event.index for event in heard if isinstance(event, TileFinished)]


def levels(path: Path) -> list[np.ndarray]:
    group = zarr.open_group(path, mode="r")
    return [group[str(n)][:] for n in range(len(group.attrs["ome"]["multiscales"][0]["datasets"]))]


def stopped_after(path: Path, tiles: int, **more: Any) -> set[int]:
    """Leave a store with so many finished tiles and those in flight; return the numbers of what is left."""
    done: list[int] = []

    def count(event: events.Event) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    ex.segment(
        image(), network(), tile=TILE, output=path, on_event=count, cancel=lambda: len(done) >= tiles, **more
    )
    assert tiles <= len(done) <= tiles + IN_FLIGHT
    return set(range(TILES)) - set(done)


def assert_whole(path: Path) -> None:
    """Labels are those of one pass, probabilities those of one run, and levels are level 0, thinned."""
    kept = {path: ex.segment_whole(image(), network()).labels}
    if (path / "probabilities").exists():
        one_run = ex.segment(image(), network(), tile=TILE, probabilities=True)
        kept[path / "probabilities"] = one_run.probabilities
    for folder, pixels in kept.items():
        found = levels(folder)
        assert len(found) > 1
        for level, array in enumerate(found):
            np.testing.assert_array_equal(array, pixels[..., :: 2**level, :: 2**level])


def start(path: Path, pause: float = 0.01) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, PROGRAM, path, str(pause)], stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills need fork, so that torch is imported once")
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.prove) for n in range(2, 12))])
def test_a_killed_run_continues_to_the_same_labels(tmp_path: Path, seed: int) -> None:
    """Killed at 20 random moments, also while a store is made, a run loses the tile in flight at most."""
    path, chance, computed = tmp_path / "killed.ome.zarr", random.Random(seed), 0
    more: dict[str, Any] = {"probabilities": True}
    program = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(PROGRAM.parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        for attempt in range(20):
            # The store is removed each time a run comes to its end, so that every kill has work to interrupt.
            program.stdin.write(f"{path} {chance.uniform(0.01, 0.35)}\n")
            program.stdin.flush()
            words = program.stdout.readline().split()
            assert words[0] in {"killed", "ended"}, words
            computed += words[0] == "killed"
            if words[0] == "ended":
                assert_whole(path)
                assert run(path, overwrite=True, **more) == set(range(TILES)), attempt
                stopped_after(path, 3, overwrite=True, **more)
    finally:
        program.stdin.close()
        program.stdout.close()
        program.wait(20)
    assert computed >= 10
    run(path, **more)
    assert (path / "probabilities").exists()
    assert_whole(path)
    assert run(path, **more) == set()


# Imports torch once, then lets a fork segment, kills it after a while, and says what came of it.
SERVER = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
import napari_exactile.run.store.stored, napari_exactile.images.pyramid as pyramid
import slow_run
pyramid.COARSEST = 2**10
for line in sys.stdin:
    path, wait = line.split()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        slow_run.main(path, 0.02, probabilities=True)
        os._exit(0)
    time.sleep(float(wait))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print("killed" if killed else "ended" if status == 0 else f"failed {status}", flush=True)
"""


def test_only_tiles_in_flight_are_computed_again(tmp_path: Path) -> None:
    """Of a process killed after some tiles, all that it had finished are kept, and its seconds count."""
    path = tmp_path / "a.ome.zarr"
    process = start(path, 0.05)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    finished = {int(process.stdout.readline()) for _ in range(4)}
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait(10)
    process.stdout.close()
    seconds = records_in(path / "exactile" / "journal")[-1]["seconds"]
    assert not (path / "exactile" / "report.json").exists()
    again = run(path)
    assert read_json(path / "exactile" / "report.json")["computing"]["seconds"] > seconds > 0
    assert not again & finished
    assert len(again) >= TILES - len(finished) - IN_FLIGHT


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """While one process writes a store, another is told its number; when it has ended, the way is free."""
    path = tmp_path / "a.ome.zarr"
    process = start(path, 0.5)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()  # a tile is done
    with pytest.raises(ValueError, match=f"is being written by process {process.pid}"):
        run(path)
    with pytest.raises(ValueError, match=f"is being written by process {process.pid}"):
        run(path, overwrite=True)
    process.kill()
    process.wait(10)
    process.stdout.close()
    run(path)
    assert levels(path)[0].max() == 2


def changed_place(pixels: np.ndarray) -> np.ndarray:
    pixels[0, 0] += 1
    return pixels


def other_weights(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        net[0].bias[0] += 0.001
    return net


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"pixels": changed_place(image())}, "another image content: choose another name"),
        (
            {"pixels": image()[:-1]},
            r"another image shape \(\[1, 193, 271\], now \[1, 192, 271\]\), image con",
        ),
        ({"net": other_weights(network())}, "another model: choose"),
        ({"tile": TILE + 2}, r"another tile \(68, now 70\)"),
        ({"normalization": "min-max"}, "another normalization"),
        ({"method": "whole-tile"}, r"another method \(skewed, now whole-tile\)"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    """Labels of another image, model or setting are never mixed: the sentence says what differs."""
    left = stopped_after(tmp_path / "a.ome.zarr", 2)
    before = levels(tmp_path / "a.ome.zarr")[0]
    with pytest.raises(ValueError, match=words):
        run(tmp_path / "a.ome.zarr", **other)
    np.testing.assert_array_equal(levels(tmp_path / "a.ome.zarr")[0], before)
    assert run(tmp_path / "a.ome.zarr") == left


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "pyramid"])
def test_damaged_files_are_computed_again(tmp_path: Path, damage: str) -> None:
    """A shard that was cut off, changed or lost costs its own zones; one of the other levels costs none."""
    path = tmp_path / "a.ome.zarr"
    left = stopped_after(path, 4)
    shard = path / ("1" if damage == "pyramid" else "0") / "c/0/0"
    content = bytearray(shard.read_bytes())
    if damage == "changed":
        content[len(content) // 3] ^= 255
    shard.write_bytes(content[:-20] if damage in {"cut", "pyramid"} else content)
    if damage == "gone":
        shard.unlink()
    again = run(path)
    lost = again - left
    assert again >= left
    assert len(lost) <= 4
    assert bool(lost) == (damage != "pyramid")
    assert_whole(path)


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, the run ends with a sentence, and continues once there is room."""
    path, append, seen = tmp_path / "a.ome.zarr", Journal.append, []
    tiles = order(tmp_path / "whole.ome.zarr")

    def full(self: Journal, record: dict[str, Any]) -> None:
        seen.append(record)
        if len(seen) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, record)

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(TileError, match=rf"tile {tiles[3] + 1} \(.*failed: the disk is full"):
        run(path)
    monkeypatch.setattr(Journal, "append", append)
    again = run(path)
    # Tiles after the one that could not be written may have been in flight.
    assert {tiles[3], *tiles[3 + IN_FLIGHT :]} <= again <= set(tiles[3:])
    assert_whole(path)


def test_statistics_are_not_measured_again(tmp_path: Path) -> None:
    """The normalization of the first run is that of the continued one, to the last bit."""
    path, heard = tmp_path / "a.ome.zarr", []
    stopped_after(path, 2)
    result = ex.segment(image(), network(), tile=TILE, output=path, on_event=heard.append)
    assert not [event for event in heard if isinstance(event, events.Measuring)]
    fresh = ex.segment(image(), network(), tile=TILE)
    assert result.report.normalization == fresh.report.normalization
    assert (result.report.tiles_done, result.report.near_ties) == (TILES, fresh.report.near_ties)


def test_typed_values_are_the_same_again(tmp_path: Path) -> None:
    """A run with values that were typed continues: they come back from the store as they were."""
    path, typed = tmp_path / "a.ome.zarr", "fixed 500,500 120.5,99.25"
    stacked = np.stack([image(), image()])
    net = nn.Conv2d(2, 3, 3, padding=1).eval()
    settings = {"axes": "cyx", "normalization": typed, "tile": TILE, "output": path}
    first = ex.segment(stacked, net, **settings).labels[...]
    assert np.array_equal(ex.segment(stacked, net, **settings).labels[...], first)


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    """Folders and files that are no label stores stay, whatever is asked for."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    for path in tmp_path / "mine", tmp_path / "mine" / "file", tmp_path / "none" / "a.ome.zarr":
        with pytest.raises(ValueError, match=r"choose another name|there is no folder"):
            run(path, overwrite=True)
    assert (tmp_path / "mine" / "file").read_text() == "kept"


def test_a_stack_continues(tmp_path: Path) -> None:
    """Stopped in its second plane, a stack goes on there, and each plane is what it is by itself."""
    path, stack, done = tmp_path / "t.ome.zarr", np.stack([image(), image()[::-1]]), []

    def count(event: events.Event) -> None:
        done.extend([1] if isinstance(event, TileFinished) else [])

    more: dict[str, Any] = {"tile": TILE, "axes": "tyx"}
    ex.segment(stack, network(), output=path, on_event=count, cancel=lambda: len(done) >= TILES + 2, **more)
    tiles = order(tmp_path / "whole.ome.zarr")
    assert run(path, stack, axes="tyx") == set(tiles[len(done) - TILES :])
    np.testing.assert_array_equal(levels(path)[0], ex.segment(stack, network(), **more).labels)


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    """A journal without the end of its last line continues with whole lines."""
    journal = Journal(tmp_path / "journal")
    for number in range(3):
        journal.append({"tile": number})
    text = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(text[:-4])
    again = Journal(tmp_path / "journal")
    assert again.records == [{"tile": 0}, {"tile": 1}]
    again.append({"tile": 7})
    assert Journal(tmp_path / "journal").records == [{"tile": 0}, {"tile": 1}, {"tile": 7}]
    (tmp_path / "journal").write_bytes(text.replace(b'"tile":1', b'"tile":5'))
    assert Journal(tmp_path / "journal").records == [{"tile": 0}, {"tile": 2}]
