"""The papers' experiments, at small sizes: errors end where networks need them to, and the scale is said."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn
from typer.testing import Result

import napari_exactile as ex
from command_line import assert_refused, call, summary
from integer_nets import MODULUS, integer_unet
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.papers import radii
from napari_exactile.papers.experiment import Experiment, Outcome, Scale, run_experiment
from napari_exactile.papers.experiments import EXPERIMENTS
from napari_exactile.papers.radii import UNETS, Reach, reach

# Length of a strip with a seam, for each experiment's tile.
LENGTHS = {"table1": 576, "table2": 1088, "table3": 1096, "fig7": 576, "densenet": 1216}
REQUIRED = {"table1": 96, "table2": 96, "table3": 72, "densenet": 416}


def outcome(experiment: Experiment, width: int = 32, **scale: int) -> Outcome:
    """Run an experiment to its end on strips; the papers' tiles are cut along y."""
    chosen = Scale(**({"size": LENGTHS[experiment.name], "images": 1, "base": 2} | scale))
    *_, last = run_experiment(experiment, (chosen.size, width), chosen)
    return last


def integers(experiment: Experiment, net: nn.Module, values: list[int]) -> Experiment:
    """Return the experiment with a network and images whose arithmetic is exact."""

    def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, MODULUS, shape).astype(float)

    made = ex.load_model(net, normalization="none")
    return replace(experiment, make=lambda _base: made, draw=draw, values=values)


def wrong(found: Outcome) -> list[int]:
    return [point.value for point in found.sweep.points if point.rmse > 0]


# --- to the bit


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("table1", {}), ("table2", {"classes": 4}), ("table3", {"levels": 3, "convolutions": 3, "classes": 4})],
)
def test_errors_vanish_at_the_required_radius_and_not_before(name: str, parameters: dict[str, int]) -> None:
    """In exact arithmetic, tiles are wrong one F before the required radius and right from it on."""
    experiment, required = EXPERIMENTS[name], REQUIRED[name]
    factor = 8 if name == "table3" else 16
    net = integer_unet(1, **({"base": 2} | parameters))
    found = outcome(integers(experiment, net, [0, required - factor, required, required + factor]))
    assert wrong(found) == [0, required - factor]
    assert found.sweep.required == required == found.sweep.paper


def test_tiles_may_start_on_multiples_of_the_factor_only() -> None:
    """In exact arithmetic, figure 7 is zero at 0, 16 and 32 and nowhere else."""
    values = [0, 1, 8, 15, 16, 24, 32]
    found = outcome(integers(EXPERIMENTS["fig7"], integer_unet(2, base=2), values))
    assert wrong(found) == [1, 8, 15, 24]
    assert [point.value for point in found.sweep.points if point.exact] == [0, 16, 32]


def test_the_papers_radius_is_too_small_for_the_densenet() -> None:
    """FC-DenseNet-56 misses a row 413 px before a zone at 384 px, where the paper ends, and not at 416 px."""
    # All weights are positive, so that nothing on the way can hide the row.
    net = FCDenseNet.named(56, growth=1, base=1, softmax=False).double().eval()
    for name, tensor in net.state_dict().items():
        tensor.fill_(0 if name.endswith(("bias", "running_mean")) else 1)
    net.logits.weight.data[1] *= 2

    def draw(shape: tuple[int, ...], _seed: int) -> np.ndarray:
        image = np.zeros(shape)
        image[768 - 413] = 1
        return image

    experiment = replace(integers(EXPERIMENTS["densenet"], net, [384, 416]), draw=draw)
    found = outcome(experiment)
    assert wrong(found) == [384]
    assert found.sweep.points[0].misclassified >= 32  # a whole row of the zone that starts at 768
    assert (found.sweep.paper, found.sweep.required) == (384, 416)


# --- as they are


@pytest.mark.parametrize("name", REQUIRED)
def test_each_experiment_shows_errors_that_end(name: str) -> None:
    """Their own networks do err at radius 0, less at larger ones, and not from the required radius on."""
    required = REQUIRED[name]
    experiment = replace(EXPERIMENTS[name], values=[0, 32, required])
    # Where colonies do not meet a seam, the trained network errs in no label.
    found = outcome(experiment, **({"width": 512, "base": 8} if name == "table1" else {"width": 64}))
    first, second, last = found.sweep.points
    assert first.misclassified > 15
    assert first.rmse > 2 * second.rmse > 1e-4
    assert last.exact
    assert last.misclassified == last.near_ties
    assert last.max_abs_difference < 1e-5
    assert [cost.computing for cost in found.costs] == sorted(cost.computing for cost in found.costs)
    assert found.costs[0].computing == 1
    assert all(cost.time >= 0 for cost in found.costs)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_papers_steps_can_be_taken(name: str) -> None:
    """Every radius of an experiment leaves a zone of its tile, and its own images have a seam."""
    experiment = EXPERIMENTS[name]
    factor = {"table3": 8, "densenet": 32}.get(name, 16)
    if experiment.kind == "radius":
        assert experiment.tile - 2 * max(experiment.values) >= factor
        assert max(experiment.values) >= REQUIRED[name]
        radii = [radius for paper in experiment.published for _, column in paper.columns for radius in column]
        assert set(radii) <= set(experiment.values)
        assert radii
    assert experiment.scale.size > experiment.tile


# --- radii

DESIGN = {  # (M, n, k): Eq. 1, rounded, context, needed
    (4, 2, 3): (92, 96, 94, 96), (3, 3, 3): (66, 72, 69, 72), (4, 1, 3): (46, 48, 47, 48),
    (4, 3, 3): (138, 144, 141, 144), (3, 1, 3): (22, 24, 23, 24), (3, 2, 3): (44, 48, 46, 48),
    (2, 2, 3): (20, 20, 22, 24), (2, 3, 3): (30, 32, 33, 36), (2, 1, 5): (20, 20, 22, 24),
    (1, 1, 3): (4, 4, 5, 6), (1, 3, 3): (12, 12, 13, 14), (3, 4, 3): (88, 88, 92, 96),
}  # fmt: skip


@pytest.mark.parametrize("parameters", UNETS)
def test_radii_of_unets(parameters: tuple[int, int, int]) -> None:
    """Eq. 1, the analysis and the measurement give the design's table, the two latter the same."""
    levels, convolutions, kernel = parameters
    equation, paper, context, needed = DESIGN[parameters]
    row = reach("", UNet(levels=levels, convolutions=convolutions, kernel=kernel, base=2))
    assert (row.equation, row.paper, row.needed) == (equation, paper, needed)
    assert row.derived == row.measured == (context, context)
    assert row.paper_holds == (paper >= needed)


# --- the command line


def test_the_scaling_is_said(tmp_path: Path) -> None:
    """Widths, sizes and data are said beside the papers'; the files hold what was measured."""
    out, plot = tmp_path / "table.csv", tmp_path / "plot.png"
    arguments = ("--size", 48, "--images", 2, "--base", 2, "--csv", out, "--plot", plot)
    said = summary(call("reproduce", "table3", *arguments))
    assert said["scaling"].startswith("base 2, the papers' 64; tiles of 10")
    assert "images of 48 px, theirs too large for a GPU" in said["scaling"]
    assert said["data"].startswith("2 images of 48 x 48 px: independent normal noise")
    assert said["reference"] == "one pass of the unchanged network over the whole image"
    assert said["result"] == "no pixel differs at any radius"
    assert said["paper's"].startswith("Majurski and Bajcsy 2020, Table 3: U-Net with n = 3 and M = 3")
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == len(EXPERIMENTS["table3"].values)
    assert plot.read_bytes().startswith(b"\x89PNG")


def table(result: Result) -> dict[tuple[str, str], str]:
    """Return the cells of a table that was printed, by radius and column."""
    lines = result.stdout.splitlines()
    (head,) = ([cell.strip() for cell in line.split("┃")[1:-1]] for line in lines if line.startswith("┃"))
    rows = ([cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│"))
    return {(row[0], name): cell for row in rows for name, cell in zip(head, row, strict=True)}


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("table1", {"0": ("0.013", "6052.6"), "80": ("1.17e-05", "0.4"), "112": ("2.61e-08", "0")}),
        ("table2", {"0": ("0.00027", "55796.3"), "80": ("8.71e-09", "3.7"), "112": ("", "")}),
        ("table3", {"0": ("0.00751", "2688.4"), "56": ("1.81e-06", "0.1"), "72": ("1.2e-08", "0")}),
    ],
)
def test_the_papers_figures_stand_beside(name: str, figures: dict[str, tuple[str, str]]) -> None:
    """Tables 1 to 3 show RMSE and ME that the 2020 paper reports at each of its radii, and cite it."""
    result = call("reproduce", name, "--size", 48, "--images", 1)
    cells = table(result)
    found = {radius: (cells[radius, "2020 RMSE"], cells[radius, "2020 ME"]) for radius in figures}
    assert found == figures
    assert f"Majurski and Bajcsy 2020, Table {name[-1]}: " in result.stdout
    if name == "table1":
        assert (cells["32", "2021 ME"], cells["96", "2021 time"]) == ("2372.2", "2.58")


def test_figure_7_says_what_the_paper_found() -> None:
    """The paper's figure has no table: what it shows is said, and where."""
    said = summary(call("reproduce", "fig7", "--size", 48, "--images", 1, columns=300))
    assert said["paper's"].startswith("Majurski and Bajcsy 2020, Fig. 7: ")
    assert said["paper's"].endswith("the same scores only at offsets that are multiples of 16")


def test_radii_say_where_the_papers_radius_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for each network: Eq. 1, analysis, measurement, verdict; what was not measured says so."""
    nets: dict[str, Any] = {"small": (partial(UNet, levels=1, convolutions=1, base=2), True)}
    nets["large"] = (partial(UNet, base=2), False)
    monkeypatch.setattr(radii, "networks", lambda _everything: nets)
    result = call("reproduce", "radii", "--csv", tmp_path / "radii.csv")
    rows = [line for line in result.stdout.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    assert cells == [
        ["small", "2", "4, 4", "5 + 5", "5 + 5", "6", "too small"],
        ["large", "16", "92, 96", "94 + 94", "not measured", "96", "holds"],
    ]
    assert summary(result)["NaN probe"] == "the same, measured on 1 of 2 networks: they agree"
    assert len((tmp_path / "radii.csv").read_text().splitlines()) == 3


def test_a_measurement_that_differs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the analysis and the probe to differ, the output would name the network."""
    row = Reach("odd one", 2, 4, (5, 5), (5, 6))
    monkeypatch.setattr(radii, "reaches", lambda _everything: iter([row]))
    assert "they differ for odd one" in summary(call("reproduce", "radii"))["NaN probe"]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["table9"], "there is no experiment 'table9'; there are table1, table2", 2),
        (["table1", "--base", "16"], "table1 takes a trained network: its base is 8, not 16", 1),
        (["table2", "--size", "0"], "--size must be at least 1, not 0", 1),
        (["table2", "--device", "mps"], "is not offered", 1),
        (["radii", "--size", "64"], "radii computes no errors", 1),
        (["table2", "--plot", "plot.txt"], "must end in .png or .svg or .pdf", 1),
    ],
)
def test_what_cannot_be_reproduced(arguments: list[str], message: str, code: int) -> None:
    """Unknown experiments and sizes that cannot be are said in one sentence before anything is computed."""
    assert_refused(call("reproduce", *arguments), message, code)
