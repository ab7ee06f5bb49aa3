"""How much a test tries: a little in `make test`, and many times as much in `make prove`."""

from __future__ import annotations

import os

# `make prove` sets it, and runs the tests of hypothesis again with so many times as many examples.
TIMES = int(os.environ.get("EXACTILE_PROVE", "1"))


def many(examples: int) -> int:
    """Return how many examples to try where `make test` tries so many."""
    return examples * TIMES
