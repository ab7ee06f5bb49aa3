"""Damaged model files, thousands of them: each gives labels or one sentence, and never ends the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import model_mutants
from model_mutants import mutant, write_good_files

ORDINARY, LONG = 3, 400  # mutants of each file
SECONDS = 300.0  # for one mutant
FILES = [
    "script.pt", "traced.pt", "frozen.pt", "exported.pt2", "state.pt", "wrapped.pt", "legacy.pth",
    "weights.safetensors", "package.zip",
]  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    write_good_files(folder)
    return folder


def outcomes(files: list[Path]) -> dict[str, str]:
    """Use the files in another process and return how each ends: a crash is what ends the process."""
    found: dict[str, str] = {}
    left = list(files)
    while left:
        run = subprocess.run(
            [sys.executable, model_mutants.__file__, *map(str, left)],
            capture_output=True, text=True, check=False, timeout=SECONDS * len(left),
        )  # fmt: skip
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        found |= {one["file"]: f"{one['kind']}: {one['words']}" for one in lines if "kind" in one}
        begun = [one["file"] for one in lines]
        if run.returncode:
            assert begun, run.stderr
            found[begun[-1]] = f"crash: {run.returncode}"
        left = left[len(dict.fromkeys(begun)) :]
    return found


def assert_harmless(good: Path, folder: Path, name: str, seeds: range) -> None:
    content, files = (good / name).read_bytes(), []
    for seed in seeds:
        files.append(folder / f"{seed}_{name}")
        files[-1].write_bytes(mutant(content, name, seed))
    bad = {file: how for file, how in outcomes(files).items() if how.startswith(("crash", "traceback"))}
    assert not bad


def test_good_files_give_labels(good: Path) -> None:
    """The files that are damaged below are good before."""
    found = outcomes([good / name for name in FILES])
    assert {how.partition(":")[0] for how in found.values()} == {"labels"}, found


@pytest.mark.parametrize("name", FILES)
def test_damage_gives_one_sentence(good: Path, tmp_path: Path, name: str) -> None:
    """A few mutants of each kind of file."""
    assert_harmless(good, tmp_path, name, range(ORDINARY))


@pytest.mark.prove
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FILES)
def test_much_damage_gives_one_sentence(good: Path, tmp_path: Path, name: str) -> None:
    """Hundreds of mutants of each kind of file."""
    assert_harmless(good, tmp_path, name, range(ORDINARY, ORDINARY + LONG))
