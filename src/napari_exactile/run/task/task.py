"""The task: which planes of an image, by which model, with which settings and plan; asked, never changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch

from napari_exactile.geometry.interval import Box, moved
from napari_exactile.images.about.opened import Place
from napari_exactile.images.planes import Planes, check_channels
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Analysis, Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.run.plan.devices import pick_device
from napari_exactile.run.plan.make import fits_now, make_plan
from napari_exactile.run.plan.methods import method_of
from napari_exactile.run.plan.plan import Plan
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.plan.walks import work_of_passes
from napari_exactile.run.task.decision import Decision
from napari_exactile.run.task.meaning import check_meaning, check_scores, decision_of, gives_words


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Everything that the labels of a run follow from; made by `of`, which checks that it fits together.

    Nothing is read and no arrays are made to ask it. `plan` is for each of the planes, on `device`. `given`
    is the analysis of the image as one pass sees it, `analysis` the one that zones are computed by: whole
    tiles want an image of even size. `place` is where the image lies along the axes of the planes, and
    `notes` are what the report is to say beside what a run finds.
    """

    planes: Planes
    model: Model
    given: Runnable
    analysis: Runnable
    settings: Settings
    device: torch.device
    plan: Plan
    decision: Decision
    place: Place | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, planes: Planes, model: Model, given: Analysis, settings: Settings,
        place: Place | None = None, notes: tuple[str, ...] = (), plan: Plan | None = None,
    ) -> Self:  # fmt: skip
        """Return the task, with the plan that its settings mean here, unless one is known already.

        Raises ValueError for an image without the model's channels, for a model whose output cannot be
        decided on, NotExactError for one that the method cannot be used with, and as `plan_tiles` does.
        """
        first = planes.sources[0]
        check_channels(first.channels, model.card.channels, getattr(first, "name", "image"))
        method = method_of(settings.method)
        given = method.require(given)
        check_scores(given.scores_dtype)
        check_meaning(model.card, given, settings.output_kind)
        analysis = given if isinstance(given, Declared) else method.analysis(given)
        device = pick_device(settings.device)
        plan = plan or make_plan(analysis, settings, device)
        decision = decision_of(model.card, analysis, settings.threshold, settings.output_kind)
        return cls(planes, model, given, analysis, settings, device, plan, decision, place, notes)

    @property
    def classes(self) -> int:
        """Number of label values."""
        return self.decision.count

    @property
    def unfinished(self) -> int:
        """The label of pixels that no tile has reached yet: the one after the last class."""
        return self.classes

    @property
    def tiles(self) -> int:
        """Tiles of all planes."""
        return len(self.plan) * len(self.planes.sources)

    @property
    def gives(self) -> str:
        """What the output of the network is taken for, in words."""
        return gives_words(self.decision, self.model.card, self.analysis, self.settings.output_kind)

    @property
    def keeps_numbers(self) -> bool:
        """Whether probabilities are kept, or values."""
        return self.decision.keeps_numbers(bool(self.settings.probabilities))

    @property
    def labelled(self) -> Box:
        """The box of the output that the labels of a plane cover."""
        part = self.analysis.part(self.plan.tiling.region)
        assert part is not None, "the plan refuses such regions"
        return part

    def in_arrays(self, zone: Box) -> Box | None:
        """Return where the labels of a zone lie in the arrays of a plane; None where it has none."""
        part = self.analysis.part(zone)
        return part and moved(part, [-side.start for side in self.labelled])

    def fits_now(self) -> bool:
        """Tell whether an automatic tile still fits in what is free, of which others may have taken some."""
        return fits_now(self.plan, self.settings, self.device)

    def pass_shares(self) -> tuple[float, ...]:
        """Return how the work on a plane is shared out among its passes, the one that gives labels last."""
        if isinstance(self.analysis, Declared) or not self.plan.schedule.surveys:
            return (1.0,)
        work = work_of_passes(
            self.analysis, self.plan.tiling, self.plan.schedule, self.plan.walked, self.plan.surveyed
        )
        return tuple(part / (sum(work) or 1) for part in work)

    def automatic_plan(self) -> Plan:
        """Return the plan with the tile that the program would choose, whatever a person has typed."""
        return make_plan(self.analysis, replace(self.settings, tile="auto"), self.device)

    def as_begun(self, plan: Plan) -> Self:
        """Return the same task by the plan that it was begun with elsewhere."""
        return replace(self, plan=plan)

    def begun_by(self, method: str) -> Self:
        """Return the same task by the method that it was begun with, where that was left to the program."""
        if self.settings.method != "auto":
            return self
        return replace(self, plan=replace(self.plan, method=method_of("auto", method)))

    def noted(self, notes: tuple[str, ...]) -> Self:
        """Return the same task with more to be said in its report."""
        return replace(self, notes=(*self.notes, *notes))

    def with_threshold(self, threshold: float) -> Self:
        """Return the task whose labels have another threshold; raises ValueError for one that is none."""
        settings = replace(self.settings, threshold=threshold)
        return replace(self, settings=settings, decision=replace(self.decision, threshold=threshold))

    def padded(self) -> Self:
        """Return the task as earlier versions made it: padded to multiples of F, if it can be."""
        if isinstance(self.given, Declared):
            return self
        settings = replace(self.settings, padding="always")
        given = self.given.evenly()
        return type(self).of(self.planes, self.model, given, settings, self.place, self.notes)

    def for_whole_tiles(self) -> Self:
        """Return the task whose image whole tiles can be cut from: itself, or one that pads it evenly."""
        analysis = self.analysis
        if isinstance(analysis, Declared) or analysis.for_whole_tiles is analysis:
            return self
        even = analysis.for_whole_tiles
        return type(self).of(self.planes, self.model, even, self.settings, self.place, self.notes)
