"""The command in a process of its own: what its console cannot write, and who ends it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

pytest.importorskip("torch", reason="the processes run a network")
RUN = [sys.executable, "-c", "from napari_exactile.cli import main; main()"]


def write(path: Path, *shape: int) -> Path:
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16))
    return path


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_console_has_no_letters_for_is_written_as_numbers(tmp_path: Path, encoding: str) -> None:
    """A run whose files have other names ends as any other, and so does a refusal."""
    image, out = write(tmp_path / "größe λ.tif", 60, 70), tmp_path / "名.tif"
    call = [*RUN, "segment", image, "--model", "colonies-demo", "--out", out]
    for code, words in ((0, b"exact"), (1, b"exists already")):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(call, env=environment, capture_output=True, check=False, timeout=120)
        assert done.returncode == code
        told = done.stdout + done.stderr
        assert words in told
        assert b"codec" not in told
        # click gives errors to a console that knows no letters at all in UTF-8.
        assert rb"\u540d" in told or "名".encode() in told
    assert tifffile.imread(out).shape == (60, 70)


@pytest.mark.skipif(sys.platform == "win32", reason="there, processes are ended without being asked")
def test_ended_from_outside_it_keeps_what_is_done(tmp_path: Path) -> None:
    """SIGTERM is what systems and schedulers send first: the run stops as by Ctrl-C, and continues."""
    image, out = write(tmp_path / "a.tif", 900, 900), tmp_path / "a.ome.zarr"
    call = [*RUN, "segment", str(image), "--model", "colonies-demo", "--tile", "256", "--out", str(out)]
    program = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "0" / "c").exists():
        assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    _, told = program.communicate(timeout=120)
    assert program.returncode == 130
    assert "Stopped: the same command continues" in told
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=300)
    assert "exact" in done.stdout
    group: Any = zarr.open_group(out, mode="r")
    assert group["0"][:].max() <= 1
