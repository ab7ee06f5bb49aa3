"""A settings file's choice, set in the dock's fields as a person would set them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel

from napari_exactile.images.grey import GREYS
from napari_exactile.images.normalize.words import as_text
from napari_exactile.widget.choose.fields import ALL_PLANES, DRAWN, ONE_PLANE, WHOLE, Fields
from napari_exactile.widget.choose.meaning_fields import AUTOMATIC
from napari_exactile.widget.choose.normalization_fields import NORMALIZATIONS, TYPED
from napari_exactile.widget.results.objects import CORNERS, EDGES, ObjectsFields
from napari_exactile.widget.saved.controls import NOT_IN_DOCK

if TYPE_CHECKING:
    from napari_exactile.run.plan.settings import Settings
    from napari_exactile.run.task.chosen import SettingsFile


def set_fields(fields: Fields, objects: ObjectsFields, chosen: SettingsFile, devices: dict[str, Any]) -> None:
    """Set all fields but the model's and those of the region; what is not in the file becomes as usual."""
    settings = chosen.settings
    _set_tiles(fields, settings)
    _set_meaning(fields, settings)
    _set_normalization(fields, settings)
    names = {device: name for name, device in devices.items()}
    fields.device.value = names.get(settings.device, AUTOMATIC)
    fields.probabilities.value = bool(settings.probabilities)
    fields.memory.value = (settings.memory_limit or 0) / 1e9
    _set_channels(fields, chosen)
    fields.together.value = settings.together
    objects.connected.value = CORNERS if (chosen.around.connectivity or 1) > 1 else EDGES
    objects.smallest.unit.value = objects.smallest.unit.choices[0]
    objects.least.value = chosen.around.min_size or 1


def _set_tiles(fields: Fields, settings: Settings) -> None:
    approximate = settings.method == "approximate"
    fields.automatic.value = settings.tile == "auto"
    if settings.tile != "auto":
        fields.tile.value = settings.tile
    fields.approximate.value = approximate
    fields.factor.value = 0 if settings.factor == "auto" else settings.factor
    fields.own_radius.value = settings.radius != "auto" and not approximate
    if settings.radius != "auto":
        (fields.chosen_radius if approximate else fields.radius).value = settings.radius


def _set_meaning(fields: Fields, settings: Settings) -> None:
    with suppress(ValueError):  # a kind that this model cannot give
        fields.kind.value = settings.output_kind
    fields.meaning.choose_threshold(fields.model.value, settings.threshold)


def _set_normalization(fields: Fields, settings: Settings) -> None:
    normal, chosen = fields.normalizing, settings.normalization
    named = {value: name for name, value in NORMALIZATIONS.items()}
    text = chosen if isinstance(chosen, str) else as_text(chosen)  # type: ignore[arg-type]  # None for others
    normal.typed.value = "" if text is None or text in named else text
    normal.choice.value = named.get(text or "model", TYPED)
    ignore = settings.ignore
    normal.ignore.value = "" if ignore is None else f"{ignore:g}"


def _set_channels(fields: Fields, chosen: SettingsFile) -> None:
    """Let the channels lie where the file's axes say, or a colour be read as its grey says."""
    axes, layer = chosen.around.axes or "", fields.image.value
    wanted: Any = chosen.around.grey if chosen.around.grey in GREYS else "automatic"
    if layer is not None and "c" in axes and len(axes) == layer.ndim:
        wanted = axes.index("c")
    with suppress(ValueError):  # an image without such
        fields.channels.value = wanted


def set_planes(viewer: ViewerModel, fields: Fields, plane: tuple[int, ...] | None) -> None:
    """Choose one plane of a stack, and look at it, or all of them."""
    fields.planes.value = ALL_PLANES if plane is None else ONE_PLANE
    layer = fields.image.value
    if plane is None or layer is None:
        return
    stack = [axis for axis in range(layer.ndim) if axis < layer.ndim - 2 and axis != fields.channels.value]
    for axis, number in zip(stack, plane, strict=False):
        place = layer.translate[axis] + number * layer.scale[axis]
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, place)


def region_name(chosen: SettingsFile) -> str:
    """Return which part of the image a file means: all of it, or a rectangle."""
    return WHOLE if chosen.settings.region is None else DRAWN


def by_file(chosen: SettingsFile) -> dict[str, Any]:
    """Return what counts in the dock although no field says it, by the names of settings."""
    settings, found = chosen.settings, dict[str, Any]()
    if settings.scratch_limit is not None:
        found["scratch_limit"] = settings.scratch_limit
    if settings.method in {"trimmed", "skewed", "whole-tile"}:
        found["method"] = settings.method
    steps = settings.normalization
    if not isinstance(steps, str) and as_text(steps) is None:  # type: ignore[arg-type]  # None for others
        found["normalization"] = steps
    if isinstance(settings.probabilities, str):
        found["probabilities"] = settings.probabilities
    return found


def unused(chosen: SettingsFile, devices: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says and the dock does not do, a device that is not here among it."""
    content = chosen.as_plain()
    named = {name: content[name] for name in NOT_IN_DOCK if name in content}
    if chosen.settings.device not in devices.values():
        named["device"] = chosen.settings.device
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in named.items()}
