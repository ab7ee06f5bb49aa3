"""What an image should have and has not: refused by name, unless somebody takes what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_exactile.carried import Carried

LEFT_OUT = "it is left out"


@dataclass(frozen=True, slots=True)
class Missing:
    """What of an image is not where its file says that it is, and what becomes of it if that is allowed."""

    what: str
    then: str

    def __str__(self) -> str:
        return f"{self.what}; {self.then}"


class IncompleteError(Carried, ValueError):
    """Parts of an image are missing.

    >>> import napari_exactile as ex
    >>> try:
    ...     raise ex.IncompleteError("cells.ome.tif", [Missing("plane 3 is not there", LEFT_OUT)])
    ... except ex.IncompleteError as error:
    ...     print(str(error).partition(";")[0])
    cells.ome.tif is incomplete: plane 3 is not there
    """

    def __init__(self, path: Path, missing: Sequence[Missing]) -> None:
        words = "; ".join(one.what for one in missing)
        super().__init__(
            f"{path} is incomplete: {words}; put what is missing in its place, or take what there is "
            "(allow_missing, --allow-missing)"
        )
