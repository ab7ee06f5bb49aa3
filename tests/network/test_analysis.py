"""An analysis is one of three: derived facts that are all there, refusals, or what was declared."""

from __future__ import annotations

import gc
import typing
from collections.abc import Callable
from functools import cached_property
from inspect import getmembers
from typing import Any
from weakref import ref

import numpy as np
import pytest
from torch import nn

import napari_exactile as ex
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, require_derived
from napari_exactile.network.declared import Declared, declare
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused
from napari_exactile.run.plan import automatic
from napari_exactile.run.plan.methods import METHODS

SHAPE = (96, 80)
IMAGE = np.random.default_rng(0).random(SHAPE, np.float32)


def exact() -> nn.Module:
    return UNet(base=2, levels=2).eval()


def refused() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(-1)).eval()


def declared() -> Declared:
    network = refused()
    return declare(network, ex.analyse(network, SHAPE))


def facts(kind: type) -> dict[str, Any]:
    """Return the types of the fields and properties of a class, by their names."""
    getters = {
        name: one.fget if isinstance(one, property) else one.func
        for name, one in getmembers(kind, lambda one: isinstance(one, property | cached_property))
    }
    types = {name: typing.get_type_hints(getter)["return"] for name, getter in getters.items()}
    return typing.get_type_hints(kind) | types


def test_an_analysis_is_one_of_three() -> None:
    """There are three kinds, and none is another."""
    kinds = typing.get_args(Analysis)
    assert set(kinds) == {Derived, Refused, Declared}
    assert not any(issubclass(a, b) for a in kinds for b in kinds if a is not b)
    found = [ex.analyse(exact(), SHAPE), ex.analyse(refused(), SHAPE), declared()]
    assert [type(one) for one in found] == [Derived, Refused, Declared]
    assert [bool(one.refusals) for one in found] == [False, True, True]


def test_what_is_derived_is_all_there() -> None:
    """No fact of a network that can be exact may be None, by its type and in truth; but for a name."""
    types = facts(Derived)
    assert {"factor", "context", "radius", "paper_radius", "padding", "graph", "passes"} <= set(types)
    assert [name for name, one in types.items() if type(None) in typing.get_args(one)] == ["output"]
    derived = ex.analyse(exact(), SHAPE)
    assert [name for name in types if getattr(derived, name) is None] == ["output"]


@pytest.mark.parametrize("analysis", [ex.analyse(refused(), SHAPE), declared()], ids=["refused", "declared"])
def test_what_is_not_derived_has_nothing_exact(analysis: Refused | Declared) -> None:
    """Context and radius are None, as scripts ask for them; a graph, or anything made of it, is not there."""
    assert analysis.context is analysis.radius is analysis.paper_radius is None
    assert not any(hasattr(analysis, name) for name in ("bound", "frozen", "graph", "passes", "layers"))


DOORS: dict[str, Callable[[nn.Module], object]] = {
    "plan": lambda network: ex.plan_tiles(ex.analyse(network, SHAPE), 64),
    "plan of whole tiles": lambda network: ex.plan_tiles(ex.analyse(network, SHAPE), 64, method="whole-tile"),
    "run": lambda network: ex.segment(IMAGE, network),
    "one pass": lambda network: ex.segment_whole(IMAGE, network),
    "error": lambda network: ex.tiling_error(IMAGE, network, radius=8),
    "sweep": lambda network: ex.radius_sweep(IMAGE, network),
    "measured": lambda network: ex.measure_context(network, SHAPE),
}


@pytest.mark.parametrize("door", DOORS)
def test_the_engine_refuses_in_the_same_words_everywhere(door: str) -> None:
    """Whatever needs a network that can be exact refuses another with one sentence: why, and the way out."""
    with pytest.raises(ex.NotExactError) as said:
        require_derived(ex.analyse(refused(), SHAPE))
    assert str(said.value) == (
        "this model cannot be exact in tiles: _softmax at '1': it works along a spatial axis. "
        'Or run it in approximate mode with a radius of your own (method "approximate", radius 64 say)'
    )
    with pytest.raises(ex.NotExactError) as caught:
        DOORS[door](refused())
    assert str(caught.value) == str(said.value)
    assert caught.value.refusals == said.value.refusals


def test_what_was_declared_goes_by_no_exact_method() -> None:
    """Each method takes what it can go by, and refuses the others."""
    derived, other = ex.analyse(exact(), SHAPE), declared()
    for name, method in METHODS.items():
        own, strange = (other, derived) if name == "approximate" else (derived, other)
        assert method.require(own) is own
        with pytest.raises(ValueError, match=r"can be exact|cannot be exact"):
            method.require(strange)
        with pytest.raises(ex.NotExactError):
            method.require(ex.analyse(refused(), SHAPE))


# --- what is remembered of plans --------------------------------------------------------------------------


def test_a_plan_leaves_nothing_in_the_analysis() -> None:
    """An analysis is never written to: what it holds after many plans was derived of it."""
    analysis = ex.analyse(exact(), SHAPE)
    for method in ("trimmed", "whole-tile"):
        for memory in (None, 1 << 20, 1 << 30):
            ex.plan_tiles(analysis, method=method, memory=memory)
    held = {type(value) for value in vars(analysis).values()}
    assert held
    assert not held & {dict, list, set, bytearray}


def test_a_plan_made_again_asks_for_no_cost_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What zones cost is computed once for an analysis, whatever memory is free; another asks anew."""
    asked: list[object] = []
    method = type(METHODS["trimmed"])
    original = method.peak

    def counted(self: Any, bound: Any, zone: Any, radius: Any) -> int:
        asked.append(zone)
        return original(self, bound, zone, radius)

    monkeypatch.setattr(method, "peak", counted)
    first, second = ex.analyse(exact(), SHAPE), ex.analyse(exact(), SHAPE)
    counts = []
    for analysis, memory in ((first, 1 << 30), (first, 1 << 30), (first, 1 << 29), (second, 1 << 30)):
        asked.clear()
        ex.plan_tiles(analysis, method="trimmed", memory=memory)
        counts.append(len(asked))
    assert counts[1:3] == [1, 1]  # of the plan itself
    assert counts[0] == counts[3] > 1


def test_what_zones_cost_is_forgotten_with_the_analysis() -> None:
    """Nothing holds an analysis, with the weights in its graph, once nobody holds it or its network."""
    analysis = ex.analyse(exact(), SHAPE)
    ex.plan_tiles(analysis, method="trimmed")
    assert analysis.bound in automatic._known
    gone, before = ref(analysis.bound), len(automatic._known)
    del analysis
    gc.collect()
    assert gone() is None
    assert len(automatic._known) < before
