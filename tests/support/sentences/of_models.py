"""Models that cannot be loaded, or cannot be exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari_exactile as ex
from sentences.table import Rows

ROWS = Rows("models")


@ROWS.says("a model takes at least one channel, not 0")
def no_channels(folder: Path) -> Any:
    from sentences.given import network

    return ex.load_model(network(), channels=0)
