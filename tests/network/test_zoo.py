"""Networks of the field: each is exact in tiles, or refused for the reason that is expected."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from integer_nets import assert_context_is_tight, assert_tiled_equals_whole, make_integer
from napari_exactile.geometry.interval import round_up
from napari_exactile.network.analysis import analyse_module, require_derived
from napari_exactile.network.probe import Probe
from napari_exactile.run.plan.plan import plan_tiles
from tiled_scores import Apart, is_as_good, job_of, labels, tiled, whole
from zoo import ZOO, Entry
from zoo.monai_nets import PRESENT

# The command that writes the table is no part of the package.
sys.path.append(str(Path(__file__).parents[2] / "scripts"))
import verdicts
from model_table import PAGE, row


def entries(**facts: object) -> Any:
    """Parametrise a test by the entries with these facts; those that need MONAI are skipped without it."""
    chosen = [e for e in ZOO.values() if all(bool(getattr(e, key)) == value for key, value in facts.items())]
    absent = pytest.mark.skipif(not PRESENT, reason="MONAI is not installed; it comes with the extra `test`")
    marked = [pytest.param(e, id=e.name, marks=[absent] if "MONAI" in e.name else []) for e in chosen]
    return pytest.mark.parametrize("entry", marked)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def committed() -> list[str]:
    """Return the lines of the table."""
    return [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]


@entries(refused=False)
def test_what_can_be_exact_is_not_refused(entry: Entry) -> None:
    """There is F, context and radius; whole tiles alone fail exactly where operators see the whole image."""
    analysis = entry.analysis()
    assert analysis.refusals == ()
    assert analysis.factor is not None
    assert bool(analysis.statistics) == bool(analysis.anchors) == entry.whole


@entries(refused=True)
def test_what_cannot_be_exact_is_refused_with_operator_and_reason(entry: Entry) -> None:
    """The operator is named, and the reason has the words that are expected."""
    assert entry.refused is not None
    operator, words = entry.refused
    refusal = next(one for one in entry.analysis().refusals if operator in one.operator)
    assert words in str(refusal)


@entries()
def test_the_table_of_models_says_so(entry: Entry, committed: list[str]) -> None:
    """Each network has the line in docs/models.md that `make models` writes, and there are no others."""
    assert row(entry) in committed
    assert len(committed) == len(ZOO) + 2


@pytest.mark.skipif(not PRESENT, reason="MONAI is not installed; it comes with the extra `test`")
def test_the_page_for_people_with_a_network_says_so() -> None:
    """Every network has one architecture on docs/exact.md, whose tables `make models` writes."""
    page = verdicts.PAGE.read_text(encoding="utf-8")
    for name, table in verdicts.tables().items():
        begin, end = verdicts.marks(name)
        assert page.partition(begin)[2].partition(end)[0].strip() == table
    assert {verdicts.architecture(entry) for entry in ZOO.values()} == set(verdicts.ARCHITECTURES)


@entries(refused=False)
def test_walks_compute_every_element_once(entry: Entry) -> None:
    """With all kept that passes need, nothing is computed twice; but tensors whose channels lie between the
    axes or behind them are not kept, and what statistics are gathered of is made again from before."""
    again, analysis = {"ConvNeXt V2"}, require_derived(entry.analysis())
    plan = plan_tiles(analysis, method="skewed", scratch=10**10)
    of_padded = plan.redundancy * prod(analysis.shape) / prod(analysis.frame.taken)
    assert (of_padded > 1.02) == (entry.name in again)


@entries(refused=False)
def test_tiled_equals_whole(entry: Entry) -> None:
    """In float64, tiled and whole agree to 1e-10 of the largest score, and all labels of a lively one.

    In float32, the tiled result is at most three times as far from that as the whole pass is, and where
    labels differ, the two best classes are as good as each other.
    """
    exact = job_of(entry.network().double(), entry.analysis())
    truth = whole(exact)
    apart = Apart(tiled(exact), truth)
    assert apart.error <= 1e-10 * truth.abs().max()
    assert len(labels(truth, truth).unique()) > 1
    assert not apart.misclassified.any()

    usual = job_of(entry.network(), analyse_module(entry.network(), 1, entry.shape))
    assert is_as_good(Apart(tiled(usual), truth), Apart(whole(usual), truth))


@entries(refused=False, costly=False, of_image=True)
def test_nan_reaches_as_far_as_the_context_says(entry: Entry) -> None:
    """Measured along the last axis, the context is the derived one, also around operators that see it all."""
    analysis = entry.analysis()
    assert analysis.context is not None
    assert analysis.factor is not None
    probe = Probe(entry.network(), 1, (4096,) * entry.axes, analysis.factor, analysis)
    assert probe.measure(entry.axes - 1) == analysis.context[-1]


@entries(refused=False, integer=True)
def test_integers_are_equal_to_the_bit(entry: Entry) -> None:
    """Where every sum is exact, so is the result, with zero tolerance."""
    net = make_integer(entry.network().double(), seed=1)
    analysis = analyse_module(net, 1, entry.shape)
    assert analysis.factor is not None
    zone = tuple(round_up(n // 2, f) for n, f in zip(analysis.frame.taken, analysis.factor, strict=True))
    assert_tiled_equals_whole(net, analysis, zone, seed=1)


@entries(refused=False, tight=True)
def test_no_smaller_context_would_do(entry: Entry) -> None:
    """An impulse at the context's end changes the zone, and none farther away does."""
    assert_context_is_tight(averaging(entry.network().double()))


def averaging(net: torch.nn.Module) -> torch.nn.Module:
    """Make every convolution a mean without a bias: in the dark, nothing can cancel or hide an impulse."""
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            zero = name.endswith(("bias", "running_mean"))
            tensor.fill_(0.0 if zero else 1.0 if tensor.ndim == 1 else 1.0 / tensor[0].numel())
    return net
