"""Facts in words: what is said of something by name, in the order in which people read it."""

Facts = tuple[tuple[str, str], ...]
