"""What TIFF files say of the length of a pixel, in the words of ImageJ and of scanners."""

from __future__ import annotations

from math import inf
from typing import Any

from napari_exactile.images.about.units import Said


def lengths_of(file: Any) -> dict[str, Said]:
    """Return what ImageJ or a scanner wrote of the length of a pixel along z, y and x."""
    try:
        if file.imagej_metadata:
            return _imagej(file.imagej_metadata, file.pages[0].tags)
        return _svs(file) if file.is_svs else _resolution(file.pages[0].tags)
    except (KeyError, ValueError, TypeError):
        return {}  # the pixels can be read all the same


def _imagej(about: Any, tags: Any) -> dict[str, Said]:
    """ImageJ writes the pixels per unit as a fraction, and the distance of planes as it is.

    The unit is that of x, and of other axes that have none of their own. Inches are the printer's.
    """
    units = {axis: str(about.get(f"{axis}unit", about["unit"])) for axis in "zy"} | {"x": str(about["unit"])}
    if units["x"] in {"inch", "inches", "in"}:
        return {}
    found = {axis: Said(_each(tags[f"{axis.upper()}Resolution"].value), units[axis]) for axis in "yx"}
    return found | ({"z": Said(abs(about["spacing"]), units["z"])} if "spacing" in about else {})


def _svs(file: Any) -> dict[str, Said]:
    import tifffile

    size = Said(tifffile.tifffile.svs_description_metadata(file.pages[0].description)["MPP"], "um")
    return {"y": size, "x": size}


def _resolution(tags: Any) -> dict[str, Said]:
    """Take pixels per centimetre, as microscopes and scanners write them; those per inch are for printers."""
    if "ResolutionUnit" not in tags or tags["ResolutionUnit"].value != 3:
        return {}
    return {axis: Said(_each(tags[f"{axis.upper()}Resolution"].value), "cm") for axis in "yx"}


def _each(fraction: tuple[int, int]) -> float:
    """Return the length of a pixel of so many per unit."""
    return fraction[1] / fraction[0] if fraction[0] else inf
