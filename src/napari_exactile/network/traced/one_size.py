"""Which sizes of images a network takes that fails on that of a trace: likely ones are tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, permutations
from math import prod

from torch import fx, nn

from napari_exactile import torchscript
from napari_exactile.fake_image import failure_on

# What networks are usually made for, in px along every axis; the first few tell whether the size matters.
USUAL = (64, 256, 128, 512, 32, 96, 224, 384, 192, 160, 1024, 48, 80, 16, 24, 112, 240, 320, 336, 448, 640)
FIRST, MOST = 3, 60  # sizes that are tried
SIDES = range(4, 8193)
HALVED = (1, 2, 4, 8, 16, 32)  # a size in a network may be that of an image which was made smaller before
_NAMED = re.compile(r"(im(age|g)?|in(put)?|patch|feature|window)?_?(size|resolution|shape)s?")
_LIST, _NUMBER = re.compile(r"\[(\d+(?:, \d+)+)\]"), re.compile(r"\d+")

Size = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """What a network said to images of other sizes: "" where it takes one, None where that cannot be told."""

    failures: dict[Size, str | None]

    @property
    def taken(self) -> tuple[Size, ...]:
        """The sizes that it takes."""
        return tuple(size for size, failure in self.failures.items() if failure == "")

    @property
    def words(self) -> str:
        """What it said to each of them alike, whatever the size; "" where it did not."""
        said = set(self.failures.values())
        return (said.pop() or "") if len(said) == 1 else ""


def tried(module: nn.Module, shape: Size, words: str) -> Trials:
    """Try a network that fails with `words` on an image of `shape` (batch, channels, space) on other sizes.

    It ends when two sizes are taken, or when none of the first matters.
    """
    failures: dict[Size, str | None] = {}
    for size in _likely(module, shape[2:], words):
        failures[size] = failure_on(module, (*shape[:2], *size))
        trials = Trials(failures)
        if failures[size] == "":
            return _with_others(module, shape, trials)
        # TorchScript may fail without words.
        alike = len(set(failures.values())) == 1 and not torchscript.is_script(module)
        if len(failures) == MOST or (len(failures) == FIRST and alike):
            break
    return Trials(failures)


def _with_others(module: nn.Module, shape: Size, trials: Trials) -> Trials:
    """Try the double of the size that was taken, and one that is hardly larger: is it the only one?"""
    (size,) = trials.taken
    others = [tuple(2 * n for n in size), tuple(n + 32 for n in size)]
    return Trials(trials.failures | {one: failure_on(module, (*shape[:2], *one)) for one in others})


def _likely(module: nn.Module, space: Size, words: str) -> Iterator[Size]:
    usual = [(side,) * len(space) for side in USUAL]
    found = chain(usual[:FIRST], _implied(words, space), _written(module, len(space)), usual)
    yield from dict.fromkeys(size for size in found if all(n in SIDES for n in size))


def _implied(words: str, space: Size) -> Iterator[Size]:
    """Yield the sizes for which two numbers in an error would be one and the same.

    >>> list(_implied("size of tensor a (2016) must match the size of tensor b (8)", (8064, 8064)))
    [(32, 32)]
    >>> list(_implied("shape '[1, 3, 32, 32]' is invalid for input of size 195084288", (8064, 8064)))
    [(32, 32)]
    """
    lists = [prod(map(int, found.split(", "))) for found in _LIST.findall(words)]
    numbers = list(dict.fromkeys([*lists, *map(int, _NUMBER.findall(words))]))[:12]
    for got, wanted in permutations([n for n in numbers if n > 0], 2):
        for power in {1, len(space)}:
            size = tuple(round(n * (wanted / got) ** (1 / power)) for n in space)
            if got > wanted and all(
                a**power * got == n**power * wanted for a, n in zip(size, space, strict=True)
            ):
                yield size


def _written(module: nn.Module, axes: int) -> Iterator[Size]:
    """Yield the sizes that stand in a network: in its graph, or in what its parts are made with."""
    found = list(_in_text(module, axes)) or list(_in_parts(module, axes))
    for halved in HALVED:
        yield from (tuple(n * halved for n in size) for size in found)


def _in_text(module: nn.Module, axes: int) -> Iterator[Size]:
    """Yield the last numbers of lists, shapes say, first."""
    found: list[Size] = []
    if torchscript.is_script(module):
        found = list(torchscript.written_sizes(module))
    elif isinstance(module, fx.GraphModule):
        found = [tuple(map(int, numbers.split(", "))) for numbers in _LIST.findall(str(module.graph))]
    yield from (numbers[-axes:] for numbers in found if len(numbers) >= axes)
    yield from (numbers * axes for numbers in found if len(numbers) == 1)


def _in_parts(module: nn.Module, axes: int) -> Iterator[Size]:
    for part in module.modules():
        for name, value in vars(part).items():
            if _NAMED.fullmatch(name) and isinstance(value, int | tuple | list):
                sides = (value,) * axes if isinstance(value, int) else tuple(value)
                if len(sides) >= axes and all(isinstance(n, int) for n in sides):
                    yield sides[-axes:]
