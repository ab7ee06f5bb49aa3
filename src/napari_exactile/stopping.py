"""How everything that takes long is stopped: it calls a check often, and that raises Cancelled.

What of it tells how far it is calls another function, with the words for what it does and how much is done.
"""

from __future__ import annotations

from collections.abc import Callable

Check = Callable[[], None]
Tell = Callable[[str, float], None]


class Cancelled(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """Raised where something is asked to stop.

    >>> import napari_exactile as ex
    >>> try:
    ...     ex.agreement([0, 1], [0, 1], cancel=lambda: True)
    ... except ex.Cancelled:
    ...     print("stopped")
    stopped
    """


def never() -> None:
    """Let it go on to its end."""


def nobody(_words: str, _share: float) -> None:
    """Tell nobody how far it is."""
