"""Each step of what is made in steps is told once and in order, and what is made is there at the end only."""

from collections.abc import Generator

import pytest

from napari_exactile.images.making import Making


def counted(count: int, closed: list[int]) -> Generator[int, None, str]:
    """Yields 0, 1, ... and notes where it was left."""
    step = -1
    try:
        for step in range(count):
            yield step
        return "made"
    finally:
        closed.append(step)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_steps_then_what_is_made(count: int) -> None:
    """All steps come as the generator yields them, also none; then there is what it returned."""
    doing = Making(counted(count, []))
    assert list(doing) == list(range(count))
    assert doing.made == doing.finished() == "made"


def test_what_is_left_can_be_finished() -> None:
    """Nothing is made half-way; `finished` does the rest from there."""
    closed: list[int] = []
    steps = counted(4, closed)
    doing = Making(steps)
    assert next(steps) == 0
    assert not hasattr(doing, "made")
    assert doing.finished() == "made"
    assert closed == [3]


def test_whoever_stops_listening_stops_the_making() -> None:
    """The generator is closed where a loop over the steps is left, and errors in it come through."""
    closed: list[int] = []
    doing = Making(counted(4, closed))
    steps = iter(doing)
    assert [next(steps), next(steps)] == [0, 1]
    steps.close()
    assert closed == [1]

    def failing() -> Generator[int, None, None]:
        yield 0
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Making(failing()).finished()
