"""The benchmark of a GPU runs where there is next to nothing, and writes down whatever comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement

from bare_process import modules_of

# The program is no part of the package.
sys.path.append(str(Path(__file__).parents[2] / "bench"))
from gpu_rows import runner
from gpu_rows.bench import Bench, Work
from gpu_rows.compare import side_by_side
from gpu_rows.report import Report, Row

ROOT = Path(__file__).parents[2]
# What is on the machine before the wheels come.
GIVEN = ["torch", "numpy", "scipy", "tifffile", "safetensors", "psutil"]
SECTION = "a section"


def listed() -> list[str]:
    """Return the names of the packages on the list of wheels."""
    lines = (ROOT / "bench/gpu-wheels.txt").read_text().splitlines()
    return [Requirement(text).name for line in lines if (text := line.partition("#")[0].strip())]


def barely(*program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that can import what is given and listed, its own modules and ours."""
    own = [path.stem for folder in ("bench", "tests/support") for path in (ROOT / folder).iterdir()]
    return subprocess.run(
        [
            sys.executable,
            "tests/support/bare_process.py",
            json.dumps(modules_of(GIVEN + listed()) + own),
            *program,
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bare_machine_is_bare(tmp_path: Path) -> None:
    """The process of the next test can import what it is given, and neither napari nor anything unlisted."""
    program = tmp_path / "program.py"
    program.write_text("import torch, zarr, napari_exactile.run.api\nimport napari")
    done = barely(str(program))
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'napari'"


@pytest.mark.timeout(300)
def test_it_runs_where_only_the_listed_packages_are(tmp_path: Path) -> None:
    """Without napari, our own metadata and tifffile's axes, all rows of the small version come out right.

    Whoever makes a run import another package adds its wheel to the list.
    """
    done = barely("bench/gpu.py", "--device", "cpu", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert not [row for row in rows if row["error"]]
    assert [row["name"] for row in rows if row["skipped"]] == ["memory is taken away"]
    assert list(dict.fromkeys(row["section"] for row in rows)) == list(runner.SECTIONS)
    proofs = [row for row in rows if row["right"] is not None]
    assert len(proofs) >= 14
    assert all(row["right"] for row in proofs)
    figures = {row["name"]: row["values"] for row in rows}
    assert figures["1024 x 1024 px, deflate, one 1x1 convolution"]["device busy in it, %"] > 0
    assert figures["U-Net, base 16, 256 x 256, ours, automatic"]["ME"] == 0
    assert figures["U-Net, base 16, 256 x 256, MONAI sliding window, 0.25"]["ME"] > 0
    page = (tmp_path / "gpu.md").read_text()
    assert all(row["name"] in page for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_device_is_one_sentence(tmp_path: Path) -> None:
    """Where there is no GPU, nothing is measured."""
    done = barely("bench/gpu.py", "--device", "cuda", "--out", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "can use no CUDA device here" in done.stderr
    assert not list(tmp_path.iterdir())


def works(*rows: Row | Exception, cost: float = 0.0) -> list[Work]:
    """Return a work for each row that it gives, or error that it raises."""

    def measured(row: Row | Exception) -> Iterator[Row]:
        if isinstance(row, Exception):
            raise row
        yield row

    return [
        Work(SECTION, (getattr(row, "name", "none"),), lambda row=row: measured(row), cost, proves=True)
        for row in rows
    ]


def ran(folder: Path, planned: list[Work], monkeypatch: pytest.MonkeyPatch, seconds: float = 60) -> Report:
    module = SimpleNamespace(SECTION=SECTION, work=lambda bench: iter(planned))
    monkeypatch.setattr(runner, "MODULES", (module,))
    bench = Bench.on("cpu", True, folder)
    report = Report(folder, bench.about("abc", seconds), [SECTION])
    runner.run(bench, report, seconds)
    return report


def written(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "gpu.json").read_text())["rows"]
    return rows


def test_a_row_that_fails_is_written_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What raises stands with its words; a proof that fails, or cannot be had, is not passed over."""
    fine, broken = Row(SECTION, "fine", {"ME": 0}, right=True), ValueError("no | memory\nat all")
    assert ran(tmp_path, works(fine), monkeypatch).exact
    report = ran(tmp_path, works(broken, fine), monkeypatch)
    assert not report.exact
    assert [(row["name"], row["error"]) for row in written(tmp_path)] == [
        ("none", "ValueError: no | memory"), ("fine", ""),
    ]  # fmt: skip
    assert "| none | failed: ValueError: no / memory |" in (tmp_path / "gpu.md").read_text()
    wrong = Row(SECTION, "wrong", {"ME": 3}, right=False)
    report = ran(tmp_path, works(wrong, fine), monkeypatch)
    assert not report.exact
    assert "NOT EXACT: a section: wrong" in report.summary()


def test_the_dearest_rows_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the time is not enough for all, the dearest go, however early they stand, and are named."""
    dear, cheap = (
        works(Row(SECTION, "dear"), cost=90),
        works(Row(SECTION, "one"), Row(SECTION, "two"), cost=20),
    )
    ran(tmp_path, [*dear, *cheap], monkeypatch, seconds=60)
    skipped = {row["name"]: row["skipped"] for row in written(tmp_path)}
    assert skipped == {"dear": "no time was left for it (about 90 s)", "one": "", "two": ""}


def test_what_is_known_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who stops the program has all rows that were finished by then."""

    def stopped() -> Iterator[Row]:
        yield Row(SECTION, "first half", {"seconds": 1.0})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, [Work(SECTION, ("first half", "second half"), stopped, 0)], monkeypatch)
    assert [row["name"] for row in written(tmp_path)] == ["first half"]


def test_two_reports_are_laid_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that both have stand beside each other with their ratio; what one lacks is named."""
    for name, seconds in (("a", 2.0), ("b", 3.0)):
        rows = Row(SECTION, "both", {"seconds": seconds, "zone": "3 x 4"}), Row(SECTION, f"only {name}")
        ran(tmp_path / name, works(*rows), monkeypatch)
    text = side_by_side(tmp_path / "a/gpu.json", tmp_path / "b/gpu.json")
    assert "| a section | both | seconds | 2 | 3 | 1.5 |" in text
    assert "| a section | both | zone | 3 x 4 | 3 x 4 |  |" in text
    assert "- only in A: a section, only a\n- only in B: a section, only b" in text
    assert "DIFFER" not in text
