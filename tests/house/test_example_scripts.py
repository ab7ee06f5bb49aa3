"""The scripts in examples/ run as they are, and do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = [path for path in sorted(EXAMPLES.glob("*.py")) if not path.stem.endswith("_in_napari")]
# Words that each script ends with where it has gone well.
SAID = {
    "segment_array": ["exact: True", "0 of 262144 pixels differ"],
    "slide_to_disk": [
        "tiles are done",
        "9 of 9 tiles, exact: True",
        "as they were written: True",
        "computed again, they agree: True",
    ],
    "too_small_overlap": ["needs 96 px of context", "radius  96 px:     0 pixels differ"],
    "objects_of_labels": ["colony:", "um2, its centroid", "colony: Dice 0.9"],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_end_well(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each script runs anywhere, says what it promises, and leaves no file where it was started."""
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert not [words for words in SAID[script.stem] if words not in said], said
    assert not list(tmp_path.iterdir())
