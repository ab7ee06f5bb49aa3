"""Words about a run."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
