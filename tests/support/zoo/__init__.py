"""Networks of the field, small, each with where it comes from and whether it can be exact in tiles."""

from __future__ import annotations

from zoo.registry import ZOO, Entry

__all__ = ["ZOO", "Entry"]
