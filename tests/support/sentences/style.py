"""How a sentence must not read: words of libraries, no end, nothing to be done."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Words of Python, and of the libraries that read files; those who are told them have written no program.
FOREIGN = re.compile(
    r"Traceback|NoneType|JSON|Errno|\b\w*(?<!napari_exactile\.)Error\b|Exception|codec can't|object has no "
    r"attribute|"
    r"index out of range|out of bounds|unsupported operand|not subscriptable|not iterable|not callable|"
    r"not supported between|could not be broadcast|invalid literal|could not convert|must be real|"
    r"object is not|unexpected keyword|missing \d+ required|positional argument|takes \d+ positional|"
    r"Expecting|Extra data|Invalid control|Unterminated|delimiter|Object missing|Expected `|[Ee]xpected "
    r"(int|str|"
    r"array|object|float|null|bool)\b|got (int|str|array|object|float|null)\b|msgspec|pydantic|"
    r"<class|<function|<built-in|\bat "
    r"0x[0-9a-f]+|dict\b|NotImplemented|KeyError|numpy\.|np\.\w+\(|(?<![\w./])zarr\.(?!json)|tifffile|"
    r"torch\.\w+\.\w+\(|\bstruct\b|buffer|unpack\b(?! it)|TIFFFrame|TiffPage|allow_pickle|mmap|ndarray|kwarg|"
    r"Unsupported codec|No such file|node type|\bdtype\(|Invalid shape|itemsize",
)
# What a person is told to do begins with one of these, or is something that would do.
VERBS = (
    "add|ask|begin|bring|call|check|choose|close|compute|continue|convert|copy|crop|download|draw|export|fetch|"
    "ignore|fill|find|fit|give|install|join|keep|"
    "leave|let|list|load|make|measure|move|name|mend|normalise|open|pass|pick|put|raise|read|remove|rename|repair|replace|roll|"
    "run|save|say|segment|select|set|stop|switch|take|train|try|turn|type|unpack|use|wait|wrap|write"
)
DO = re.compile(rf"(?:^|[:;,.(] |\b(?:or|and|then|to|that|first) )(?:{VERBS})\b", re.IGNORECASE)
# A sentence that says what would do, says what to do.
WOULD = re.compile(
    r"\b(must end in|is one of|are one of|is from|only|at least|such as|there (is|are)|it "
    r"(holds|has)|(is|are|takes?) an? |"
    r"lies? (in|between)|rises?|at most|so the smallest)\b"
)
# Networks are exported, saved and passed by code alone: a way out that is code is written as code.
CODE = re.compile(r"torch\.(export|jit|load|save|zeros|distributed)[\w.]*\(?|network\.state_dict\(\)")
LONGEST = 500


def faults(sentence: str) -> Iterator[str]:
    """Yield what is wrong with how a sentence reads."""
    if found := FOREIGN.search(CODE.sub("code", sentence)):
        yield f"the words of a library: {found.group()}"
    if sentence != " ".join(sentence.split()):
        yield "lines or blanks in it"
    if not re.search(r"""[\w)"'\]}%]$""", sentence.removesuffix(".")):
        yield "it does not end"
    if len(sentence) > LONGEST:
        yield f"{len(sentence)} letters"
    if not DO.search(sentence) and not WOULD.search(sentence):
        yield "nothing to be done"
