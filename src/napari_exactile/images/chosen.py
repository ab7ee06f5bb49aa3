"""Which image of a file is read, where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from napari_exactile.geometry.words import counted

Wanted = int | str | None
# So many images are named in a sentence.
NAMED = 8


class NoSuchImageError(ValueError):
    """A file has no image of the number or name that somebody wants."""


@dataclass(frozen=True, slots=True)
class Images:
    """The images in a file: the name of each, which may be empty, and the lengths of its axes.

    `pixels` counts them without colours. `alike` are forms of one image, of which the format means the first.
    """

    file: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    pixels: tuple[int, ...]
    alike: bool = False

    @classmethod
    def of_one(cls, file: str, shape: Sequence[int]) -> Images:
        """Return the only image of a file."""
        return cls(file, ("",), (tuple(shape),), (prod(shape),))

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self.names) > 1

    @property
    def words(self) -> tuple[str, ...]:
        """What each is called, by people and by `chosen`."""
        return tuple(
            f"{number} '{name}' ({_lengths(shape)})" if name else f"{number} ({_lengths(shape)})"
            for number, (name, shape) in enumerate(zip(self.names, self.shapes, strict=True))
        )

    def called(self, number: int) -> str:
        """Return the name of an image: that of the file, and its own where there are several."""
        own = self.names[number] or str(number)
        return f"{self.file}: {own}" if self.several and not (self.alike and number == 0) else self.file

    def chosen(self, wanted: Wanted) -> int:
        """Return the number of the image that a number from 0 on, or a name, means; by default, the largest.

        Of several as large, that is the first. Raises NoSuchImageError, naming what there is, for another.
        """
        if wanted is None:
            return 0 if self.alike else max(range(len(self.pixels)), key=self.pixels.__getitem__)
        number = int(wanted) if str(wanted).isdigit() else None
        if isinstance(wanted, str) and self.names.count(wanted) == 1:
            return self.names.index(wanted)
        if number is not None and number < len(self.names):
            return number
        raise NoSuchImageError(f"'{self.file}' has no image {wanted}: it holds {self.listed}")

    @property
    def listed(self) -> str:
        """All images in words."""
        more = [f"and {len(self.names) - NAMED:,} more"] if len(self.names) > NAMED else []
        return f"{counted(len(self.names), 'image')}: {', '.join([*self.words[:NAMED], *more])}"

    def note(self, number: int) -> str:
        """Return what a person should know who has not chosen one; nothing where there was no choice."""
        if not self.several or self.alike:
            return ""
        which = "largest" if len(set(self.pixels)) > 1 else "first"
        return (
            f"'{self.file}' holds {self.listed}; the {which} one, {number}, is read; series chooses another, "
            'by number or name, or "all"'
        )


def _lengths(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
