"""How far labels agree with those that somebody drew by hand: Dice and IoU of each class, block by block."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.evaluate.find_objects import labels_of
from napari_exactile.geometry.interval import slices
from napari_exactile.geometry.words import times
from napari_exactile.images.making import Making
from napari_exactile.images.reading import pixels
from napari_exactile.images.source import as_array, row_blocks
from napari_exactile.run.plan import given
from napari_exactile.stopping import Cancelled

BLOCK_PIXELS = 1 << 22
MOST_CLASSES = 256

Comparing = Generator[float, None, "Agreement"]


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Pixels of one class in the labels, in the manual labels, and in both."""

    value: int
    name: str
    labels: int
    manual: int
    both: int

    def __post_init__(self) -> None:
        if not 0 <= self.both <= min(self.labels, self.manual):
            raise ValueError(f"{self.both} pixels cannot be in both of {self.labels} and {self.manual}")

    @property
    def dice(self) -> float:
        """Twice the common pixels over the sum of both; NaN where neither has the class."""
        total = self.labels + self.manual
        return 2 * self.both / total if total else nan

    @property
    def iou(self) -> float:
        """The common pixels over those of either (Jaccard's index); NaN where neither has the class."""
        either = self.labels + self.manual - self.both
        return self.both / either if either else nan


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of each class; `pixels` were compared, `ignored` were not annotated.

    >>> import napari_exactile as ex
    >>> found = ex.agreement([0, 1, 1, 9], [0, 1, 1, 1], ignore=0)
    >>> found.iou, found.pixels, found.ignored
    (0.3333333333333333, 3, 1)
    """

    classes: tuple[ClassAgreement, ...]
    background: int | None
    pixels: int
    ignored: int

    @property
    def dice(self) -> float:
        """Mean Dice of the classes that occur, without the background; NaN where none does."""
        return self._mean([one.dice for one in self._foreground])

    @property
    def iou(self) -> float:
        """Mean IoU of the classes that occur, without the background; NaN where none does."""
        return self._mean([one.iou for one in self._foreground])

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """Class, Dice and IoU in words, the mean last; "-" where neither has the class."""
        rows = [(one.name, score(one.dice), score(one.iou)) for one in self.classes]
        return (*rows, (self.mean_name, score(self.dice), score(self.iou)))

    @property
    def mean_name(self) -> str:
        """What the mean is of."""
        names = [one.name for one in self.classes if one.value == self.background]
        return f"mean without {names[0]}" if names else "mean"

    def to_csv(self, path: Path) -> None:
        """Write one row per class; a score is empty where neither has the class. Raises OSError."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["label", "class", "dice", "iou", "pixels_labels", "pixels_manual", "pixels_both"]
            )
            for one in self.classes:
                scores = ("" if isnan(value) else value for value in (one.dice, one.iou))
                writer.writerow([one.value, one.name, *scores, one.labels, one.manual, one.both])

    @property
    def _foreground(self) -> tuple[ClassAgreement, ...]:
        return tuple(one for one in self.classes if one.value != self.background)

    @staticmethod
    def _mean(scores: Sequence[float]) -> float:
        known = [score for score in scores if not isnan(score)]
        return fmean(known) if known else nan


def score(value: float) -> str:
    """Return a score in words.

    >>> score(0.91449), score(nan)
    ('0.914', '-')
    """
    return "-" if isnan(value) else f"{value:.3f}"


def agreement(
    labels: Any,
    manual: Any,
    classes: Sequence[str] = (),
    background: int | None = 0,
    ignore: int | None = None,
    *,
    on_progress: Callable[[float], None] = lambda fraction: None,
    cancel: Callable[[], bool] = lambda: False,
) -> Agreement:
    """Compare labels (a Result or any array) to manual ones of the same shape, class by class.

    `classes` names the labels 0, 1, ...; those that occur without a name are added. Pixels where `manual` is
    `ignore` are not annotated: they are not compared, and that class is not listed. The `background` counts
    as a class, but not in the means. `on_progress` hears the fraction done. Raises ValueError for arrays that
    cannot be compared, and Cancelled once `cancel()` is true.

    >>> import napari_exactile as ex
    >>> found = ex.agreement([[0, 1, 1, 0]], [[0, 1, 0, 0]], ["background", "cell"])
    >>> found.rows[1]
    ('cell', '0.667', '0.500')
    """
    classes = given.names("classes", classes)
    for what, label in (("background", background), ("ignore", ignore)):
        if label is not None:
            given.whole(what, label)
    comparing = Making(compare_labels(labels_of(labels), manual, classes, background, ignore))
    for fraction in comparing:
        on_progress(fraction)
        if cancel():
            raise Cancelled
    return comparing.made


def compare_labels(
    labels: Any, manual: Any, classes: Sequence[str], background: int | None, ignore: int | None
) -> Comparing:
    """Do what `agreement` says, yielding the fraction done; memory is taken for a block only."""
    labels, manual = as_array(labels, "labels"), as_array(manual, "manual")
    _check(labels, manual)
    counts = _Counts(Counter(), Counter(), Counter())
    boxes = row_blocks(tuple(labels.shape), BLOCK_PIXELS)
    for number, box in enumerate(boxes, start=1):
        counts.add(pixels(labels, slices(box)), pixels(manual, slices(box)), ignore)
        yield number / len(boxes)
    found = counts.classes(classes, ignore)
    compared = counts.manual.total()
    return Agreement(found, background, compared, int(np.prod(labels.shape, dtype=np.int64)) - compared)


def _check(labels: Any, manual: Any) -> None:
    for array in (labels, manual):
        if np.dtype(array.dtype).kind not in "bui":
            raise ValueError(f"labels are whole numbers, not {array.dtype}: save them as such")
    one, other = (tuple(array.shape) for array in (labels, manual))
    if one != other or not one or 0 in one:
        raise ValueError(
            f"only labels of the same size can be compared, not {_words(one)} px with {_words(other)} px: "
            "choose those of the same image"
        )


def _words(shape: tuple[int, ...]) -> str:
    return times(shape) or "0"


@dataclass(frozen=True, slots=True)
class _Counts:
    """Pixels of each value in the labels, in the manual ones, and in both."""

    labels: Counter[int]
    manual: Counter[int]
    both: Counter[int]

    def add(self, labels: NDArray[Any], manual: NDArray[Any], ignore: int | None) -> None:
        if ignore is not None:
            compared = manual != ignore
            labels, manual = labels[compared], manual[compared]
        for counter, values in zip(
            (self.labels, self.manual, self.both), (labels, manual, labels[labels == manual]), strict=True
        ):
            found, counts = np.unique(values, return_counts=True)
            counter.update(dict(zip(map(int, found), counts.tolist(), strict=True)))
        if len(self.labels | self.manual) > MOST_CLASSES:
            raise ValueError(
                f"there are more than {MOST_CLASSES} different labels, as if they were numbers of objects: "
                "compare labels of classes"
            )

    def classes(self, names: Sequence[str], ignore: int | None) -> tuple[ClassAgreement, ...]:
        # Where it is not annotated, nobody knows which pixels the class has.
        values = sorted({*range(len(names)), *self.labels, *self.manual} - {ignore})
        return tuple(
            ClassAgreement(
                value, names[value] if 0 <= value < len(names) else f"class {value}",
                self.labels[value], self.manual[value], self.both[value],
            )
            for value in values
        )  # fmt: skip
