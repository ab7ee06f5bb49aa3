"""How fast long work goes on, and how long the rest of it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Before so much of the rest is done, what it took says little about what is left.
ENOUGH = 0.01


@dataclass(frozen=True, slots=True)
class Pace:
    """A `share` of some work is done at the time `now`, of which `first` was done at the time `since`.

    Times are seconds of one clock, which may stand in pauses. Raises ValueError for shares that are none.

    >>> pace = Pace.begun(0.2, now=100.0).at(0.4, now=110.0)
    >>> pace.done, pace.seconds, pace.left
    (0.2, 10.0, 30.0)
    """

    first: float
    since: float
    share: float
    now: float

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.share <= 1 or self.now < self.since:
            raise ValueError(f"a pace from {self.first} to {self.share} in {self.now - self.since} s is none")

    @classmethod
    def begun(cls, share: float, now: float) -> Pace:
        """Return the pace of work that begins, or goes on, with a share of it done."""
        share = min(1.0, max(0.0, share))
        return cls(share, now, share, now)

    def at(self, share: float, now: float) -> Pace:
        """Return the pace when more is done; with no more than before, it is the same."""
        # What goes on between two steps is not known: counted as time without progress, it would look slow.
        return self if share <= self.share else replace(self, share=min(1.0, share), now=max(self.now, now))

    @property
    def done(self) -> float:
        """The share that was done in these seconds."""
        return self.share - self.first

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.now - self.since

    @property
    def left(self) -> float | None:
        """The seconds that the rest takes if it goes on like this; None where too little is known."""
        if self.seconds <= 0 or self.done <= 0 or self.done < ENOUGH * (1 - self.first):
            return None
        return self.seconds * (1 - self.share) / self.done


def duration(seconds: float) -> str:
    """Return a time as people say it, with no more digits than can be relied on.

    >>> [duration(value) for value in (0.2, 42, 75, 150, 1500, 5000, 100000)]
    ['1 s', '40 s', '1 min 20 s', '2 min 30 s', '25 min', '1 h 20 min', '28 h']
    """
    if seconds < 60:
        return f"{max(1, round(seconds) if seconds < 20 else 5 * round(seconds / 5))} s"
    if seconds < 600:
        minutes, rest = divmod(10 * round(seconds / 10), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 36000:
        hours, rest = divmod(10 * round(seconds / 600), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(seconds / 3600)} h"


def left_words(pace: Pace | None) -> str:
    """Return how long the rest takes; "" where that is not known."""
    return "" if pace is None or pace.left is None else f"{duration(pace.left)} left"
