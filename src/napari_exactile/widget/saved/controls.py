"""Which control of the dock is which key of a settings file, and which are none of it, and why."""

from __future__ import annotations

# By the names of the fields in `Fields`; what stands in a settings file under another name, or several.
CONTROLS: dict[str, tuple[str, ...]] = {
    "region": ("region",),
    "channels": ("axes", "grey"),
    "planes": ("plane",),
    "together": ("together",),
    "model": ("model",),
    "approximate": ("method",),
    "chosen_radius": ("radius",),
    "factor": ("factor",),
    "threshold": ("threshold",),
    "kind": ("output_kind",),
    "automatic": ("tile",),
    "tile": ("tile",),
    "device": ("device",),
    "own_radius": ("radius", "method"),
    "radius": ("radius",),
    "normalization": ("normalization",),
    "typed": ("normalization",),
    "ignore": ("ignore",),
    "probabilities": ("probabilities",),
    "memory": ("memory_limit",),
    "connected": ("connectivity",),
    "least": ("min_size",),
    "unit": ("min_size",),
}
LEFT_OUT: dict[str, str] = {
    "image": "images are no settings",
    "series": "it opens another image beside the one that is chosen",
    "output": "where labels go is no setting",
    "tiling": "it only draws",
    "all_contexts": "it only draws",
}
# Keys that no control of the dock says. Those of the first kind count all the same where a file has them.
BY_FILE = ("scratch_limit", "method", "normalization", "probabilities")
NOT_IN_DOCK = ("padding", "series", "allow_missing", "pixel_size", "check", "jobs", "count_objects")
# The dock lets labels come soon, whatever a file says.
ALWAYS = ("stream",)
# Facts of a model that the dock keeps itself, as they change nothing that is computed.
LOOKS = ("classes", "colors", "background")
