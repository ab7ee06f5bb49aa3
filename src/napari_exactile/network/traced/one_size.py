"""Which sizes of images a network takes that fails on that of a trace: likely ones are tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, permutations
from math import prod

from torch import fx, nn

from napari_exactile import torchscript
from napari_exactile.fake_image import failure_on

# What networks are usually made for, in px along every axis; the first few tell whether the size matters.
USUAL = (64, 256, 128, 512, 32, 96, 224, 384, 192, 160, 1024, 48, 80, 16, 24, 112, 240, 320, 336, 448, 640)
FIRST, MOST = 3, 60  # sizes that are tried
SIDES, PIXELS = range(4, 8193), 1 << 24  # constants as large as the image are made
HALVED = (1, 2, 4, 8, 16, 32)  # a size in a network may be that of an image which was made smaller before
LARGEST_FACTOR, NAMED = 512, 8  # numbers that sizes may be multiples of
# Sides by the dimensions of images with batch and channels, of which many odd numbers are factors.
DIVISIBLE = {3: (4004, 3876, 4048), 4: (4004, 3876, 4048), 5: (231, 221, 228)}
_NAMED = re.compile(r"(im(age|g)?|in(put)?|patch|feature|window)?_?(size|resolution|shape)s?")
_LIST, _NUMBER = re.compile(r"\[(\d+(?:, \d+)+)\]"), re.compile(r"\d+")

Size = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """What a network said to images of other sizes.

    `taken` are the sizes that it takes: one, or two of many. `words` is what it said to all others alike, ""
    where it did not. `by_size`: it takes none, and says to each something else.
    """

    taken: tuple[Size, ...]
    words: str
    by_size: bool = False


def tried(module: nn.Module, shape: Size, words: str) -> Trials:
    """Try a network that fails with `words` on an image of `shape` (batch, channels, space) on other sizes.

    It ends early when it takes two of the first, or says the same to them.
    """

    def failure(size: Size) -> str | None:
        return failure_on(module, (*shape[:2], *size))

    said: dict[Size, str | None] = {}
    for size in islice(_likely(module, shape[2:], words), MOST):
        said[size] = failure(size)
        # TorchScript may fail without words.
        alike = len(set(said.values())) == 1 and not torchscript.is_script(module)
        if len(said) == FIRST and (alike or list(said.values()).count("") > 1):
            break
    if "" not in said.values() and len(said) > FIRST:
        said |= {size: failure(size) for size in ((side,) * len(shape[2:]) for side in DIVISIBLE[len(shape)])}
    taken = sorted((size for size, words in said.items() if words == ""), key=prod)
    if not taken:
        words = (said.popitem()[1] or "") if len(set(said.values())) == 1 else ""
        return Trials((), words, by_size=len(set(said.values())) > FIRST)
    # Tiny ones may fit by chance: what counts is whether it takes others than the largest.
    largest = taken[-1]
    others = (tuple(2 * n for n in largest), tuple(n + 32 for n in largest))
    return Trials((largest, *(size for size in others if failure(size) == "")), "")


def _likely(module: nn.Module, space: Size, words: str) -> Iterator[Size]:
    usual = [(side,) * len(space) for side in USUAL]
    named = _multiples(words, len(space))
    found = chain(usual[:FIRST], _implied(words, space), named, _written(module, len(space)), usual)
    yield from dict.fromkeys(size for size in found if all(n in SIDES for n in size) and prod(size) <= PIXELS)


def _implied(words: str, space: Size) -> Iterator[Size]:
    """Yield the sizes for which two numbers in an error would be one and the same.

    >>> list(_implied("size of tensor a (2016) must match the size of tensor b (8)", (8064, 8064)))
    [(32, 32)]
    >>> (32, 32) in _implied("shape '[1, 3, 32, 32]' is invalid for input of size 195084288", (8064, 8064))
    True
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


def _multiples(words: str, axes: int) -> Iterator[Size]:
    """Yield sizes that small numbers in an error divide: the network may take multiples of one.

    >>> list(_multiples("shape '[1, 2, 4743, 17, 4743, 17]' is invalid", 2))
    [(8, 8), (68, 68)]
    """
    small = dict.fromkeys(n for n in map(int, _NUMBER.findall(words)) if 1 < n <= LARGEST_FACTOR)
    yield from ((4 * n,) * axes for n in islice(small, NAMED))


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
