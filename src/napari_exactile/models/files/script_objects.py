"""The objects in a TorchScript file: each is of the class that the field which holds it is declared to have.

torch does not look: asked for the third field of an object that has one, it reads on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from napari_exactile.models.files.script_source import Source, UnsafeSourceError

_CLASS = re.compile(r"__torch__\.[\w.]+")


def check_objects(holds: Iterable[tuple[str, str, str]], sources: Mapping[str, Source]) -> None:
    """Raise UnsafeSourceError where a field holds an object of another class than it should.

    `holds` are triples (class, field, class of what it holds), `sources` the files of source by their names.
    Of interfaces, methods are found by their names: they may hold any object.
    """
    fields: dict[str, Mapping[str, str]] = {}
    interfaces: set[str] = set()
    for name, source in sources.items():
        module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
        fields |= {f"{module}.{kind}": types for kind, types in source.classes.items()}
        interfaces |= {f"{module}.{kind}" for kind in source.interfaces}
    for owner, field, held in sorted(holds):
        declared = fields.get(owner, {}).get(field, "")
        named = set(_CLASS.findall(declared))
        if declared != "Any" and named != {held} and not (named and named <= interfaces):
            raise UnsafeSourceError(
                f"is damaged ({field} of {owner} holds a {held}, not: {declared or 'nothing'})"
            )
