"""Which keys a settings file may have: what is misspelt is refused, with the key that was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches


def check_keys(content: Iterable[str], known: Collection[str], where: str = "") -> None:
    """Raise ValueError for a key that is none of the known ones, naming the nearest of these.

    >>> check_keys(["tile", "radios"], ["tile", "radius"])
    Traceback (most recent call last):
    ValueError: there is no key 'radios': the nearest one is 'radius', so write that, or leave it out
    """
    for key in content:
        if key not in known:
            raise ValueError(
                f"there is no key {key!r}{where}: the nearest one is {nearest(key, known)!r}, so write that, "
                "or leave it out"
            )


def nearest(key: str, known: Collection[str]) -> str:
    """Return the known key that is most like one that is not, however it is spelt."""
    plain = key.lower().replace("-", "_").replace(" ", "_")
    return get_close_matches(plain, sorted(known), 1, 0.0)[0]
