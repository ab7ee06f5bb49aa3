"""Whether the files of an image stay what they are from the first tile to the last."""

from __future__ import annotations

from typing import Any

from napari_exactile.images.fingerprint import ChangedError, stamp_of


class Unchanged:
    """Watches the files under a source, as far as they are known, from the first `check` on.

    Labels of which some are of one version of the image and some of another are those of no pass over any
    image.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._stamp: str | None = None

    def check(self) -> None:
        """Raise ChangedError where the files are not what they were, at the first call or when opened."""
        found = stamp_of(self._source)
        if self._stamp is None:
            self._stamp = found
        if found != self._stamp:
            name = getattr(self._source, "name", "image")
            raise ChangedError(f"the files of '{name}' have been changed meanwhile: open it again")
