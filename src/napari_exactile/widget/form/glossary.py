"""Words of the trade that people meet, each with what it means; and what was found wrong, as sentences."""

from __future__ import annotations

import re

# Each is explained wherever it stands.
GLOSSARY = {
    r"\bZoR\b": "ZoR, the zone of responsibility: the pixels whose labels one tile gives. Zones cover the "
    "image without gap or overlap.",
    r"\b[Nn]ear-ties?\b": "Near-tie: a pixel whose two best classes are so close that the last bits of the "
    "arithmetic can flip its label.",
    r"\(F\)|\bof F\b|\bin steps of\b|\bsize factor\b": "F, the size factor: what the network "
    "divides lengths by, all in all. Zones begin on multiples of it.",
    r"\boff the grid\b": "Off the grid: the context is no multiple of F, so that tiles begin between the "
    "steps of the network. No context is enough then.",
    r"\bradius\b": "Radius: how far around a zone the tile reaches, in pixels, so that its labels are right.",
    r"\bextra computing\b": "Extra computing: what is computed more than once, as tiles overlap, against one "
    "pass over the image.",
    r"\bRMSE\b": "RMSE: the root of the mean squared difference of the probabilities.",
}
# A first word that is a plain one, other than the name of a file.
PLAIN = re.compile(r"[a-z]+(?=[ ,:;]|$)")


def explained(text: str) -> str:
    """Return what the words of the trade in a text mean, a line each; nothing where there are none.

    >>> explained("320 px (ZoR) - 49 tiles").partition(":")[0]
    'ZoR, the zone of responsibility'
    >>> explained("49 tiles")
    ''
    """
    return "\n".join(meaning for term, meaning in GLOSSARY.items() if re.search(term, text))


def sentence(words: object) -> str:
    """Return what an error or a note says as a sentence: in upper case and with a full stop.

    >>> sentence(ValueError("the smallest tile is 52 px")), sentence("Draw a rectangle")
    ('The smallest tile is 52 px.', 'Draw a rectangle.')
    >>> sentence("cells.tif is cut off"), sentence("'a' is empty."), sentence("")
    ('cells.tif is cut off.', "'a' is empty.", '')
    """
    text = str(words).strip()
    if PLAIN.match(text):
        text = text[0].upper() + text[1:]
    return text if not text or text[-1] in ".!?" else f"{text}."
