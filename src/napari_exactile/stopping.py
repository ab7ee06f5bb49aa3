"""How everything that takes long is stopped: it calls a check often, and that raises Cancelled."""

from __future__ import annotations

from collections.abc import Callable

Check = Callable[[], None]


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
