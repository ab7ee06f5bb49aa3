"""What a journal has lost is said, and had from elsewhere where that is sound; nothing is mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from command_line import MODEL, call, summary
from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.steps import Affine, Normalization
from napari_exactile.images.read.fingerprint import ChangedError
from napari_exactile.images.store.journal import Journal, lines_in
from napari_exactile.run.engine.events import Event, Measuring, Surveying, TileFinished
from napari_exactile.run.store.report_file import earlier_report
from slow_run import TILE, TILES, image, looking_at_all, network, until_ready

pytestmark = pytest.mark.usefixtures("one_thread")


def run(path: Path, model: Any = None, **more: Any) -> tuple[ex.Result, list[Event]]:
    heard = list[Event]()
    settings = {"output": path, "tile": TILE, "on_event": heard.append} | more
    return ex.segment(image(), model or network(), **settings), heard


def computed(heard: list[Event]) -> int:
    return sum(isinstance(event, TileFinished) for event in heard)


def measured(heard: list[Event]) -> bool:
    return any(isinstance(event, Measuring) for event in heard)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Finished labels, normalised by what was measured."""
    run(tmp_path / "a.ome.zarr")
    return tmp_path / "a.ome.zarr"


def lose(path: Path, *words: str) -> None:
    """Flip a bit in every line of the journal that has these words."""
    journal = path / "exactile" / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if any(word.encode() in line for word in words):
            lines[number] = line[:20] + bytes([line[20] ^ 1]) + line[21:]
    journal.write_bytes(b"".join(lines))


def drop(path: Path, word: str, count: int = 1) -> None:
    """Remove so many lines that have a word."""
    journal = path / "exactile" / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    gone = [line for line in lines if word.encode() in line][:count]
    journal.write_bytes(b"".join(line for line in lines if line not in gone))


def faults(path: Path, model: Any = None) -> tuple[str, ...]:
    found = ex.verify(path, image(), model or network(), seed=0)
    assert not found.agrees
    return found.faults


def assert_right(path: Path, result: ex.Result) -> None:
    np.testing.assert_array_equal(result.labels[...], ex.segment_whole(image(), network()).labels)
    after = ex.verify(path, image(), network(), seed=0)
    assert after.agrees, after


def test_zeros_and_an_empty_journal(store: Path) -> None:
    """Labels that somebody zeroed, with the journal emptied, are not as they were written."""
    level: Any = zarr.open_group(store)["0"]
    level[...] = 0
    (store / "exactile" / "journal").write_bytes(b"")
    said = faults(store)
    assert any(
        one.startswith("exactile/journal is empty or missing: what is lost is taken from") for one in said
    )
    assert any(f"{TILES} finished tiles of the report are missing in exactile/journal" in one for one in said)
    assert any(f"there is something in {TILES} unfinished zones" in one for one in said)
    result, heard = run(store)
    assert computed(heard) == TILES
    assert any("exactile/journal was empty or missing" in note for note in result.report.notes)
    assert_right(store, result)


@pytest.mark.parametrize("where", ["the middle", "the end"])
def test_a_line_that_was_removed(store: Path, where: str) -> None:
    """A tile whose line is gone is missed, wherever the line was, and is computed anew."""
    drop(store, '"tile":3' if where == "the middle" else f'"tile":{TILES - 1}')
    if where == "the end":
        drop(store, '"report":')
    said = faults(store)
    assert any("1 finished tile of the report is missing in exactile/journal" in one for one in said)
    result, heard = run(store)
    assert computed(heard) == 1
    assert_right(store, result)


def test_a_line_is_missed_by_the_numbers_of_the_others(tmp_path: Path) -> None:
    """Where no report tells how many there were, as of a run that was killed, the numbers of lines do."""
    path = tmp_path / "journal"
    journal = Journal(path)
    for number in range(5):
        journal.append({"tile": number})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[3][:9] + b"?" + lines[3][10:], lines[4], lines[4]]))
    found = lines_in(path)
    assert found.records == ({"tile": 0}, {"tile": 1}, {"tile": 4})
    assert (found.unreadable, found.missing, found.lost, found.doubled) == (1, 1, 2, 1)
    Journal(path)
    assert lines_in(path).records == found.records
    assert not lines_in(path).lost, "what was lost is told once"


def test_a_line_that_is_there_twice(store: Path) -> None:
    """It changes nothing: what is known does not, and it is said."""
    journal = store / "exactile" / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines, lines[4]]))
    found = ex.verify(store, image(), network(), seed=0)
    assert found.agrees
    assert "1 line of the journal can be read twice" in found.notes[0]
    assert not computed(run(store)[1])
    assert not lines_in(journal).doubled


def test_labels_where_nothing_is_finished(tmp_path: Path) -> None:
    """A zone that holds labels in a store that was left in order, and that no line tells of, is said."""
    path, done = tmp_path / "a.ome.zarr", list[Event]()

    def hear(event: Event) -> None:
        done.extend([event] if isinstance(event, TileFinished) else [])

    run(path, on_event=hear, cancel=lambda: len(done) >= 3)
    assert ex.verify(path, image(), network()).agrees
    level: Any = zarr.open_group(path)["0"]
    level[-3:, -3:] = 0
    assert faults(path) == (
        "there is something in 1 unfinished zone: what is there is computed anew when the run is continued",
    )
    assert_right(path, run(path)[0])


def test_labels_of_an_image_that_changed(tmp_path: Path) -> None:
    """A run that its image spoilt says so in the store, to whoever verifies it or would continue it."""
    path, pixels = tmp_path / "a.ome.zarr", image()

    def hear(event: Event) -> None:
        if isinstance(event, TileFinished):
            pixels[:] = pixels[::-1].copy()

    with pytest.raises(ChangedError):
        ex.segment(pixels, network(), output=path, tile=TILE, on_event=hear)
    found = ex.verify(path, image(), network(), seed=0)
    assert any(one.startswith("'image' was changed during the run") for one in found.faults)
    assert not found.agrees
    with pytest.raises(ValueError, match="cannot be continued: 'image' was changed during the run"):
        run(path)
    assert_right(path, run(path, overwrite=True)[0])


# --- what an image was normalised by


def test_a_lost_normalisation_is_taken_from_the_report(store: Path) -> None:
    """One flipped bit in its line: the report has the same, so that nothing is measured or computed again."""
    before = Journal(store / "exactile" / "journal", read_only=True).records
    lose(store, '"steps"')
    said = faults(store)
    assert any(
        "what normalised the image is missing in exactile/journal: it is taken from exactile/report.json"
        in one
        for one in said
    )
    result, heard = run(store)
    assert (computed(heard), measured(heard)) == (0, False)
    steps = [r["steps"] for r in Journal(store / "exactile" / "journal").records if "steps" in r]
    assert steps == [r["steps"] for r in before if "steps" in r]
    assert any("what normalised the image was missing" in note for note in result.report.notes)
    assert_right(store, result)


@pytest.mark.parametrize("report", ["gone", "changed"])
def test_a_lost_normalisation_is_measured_again(store: Path, report: str) -> None:
    """Without a report that can be relied on, the image is measured, and tiles say that it was the same."""
    lose(store, '"steps"')
    file = store / "exactile" / "report.json"
    content = json.loads(file.read_text())
    content["normalization"]["measured"][0]["steps"][0]["mean"][0] += 1
    file.unlink() if report == "gone" else file.write_text(json.dumps(content))
    assert len(faults(store)) == 3
    result, heard = run(store)
    assert (computed(heard), measured(heard)) == (0, True)
    assert_right(store, result)


def test_another_normalisation_is_never_mixed_in(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where measuring again gives other values, on another machine say, no label of the first ones stays."""
    lose(store, '"steps"', '"tile":2')
    (store / "exactile" / "report.json").unlink()
    measure = statistics.measure

    def other(*arguments: Any) -> Any:
        known = yield from measure(*arguments)
        affine: Any = known.steps[0]
        return Normalization((Affine((np.nextafter(affine.mean[0], 0),), affine.std),))

    with monkeypatch.context() as patch:
        patch.setattr(statistics, "measure", other)
        found = ex.verify(store, image().copy(), network(), seed=0)
        assert not found.agrees
        assert "measuring it again gives other values" in found.check.reason
        _, heard = run(store)
    assert (computed(heard), measured(heard)) == (TILES, True)
    makers = {tuple(r["by"]) for r in Journal(store / "exactile" / "journal").records if "tile" in r}
    assert len(makers) == 2
    last = {r["tile"]: tuple(r["by"]) for r in Journal(store / "exactile" / "journal").records if "tile" in r}
    assert len(set(last.values())) == 1
    assert ex.verify(store, image(), network(), seed=0).agrees


def test_settings_can_say_it(tmp_path: Path) -> None:
    """What was typed, or nothing at all, need not be measured to be known."""
    for normalization in ("fixed 500 120", "none"):
        path = tmp_path / f"{normalization[:4]}.ome.zarr"
        run(path, normalization=normalization)
        lose(path, '"steps"')
        (path / "exactile" / "report.json").unlink()
        assert any("it is known from the settings" in one for one in faults(path))
        result, heard = run(path, normalization=normalization)
        assert (computed(heard), measured(heard)) == (0, False)
        assert ex.verify(path, image(), network(), seed=0).agrees
        assert result.report.tiles_done == TILES


def test_lost_passes_are_done_again_where_labels_are_left(tmp_path: Path) -> None:
    """What a pass found is lost: it is found again, tiles that were made by the same stay."""
    path, done = tmp_path / "a.ome.zarr", list[Event]()

    def hear(event: Event) -> None:
        done.extend([event] if isinstance(event, TileFinished) else [])

    run(path, looking_at_all(), on_event=hear, cancel=lambda: len(done) >= 4)
    lose(path, '"pass":1')
    assert any("what passes over the image found is missing" in one for one in faults(path, looking_at_all()))
    result, heard = run(path, looking_at_all())
    assert any(isinstance(event, Surveying) for event in heard)
    assert computed(heard) == result.report.tiles - len(done)
    whole = ex.segment(image(), looking_at_all(), tile=TILE)
    assert result.labels[...].tobytes() == whole.labels.tobytes()
    assert ex.verify(path, image(), looking_at_all(), seed=0).agrees


def test_lost_passes_of_finished_labels_matter_to_nobody(tmp_path: Path) -> None:
    """All tiles say that they were made by the same: no pass is done again."""
    path = tmp_path / "a.ome.zarr"
    run(path, looking_at_all())
    lose(path, '"pass":0', '"pass":1')
    assert len(faults(path, looking_at_all())) == 1
    _, heard = run(path, looking_at_all())
    assert not heard or not any(isinstance(event, Surveying | Measuring | TileFinished) for event in heard)
    assert ex.verify(path, image(), looking_at_all(), seed=0).agrees


# --- the other files


@pytest.mark.parametrize("name", ["exactile/run.json", "exactile/report.json", "0/zarr.json", "zarr.json"])
@pytest.mark.parametrize("content", [None, b"", b"null", b"{", b'{"format": 3}'])
def test_small_files_are_written_again(store: Path, name: str, content: bytes | None) -> None:
    """Each is missed, and is there again after a run that has nothing else to do."""
    before = (store / name).read_bytes()
    (store / name).unlink() if content is None else (store / name).write_bytes(content)
    (said,) = (one for one in faults(store) if one.startswith(f"{name} is "))
    assert said.endswith("when the run is continued")
    result, heard = run(store)
    assert computed(heard) == 0
    assert any(note.startswith(f"{name} was ") for note in result.report.notes)
    if "report" not in name:
        assert json.loads((store / name).read_text()) == json.loads(before)
    assert earlier_report(store)["complete"]
    assert_right(store, result)


def test_a_store_without_what_it_is_of(store: Path) -> None:
    """Labels that nothing tells the origin of are not replaced without being asked for."""
    for name in ("run.json", "journal"):
        (store / "exactile" / name).unlink()
    with pytest.raises(ValueError, match=r"is damaged in exactile/run\.json .*: choose another name"):
        run(store)
    with pytest.raises(ValueError, match=r"is damaged in exactile/run\.json"):
        ex.verify(store, image(), network())
    assert_right(store, run(store, overwrite=True)[0])


# --- the command line


@pytest.fixture
def written(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "image.tif", image())
    out = tmp_path / "a.ome.zarr"
    call("segment", tmp_path / "image.tif", "--model", MODEL, "--tile", 256, "--out", out)
    return out


def test_the_commands_say_what_is_damaged_and_mend_it(written: Path) -> None:
    """verify ends with 1 and says what is lost, segment what it has put right, then verify ends with 0."""
    assert summary(call("verify", written))["result"] == "verified"
    lose(written, '"steps"')
    result = call("verify", written)
    assert result.exit_code == 1
    assert "as written" not in result.stdout
    assert "1 line of exactile/journal is damaged or missing" in result.stdout
    assert "DAMAGED: the same `exactile segment` command puts right what can be" in result.stdout
    arguments = ("segment", written.parent / "image.tif", "--model", MODEL, "--tile", 256, "--out", written)
    again = call(*arguments)
    assert again.exit_code == 0
    assert "Note: what normalised the image was missing in exactile/journal" in " ".join(again.stderr.split())
    assert summary(call("verify", written))["result"] == "verified"


def test_the_command_of_a_store_that_cannot_be_read(written: Path) -> None:
    """A damaged description of the arrays is said, with nothing of zones, and the exit code is 1."""
    (written / "0" / "zarr.json").write_text("null")
    result = call("verify", written)
    assert result.exit_code == 1
    assert "0/zarr.json is damaged: it is written again when the run is continued" in result.stdout
    assert "as written" not in result.stdout


def test_the_command_where_nothing_is_finished(tmp_path: Path) -> None:
    """Of no zone it is not said that it is as it was written."""
    path = tmp_path / "a.ome.zarr"
    tifffile.imwrite(tmp_path / "image.tif", image())
    ex.segment(tmp_path / "image.tif", MODEL, output=path, **until_ready())
    said = summary(call("verify", path))
    assert said["result"] == "nothing is finished: there is nothing to verify"
    assert "as written" not in " ".join(said.values())
