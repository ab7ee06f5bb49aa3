"""`exactile doctor` tells what those who are asked for help must know, and names nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from command_line import MODEL, assert_refused, call
from napari_exactile.version import __version__


def test_the_doctor_tells_the_installation() -> None:
    """Without a store it tells versions and the machine, in lines that can be sent."""
    result = call("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert __version__ in result.stdout
    for words in ("torch", "GB free", "devices", "none yet"):
        assert words in result.stdout


def test_the_doctor_tells_the_report_of_a_store(tmp_path: Path) -> None:
    """With a store it tells how its labels came about, and neither where it is nor of what."""
    folder = tmp_path / "smith"
    folder.mkdir()
    tifffile.imwrite(folder / "cells of smith.tif", np.random.default_rng(0).random((60, 70), np.float32))
    store = folder / "labels of smith.ome.zarr"
    assert call("segment", folder / "cells of smith.tif", "--model", MODEL, "--out", store).exit_code == 0
    told = call("doctor", store).stdout
    assert "60 x 70 px" in told
    assert f"{MODEL}, content" in told
    assert "complete, exact" in told
    assert "smith" not in told
    assert str(tmp_path) not in told


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    """A folder without a report is refused in one sentence."""
    assert_refused(call("doctor", tmp_path), "holds no report: name a store")
