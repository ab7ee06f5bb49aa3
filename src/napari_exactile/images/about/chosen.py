"""Which image of a file is read, where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from napari_exactile.geometry.words import counted, times

Wanted = int | str | None
# So many images are named in a sentence.
NAMED = 8


class NoSuchImageError(ValueError):
    """A file has no image of the number or name that somebody wants.

    >>> import napari_exactile as ex
    >>> try:
    ...     Images.of_one("cells.tif", (64, 64)).chosen(3)
    ... except ex.NoSuchImageError as error:
    ...     print(error)
    'cells.tif' has no image 3: it holds 1 image: 0 (64 x 64)
    """


@dataclass(frozen=True, slots=True)
class Images:
    """The images in a file: the name of each, which may be empty, and the lengths of its axes.

    `pixels` counts them without colours. `alike` are forms of one image, of which the format means the first.
    Those that the file announces and has not are told in `lost`; the numbers of such images are `gone`.
    """

    file: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    pixels: tuple[int, ...]
    alike: bool = False
    gone: frozenset[int] = frozenset()
    lost: tuple[str, ...] = ()

    @classmethod
    def of_one(cls, file: str, shape: Sequence[int]) -> Images:
        """Return the only image of a file."""
        return cls(file, ("",), (tuple(shape),), (prod(shape),))

    @property
    def there(self) -> tuple[int, ...]:
        """The numbers of the images that there are."""
        return tuple(number for number in range(len(self.names)) if number not in self.gone)

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self.there) > 1

    @property
    def words(self) -> tuple[str, ...]:
        """What each is called, by people and by `chosen`."""
        return tuple(map(self._called_in_lists, range(len(self.names))))

    def _called_in_lists(self, number: int) -> str:
        about = "missing" if number in self.gone else times(self.shapes[number])
        name = self.names[number]
        return f"{number} '{name}' ({about})" if name else f"{number} ({about})"

    def called(self, number: int) -> str:
        """Return the name of an image: that of the file, and its own where there are several."""
        own = self.names[number] or str(number)
        only = len(self.names) == 1 or (self.alike and number == 0)
        return self.file if only else f"{self.file}: {own}"

    def chosen(self, wanted: Wanted) -> int:
        """Return the number of the image that a number from 0 on, or a name, means; by default, the largest.

        Of several as large, that is the first. Raises NoSuchImageError, naming what there is, for another.
        """
        if wanted is None:
            return 0 if self.alike and 0 in self.there else max(self.there, key=self.pixels.__getitem__)
        number = self._meant(wanted)
        if number in self.there:
            return number
        why = "" if number is None else ", though it announces one"
        raise NoSuchImageError(f"'{self.file}' has no image {wanted}{why}: it holds {self.listed}")

    def _meant(self, wanted: int | str) -> int | None:
        if isinstance(wanted, str) and self.names.count(wanted) == 1:
            return self.names.index(wanted)
        text = str(wanted)
        number = int(text) if text.isdecimal() and len(text) <= len(str(len(self.names))) else len(self.names)
        return number if number < len(self.names) else None

    @property
    def listed(self) -> str:
        """All images that there are, in words."""
        there, words = self.there, self.words
        more = [f"and {len(there) - NAMED:,} more"] if len(there) > NAMED else []
        named = [words[number] for number in there[:NAMED]]
        return f"{counted(len(there), 'image')}: {', '.join([*named, *more])}"

    def note(self, number: int) -> str:
        """Return what a person should know who has not chosen one; nothing where there was no choice."""
        if not self.several or self.alike:
            return ""
        which = "largest" if len({self.pixels[one] for one in self.there}) > 1 else "first"
        return (
            f"'{self.file}' holds {self.listed}; the {which} one, {number}, is read; series chooses another, "
            'by number or name, or "all"'
        )
