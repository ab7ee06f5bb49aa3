"""Checks that a person can ask for: what was derived from a model is held against what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari_exactile.models.load import Model
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused
from napari_exactile.run.check.model_check import check_model, has_test
from napari_exactile.run.plan.analyse import measure_context
from napari_exactile.run.words.summary import sides

ChecksOf = Callable[[Model, Derived | Refused], Iterator[str]]


def checks_of(model: Model, analysis: Derived | Refused) -> Iterator[str]:
    """Yield one sentence per check, as soon as it is known; each takes seconds, and none raises."""
    for check in CHECKS:
        try:
            yield from check(model, analysis)
        except Exception as error:
            yield f"A check failed: {str(error) or type(error).__name__}"


def nan_probe(model: Model, analysis: Derived | Refused) -> Iterator[str]:
    """Yield whether NaN in one row of an image spreads as far as the derived context says."""
    if isinstance(analysis, Refused):
        yield "Not measurable: without a derived context there is nothing to compare with."
        return
    # As long as the probe can ask for: any phase of F with the radius on both sides.
    shape = [2 * r + 3 * f for r, f in zip(analysis.radius, analysis.factor, strict=True)]
    try:
        measured = measure_context(model, shape)
    except (ValueError, RuntimeError) as error:
        yield f"Not measurable: {str(error) or type(error).__name__}."
        return
    derived = analysis.context
    if measured == derived:
        yield f"Measured with NaN: {sides(measured)} px before + after a zone, as derived."
    else:
        yield (
            f"THE CHECK FAILS: measured with NaN, {sides(measured)} px before + after a zone; "
            f"derived {sides(derived)}. Please report this model."
        )


def own_test(model: Model, _analysis: Derived | Refused) -> Iterator[str]:
    """Yield how a model of bioimage.io does on the test of its package; nothing for other models."""
    if has_test(model):
        found = check_model(model)
        verdict = "Its own test agrees" if found.agrees else "ITS OWN TEST FAILS"
        yield f"{verdict}: {found.describe()}."


CHECKS: tuple[ChecksOf, ...] = (nan_probe, own_test)
"""In the order in which they are made; whoever knows another one adds it here."""
