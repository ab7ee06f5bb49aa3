"""`exactile verify` says what `verify` found, and its exit code whether to rely on the labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from at_the_door import meet
from command_line import MODEL, assert_refused, call, summary
from napari_exactile.images.store.journal import Journal, write_json, write_lines
from slow_run import image
from verified_stores import change

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What `exactile segment` wrote."""
    tifffile.imwrite(tmp_path / "image.tif", image())
    path = tmp_path / "a.ome.zarr"
    said = summary(call("segment", tmp_path / "image.tif", "--model", MODEL, "--out", path))
    assert re.fullmatch(r"\d,\d+ labels in 1 random window: all are the same", said["check"])
    return path


def test_the_command_says_that_all_is_well(written: Path) -> None:
    """Without options, image and model are those of the run; the exit code is 0."""
    said = summary(call("verify", written, "--windows", 2, "--seed", 5))
    assert said["result"] == "verified"
    assert said["on the disk"] == "1 finished zone is as written"
    assert re.fullmatch(r"\d,\d+ labels in 2 random windows: all are the same", said["windows"])
    assert said["seed"] == "5"


def computed_on(path: Path, device: str) -> None:
    """Let a store say that its labels were computed elsewhere, in both places where it says so."""
    journal = Journal(path / "exactile" / "journal")
    (about,) = (record["about"] for record in journal.records if "about" in record)
    about["identity"]["device"] = device
    write_lines(path / "exactile" / "journal", journal.records)
    write_json(path / "exactile" / "run.json", about)


def test_the_command_computes_where_it_is_told(written: Path) -> None:
    """--device says where windows are computed; what another one than that of the run means is noted."""
    assert "note" not in summary(call("verify", written, "--device", "cpu"))
    assert_refused(call("verify", written, "--device", "tpu"), "device is one of auto, cpu, cuda", code=2)
    computed_on(written, "cuda")
    note = "the labels were computed on cuda, the windows on cpu: near-ties may differ"
    assert summary(call("verify", written, "--device", "cpu"))["note"] == note
    if not torch.cuda.is_available():
        assert "on cuda, which is not here, the windows" in summary(call("verify", written))["note"]
        assert_refused(call("verify", written, "--device", "cuda"), "there is no CUDA device", code=2)


def test_the_command_takes_the_axes_of_another_file(written: Path) -> None:
    """--axes names those of the file that is named, where it has them in another order."""
    np.save(written.parent / "image.npy", image()[..., None])
    options = ("verify", written, "--image", written.parent / "image.npy")
    assert summary(call(*options, "--axes", "YXC"))["result"] == "verified"
    assert_refused(call(*options, "--axes", "cyx"), "but the model takes 1 channel", code=2)


def test_the_command_ends_with_1_where_something_differs(written: Path) -> None:
    """Damage is named, and what to do about it; the exit code is 1."""
    change(written, (3, 4))
    result = call("verify", written)
    assert result.exit_code == 1
    assert "labels 0..193 x 0..271, level 0" in result.stdout
    assert "DAMAGED: the same `exactile segment` command" in result.stdout


def test_the_command_ends_with_2_where_it_cannot_be_found_out(written: Path) -> None:
    """No store, no image, another image: one sentence, and the exit code is 2."""
    assert_refused(call("verify", written.parent), "is no label store of napari-exactile", code=2)
    assert_refused(call("verify", written, "--model", "nothing"), "there is no model called", code=2)
    tifffile.imwrite(written.parent / "other.tif", image() + 1)
    assert_refused(
        call("verify", written, "--image", written.parent / "other.tif"), "another image content", code=2
    )
    (written.parent / "image.tif").rename(written.parent / "moved.tif")
    assert_refused(call("verify", written), r"is not at .*image\.tif any more", code=2)
    assert summary(call("verify", written, "--image", written.parent / "moved.tif"))["result"] == "verified"
    assert call("verify", written, "--windows", 0).exit_code == 2


def test_a_run_ends_with_1_where_its_own_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that another path does not give are kept, and the command says not to rely on them."""
    source = tmp_path / "image.tif"
    tifffile.imwrite(source, np.random.default_rng(0).integers(0, 4000, (200, 220)).astype(np.uint16))
    meet(monkeypatch, after=lambda piece: replace(piece, labels=1 - piece.labels))
    out = tmp_path / "labels.ome.zarr"
    result = call("segment", source, "--model", MODEL, "--out", out)
    assert result.exit_code == 1
    assert "The check failed" in result.stderr
    assert out.is_dir()


def test_the_check_can_be_left_out(tmp_path: Path) -> None:
    """--no-check writes a report that says so, and prints nothing of it."""
    tifffile.imwrite(tmp_path / "image.tif", image())
    path = tmp_path / "a.ome.zarr"
    said = summary(call("segment", tmp_path / "image.tif", "--model", MODEL, "--out", path, "--no-check"))
    assert "check" not in said
    assert json.loads((path / "exactile" / "report.json").read_text())["spot_check"] is None
