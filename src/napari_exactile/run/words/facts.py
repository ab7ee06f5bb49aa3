"""Facts in words: what is said of something by name, in the order in which people read it."""

from collections.abc import Sequence

Facts = tuple[tuple[str, str], ...]
Sections = Sequence[tuple[str, Facts]]


def sections_text(sections: Sections) -> str:
    """Return titles, and under each its names and values, as plain text.

    >>> print(sections_text([("Tiles", (("zone", "320 px"), ("tiles", "49")))]), end="")
    Tiles
      zone   320 px
      tiles  49
    """
    width = 2 + max(len(name) for _, facts in sections for name, _ in facts)
    blocks = (
        "\n".join([title, *(f"  {name:<{width}}{value}" for name, value in facts)])
        for title, facts in sections
    )
    return "\n\n".join(blocks) + "\n"
