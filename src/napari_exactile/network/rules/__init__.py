"""How far each operator reaches, and how one box of it is computed; a module for each family.

Rules register themselves when their modules are imported: with this room, all of them are.
"""

from napari_exactile.network.rules import (
    channels,
    local,
    padding,
    pooling,
    products,
    refusals,
    resample,
    resize,
    scatter,
    shaping,
    shuffle,
    unpooling,
    windowed,
)

__all__ = [
    "channels", "local", "padding", "pooling", "products", "refusals", "resample", "resize", "scatter",
    "shaping", "shuffle", "unpooling", "windowed",
]  # fmt: skip
