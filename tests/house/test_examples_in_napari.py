"""The examples with a window open one, and Run in it does what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*_in_napari.py"))
DRIVER = ROOT / "tests/support/driven_example.py"

pytest.importorskip("napari")
pytest.importorskip("torch")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_in_a_window(example: Path, tmp_path: Path) -> None:
    """Each opens a window with the dock, in which Run gives exact labels of both classes."""
    command = [sys.executable, str(DRIVER), str(example), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    assert said.startswith("Done: exact"), done.stderr
    assert said.endswith(": [0, 1], window seen: True")
    assert done.returncode == 0, done.stderr
