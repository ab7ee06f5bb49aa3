"""Grey made of a colour image as it is read: for models of one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:  # numpy takes longer to import than all that needs no more than the names of greys
    from numpy.typing import NDArray

Grey = Literal["luminance", "red", "green", "blue"]
GREYS: tuple[Grey, ...] = get_args(Grey)
# Of red, green and blue as ITU-R BT.709 has them; scikit-image's rgb2gray takes the same.
WEIGHTS = (0.2125, 0.7154, 0.0721)


def check_grey(grey: Grey | None, channels: int, name: str) -> None:
    """Raise ValueError for what is no grey, or where an image has no colours that it can be made of."""
    if grey is None:
        return
    if grey not in GREYS:
        raise ValueError(f"grey is one of {', '.join(GREYS)}, not {grey!r}")
    if channels not in {3, 4}:
        raise ValueError(f"'{name}' has no red, green and blue channels to make grey of: leave grey out")


def channels_of(grey: Grey) -> slice:
    """Return the channels of a colour image that grey is made of.

    >>> channels_of("green"), channels_of("luminance")
    (slice(1, 2, None), slice(0, 3, None))
    """
    place = GREYS.index(grey) - 1
    return slice(0, 3) if place < 0 else slice(place, place + 1)


def grey_of(colours: NDArray[Any], grey: Grey) -> NDArray[Any]:
    """Return (1, *spatial) of these channels, which come first; luminance is float32, of the same range.

    Each pixel is computed by itself in one order, so that it is the same number in whatever part it is read.

    >>> import numpy as np
    >>> grey_of(np.full((3, 1, 1), 100, np.uint8), "luminance").round(3)
    array([[[100.]]], dtype=float32)
    """
    import numpy as np

    if grey != "luminance":
        return colours
    red, green, blue = (
        np.float32(weight) * colour.astype(np.float32)
        for weight, colour in zip(WEIGHTS, colours, strict=True)
    )
    found: NDArray[Any] = red + green + blue
    return found[None]


def grey_words(grey: Grey) -> str:
    """Return in words what grey is.

    >>> grey_words("luminance"), grey_words("red")
    ('luminance: 0.2125 red + 0.7154 green + 0.0721 blue', 'red alone')
    """
    if grey != "luminance":
        return f"{grey} alone"
    parts = zip(WEIGHTS, GREYS[1:], strict=True)
    return f"luminance: {' + '.join(f'{weight:g} {colour}' for weight, colour in parts)}"
